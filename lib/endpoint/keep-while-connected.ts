import type { ConnectionStore } from '../store/connection-store.ts';
import type { EndpointStore } from '../store/endpoint-store.ts';
import type { Endpoint } from './endpoint.ts';

export interface KeepDeps {
  readonly connections: Pick<ConnectionStore, 'get'>;
  readonly endpoints: Pick<EndpointStore, 'remove'>;
  now(): number;
}

/**
 * Takes an endpoint that was just written back when its connection was deleted meanwhile (also when there is a new one by
 * now), or is another account's than the one given. Whoever does that looks for endpoints after it, and this looks at the
 * connection after its endpoint.
 */
export async function keepWhileConnected(
  deps: KeepDeps,
  endpoint: Endpoint,
  accountId?: string,
): Promise<'kept' | 'deleted' | 'moved'> {
  if (endpoint.connectionKey === undefined) return 'kept';
  const connection = await deps.connections.get(endpoint.environmentId, endpoint.connectionKey);
  const isLiving =
    connection !== undefined && connection.deletedAt === undefined && endpoint.asOf >= (connection.endpointsSince ?? 0);
  if (isLiving && (accountId === undefined || connection.account.id === accountId)) return 'kept';
  // The clock of whoever wrote it may be ahead of this one.
  const asOf = Math.max(deps.now(), endpoint.asOf);
  await deps.endpoints.remove(endpoint, { asOf, flowId: endpoint.flowId });
  return isLiving ? 'moved' : 'deleted';
}
