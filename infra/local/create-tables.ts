import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateTableCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  type DynamoDBClient,
  DynamoDBServiceException,
  ResourceInUseException,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';
import { connectionsTable, flowsTable, type TableNames, type TableSchema } from '../../lib/store/tables.ts';

const POLL_MILLISECONDS = 50;

/** Names of the tables on this machine. */
export const localTables = { connections: 'chat-connect-connections', flows: 'chat-connect-flows' } as const;

/** Makes both tables where they are absent, and returns when they can be used. */
export async function createTables(client: DynamoDBClient, names: TableNames): Promise<void> {
  await Promise.all([
    createTable(client, names.connections, connectionsTable),
    createTable(client, names.flows, flowsTable),
  ]);
}

async function createTable(client: DynamoDBClient, name: string, schema: TableSchema): Promise<void> {
  const indexKeys = schema.indexes.flatMap(({ partitionKey, sortKey }) => [partitionKey, sortKey]);
  const attributes = new Set([schema.partitionKey, ...(schema.sortKey ? [schema.sortKey] : []), ...indexKeys]);
  try {
    await client.send(
      new CreateTableCommand({
        TableName: name,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [...attributes].map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
        KeySchema: keySchema(schema.partitionKey, schema.sortKey),
        GlobalSecondaryIndexes: schema.indexes.map((index) => ({
          IndexName: index.name,
          KeySchema: keySchema(index.partitionKey, index.sortKey),
          Projection: { ProjectionType: 'KEYS_ONLY' },
        })),
      }),
    );
  } catch (error) {
    if (!(error instanceof ResourceInUseException)) throw error;
  }
  while (!(await isActive(client, name))) await sleep(POLL_MILLISECONDS);
  await setTimeToLive(client, name, schema.timeToLiveAttribute);
}

function keySchema(partitionKey: string, sortKey?: string) {
  return [
    { AttributeName: partitionKey, KeyType: 'HASH' as const },
    ...(sortKey === undefined ? [] : [{ AttributeName: sortKey, KeyType: 'RANGE' as const }]),
  ];
}

async function isActive(client: DynamoDBClient, name: string): Promise<boolean> {
  const { Table } = await client.send(new DescribeTableCommand({ TableName: name }));
  const indexes = Table?.GlobalSecondaryIndexes ?? [];
  return Table?.TableStatus === 'ACTIVE' && indexes.every(({ IndexStatus }) => IndexStatus === 'ACTIVE');
}

async function setTimeToLive(client: DynamoDBClient, name: string, attribute: string): Promise<void> {
  if (await hasTimeToLive(client, name)) return;
  try {
    await client.send(
      new UpdateTimeToLiveCommand({
        TableName: name,
        TimeToLiveSpecification: { AttributeName: attribute, Enabled: true },
      }),
    );
  } catch (error) {
    // Setting it twice is an error, and another process may have been quicker.
    if (!lacksOperation(error) && !(await hasTimeToLive(client, name))) throw error;
  }
}

async function hasTimeToLive(client: DynamoDBClient, name: string): Promise<boolean> {
  const { TimeToLiveDescription } = await client.send(new DescribeTimeToLiveCommand({ TableName: name }));
  const status = TimeToLiveDescription?.TimeToLiveStatus;
  return status === 'ENABLED' || status === 'ENABLING';
}

/** Dynalite does not know UpdateTimeToLive; there, nothing is deleted when it expires. */
function lacksOperation(error: unknown): boolean {
  return error instanceof DynamoDBServiceException && error.name === 'UnknownOperationException';
}
