import { DeleteCommand, PutCommand, QueryCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod/mini';
import { randomToken } from '../crypto.ts';
import { type Integration, integrationSchema } from '../integration/integration.ts';
import { claimAlias, getAlias, releaseAlias, unfulfilledAliasMilliseconds } from './alias.ts';
import { type Database, getRow, ifConditionHolds, parseRow, schemaVersion, updateOf } from './database.ts';
import { dueBucketOf } from './due.ts';
import { keyOf, listOf, listOrderOf } from './keys.ts';
import { everyRow } from './list.ts';

export interface IntegrationStore {
  /** A living integration by its id, for one environment or (without one) for whichever it belongs to. */
  get(integrationId: string, environmentId?: string): Promise<Integration | undefined>;
  find(environmentId: string, identifier: string): Promise<Integration | undefined>;
  /** Writes a new integration under its identifier. @returns false when the identifier is taken */
  create(integration: Integration, now: number): Promise<boolean>;
  /** Writes a changed integration if it still is as it was read. */
  replace(changed: Integration, read: Integration, now: number): Promise<boolean>;
  list(environmentId: string): Promise<Integration[]>;
  /** Hides an integration, which frees its identifier. @returns undefined when the environment has no such one living */
  beginDeletion(environmentId: string, integrationId: string, now: number): Promise<Integration | undefined>;
  /** Puts the sweep's next look at an integration as it was read. @param at epoch milliseconds */
  lookAgain(integration: Integration, at: number): Promise<void>;
  /** Takes away what is left of an integration that is being deleted. */
  remove(integration: Integration): Promise<void>;
  /** True while another living integration of the deployment, of any environment, uses the same app at the provider. */
  sharesClient(integration: Integration, now: number): Promise<boolean>;
  /** The row itself, also of an integration that is being deleted: what it granted must still be let go. */
  getEvenDeleting(integrationId: string): Promise<Integration | undefined>;
}

/** By then every index knows what was written before. */
const firstLookMilliseconds = 60_000;

/** Says that an integration uses a client id. It counts for as long as the integration itself names that client id. */
const clientUseSchema = z.object({
  integrationId: z.string(),
  /** Epoch milliseconds. */
  claimedAt: z.number(),
});

export function dynamoIntegrationStore(db: Database): IntegrationStore {
  const TableName = db.tables.connections;
  const getEvenDeleting = (integrationId: string) =>
    getRow(db, 'connections', keyOf.integration(integrationId), integrationSchema);
  async function get(integrationId: string, environmentId?: string): Promise<Integration | undefined> {
    const integration = await getEvenDeleting(integrationId);
    if (integration?.state !== 'living') return undefined;
    return environmentId === undefined || integration.environmentId === environmentId ? integration : undefined;
  }
  async function claimClient({ providerId, integrationId, credentials: { clientId } }: Integration, claimedAt: number) {
    if (clientId === undefined) return;
    const key = keyOf.clientUse(providerId, clientId, integrationId);
    await db.client.send(new PutCommand({ TableName, Item: { ...key, schemaVersion, integrationId, claimedAt } }));
  }
  /** Gives back a way to let go of a client id as it is claimed now: a later claim of it stays. */
  async function clientRelease({ providerId, integrationId, credentials: { clientId } }: Integration) {
    const key = clientId === undefined ? undefined : keyOf.clientUse(providerId, clientId, integrationId);
    const use = key && (await getRow(db, 'connections', key, clientUseSchema));
    return async () => {
      if (!use) return;
      await ifConditionHolds(
        db.client.send(
          new DeleteCommand({
            TableName,
            Key: key,
            ConditionExpression: 'claimedAt = :asRead',
            ExpressionAttributeValues: { ':asRead': use.claimedAt },
          }),
        ),
      );
    };
  }
  return {
    get,
    async find(environmentId, identifier) {
      const alias = await getAlias(db, keyOf.integrationAlias(environmentId, identifier));
      return alias && get(alias.target, environmentId);
    },
    async create(integration, now) {
      const { integrationId, environmentId, identifier } = integration;
      const key = keyOf.integrationAlias(environmentId, identifier);
      const claimed = await claimAlias(db, key, { target: integrationId, claimedAt: now }, async (alias) => {
        const holder = await getRow(db, 'connections', keyOf.integration(alias.target), integrationSchema);
        return holder ? holder.state === 'deleting' : alias.claimedAt + unfulfilledAliasMilliseconds <= now;
      });
      if (!claimed) return false;
      await claimClient(integration, now);
      await db.client.send(new PutCommand({ TableName, Item: rowOf(integration) }));
      return true;
    },
    async replace(changed, read, now) {
      const moves = changed.credentials.clientId !== read.credentials.clientId;
      const release = moves ? await clientRelease(read) : undefined;
      if (moves) await claimClient(changed, now);
      const asRead = read.revision === undefined ? 'attribute_not_exists(revision)' : 'revision = :read';
      const written = await ifConditionHolds(
        db.client.send(
          new PutCommand({
            TableName,
            Item: rowOf(changed),
            // The second half: the SDK repeats a write whose answer was lost.
            ConditionExpression: `attribute_exists(pk) AND (${asRead} OR revision = :mine)`,
            ExpressionAttributeValues: {
              ':mine': changed.revision,
              ...(read.revision === undefined ? {} : { ':read': read.revision }),
            },
          }),
        ),
      );
      if (written) await release?.();
      return written !== undefined;
    },
    async list(environmentId) {
      const partition = listOf.inEnvironment('INT', environmentId);
      const rows = await Array.fromAsync(everyRow(db, integrationSchema, { index: 'byEnvironment', partition }));
      return rows.filter((integration) => integration.state === 'living');
    },
    async beginDeletion(environmentId, integrationId, now) {
      const written = await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName,
            Key: keyOf.integration(integrationId),
            ...updateOf({
              set: {
                state: 'deleting',
                deletedAt: now,
                revision: randomToken(12),
                environmentIndex: undefined,
                dueBucket: dueBucketOf('row', integrationId),
                dueAt: new Date(now + firstLookMilliseconds).toISOString(),
              },
              // The last part: the SDK repeats a write whose answer was lost.
              condition: '#environmentId = :environmentId AND (#state = :living OR #revision = :revision)',
              values: { environmentId, living: 'living' },
            }),
            ReturnValues: 'ALL_NEW',
          }),
        ),
      );
      return written?.Attributes && parseRow(integrationSchema, written.Attributes);
    },
    async lookAgain({ integrationId, dueAt: read }, at) {
      await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName,
            Key: keyOf.integration(integrationId),
            ...updateOf({ set: { dueAt: new Date(at).toISOString() }, condition: '#dueAt = :read', values: { read } }),
          }),
        ),
      );
    },
    async remove({ environmentId, integrationId, identifier, providerId, credentials: { clientId }, deletedAt = 0 }) {
      const alias = keyOf.integrationAlias(environmentId, identifier);
      await releaseAlias(db, alias, { target: integrationId, claimedBefore: deletedAt });
      if (clientId !== undefined) {
        const use = keyOf.clientUse(providerId, clientId, integrationId);
        await db.client.send(new DeleteCommand({ TableName, Key: use }));
      }
      await db.client.send(new DeleteCommand({ TableName, Key: keyOf.integration(integrationId) }));
    },
    async sharesClient({ providerId, credentials: { clientId }, integrationId }, now) {
      if (clientId === undefined) return false;
      const { Items = [] } = await db.client.send(
        new QueryCommand({
          TableName,
          KeyConditionExpression: 'pk = :pk',
          ExpressionAttributeValues: { ':pk': keyOf.clientUse(providerId, clientId, integrationId).pk },
          ConsistentRead: true,
        }),
      );
      const uses = Items.map((row) => parseRow(clientUseSchema, row));
      for (const use of uses.filter((each) => each.integrationId !== integrationId)) {
        const user = await getEvenDeleting(use.integrationId);
        if (user?.state === 'deleting') continue;
        if (user?.credentials.clientId === clientId) return true;
        // Whoever claims it before writing it into the integration needs it at once; one that crashed does not for long.
        if (use.claimedAt + unfulfilledAliasMilliseconds > now) return true;
      }
      return false;
    },
    getEvenDeleting,
  };
}

function rowOf(integration: Integration): Record<string, unknown> {
  const { environmentId, integrationId, createdAt } = integration;
  return {
    ...keyOf.integration(integrationId),
    schemaVersion,
    ...integration,
    environmentIndex: listOf.inEnvironment('INT', environmentId),
    listOrder: listOrderOf(createdAt, integrationId),
  };
}
