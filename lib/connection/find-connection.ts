import { ChatConnectError } from '../errors.ts';
import type { ConnectionStore } from '../store/connection-store.ts';
import type { Connection } from './connection.ts';

/** @throws ChatConnectError `connection_not_found` */
export async function findConnection(
  deps: { readonly connections: Pick<ConnectionStore, 'find'> },
  environmentId: string,
  identifier = '',
): Promise<Connection> {
  const connection = await deps.connections.find(environmentId, identifier);
  if (connection) return connection;
  throw connectionNotFound(identifier);
}

export function connectionNotFound(identifier = ''): ChatConnectError {
  return new ChatConnectError('connection_not_found', `Channel connection with identifier '${identifier}' not found`);
}
