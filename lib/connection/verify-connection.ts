import { ChatConnectError } from '../errors.ts';
import { type Grant, isLiving } from '../grant/grant.ts';
import { refreshFailed } from '../grant/refresh-errors.ts';
import { type FreshToken, freshToken } from '../grant/refresh-grant.ts';
import { openToken } from '../grant/token-vault.ts';
import { type VerifyGrantDeps, verifyAppOnly, verifyToken } from '../grant/verify-grant.ts';
import type { ConnectionStore } from '../store/connection-store.ts';
import { type Connection, mainGrantIdOf } from './connection.ts';
import { type UseGrantDeps, useGrant } from './use-grant.ts';

export interface VerifyDeps extends VerifyGrantDeps, UseGrantDeps {
  readonly connections: ConnectionStore;
}

/** A younger result is shown again: a refresh too many ends tokens that are in use. */
const recentMilliseconds = 10_000;

/**
 * Asks the provider whether a connection still works, by a refresh where its token rotates; its grant says so afterwards.
 * @throws ChatConnectError `connection_not_found`, `token_refresh_failed`, `token_refresh_in_progress`
 */
export async function verifyConnection(
  deps: VerifyDeps,
  environmentId: string,
  identifier?: string,
): Promise<Connection> {
  const { connection } = await useGrant(deps, environmentId, identifier, mainGrantIdOf, async (_, grant) => {
    if (!grant || !isLiving(grant)) return { result: undefined, tookTime: false };
    return { result: undefined, after: await verifyGrant(deps, grant), tookTime: true };
  });
  return connection;
}

/** @returns the grant as it is after it, or undefined when it has ended */
async function verifyGrant(deps: VerifyDeps, grant: Grant): Promise<Grant | undefined> {
  const isRecent = deps.now() - (grant.verifiedAt ?? 0) < recentMilliseconds;
  if (grant.credential === 'app_only') return isRecent ? grant : verifyAppOnly(deps, grant);
  const { accessToken, refreshToken } = await openToken(deps.vault, grant);
  if (refreshToken !== undefined) {
    if (!isRecent) return refreshed(deps, await freshToken(deps, grant, { force: true }), grant);
    if (grant.status === 'active') return grant;
    throw refused(grant);
  }
  // A token that a caller brought is the caller's to try.
  return isRecent || grant.source === 'caller' ? grant : verifyToken(deps, grant, accessToken);
}

async function refreshed(deps: VerifyDeps, fresh: FreshToken, read: Grant): Promise<Grant | undefined> {
  switch (fresh.kind) {
    case 'token':
      return fresh.grant;
    case 'ended':
      return deps.grants.get(read.environmentId, read.grantId);
    case 'reauthorization_required':
      throw refused(fresh.grant);
    case 'in_progress':
      throw new ChatConnectError(
        'token_refresh_in_progress',
        'A token refresh is already in progress for this channel connection. Try again in a moment.',
        { retryAfterSeconds: 1 },
      );
    case 'unavailable':
      throw refreshFailed(fresh);
  }
}

function refused({ statusReason = 'unknown_error' }: Grant): ChatConnectError {
  return new ChatConnectError(
    'token_refresh_failed',
    `Slack token refresh failed: ${statusReason}. Reconnect the Slack channel connection.`,
    { reason: statusReason },
  );
}
