import { PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod/mini';
import { hashOf } from '../crypto.ts';
import { type Endpoint, type EndpointTarget, endpointSchema } from '../endpoint/endpoint.ts';
import {
  type Database,
  fenceCondition,
  getRow,
  ifConditionHolds,
  parseRow,
  schemaVersion,
  updateOf,
} from './database.ts';
import { keyOf, listOf, listOrderOf } from './keys.ts';
import { everyRow } from './list.ts';

/** What is left of a deleted endpoint, for a day: it fences off older writers, and holds nothing of what it was. */
const tombstoneSchema = z.object({ asOf: z.number(), deletedAt: z.number() });
export const endpointRowSchema = z.union([tombstoneSchema, endpointSchema]);
export type EndpointRow = z.infer<typeof endpointRowSchema>;

/** Who writes, and the time of what the write reflects. */
type Writer = Pick<Endpoint, 'asOf' | 'flowId'>;

export interface EndpointStore {
  /** A living endpoint. */
  find(environmentId: string, identifier: string): Promise<Endpoint | undefined>;
  /** The row of an identifier, also when it is a tombstone. */
  get(environmentId: string, identifier: string): Promise<EndpointRow | undefined>;
  /** Writes an endpoint under an identifier that is free. @returns false when it is taken, or was freed after `asOf` */
  create(endpoint: Endpoint): Promise<boolean>;
  /** Points a living endpoint elsewhere. @returns undefined when it is gone, of another type, or newer */
  retarget(
    endpoint: Endpoint,
    change: Writer & { target: EndpointTarget; updatedAt: string },
  ): Promise<Endpoint | undefined>;
  /** @returns false when a newer row, living or deleted, is there */
  putIfNewer(endpoint: Endpoint): Promise<boolean>;
  /** Deletes an endpoint; what is left fences off older writers for a day. @returns false when a newer row is there */
  remove(endpoint: Pick<Endpoint, 'environmentId' | 'identifier'>, at: Writer): Promise<boolean>;
  /** Endpoints that go through a connection, from an index that may lag. */
  listThroughConnection(environmentId: string, connectionKey: string): Promise<Endpoint[]>;
  /** Living endpoints, oldest first, from an index that may lag. */
  ofIntegration(environmentId: string, integrationId: string): AsyncIterable<Endpoint>;
}

const tombstoneSeconds = 24 * 60 * 60;

export function dynamoEndpointStore(db: Database): EndpointStore {
  const TableName = db.tables.connections;
  const get = (environmentId: string, identifier: string) =>
    getRow(db, 'connections', keyOf.endpoint(environmentId, identifier), endpointRowSchema);
  return {
    get,
    async find(environmentId, identifier) {
      const row = await get(environmentId, identifier);
      return row && isLiving(row) ? row : undefined;
    },
    async create(endpoint) {
      const written = await ifConditionHolds(
        db.client.send(
          new PutCommand({
            TableName,
            Item: {
              ...keyOf.endpoint(endpoint.environmentId, endpoint.identifier),
              schemaVersion,
              ...endpoint,
              ...indexesOf(endpoint),
              listOrder: endpointOrderOf(endpoint),
            },
            // The last part: the SDK repeats a write whose answer was lost.
            ConditionExpression:
              'attribute_not_exists(pk) OR (attribute_exists(deletedAt) AND asOf < :asOf) OR ' +
              '(attribute_not_exists(deletedAt) AND asOf = :asOf AND flowId = :flowId)',
            ExpressionAttributeValues: { ':asOf': endpoint.asOf, ':flowId': endpoint.flowId },
          }),
        ),
      );
      return written !== undefined;
    },
    async retarget({ environmentId, identifier, target }, change) {
      const written = await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName,
            Key: keyOf.endpoint(environmentId, identifier),
            ...updateOf({
              // Whom a caller's target belongs to is not known.
              set: { ...change, source: 'caller', accountId: undefined },
              condition: `attribute_exists(pk) AND attribute_not_exists(#deletedAt) AND #target.#type = :was AND (${fenceCondition})`,
              values: { was: target.type },
            }),
            ReturnValues: 'ALL_NEW',
          }),
        ),
      );
      return written?.Attributes && parseRow(endpointSchema, written.Attributes);
    },
    async putIfNewer(whole) {
      const { createdAt, ...endpoint } = whole;
      const written = await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName,
            Key: keyOf.endpoint(endpoint.environmentId, endpoint.identifier),
            ...updateOf({
              set: { schemaVersion, ...optional, ...endpoint, ...indexesOf(endpoint) },
              setIfAbsent: { createdAt, listOrder: endpointOrderOf(whole) },
              condition: fenceCondition,
            }),
          }),
        ),
      );
      return written !== undefined;
    },
    async remove({ environmentId, identifier }, { asOf, flowId }) {
      const written = await ifConditionHolds(
        db.client.send(
          new PutCommand({
            TableName,
            Item: {
              ...keyOf.endpoint(environmentId, identifier),
              schemaVersion,
              asOf,
              flowId,
              deletedAt: asOf,
              expiresAt: Math.ceil(asOf / 1000) + tombstoneSeconds,
            },
            ConditionExpression: fenceCondition,
            ExpressionAttributeNames: { '#asOf': 'asOf', '#flowId': 'flowId' },
            ExpressionAttributeValues: { ':asOf': asOf, ':flowId': flowId },
          }),
        ),
      );
      return written !== undefined;
    },
    listThroughConnection(environmentId, connectionKey) {
      const partition = listOf.throughConnection(environmentId, connectionKey);
      return Array.fromAsync(everyRow(db, endpointSchema, { index: 'byConnection', partition }));
    },
    ofIntegration(environmentId, integrationId) {
      const partition = listOf.ofIntegration('EP', environmentId, integrationId);
      return everyRow(db, endpointSchema, { index: 'byIntegration', partition });
    },
  };
}

/** Removed unless the new row has them. */
const optional = {
  accountId: undefined,
  connectionKey: undefined,
  connectionIdentifier: undefined,
  connectionIndex: undefined,
  deletedAt: undefined,
  expiresAt: undefined,
} as const;

/** Position of an endpoint in every list. Hashed, since a caller's identifier can be longer than a key may be. */
export function endpointOrderOf({ createdAt, identifier }: Pick<Endpoint, 'createdAt' | 'identifier'>): string {
  return listOrderOf(createdAt, hashOf(identifier));
}

export function isLiving(row: EndpointRow): row is Endpoint {
  return !('deletedAt' in row);
}

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
