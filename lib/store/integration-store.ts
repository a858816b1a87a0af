import { PutCommand, QueryCommand } from '@aws-sdk/lib-dynamodb';
import { type Integration, integrationSchema } from '../integration/integration.ts';
import { claimAlias, getAlias, unfulfilledAliasMilliseconds } from './alias.ts';
import { type Database, getRow, schemaVersion } from './database.ts';
import { keyOf, listOf, listOrderOf } from './keys.ts';
import { readList } from './list.ts';

export interface IntegrationStore {
  /** A living integration by its id, for one environment or (without one) for whichever it belongs to. */
  get(integrationId: string, environmentId?: string): Promise<Integration | undefined>;
  find(environmentId: string, identifier: string): Promise<Integration | undefined>;
  /** Writes a new integration under its identifier. @returns false when the identifier is taken */
  create(integration: Integration, now: number): Promise<boolean>;
  list(environmentId: string): Promise<Integration[]>;
  /** True while another living integration of the deployment, of any environment, uses the same app at the provider. */
  sharesClient(integration: Integration, now: number): Promise<boolean>;
  /** The row itself, also of an integration that is being deleted: what it granted must still be let go. */
  getEvenDeleting(integrationId: string): Promise<Integration | undefined>;
}

export function dynamoIntegrationStore(db: Database): IntegrationStore {
  const getEvenDeleting = (integrationId: string) =>
    getRow(db, 'connections', keyOf.integration(integrationId), integrationSchema);
  async function get(integrationId: string, environmentId?: string): Promise<Integration | undefined> {
    const integration = await getEvenDeleting(integrationId);
    if (integration?.state !== 'living') return undefined;
    return environmentId === undefined || integration.environmentId === environmentId ? integration : undefined;
  }
  return {
    get,
    async find(environmentId, identifier) {
      const alias = await getAlias(db, keyOf.integrationAlias(environmentId, identifier));
      return alias && get(alias.target, environmentId);
    },
    async create(integration, now) {
      const { integrationId, environmentId, identifier, providerId } = integration;
      const key = keyOf.integrationAlias(environmentId, identifier);
      const claimed = await claimAlias(db, key, { target: integrationId, claimedAt: now }, async (alias) => {
        const holder = await getRow(db, 'connections', keyOf.integration(alias.target), integrationSchema);
        return holder ? holder.state === 'deleting' : alias.claimedAt + unfulfilledAliasMilliseconds <= now;
      });
      if (!claimed) return false;
      const put = (Item: Record<string, unknown>) =>
        db.client.send(new PutCommand({ TableName: db.tables.connections, Item }));
      const { clientId } = integration.credentials;
      if (clientId !== undefined) {
        await put({
          ...keyOf.clientUse(providerId, clientId, integrationId),
          schemaVersion,
          integrationId,
          claimedAt: now,
        });
      }
      await put({
        ...keyOf.integration(integrationId),
        schemaVersion,
        ...integration,
        environmentIndex: listOf.inEnvironment('INT', environmentId),
        listOrder: listOrderOf(integration.createdAt, integrationId),
      });
      return true;
    },
    async list(environmentId) {
      const partition = listOf.inEnvironment('INT', environmentId);
      const query = { index: 'byEnvironment', partition, direction: 'ASC', limit: 1_000 } as const;
      const { rows } = await readList(db, integrationSchema, query);
      return rows.filter((integration) => integration.state === 'living');
    },
    async sharesClient({ providerId, credentials, integrationId }, now) {
      if (credentials.clientId === undefined) return false;
      const { pk, sk } = keyOf.clientUse(providerId, credentials.clientId, integrationId);
      const { Items = [] } = await db.client.send(
        new QueryCommand({
          TableName: db.tables.connections,
          KeyConditionExpression: 'pk = :pk',
          ExpressionAttributeValues: { ':pk': pk },
          ConsistentRead: true,
        }),
      );
      for (const use of Items.filter((row) => row['sk'] !== sk)) {
        const other = await getEvenDeleting(String(use['integrationId']));
        // A use whose integration is missing was claimed by somebody who is about to write it, or who crashed.
        const counts = other ? other.state === 'living' : Number(use['claimedAt']) + unfulfilledAliasMilliseconds > now;
        if (counts) return true;
      }
      return false;
    },
    getEvenDeleting,
  };
}
