import { randomToken } from '../crypto.ts';
import { isLiving } from '../grant/grant.ts';
import { type RevokeDeps, revokeGrantIfUnshared } from '../grant/revoke-if-unshared.ts';
import { openToken } from '../grant/token-vault.ts';
import { errorFields } from '../log.ts';
import type { ConnectionStore } from '../store/connection-store.ts';
import type { EndpointStore } from '../store/endpoint-store.ts';
import { type Connection, tombstoneOf } from './connection.ts';

export interface DisconnectDeps extends RevokeDeps {
  readonly connections: ConnectionStore;
  readonly endpoints: EndpointStore;
}

/** Other writers of a connection's row win this often at most. */
const maxRounds = 8;
const tombstoneSeconds = 24 * 60 * 60;
const removedAtOnce = 25;

/**
 * Ends a connection: it is hidden by one write, and whatever fails after that is done by the sweep. Its endpoints go, its
 * references and its identifier, and then the token, unless somebody else lives on it.
 * @param connection as it was read; when it has changed since, what is there now is ended
 * @returns false when there is none any more
 */
export async function disconnect(deps: DisconnectDeps, connection: Connection): Promise<boolean> {
  let living: Connection | undefined = connection;
  for (let round = 0; round < maxRounds; round += 1) {
    if (!living || living.deletedAt !== undefined) return false;
    const tombstone = tombstoneOf(living, deps.now());
    if (await deps.connections.put(tombstone, living.revision)) {
      await releaseOrLeaveToSweep(deps, tombstone);
      return true;
    }
    living = await deps.connections.get(connection.environmentId, connection.subjectKey);
  }
  throw new Error('other writers kept changing the connection');
}

/** For the sweep: does once more what a change of the connection left to do, now that the indexes know of everything. */
export async function settleConnection(deps: DisconnectDeps, connection: Connection): Promise<void> {
  await releaseLeftBehind(deps, connection);
  const { deletedAt } = connection;
  const settled: Connection = {
    ...connection,
    previousGrantIds: [],
    endpointsSince: undefined,
    dueAt: undefined,
    expiresAt: deletedAt === undefined ? undefined : Math.ceil(deps.now() / 1000) + tombstoneSeconds,
    revision: randomToken(12),
  };
  // Whoever changed the row meanwhile has taken over what is left.
  await deps.connections.put(settled, connection.revision);
}

/** Releases what a change that is written has left behind; trouble with it does not undo the change. */
export async function releaseOrLeaveToSweep(deps: DisconnectDeps, connection: Connection): Promise<void> {
  try {
    await releaseLeftBehind(deps, connection);
  } catch (error) {
    const { environmentId, integrationId, subjectKey } = connection;
    const line = { environmentId, integrationId, connectionKey: subjectKey, ...errorFields(error) };
    deps.log.error('the rest of a change is left to the sweep', line);
  }
}

/** Takes away what a connection's row does not stand for any more. May run any number of times. */
export async function releaseLeftBehind(deps: DisconnectDeps, connection: Connection): Promise<void> {
  if (connection.dueAt === undefined) return;
  const { environmentId, subjectKey, previousGrantIds } = connection;
  await removeEndpoints(deps, connection);
  await Promise.all(
    previousGrantIds.map((grantId) => deps.grants.removeReference(environmentId, grantId, subjectKey, connection)),
  );
  if (isTombstone(connection)) await deps.connections.releaseIdentifier(connection);
  if (previousGrantIds.length === 0) return;
  const [integration, liveToken] = await Promise.all([
    deps.integrations.getEvenDeleting(connection.integrationId),
    broughtToken(deps, connection),
  ]);
  // Side by side, so that the provider's time counts once.
  await Promise.all(
    previousGrantIds.map(async (grantId) => {
      const grant = await deps.grants.get(environmentId, grantId);
      if (!grant || !isLiving(grant)) return;
      await revokeGrantIfUnshared(deps, integration, grant, connection.flowId, liveToken);
    }),
  );
}

/** All of a connection that is gone; of a living one, those of a connection before it and those that flows made in another account. */
async function removeEndpoints(deps: DisconnectDeps, connection: Connection): Promise<void> {
  const { environmentId, subjectKey, account, endpointsSince = 0, flowId } = connection;
  const through = await deps.endpoints.listThroughConnection(environmentId, subjectKey);
  const removals = through.flatMap((endpoint) => {
    if (isTombstone(connection)) return [{ endpoint, asOf: connection.deletedAt }];
    if (endpoint.asOf < endpointsSince) return [{ endpoint, asOf: endpointsSince }];
    const isOfBefore = endpoint.source === 'flow' && endpoint.accountId !== account.id;
    return isOfBefore ? [{ endpoint, asOf: connection.asOf }] : [];
  });
  for (let start = 0; start < removals.length; start += removedAtOnce) {
    const batch = removals.slice(start, start + removedAtOnce);
    // A newer one stays: it is of a connection that was made anew.
    await Promise.all(batch.map(({ endpoint, asOf }) => deps.endpoints.remove(endpoint, { asOf, flowId })));
  }
}

/** The token that a caller brought for a living connection: what a flow got for the account may be the same. */
export async function broughtToken(
  deps: Pick<RevokeDeps, 'grants' | 'vault'>,
  connection: Connection,
): Promise<string | undefined> {
  if (isTombstone(connection) || connection.grantId === undefined) return undefined;
  const grant = await deps.grants.get(connection.environmentId, connection.grantId);
  if (grant?.source !== 'caller' || !isLiving(grant)) return undefined;
  return (await openToken(deps.vault, grant)).accessToken;
}

function isTombstone(connection: Connection): connection is Connection & { deletedAt: number } {
  return connection.deletedAt !== undefined;
}
