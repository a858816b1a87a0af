import { ChatConnectError } from '../errors.ts';
import { FlowFailure } from '../flow/flow-failure.ts';
import { type Grant, type GrantState, isLiving } from '../grant/grant.ts';
import { type FreshToken, freshToken, type RefreshDeps, type RefreshTrouble } from '../grant/refresh-grant.ts';
import { revokeGrantIfUnshared } from '../grant/revoke-if-unshared.ts';
import { openToken } from '../grant/token-vault.ts';
import type { Integration } from '../integration/integration.ts';
import type { AppOnlyToken } from '../providers/msteams/entra.ts';
import { requiredRolesOf } from '../providers/msteams/install-bot.ts';
import { isTransient, plainCode } from '../providers/slack/slack-answer.ts';
import type { SlackIdentity } from '../providers/slack/test-token.ts';
import type { ConnectionStore } from '../store/connection-store.ts';
import type { Verification } from '../store/grant-store.ts';
import { type Connection, mainGrantIdOf } from './connection.ts';
import { broughtToken } from './disconnect.ts';
import { connectionNotFound, findConnection } from './find-connection.ts';

export interface VerifyDeps extends RefreshDeps {
  readonly connections: ConnectionStore;
  /** Asks Slack whose token it is; undefined without an answer. */
  testToken(token: string): Promise<SlackIdentity | undefined>;
  /** @throws FlowFailure when Entra does not give one */
  requestAppOnlyToken(integration: Integration, tenantId: string): Promise<AppOnlyToken>;
}

/** A younger result is shown again: a refresh too many ends tokens that are in use. */
const recentMilliseconds = 10_000;
/** Rounds that a connection has when others keep giving it other grants. */
const maxRounds = 3;

/**
 * Asks the provider whether a connection still works: by a refresh where its token rotates.
 * @throws ChatConnectError `connection_not_found`, `token_refresh_failed`, `token_refresh_in_progress`
 */
export async function verifyConnection(
  deps: VerifyDeps,
  environmentId: string,
  identifier = '',
): Promise<{ connection: Connection; grant: GrantState | undefined }> {
  for (let round = 0; round < maxRounds; round += 1) {
    const connection = await findConnection(deps, environmentId, identifier);
    const grantId = connection.status === 'pending' ? undefined : mainGrantIdOf(connection);
    const grant = grantId === undefined ? undefined : await deps.grants.get(environmentId, grantId);
    if (!grant || !isLiving(grant)) return { connection, grant };
    const integration = await deps.integrations.get(connection.integrationId, environmentId);
    if (!integration) throw connectionNotFound(identifier);
    const verified = await verifyGrant(deps, integration, grant);
    const current = await deps.connections.find(environmentId, identifier);
    if (current && mainGrantIdOf(current) === grantId) return { connection: current, grant: verified };
    // The connection left while its token was replaced, and nobody ends a grant that is being refreshed.
    if (!verified) continue;
    const liveToken = current && (await broughtToken(deps, current));
    await revokeGrantIfUnshared(deps, integration, verified, verified.flowId, liveToken);
  }
  throw connectionNotFound(identifier);
}

/** @returns the grant as it is after it, or undefined when it has ended */
async function verifyGrant(deps: VerifyDeps, integration: Integration, grant: Grant): Promise<Grant | undefined> {
  const isRecent = deps.now() - (grant.verifiedAt ?? 0) < recentMilliseconds;
  if (grant.credential === 'app_only')
    return isRecent ? grant : record(deps, grant, await askEntra(deps, integration, grant));
  const { accessToken, refreshToken } = await openToken(deps.vault, grant);
  if (refreshToken !== undefined) {
    if (!isRecent) return refreshed(await freshToken(deps, integration, grant, { force: true }));
    if (grant.status === 'active') return grant;
    throw refused(grant);
  }
  // A token that a caller brought is the caller's to try.
  return isRecent || grant.source === 'caller' ? grant : record(deps, grant, await askSlack(deps, grant, accessToken));
}

function refreshed(fresh: FreshToken): Grant | undefined {
  switch (fresh.kind) {
    case 'token':
      return fresh.grant;
    case 'ended':
      return undefined;
    case 'reauthorization_required':
      throw refused(fresh.grant);
    case 'in_progress':
      throw new ChatConnectError(
        'token_refresh_in_progress',
        'A token refresh is already in progress for this channel connection. Try again in a moment.',
        { retryAfterSeconds: 1 },
      );
    case 'unavailable':
      throw inTrouble(fresh);
  }
}

function refused({ statusReason = 'unknown_error' }: Grant): ChatConnectError {
  return new ChatConnectError(
    'token_refresh_failed',
    `Slack token refresh failed: ${statusReason}. Reconnect the Slack channel connection.`,
    { reason: statusReason },
  );
}

function inTrouble({ error, httpStatus, retryAfterSeconds = 1 }: RefreshTrouble): ChatConnectError {
  const status = httpStatus === undefined ? '' : ` (HTTP ${httpStatus})`;
  return new ChatConnectError('token_refresh_failed', `Slack token refresh failed${status}: ${error}. Try again.`, {
    reason: error,
    retryAfterSeconds,
  });
}

type Verdict = Pick<Verification, 'status' | 'statusReason'>;

/** Without a verdict the grant stays as it was. */
async function record(deps: VerifyDeps, grant: Grant, verdict: Verdict | undefined): Promise<Grant | undefined> {
  if (!verdict) return grant;
  const recorded = await deps.grants.recordVerification(grant, { ...verdict, verifiedAt: deps.now() });
  return recorded ?? deps.grants.get(grant.environmentId, grant.grantId);
}

async function askSlack(deps: VerifyDeps, grant: Grant, token: string): Promise<Verdict | undefined> {
  const identity = await deps.testToken(token);
  if (!identity) return undefined;
  if (!identity.ok) {
    const error = plainCode(identity.error ?? '');
    return isTransient(error) ? undefined : { status: 'reauthorization_required', statusReason: error };
  }
  const accountId = grant.account.kind === 'enterprise' ? identity.enterprise_id : identity.team_id;
  return accountId === grant.account.id
    ? { status: 'active' }
    : { status: 'reauthorization_required', statusReason: 'account_mismatch' };
}

async function askEntra(deps: VerifyDeps, integration: Integration, grant: Grant): Promise<Verdict | undefined> {
  try {
    const { roles } = await deps.requestAppOnlyToken(integration, grant.account.id);
    const lacks = requiredRolesOf(integration).some((role) => !roles.includes(role));
    return lacks ? { status: 'reauthorization_required', statusReason: 'roles_missing' } : { status: 'active' };
  } catch (error) {
    if (!(error instanceof FlowFailure)) throw error;
    if (error.code === 'provider_unavailable') return undefined;
    return { status: 'reauthorization_required', statusReason: error.code };
  }
}
