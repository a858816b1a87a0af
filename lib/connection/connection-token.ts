import { hashOf } from '../crypto.ts';
import { ChatConnectError, validationError } from '../errors.ts';
import type { AppOnlyCache } from '../grant/app-only-cache.ts';
import { type AppOnlyAnswer, type AppOnlyDeps, askForAppOnlyToken } from '../grant/app-only-token.ts';
import { type Grant, isLiving } from '../grant/grant.ts';
import { noTokenYet, reauthorization } from '../grant/refresh-errors.ts';
import { type FreshToken, freshToken, type RefreshDeps } from '../grant/refresh-grant.ts';
import { fingerprintOf } from '../grant/token-vault.ts';
import type { ConnectionStore } from '../store/connection-store.ts';
import type { Connection } from './connection.ts';
import { type Used, type UseGrantDeps, useGrant } from './use-grant.ts';

export interface ConnectionTokenDeps extends RefreshDeps, UseGrantDeps, AppOnlyDeps {
  readonly connections: ConnectionStore;
  readonly appOnlyTokens: AppOnlyCache;
}

/** What a token of the app itself is for. */
export const tokenResources = ['graph', 'bot'] as const;

export interface TokenRequest {
  readonly minTtlSeconds: number;
  /** For the app's own tokens at Microsoft only. */
  readonly resource?: (typeof tokenResources)[number] | undefined;
}

interface HandedOut {
  readonly accessToken: string;
  readonly tokenType: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number | undefined;
  readonly scopes: readonly string[];
}

/** What comes of a try; a failure counts only if the connection has kept its grant. */
type Try = Used<HandedOut | ChatConnectError>;

/** A refusal of Entra's that is younger is not asked for again. */
const recentMilliseconds = 10_000;

/**
 * Hands out a token of a connection that lasts as long as is asked for, or at least has not expired.
 * @throws ChatConnectError `connection_not_found`, `connection_pending`, `reauthorization_required`,
 *   `token_refresh_failed`, `token_refresh_pending`, `token_unavailable`
 */
export async function connectionToken(
  deps: ConnectionTokenDeps,
  environmentId: string,
  identifier: string | undefined,
  request: TokenRequest,
): Promise<{ connection: Connection; token: HandedOut }> {
  const { connection, token } = await usableToken(deps, environmentId, identifier, request);
  const { grantId = '', integrationId, subjectKey } = connection;
  deps.log.info('token handed out', {
    integrationId,
    connectionKey: subjectKey,
    grantId,
    fingerprint: fingerprintOf({ environmentId, grantId }, token.accessToken),
    expiresAt: token.expiresAt,
  });
  return { connection, token };
}

/** The same for a call of our own: the token is not handed out to anybody. */
export async function usableToken(
  deps: ConnectionTokenDeps,
  environmentId: string,
  identifier: string | undefined,
  request: TokenRequest,
): Promise<{ connection: Connection; token: HandedOut }> {
  const { connection, result: token } = await useGrant(
    deps,
    environmentId,
    identifier,
    // A person's own token is handed out to whoever asks for that person only.
    ({ grantId }) => grantId,
    (current, grant) => tryToGet(deps, current, grant, request),
  );
  if (token instanceof ChatConnectError) throw token;
  return { connection, token };
}

async function tryToGet(
  deps: ConnectionTokenDeps,
  connection: Connection,
  grant: Grant | undefined,
  request: TokenRequest,
): Promise<Try> {
  if (connection.status === 'pending') {
    const { statusReason: reason = 'unknown' } = connection;
    const message = `The channel connection is pending: ${reason}.`;
    return failed(new ChatConnectError('connection_pending', message, { reason }));
  }
  if (!grant) return failed(reauthorization(connection.grantId === undefined ? 'bot_token_missing' : 'grant_missing'));
  if (!isLiving(grant)) return failed(reauthorization(grant.statusReason ?? 'revoked'));
  if (grant.credential === 'app_only') return appOnly(deps, grant, request);
  if (request.resource !== undefined) {
    return failed(validationError(['resource: is for Teams connections without a token of their own']));
  }
  const fresh = await freshToken(deps, grant, request);
  return fresh.kind === 'token'
    ? { result: handedOut(connection, fresh), after: fresh.grant, tookTime: fresh.tookTime }
    : { result: failureOf(fresh), tookTime: true };
}

