import { subjectKeyOf } from '../connection/connection.ts';
import { type Context, contextKeysOf, parseContext, verifyContextHash } from '../context/context.ts';
import { ChatConnectError, validationError } from '../errors.ts';
import {
  type Binding,
  bindingOf,
  type Integration,
  isAtLeastAsStrict,
  scopesNotAllowed,
} from '../integration/integration.ts';
import { teamsRedirectUri } from '../providers/msteams/authorization-url.ts';
import {
  botScopesOf,
  defaultUserScopes,
  foreignToSignIn,
  isSignInWithSlack,
  slackRedirectUri,
} from '../providers/slack/authorization-url.ts';
import type { FlowStore } from '../store/flow-store.ts';
import { type ConnectionMode, type Flow, keptAfterExpirySeconds } from './flow.ts';
import { formatHandle, hashSecret, newHandle } from './handle.ts';
import { authorizationUrl, firstStepOf, type ProviderUrls } from './provider-step.ts';
import { requireMode, requireOwnIdentifier, subjectOf } from './subject.ts';

export interface OauthUrlRequest {
  readonly integrationIdentifier: string;
  readonly mode: Flow['mode'];
  /** The deprecated route has no context hash, so none is demanded there. */
  readonly withoutContextHash?: boolean;
  readonly subscriberId?: string | undefined;
  readonly connectionIdentifier?: string | undefined;
  readonly context?: unknown;
  readonly contextHash?: string | undefined;
  readonly scope?: readonly string[] | undefined;
  readonly userScope?: readonly string[] | undefined;
  readonly installUserScopes?: readonly string[] | undefined;
  readonly teamId?: string | undefined;
  readonly metadata?: string | undefined;
  readonly connectionMode?: ConnectionMode | undefined;
  readonly autoLinkUser?: boolean | undefined;
  readonly returnUrl?: string | undefined;
  readonly binding?: Binding | undefined;
}

export interface IssueFlowDeps extends ProviderUrls {
  readonly flows: Pick<FlowStore, 'put'>;
  findIntegration(environmentId: string, identifier: string): Promise<Integration | undefined>;
  readonly publicUrl: string;
  readonly flowTtlSeconds: number;
  now(): number;
}

export interface IssuedUrl {
  readonly url: string;
  /** ISO time until which the URL works. */
  readonly expiresAt: string;
}

/**
 * Starts a flow: one row, no secret opened or sealed.
 * @throws ChatConnectError the contract's conditional rules, in the contract's order
 */
export async function issueFlow(
  deps: IssueFlowDeps,
  caller: { readonly environmentId: string; readonly presentedKey: string },
  request: OauthUrlRequest,
): Promise<IssuedUrl> {
  const { environmentId } = caller;
  const context = request.context === undefined ? undefined : parseContext(request.context);
  const integration = await deps.findIntegration(environmentId, request.integrationIdentifier);
  if (!integration) {
    throw new ChatConnectError(
      'integration_not_found',
      `Integration not found: ${request.integrationIdentifier} in environment ${environmentId}`,
    );
  }
  if (request.teamId !== undefined && integration.providerId !== 'slack') {
    throw validationError(['teamId: is for Slack integrations only']);
  }
  if (integration.credentials.hmac && !request.withoutContextHash)
    verifyContextHash(context, request.contextHash, caller.presentedKey);
  const scopes = request.mode === 'connect' ? requestedBotScopes(request, integration) : [];
  const userScopes = userScopesOf(request, integration);
  requireSubject(request, context, scopes);
  const { clientId } = integration.credentials;
  if (clientId === undefined) {
    const provider = integration.providerId === 'slack' ? 'Slack' : 'MS Teams';
    throw new ChatConnectError(
      'integration_credentials_missing',
      `${provider} integration missing required OAuth credentials (clientId) `,
    );
  }
  const contextKeys = contextKeysOf(context);
  if (request.mode === 'connect' && request.connectionIdentifier !== undefined) {
    const { integrationId } = integration;
    const subjectKey = subjectKeyOf(subjectOf({ ...request, integrationId, contextKeys }));
    requireOwnIdentifier('connectionIdentifier', request.connectionIdentifier, subjectKey);
  }
  requireAllowedScopes([...scopes, ...userScopes], integration);
  requireSignInAlone(scopes, userScopes);

  const now = deps.now();
  const usableUntil = now + deps.flowTtlSeconds * 1000;
  const handle = newHandle();
  const isSlack = integration.providerId === 'slack';
  const secretHash = hashSecret(handle.secret);
  const binding = effectiveBinding(request, integration);
  const step = firstStepOf(integration.providerId, request.mode);
  const redirectUri = isSlack ? slackRedirectUri(deps.publicUrl) : teamsRedirectUri(deps.publicUrl);
  const flow: Flow = {
    flowId: handle.flowId,
    environmentId,
    integrationId: integration.integrationId,
    providerId: integration.providerId,
    mode: request.mode,
    binding,
    ...(binding === 'direct'
      ? { stage: step, secretHash }
      : { stage: 'start', secretHash, ticketHash: secretHash, ticketUsableUntil: usableUntil }),
    status: 'ISSUED',
    issuedAt: now,
    usableUntil,
    expiresAt: Math.ceil(usableUntil / 1000) + keptAfterExpirySeconds,
    subscriberId: request.subscriberId,
    contextKeys,
    connectionMode: request.connectionMode,
    connectionIdentifier: request.connectionIdentifier,
    autoLinkUser: request.autoLinkUser === true,
    scopes,
    userScopes,
    teamId: request.teamId,
    metadata: request.mode === 'connect' ? request.metadata : undefined,
    redirectUri,
    returnUrl: returnUrlOf(request, integration, binding),
  };
  await deps.flows.put(flow);
  const url =
    binding === 'direct'
      ? authorizationUrl(deps, flow, clientId, handle)
      : `${deps.publicUrl}/connect/${formatHandle(handle)}`;
  return { url, expiresAt: new Date(usableUntil).toISOString() };
}

