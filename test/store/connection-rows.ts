import type { Connection } from '../../lib/connection/connection.ts';
import { randomToken } from '../../lib/crypto.ts';
import { dynamoConnectionStore } from '../../lib/store/connection-store.ts';
import type { Database } from '../../lib/store/database.ts';
import { listOf, listOrderOf } from '../../lib/store/keys.ts';
import type { ListSource } from '../../lib/store/list.ts';
import { aConnection, builtAt } from '../support/builders.ts';

/** Position of a connection in every list. */
export function orderOf({ createdAt, subjectKey }: Pick<Connection, 'createdAt' | 'subjectKey'>): string {
  return listOrderOf(createdAt, subjectKey);
}

/** Writes and deletes connections of one environment, as rows of lists. */
export function connectionRows(database: Database, environmentId: string) {
  const connections = dynamoConnectionStore(database);
  const newConnection = (overrides: Partial<Connection> = {}) =>
    aConnection({ environmentId, subscriberId: `subscriber-${randomToken(6)}`, ...overrides });
  const add = async (overrides: Partial<Connection> = {}): Promise<Connection> => {
    const { subscriberId, ...rest } = newConnection(overrides);
    // Rows come back without attributes that were undefined.
    const connection = subscriberId === undefined ? rest : { ...rest, subscriberId };
    if (!(await connections.put(connection, undefined))) throw new Error('the connection is there already');
    return connection;
  };
  return {
    add,
    /** Some at a time, so that the client's sockets suffice. */
    async addMany(count: number, overridesOf: (index: number) => Partial<Connection>): Promise<Connection[]> {
      const added: Connection[] = [];
      for (let start = 0; start < count; start += 40) {
        const indexes = Array.from({ length: Math.min(40, count - start) }, (_, offset) => start + offset);
        added.push(...(await Promise.all(indexes.map((index) => add(overridesOf(index))))));
      }
      return added;
    },
    async remove(connection: Connection): Promise<Connection> {
      const tombstone = { ...connection, deletedAt: builtAt, revision: randomToken(12) };
      if (!(await connections.put(tombstone, connection.revision))) throw new Error('the connection was changed');
      return tombstone;
    },
    environment: { index: 'byEnvironment', partition: listOf.inEnvironment('CONN', environmentId) },
    ofSubscriber: (subscriberId: string): ListSource => ({
      index: 'bySubscriber',
      partition: listOf.ofSubscriber('CONN', environmentId, subscriberId),
    }),
    ofIntegration: (integrationId: string): ListSource => ({
      index: 'byIntegration',
      partition: listOf.ofIntegration('CONN', environmentId, integrationId),
    }),
    shared: (contextKeys: readonly string[]): ListSource => ({
      index: 'bySubscriber',
      partition: listOf.shared('CONN', environmentId, contextKeys),
    }),
  };
}
