import type { Integration } from '../../integration/integration.ts';
import { nonceOf } from '../nonce.ts';

/** What a connect asks for when neither the request nor the integration names scopes. */
export const defaultBotScopes = [
  'chat:write',
  'chat:write.public',
  'channels:read',
  'groups:read',
  'users:read',
  'users:read.email',
] as const;

/** What a connect asks for when its request names no scopes: with those that connections are to have by now. */
export function botScopesOf({ configurations }: Pick<Integration, 'configurations'>): string[] {
  const { scopes = defaultBotScopes, requiredScopes = [] } = configurations;
  return [...new Set([...scopes, ...requiredScopes])];
}

/** What link_user asks for by default. */
export const defaultUserScopes = ['identity.basic'] as const;

export interface SlackAuthorizationRequest {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly state: string;
  /** A link asks for user scopes only. */
  readonly scopes: { readonly bot?: readonly string[]; readonly user?: readonly string[] };
  /** The workspace or enterprise that Slack offers first. */
  readonly teamId?: string | undefined;
}

/** Whether a text can be the id of a workspace or an enterprise. */
export function isSlackTeamId(text: string): boolean {
  return /^[TE][A-Z0-9]{2,30}$/.test(text);
}

/**
 * Where a browser goes to approve.
 * @see https://docs.slack.dev/authentication/installing-with-oauth
 */
export function slackAuthorizationUrl(slackBaseUrl: string, request: SlackAuthorizationRequest): string {
  const query = new URLSearchParams({
    state: request.state,
    client_id: request.clientId,
    redirect_uri: request.redirectUri,
  });
  const { scopes, teamId } = request;
  if (scopes.bot) query.set('scope', scopes.bot.join(','));
  if (scopes.user) query.set('user_scope', scopes.user.join(','));
  if (teamId !== undefined) query.set('team', teamId);
  return `${slackBaseUrl}/oauth/v2/authorize?${query}`;
}

/** What Sign in with Slack can be asked for; Slack refuses it beside any other scope. */
const signInScopes: ReadonlySet<string> = new Set(['openid', 'email', 'profile']);

/** Whether these scopes of a link_user make it Sign in with Slack. */
export function isSignInWithSlack(userScopes: readonly string[]): boolean {
  return userScopes.includes('openid');
}

/** Those that Sign in with Slack cannot be asked for. */
export function foreignToSignIn(userScopes: readonly string[]): string[] {
  return userScopes.filter((scope) => !signInScopes.has(scope));
}

export interface SlackSignInRequest extends Omit<SlackAuthorizationRequest, 'scopes'> {
  readonly scopes: readonly string[];
}

/**
 * Where a person signs in with Slack.
 * @param stateSecret what the nonce is derived from
 * @see https://docs.slack.dev/authentication/sign-in-with-slack
 */
export function slackSignInUrl(slackBaseUrl: string, request: SlackSignInRequest, stateSecret: string): string {
  const query = new URLSearchParams({
    response_type: 'code',
    scope: request.scopes.join(' '),
    state: request.state,
    nonce: nonceOf(stateSecret),
    client_id: request.clientId,
    redirect_uri: request.redirectUri,
  });
  return `${slackBaseUrl}/openid/connect/authorize?${query}`;
}

/** What has to be registered at Slack. Made from configuration, never from a request's host. */
export function slackRedirectUri(publicUrl: string): string {
  return `${publicUrl}/v1/integrations/chat/oauth/callback/slack`;
}