function failed(result: ChatConnectError): Try {
  return { result, tookTime: false };
}

function handedOut(connection: Connection, { grant, token }: FreshToken & { kind: 'token' }): HandedOut {
  const { accessToken, expiresAt } = token;
  return {
    accessToken,
    tokenType: typeOf(grant, accessToken),
    expiresAt: expiresAt === undefined ? undefined : expiresAt * 1000,
    // What others were granted for the same workspace is not this connection's.
    scopes: grant.source === 'flow' ? connection.scopes : grant.scopes,
  };
}

/** In the provider's words. */
function typeOf({ providerId }: Grant, accessToken: string): string {
  if (providerId === 'msteams') return 'Bearer';
  return /^(xoxe\.)?xoxp-/.test(accessToken) ? 'user' : 'bot';
}

function failureOf(fresh: Exclude<FreshToken, { kind: 'token' }>): ChatConnectError {
  switch (fresh.kind) {
    case 'ended':
      return reauthorization(fresh.reason ?? 'revoked');
    case 'reauthorization_required':
      return reauthorization(fresh.grant.statusReason);
    case 'in_progress':
      return noTokenYet();
    case 'unavailable':
      return noTokenYet(fresh);
  }
}

/** What Entra refuses is known from then on, and what it grants again, too. */
async function appOnly(
  deps: ConnectionTokenDeps,
  grant: Grant,
  { resource = 'graph', minTtlSeconds }: TokenRequest,
): Promise<Try> {
  const { environmentId, integrationId, account, status, statusReason, verifiedAt } = grant;
  const get = (of: typeof resource) => {
    // After a verdict of Entra's, what was remembered before it does not count any more.
    const key = hashOf(environmentId, integrationId, account.id, of, verifiedAt);
    return deps.appOnlyTokens(key, minTtlSeconds, async () => {
      const integration = await deps.integrations.get(integrationId, environmentId);
      if (!integration) return { kind: 'refused', reason: 'integration_unavailable' };
      return askForAppOnlyToken(deps, integration, grant, of);
    });
  };
  if (status === 'reauthorization_required') {
    if (deps.now() - (verifiedAt ?? 0) < recentMilliseconds) return failed(reauthorization(statusReason));
    const again = await get('graph');
    if (again.kind !== 'token') return refusedBy(deps, grant, again);
    await settle(deps, grant, 'active');
  }
  const answer = await get(resource);
  if (answer.kind === 'token') {
    const { accessToken, expiresAt, roles } = answer.token;
    return { result: { accessToken, tokenType: 'Bearer', expiresAt, scopes: roles }, tookTime: false };
  }
  // A bot's token is of the app's own tenant, so what is wrong with it is not the connection's.
  return resource === 'bot' ? failed(noToken(answer)) : refusedBy(deps, grant, answer);
}

type NoToken = Exclude<AppOnlyAnswer, { kind: 'token' }>;

async function refusedBy(deps: ConnectionTokenDeps, grant: Grant, answer: NoToken): Promise<Try> {
  if (answer.kind === 'unavailable') return failed(noToken(answer));
  await settle(deps, grant, 'reauthorization_required', answer.reason);
  return failed(reauthorization(answer.reason));
}

function noToken(answer: NoToken): ChatConnectError {
  const isTrouble = answer.kind === 'unavailable';
  const reason = isTrouble ? 'provider_unavailable' : answer.reason;
  const options = { reason, retryAfterSeconds: isTrouble ? 1 : undefined };
  return new ChatConnectError('token_unavailable', `Microsoft gives no token: ${reason}.`, options);
}

async function settle(
  { grants, now }: ConnectionTokenDeps,
  grant: Grant,
  status: 'active' | 'reauthorization_required',
  statusReason?: string,
): Promise<void> {
  await grants.recordVerification(grant, { status, statusReason, verifiedAt: now() });
}
