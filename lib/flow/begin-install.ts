import { randomToken } from '../crypto.ts';
import { findSlackApp } from '../integration/find-slack-app.ts';
import { type Integration, scopesNotAllowed } from '../integration/integration.ts';
import type { Log } from '../log.ts';
import { botScopesOf, slackRedirectUri } from '../providers/slack/authorization-url.ts';
import type { FlowStore } from '../store/flow-store.ts';
import type { IntegrationStore } from '../store/integration-store.ts';
import { logFields } from './finish-flow.ts';
import { type Flow, furtherStepMilliseconds, keptAfterExpirySeconds } from './flow.ts';
import { hashSecret, newHandle } from './handle.ts';
import { authorizationUrl, type ProviderUrls } from './provider-step.ts';

export interface InstallDeps extends ProviderUrls {
  readonly flows: Pick<FlowStore, 'put'>;
  readonly integrations: Pick<IntegrationStore, 'get'>;
  readonly publicUrl: string;
  readonly log: Log;
  now(): number;
}

/** A Slack app that anybody may add to a workspace of theirs, and what that asks for. */
export interface Installable {
  readonly integration: Integration;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly userScopes: readonly string[];
}

/** @returns undefined when there is no such Slack integration, or none whose settings allow what they ask for */
export async function findInstallable(
  deps: Pick<InstallDeps, 'integrations' | 'log'>,
  integrationId: string,
): Promise<Installable | undefined> {
  const integration = await findSlackApp(deps, integrationId);
  const clientId = integration?.credentials.clientId;
  if (!integration || clientId === undefined) return undefined;
  const { configurations, environmentId } = integration;
  // A webhook is for a subscriber, of whom an install names none.
  const scopes = botScopesOf(integration).filter((scope) => scope !== 'incoming-webhook');
  const userScopes = configurations.installUserScopes ?? [];
  const asked = [...scopes, ...userScopes];
  const refused = scopesNotAllowed(asked, integration);
  if (asked.length > 0 && refused.length === 0) return { integration, clientId, scopes, userScopes };
  deps.log.warn('an install page is not offered for the scopes of its integration', {
    environmentId,
    integrationId,
    refused,
  });
  return undefined;
}

/** An install as a new flow; how it is bound, and for how long it lasts, is the caller's to say. */
export function installFlow(
  { integration, scopes, userScopes }: Installable,
  given: Pick<
    Flow,
    'flowId' | 'secretHash' | 'binding' | 'cookieHash' | 'teamId' | 'redirectUri' | 'issuedAt' | 'usableUntil'
  >,
): Flow {
  const { environmentId, integrationId, providerId } = integration;
  return {
    ...given,
    environmentId,
    integrationId,
    providerId,
    mode: 'connect',
    stage: 'authorize',
    status: 'ISSUED',
    expiresAt: Math.ceil(given.usableUntil / 1000) + keptAfterExpirySeconds,
    contextKeys: [],
    isInstall: true,
    autoLinkUser: false,
    scopes: [...scopes],
    userScopes: [...userScopes],
  };
}

/** Starts a flow that is bound to the browser which asked for it: one row. */
export async function beginInstall(
  deps: InstallDeps,
  installable: Installable,
  teamId: string | undefined,
): Promise<{ readonly flow: Flow; readonly cookie: string; readonly location: string }> {
  const now = deps.now();
  const state = newHandle();
  const cookie = randomToken(32);
  const flow = installFlow(installable, {
    flowId: state.flowId,
    secretHash: hashSecret(state.secret),
    binding: 'browser',
    cookieHash: hashSecret(cookie),
    teamId,
    redirectUri: slackRedirectUri(deps.publicUrl),
    issuedAt: now,
    usableUntil: now + furtherStepMilliseconds,
  });
  await deps.flows.put(flow);
  deps.log.info('install begun in a browser', logFields(flow));
  return { flow, cookie, location: authorizationUrl(deps, flow, installable.clientId, state) };
}
