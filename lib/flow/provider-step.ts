import type { ProviderId } from '../integration/integration.ts';
import { adminConsentUrl, signInUrl } from '../providers/msteams/authorization-url.ts';
import { isSignInWithSlack, slackAuthorizationUrl, slackSignInUrl } from '../providers/slack/authorization-url.ts';
import type { Flow } from './flow.ts';
import { formatHandle, type Handle } from './handle.ts';

export interface ProviderUrls {
  readonly slackBaseUrl: string;
  readonly microsoftLoginBaseUrl: string;
}

/** The step at the provider that a flow begins with. */
export function firstStepOf(providerId: ProviderId, mode: Flow['mode']): Exclude<Flow['stage'], 'start'> {
  if (providerId === 'slack') return 'authorize';
  return mode === 'connect' ? 'consent' : 'sign_in';
}

/** Whether a flow is Sign in with Slack, which has its own authorization URL and exchange. */
export function isSlackSignIn({ providerId, mode, userScopes }: Flow): boolean {
  return providerId === 'slack' && mode === 'link_user' && isSignInWithSlack(userScopes);
}

/** Where a browser takes that step, and comes back from with the state. */
export function authorizationUrl(urls: ProviderUrls, flow: Flow, clientId: string, state: Handle): string {
  const request = { clientId, redirectUri: flow.redirectUri, state: formatHandle(state) };
  if (isSlackSignIn(flow)) {
    return slackSignInUrl(urls.slackBaseUrl, { ...request, scopes: flow.userScopes }, state.secret);
  }
  if (flow.providerId === 'slack') {
    const scopes = flow.mode === 'connect' ? { bot: flow.scopes } : { user: flow.userScopes };
    return slackAuthorizationUrl(urls.slackBaseUrl, { ...request, scopes });
  }
  return flow.mode === 'connect'
    ? adminConsentUrl(urls.microsoftLoginBaseUrl, request)
    : signInUrl(urls.microsoftLoginBaseUrl, request, state.secret);
}
