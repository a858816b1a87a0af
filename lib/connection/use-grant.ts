import { type Grant, isLiving } from '../grant/grant.ts';
import { type RevokeDeps, revokeGrantIfUnshared } from '../grant/revoke-if-unshared.ts';
import type { ConnectionStore } from '../store/connection-store.ts';
import type { Connection } from './connection.ts';
import { broughtToken } from './disconnect.ts';
import { connectionNotFound, findConnection } from './find-connection.ts';

export interface UseGrantDeps extends RevokeDeps {
  readonly connections: ConnectionStore;
}

export interface Used<Result> {
  readonly result: Result;
  /** The grant as it is after a call or a wait, in which the connection may have got another one. */
  readonly after?: Grant | undefined;
  readonly tookTime: boolean;
}

/** Rounds that a connection has when others keep giving it other grants. */
const maxRounds = 3;

/**
 * Does something with the grant of a connection, and once more when the connection has got another one meanwhile.
 * @throws ChatConnectError `connection_not_found`, also when the connection went meanwhile
 */
export async function useGrant<Result>(
  deps: UseGrantDeps,
  environmentId: string,
  identifier: string | undefined,
  grantIdOf: (connection: Connection) => string | undefined,
  use: (connection: Connection, grant: Grant | undefined) => Promise<Used<Result>>,
): Promise<{ connection: Connection; result: Result }> {
  for (let round = 0; round < maxRounds; round += 1) {
    const connection = await findConnection(deps, environmentId, identifier);
    const grantId = grantIdOf(connection);
    const grant = grantId === undefined ? undefined : await deps.grants.get(environmentId, grantId);
    const { result, after, tookTime } = await use(connection, grant);
    if (!tookTime) return { connection, result };
    const current = await deps.connections.find(environmentId, identifier ?? '');
    if (current && grantIdOf(current) === grantId) return { connection: current, result };
    // Nobody ends a grant while it is refreshed, so whoever let it go may have left that to us.
    if (after && isLiving(after)) {
      const integration = await deps.integrations.getEvenDeleting(after.integrationId);
      const liveToken = current && (await broughtToken(deps, current));
      await revokeGrantIfUnshared(deps, integration, after, after.flowId, liveToken);
    }
  }
  throw connectionNotFound(identifier);
}