function requireSubject(request: OauthUrlRequest, context: Context | undefined, scopes: readonly string[]): void {
  const { subscriberId, mode } = request;
  if (scopes.includes('incoming-webhook') && subscriberId === undefined) {
    throw new ChatConnectError('subscriber_required', 'subscriberId is required for incoming webhook');
  }
  requireMode(request, context);
  // Known now, so it is said now and not on a page after the person has approved.
  if (mode === 'link_user' && subscriberId === undefined) {
    throw new ChatConnectError('subscriber_required', 'subscriberId is required for link_user mode');
  }
}

/** Microsoft's permissions stand in the app's registration; what a request names is ignored there. */
function requestedBotScopes(request: OauthUrlRequest, integration: Integration): string[] {
  if (integration.providerId !== 'slack') return [];
  return [...(request.scope ?? botScopesOf(integration))];
}

function userScopesOf(request: OauthUrlRequest, integration: Integration): string[] {
  if (integration.providerId !== 'slack') return [];
  const { userScopes, installUserScopes } = integration.configurations;
  if (request.mode === 'connect') return [...(request.installUserScopes ?? installUserScopes ?? [])];
  return [...(request.userScope ?? userScopes ?? defaultUserScopes)];
}

function requireAllowedScopes(scopes: readonly string[], integration: Integration): void {
  const refused = scopesNotAllowed(scopes, integration);
  if (refused.length > 0) {
    throw new ChatConnectError('invalid_scope', `The integration does not allow these scopes: ${refused.join(', ')}`);
  }
}

/** Slack refuses a sign-in beside anything else on a page of its own, from which nobody comes back. */
function requireSignInAlone(scopes: readonly string[], userScopes: readonly string[]): void {
  if (isSignInWithSlack(scopes)) {
    throw new ChatConnectError(
      'invalid_scope',
      'Sign in with Slack (the scope openid) links people: ask for it as a user scope of link_user.',
    );
  }
  const foreign = isSignInWithSlack(userScopes) ? foreignToSignIn(userScopes) : [];
  if (foreign.length > 0) {
    throw new ChatConnectError(
      'invalid_scope',
      `Sign in with Slack (the scope openid) goes with email and profile only, not with: ${foreign.join(', ')}`,
    );
  }
}

function effectiveBinding(request: OauthUrlRequest, integration: Integration): Binding {
  const set = bindingOf(integration);
  const binding = request.binding ?? set;
  if (!isAtLeastAsStrict(binding, set)) {
    throw new ChatConnectError(
      'unsupported_binding',
      `The integration demands the binding "${set}" or a stricter one.`,
    );
  }
  return binding;
}

/** A flow that is to be confirmed keeps where its handle goes: without an address it could never have its outcome. */
function returnUrlOf(request: OauthUrlRequest, integration: Integration, binding: Binding): string | undefined {
  const registered = registeredReturnUrl(request, integration);
  if (binding !== 'confirm') return registered;
  const address = registered ?? integration.credentials.redirectUrl;
  if (address !== undefined) return address;
  throw new ChatConnectError(
    'return_url_required',
    'The binding "confirm" needs a returnUrl, or credentials.redirectUrl of the integration: the browser brings the handle there.',
  );
}

function registeredReturnUrl({ returnUrl }: OauthUrlRequest, integration: Integration): string | undefined {
  if (returnUrl === undefined || integration.configurations.returnUrls?.includes(returnUrl)) return returnUrl;
  throw new ChatConnectError(
    'invalid_return_url',
    "returnUrl must equal one of the integration's configurations.returnUrls, character by character.",
  );
}
