import type { ConnectionStore } from '../store/connection-store.ts';
import type { Connection } from './connection.ts';
import { missingScopesOf, type Standing, statusOf } from './connection-status.ts';

interface StandingsDeps {
  readonly connections: Pick<ConnectionStore, 'standingsOf'>;
}

/** The contract's clients demand the field; the token itself comes from the token route only. */
const accessTokenPlaceholder = 'hidden';

/** As the contract's clients read it. */
function shownConnection(connection: Connection, standing: Standing) {
  const { status, statusReason, verifiedAt } = statusOf(connection, standing.grant);
  const missingScopes = missingScopesOf(connection, standing);
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
    missingScopes: missingScopes.length > 0 ? missingScopes : undefined,
    metadata: connection.metadata,
    createdAt: connection.createdAt,
    updatedAt: connection.updatedAt,
  };
}

/** A connection as it stands by its grant and its integration. */
export async function showConnection(deps: StandingsDeps, connection: Connection) {
  const [shown] = await showConnections(deps, connection.environmentId, [connection]);
  return shown;
}

/** Connections of one environment, as they stand, for which one more read does. */
export async function showConnections(deps: StandingsDeps, environmentId: string, connections: readonly Connection[]) {
  const standingOf = await deps.connections.standingsOf(environmentId, connections);
  return connections.map((each) => shownConnection(each, standingOf(each)));
}

export function workspaceOf({ account, botUserId }: Connection) {
  return { id: account.id, name: account.name, botUserId };
}
