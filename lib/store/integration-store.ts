import { DeleteCommand, PutCommand, QueryCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod/mini';
import { type Integration, integrationSchema } from '../integration/integration.ts';
import { claimAlias, getAlias, unfulfilledAliasMilliseconds } from './alias.ts';
import { type Database, getRow, ifConditionHolds, parseRow, schemaVersion } from './database.ts';
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
  /** True while another living integration of the deployment, of any environment, uses the same app at the provider. */
  sharesClient(integration: Integration, now: number): Promise<boolean>;
  /** The row itself, also of an integration that is being deleted: what it granted must still be let go. */
  getEvenDeleting(integrationId: string): Promise<Integration | undefined>;
}

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
