import { PutCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod/mini';
import { type Connection, connectionSchema, mainGrantIdOf, subjectKeyIn } from '../connection/connection.ts';
import type { Standing } from '../connection/connection-status.ts';
import { grantStateSchema } from '../grant/grant.ts';
import { integrationSchema } from '../integration/integration.ts';
import { claimAlias, getAlias, releaseAlias, unfulfilledAliasMilliseconds } from './alias.ts';
import { type Database, getRow, ifConditionHolds, type RowKey, readableRow, schemaVersion } from './database.ts';
import { dueBucketOf } from './due.ts';
import { keyOf, listOf, listOrderOf } from './keys.ts';
import { everyRow, readRows } from './list.ts';

export interface ConnectionStore {
  /** The row of a subject, also when it is a tombstone. */
  get(environmentId: string, subjectKey: string): Promise<Connection | undefined>;
  /** A living connection by the identifier that a caller gave or by the derived one. */
  find(environmentId: string, identifier: string): Promise<Connection | undefined>;
  /** Writes the row if it still is as it was read. @param readRevision of the row that was read; undefined: there was none */
  put(connection: Connection, readRevision: string | undefined): Promise<boolean>;
  /** Reads, in one go, how connections of one environment stand. @returns what tells it of each of them */
  standingsOf(environmentId: string, connections: readonly Connection[]): Promise<(of: Connection) => Standing>;
  /** Living connections, oldest first, from an index that may lag. */
  ofIntegration(environmentId: string, integrationId: string): AsyncIterable<Connection>;
  /** Reserves an identifier for a subject. @returns false when it is another subject's */
  claimIdentifier(environmentId: string, identifier: string, subjectKey: string, now: number): Promise<boolean>;
  /** Gives back the identifier of a connection that was deleted, unless it was claimed anew since. */
  releaseIdentifier(tombstone: Connection & { deletedAt: number }): Promise<void>;
}

const stateSchema = z.pick(integrationSchema, { state: true });
/** Of an integration, as far as it says how connections stand. */
const requirementsSchema = z.object({
  environmentId: z.string(),
  configurations: z.object({ requiredScopes: z.optional(z.array(z.string())) }),
});
const standingAttributes = [...Object.keys(grantStateSchema.shape), ...Object.keys(requirementsSchema.shape)];

export function dynamoConnectionStore(db: Database): ConnectionStore {
  const get = (environmentId: string, subjectKey: string) =>
    getRow(db, 'connections', keyOf.connection(environmentId, subjectKey), connectionSchema);
  return {
    get,
    async find(environmentId, identifier) {
      const derived = subjectKeyIn(identifier);
      const subjectKey = derived ?? (await getAlias(db, keyOf.connectionAlias(environmentId, identifier)))?.target;
      const connection = subjectKey === undefined ? undefined : await get(environmentId, subjectKey);
      if (!connection || connection.deletedAt !== undefined) return undefined;
      // A name that lost a race for its subject stands for nothing.
      return derived !== undefined || connection.identifier === identifier ? connection : undefined;
    },
    async put(connection, readRevision) {
      const written = await ifConditionHolds(
        db.client.send(
          new PutCommand({
            TableName: db.tables.connections,
            Item: {
              ...keyOf.connection(connection.environmentId, connection.subjectKey),
              schemaVersion,
              ...connection,
              ...(connection.deletedAt === undefined ? indexesOf(connection) : {}),
              ...(connection.dueAt === undefined ? {} : { dueBucket: dueBucketOf('row', connection.subjectKey) }),
            },
            // The second half: the SDK repeats a write whose answer was lost.
            ConditionExpression: `${readRevision === undefined ? 'attribute_not_exists(pk)' : 'revision = :read'} OR revision = :mine`,
            ExpressionAttributeValues: {
              ':mine': connection.revision,
              ...(readRevision === undefined ? {} : { ':read': readRevision }),
            },
          }),
        ),
      );
      return written !== undefined;
    },
    async standingsOf(environmentId, connections) {
      const keysOf = (connection: Connection) => {
        const grantId = mainGrantIdOf(connection);
        return {
          grant: grantId === undefined ? undefined : keyOf.grant(environmentId, grantId),
          // Scopes are required at Slack only.
          integration: connection.providerId === 'slack' ? keyOf.integration(connection.integrationId) : undefined,
        };
      };
      const wanted = new Map<string, RowKey>();
      for (const key of connections.flatMap((each) => Object.values(keysOf(each)))) {
        if (key) wanted.set(`${key.pk} ${key.sk}`, key);
      }
      const rows = await readRows(db, [...wanted.values()], standingAttributes);
      const read = <Schema extends z.ZodMiniType>(schema: Schema, key: RowKey | undefined) => {
        const row = key && rows.get(`${key.pk} ${key.sk}`);
        return row && readableRow(schema, row);
      };
      return (connection) => {
        const { grant, integration } = keysOf(connection);
        const requirements = read(requirementsSchema, integration);
        const isOwn = requirements?.environmentId === environmentId;
        return {
          grant: read(grantStateSchema, grant),
          requiredScopes: (isOwn && requirements.configurations.requiredScopes) || [],
        };
      };
    },
    ofIntegration(environmentId, integrationId) {
      const partition = listOf.ofIntegration('CONN', environmentId, integrationId);
      return everyRow(db, connectionSchema, { index: 'byIntegration', partition });
    },
    claimIdentifier: (environmentId, identifier, subjectKey, now) =>
      claimAlias(
        db,
        keyOf.connectionAlias(environmentId, identifier),
        { target: subjectKey, claimedAt: now },
        async (alias) => {
          const holder = await get(environmentId, alias.target);
          if (holder?.deletedAt === undefined && holder?.identifier === identifier) {
            // What belongs to an integration that is being deleted goes, though not all of it at once.
            const integration = await getRow(db, 'connections', keyOf.integration(holder.integrationId), stateSchema);
            return integration?.state === 'deleting';
          }
          // Deleted after the claim: the name went with the connection.
          if (holder?.deletedAt !== undefined && alias.claimedAt < holder.deletedAt) return true;
          // Whoever claimed it may be about to write the connection.
          return alias.claimedAt + unfulfilledAliasMilliseconds <= now;
        },
      ),
    async releaseIdentifier({ environmentId, identifier, subjectKey, deletedAt }) {
      if (subjectKeyIn(identifier) !== undefined) return;
      const key = keyOf.connectionAlias(environmentId, identifier);
      await releaseAlias(db, key, { target: subjectKey, claimedBefore: deletedAt });
    },
  };
}

function indexesOf(connection: Connection): Record<string, string> {
  const { environmentId, subscriberId, contextKeys, integrationId } = connection;
  return {
    listOrder: listOrderOf(connection.createdAt, connection.subjectKey),
    environmentIndex: listOf.inEnvironment('CONN', environmentId),
    integrationIndex: listOf.ofIntegration('CONN', environmentId, integrationId),
    ...(!connection.isInstall && {
      subscriberIndex:
        subscriberId === undefined
          ? listOf.shared('CONN', environmentId, contextKeys)
          : listOf.ofSubscriber('CONN', environmentId, subscriberId),
      contextsIndex: listOf.withContexts('CONN', environmentId, contextKeys),
    }),
  };
}
