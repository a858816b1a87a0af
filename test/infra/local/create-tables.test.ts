import { randomUUID } from 'node:crypto';
import { DescribeTableCommand, DescribeTimeToLiveCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, PutCommand, QueryCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTables } from '../../../infra/local/create-tables.ts';
import { localClientConfig, startEmbeddedDynamoDb } from '../../../infra/local/embedded-dynamodb.ts';
import { connectionsTable, flowsTable } from '../../../lib/store/tables.ts';
import { startDynamoDbLocal } from '../../support/dynamodb-local.ts';

const embedded = await startEmbeddedDynamoDb();
const dynamoDbLocal = await startDynamoDbLocal();
const databases = [
  { name: 'the embedded DynamoDB', ...embedded, timeToLive: 'DISABLED' },
  ...(dynamoDbLocal ? [{ name: 'DynamoDB Local', ...dynamoDbLocal, timeToLive: 'ENABLED' }] : []),
];

describe.each(databases)('createTables on $name', ({ endpoint, timeToLive, close }) => {
  let client: DynamoDBClient;

  beforeAll(() => {
    client = new DynamoDBClient(localClientConfig(endpoint));
  });

  afterAll(async () => {
    client.destroy();
    await close();
  });

  function newNames() {
    const id = randomUUID();
    return { connections: `connections-${id}`, flows: `flows-${id}` };
  }

  it('makes both tables as their schemas say', async () => {
    const names = newNames();

    await createTables(client, names);

    for (const [TableName, schema] of [
      [names.connections, connectionsTable],
      [names.flows, flowsTable],
    ] as const) {
      const { Table } = await client.send(new DescribeTableCommand({ TableName }));
      expect(Table).toMatchObject({
        TableStatus: 'ACTIVE',
        BillingModeSummary: { BillingMode: 'PAY_PER_REQUEST' },
        KeySchema: [
          { AttributeName: schema.partitionKey, KeyType: 'HASH' },
          ...(schema.sortKey ? [{ AttributeName: schema.sortKey, KeyType: 'RANGE' }] : []),
        ],
      });
      const indexes = Table?.GlobalSecondaryIndexes?.map(({ IndexName, KeySchema, Projection, IndexStatus }) => ({
        name: IndexName,
        keys: KeySchema?.map(({ AttributeName }) => AttributeName),
        projection: Projection?.ProjectionType,
        status: IndexStatus,
      }));
      const expected = schema.indexes.map(({ name, partitionKey, sortKey }) => ({
        name,
        keys: [partitionKey, sortKey],
        projection: 'KEYS_ONLY',
        status: 'ACTIVE',
      }));
      expect(indexes).toHaveLength(expected.length);
      expect(indexes).toEqual(expect.arrayContaining(expected));
    }
  });

  it('sets the time to live where that can be set', async () => {
    const names = newNames();

    await createTables(client, names);

    const { TimeToLiveDescription } = await client.send(new DescribeTimeToLiveCommand({ TableName: names.flows }));
    expect(TimeToLiveDescription?.TimeToLiveStatus).toBe(timeToLive);
  });

  it('leaves tables that exist, and their rows, as they are', async () => {
    const names = newNames();
    const documents = DynamoDBDocumentClient.from(client);
    await createTables(client, names);
    const item = { pk: 'flow', dueBucket: 'bucket', dueAt: '1', kept: true };
    await documents.send(new PutCommand({ TableName: names.flows, Item: item }));

    await createTables(client, names);

    const { Items } = await documents.send(
      new QueryCommand({
        TableName: names.flows,
        IndexName: 'due',
        KeyConditionExpression: 'dueBucket = :bucket',
        ExpressionAttributeValues: { ':bucket': 'bucket' },
      }),
    );
    expect(Items).toEqual([{ pk: 'flow', dueBucket: 'bucket', dueAt: '1' }]);
  });

  it('can be called twice at once', async () => {
    const names = newNames();

    await Promise.all([createTables(client, names), createTables(client, names)]);

    const { Table } = await client.send(new DescribeTableCommand({ TableName: names.connections }));
    expect(Table?.TableStatus).toBe('ACTIVE');
  });
});

it('fails where DynamoDB refuses for another reason', async () => {
  const database = await startEmbeddedDynamoDb();
  const client = new DynamoDBClient(localClientConfig(database.endpoint));

  const refused = createTables(client, { connections: 'no spaces in names', flows: 'flows' });

  await expect(refused).rejects.toMatchObject({ name: 'ValidationException' });
  client.destroy();
  await database.close();
});
