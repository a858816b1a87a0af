import { UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { type Endpoint, endpointSchema } from '../endpoint/endpoint.ts';
import { type Database, fenceCondition, getRow, ifConditionHolds, schemaVersion, updateOf } from './database.ts';
import { keyOf, listOf, listOrderOf } from './keys.ts';
import { everyRow } from './list.ts';

export interface EndpointStore {
  /** A living endpoint. */
  find(environmentId: string, identifier: string): Promise<Endpoint | undefined>;
  /** @returns false when a newer row, living or deleted, is there */
  putIfNewer(endpoint: Endpoint): Promise<boolean>;
  /** Hides an endpoint; its row fences off older writers for a day. */
  remove(endpoint: Endpoint, at: { asOf: number; flowId: string }): Promise<boolean>;
  /** Endpoints that go through a connection, from an index that may lag. */
  listThroughConnection(environmentId: string, connectionKey: string): Promise<Endpoint[]>;
}

const tombstoneSeconds = 24 * 60 * 60;

export function dynamoEndpointStore(db: Database): EndpointStore {
  async function write(endpoint: Endpoint, set: Record<string, unknown>, setIfAbsent: Record<string, unknown>) {
    const written = await ifConditionHolds(
      db.client.send(
        new UpdateCommand({
          TableName: db.tables.connections,
          Key: keyOf.endpoint(endpoint.environmentId, endpoint.identifier),
          ...updateOf({ set: { schemaVersion, ...set }, setIfAbsent, condition: fenceCondition }),
        }),
      ),
    );
    return written !== undefined;
  }
  return {
    async find(environmentId, identifier) {
      const endpoint = await getRow(db, 'connections', keyOf.endpoint(environmentId, identifier), endpointSchema);
      return endpoint?.deletedAt === undefined ? endpoint : undefined;
    },
    putIfNewer({ createdAt, ...endpoint }) {
      const set = { ...optional, ...endpoint, ...indexesOf(endpoint) };
      const listOrder = listOrderOf(createdAt, endpoint.identifier);
      return write({ createdAt, ...endpoint }, set, { createdAt, listOrder });
    },
    remove({ createdAt, ...endpoint }, { asOf, flowId }) {
      const expiresAt = Math.ceil(asOf / 1000) + tombstoneSeconds;
      const set = { ...endpoint, ...hidden, asOf, flowId, deletedAt: asOf, expiresAt };
      const listOrder = listOrderOf(createdAt, endpoint.identifier);
      return write({ createdAt, ...endpoint }, set, { createdAt, listOrder });
    },
    listThroughConnection(environmentId, connectionKey) {
      const partition = listOf.throughConnection(environmentId, connectionKey);
      return Array.fromAsync(everyRow(db, endpointSchema, { index: 'byConnection', partition }));
    },
  };
}

/** Removed unless the new row has them. */
const optional = {
  connectionKey: undefined,
  connectionIdentifier: undefined,
  connectionIndex: undefined,
  deletedAt: undefined,
  expiresAt: undefined,
} as const;

/** Takes a row out of every list, also out of those that it came into since it was read. */
const hidden = {
  environmentIndex: undefined,
  subscriberIndex: undefined,
  integrationIndex: undefined,
  contextsIndex: undefined,
  connectionIndex: undefined,
} as const;

function indexesOf(endpoint: Omit<Endpoint, 'createdAt'>): Record<string, string> {
  const { environmentId, subscriberId, integrationId, contextKeys, connectionKey } = endpoint;
  return {
    environmentIndex: listOf.inEnvironment('EP', environmentId),
    subscriberIndex: listOf.ofSubscriber('EP', environmentId, subscriberId),
    integrationIndex: listOf.ofIntegration('EP', environmentId, integrationId),
    contextsIndex: listOf.withContexts('EP', environmentId, contextKeys),
    ...(connectionKey === undefined ? {} : { connectionIndex: listOf.throughConnection(environmentId, connectionKey) }),
  };
}
