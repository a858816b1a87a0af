import type { GrantState } from '../grant/grant.ts';
import type { GrantStore } from '../store/grant-store.ts';
import { type Connection, mainGrantIdOf } from './connection.ts';
import { statusOf } from './connection-status.ts';

interface StatesDeps {
  readonly grants: Pick<GrantStore, 'statesOf'>;
}

/** The contract's clients demand the field; the token itself comes from the token route only. */
const accessTokenPlaceholder = 'hidden';

/** As the contract's clients read it. */
export function shownConnection(connection: Connection, grant: GrantState | undefined) {
  const { status, statusReason, verifiedAt } = statusOf(connection, grant);
  return {
    identifier: connection.identifier,
    channel: 'chat',
    providerId: connection.providerId,
    integrationIdentifier: connection.integrationIdentifier,
    subscriberId: connection.subscriberId ?? null,
    contextKeys: connection.contextKeys,
    workspace: workspaceOf(connection),
    auth: { accessToken: accessTokenPlaceholder },
    status,
    statusReason,
    lastVerifiedAt: verifiedAt === undefined ? undefined : new Date(verifiedAt).toISOString(),
    scopes: connection.scopes,
    metadata: connection.metadata,
    createdAt: connection.createdAt,
    updatedAt: connection.updatedAt,
  };
}

/** A connection as its grant stands. */
export async function showConnection(deps: StatesDeps, connection: Connection) {
  const [shown] = await showConnections(deps, connection.environmentId, [connection]);
  return shown;
}

/** Connections of one environment, with how their grants stand, for which one more read does. */
export async function showConnections(deps: StatesDeps, environmentId: string, connections: readonly Connection[]) {
  const grantIds = connections.map(mainGrantIdOf).filter((grantId) => grantId !== undefined);
  const states = await deps.grants.statesOf(environmentId, grantIds);
  return connections.map((each) => shownConnection(each, states.get(mainGrantIdOf(each) ?? '')));
}

export function workspaceOf({ account, botUserId }: Connection) {
  return { id: account.id, name: account.name, botUserId };
}
