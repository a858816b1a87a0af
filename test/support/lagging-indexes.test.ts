import {
  BatchWriteCommand,
  DeleteCommand,
  GetCommand,
  PutCommand,
  QueryCommand,
  TransactWriteCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from './embedded-store.ts';
import { injectFaults } from './faults.ts';
import { lagIndexes } from './lagging-indexes.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await testDatabase();
});

afterEach(() => database.close());

function put(pk: string, dueBucket = 'bucket') {
  const Item = { pk, dueBucket, dueAt: pk };
  return database.client.send(new PutCommand({ TableName: database.tables.flows, Item }));
}

function remove(pk: string) {
  return database.client.send(new DeleteCommand({ TableName: database.tables.flows, Key: { pk } }));
}

async function due(dueBucket = 'bucket'): Promise<unknown[]> {
  const { Items = [] } = await database.client.send(
    new QueryCommand({
      TableName: database.tables.flows,
      IndexName: 'due',
      KeyConditionExpression: 'dueBucket = :bucket',
      ExpressionAttributeValues: { ':bucket': dueBucket },
    }),
  );
  return Items.map((item) => item['pk']);
}

describe('lagIndexes', () => {
  it('shows what was there before', async () => {
    await put('early');

    await lagIndexes(database);

    expect(await due()).toEqual(['early']);
  });

  it('hides new rows from the indexes until they catch up', async () => {
    const indexes = await lagIndexes(database);
    await put('new');
    const hidden = await due();

    await indexes.catchUp();

    expect(hidden).toEqual([]);
    expect(await due()).toEqual(['new']);
  });

  it('shows deleted and moved rows where they were until the indexes catch up', async () => {
    await put('deleted');
    await put('moved');
    const indexes = await lagIndexes(database);
    await remove('deleted');
    await database.client.send(
      new UpdateCommand({
        TableName: database.tables.flows,
        Key: { pk: 'moved' },
        UpdateExpression: 'SET dueBucket = :bucket',
        ExpressionAttributeValues: { ':bucket': 'elsewhere' },
      }),
    );
    const lagging = [await due(), await due('elsewhere')];

    await indexes.catchUp();

    expect(lagging).toEqual([['deleted', 'moved'], []]);
    expect([await due(), await due('elsewhere')]).toEqual([[], ['moved']]);
  });

  it('lags by a number of writes', async () => {
    await lagIndexes(database, { writes: 2 });

    const seen: unknown[][] = [];
    for (const pk of ['1', '2', '3', '4']) {
      await put(pk);
      seen.push(await due());
    }

    expect(seen).toEqual([[], [], ['1'], ['1', '2']]);
  });

  it('shows each state of a row in its turn', async () => {
    await lagIndexes(database, { writes: 1 });
    await put('row', 'first');
    await put('row', 'second');
    const between = [await due('first'), await due('second')];

    await put('other');

    expect(between).toEqual([['row'], []]);
    expect([await due('first'), await due('second')]).toEqual([[], ['row']]);
  });

  it('knows batches', async () => {
    await put('old');
    const indexes = await lagIndexes(database);
    await database.client.send(
      new BatchWriteCommand({
        RequestItems: {
          [database.tables.flows]: [
            { PutRequest: { Item: { pk: 'new', dueBucket: 'bucket', dueAt: 'new' } } },
            { DeleteRequest: { Key: { pk: 'old' } } },
          ],
        },
      }),
    );
    const lagging = await due();

    await indexes.catchUp();

    expect(lagging).toEqual(['old']);
    expect(await due()).toEqual(['new']);
  });

  it('lets the table itself be read at once', async () => {
    await lagIndexes(database);
    await put('new');

    const { Item } = await database.client.send(
      new GetCommand({ TableName: database.tables.flows, Key: { pk: 'new' } }),
    );

    expect(Item).toMatchObject({ pk: 'new' });
  });

  it('knows the sort key of the connections table', async () => {
    const indexes = await lagIndexes(database);
    const Item = { pk: 'a', sk: 'b', environmentIndex: 'environment', listOrder: '1', unindexed: true };
    await database.client.send(new PutCommand({ TableName: database.tables.connections, Item }));

    await indexes.catchUp();

    const { Items } = await database.client.send(
      new QueryCommand({
        TableName: database.tables.connections,
        IndexName: 'byEnvironment',
        KeyConditionExpression: 'environmentIndex = :environment',
        ExpressionAttributeValues: { ':environment': 'environment' },
      }),
    );
    expect(Items).toEqual([{ pk: 'a', sk: 'b', environmentIndex: 'environment', listOrder: '1' }]);
  });

  it('adds nothing to the commands that are counted, and sees writes whose answer was lost', async () => {
    const faults = injectFaults(database.client);
    const indexes = await lagIndexes(database);
    faults.failAfter(1);
    await put('lost').catch(() => {});
    const { counts } = faults;

    await indexes.catchUp();

    expect(counts).toEqual({ PutItem: 1 });
    expect(await due()).toEqual(['lost']);
  });

  it('refuses transactions, which it cannot follow', async () => {
    await lagIndexes(database);

    const refused = database.client.send(new TransactWriteCommand({ TransactItems: [] }));

    await expect(refused).rejects.toThrow('lagging indexes do not know transactions');
  });
});
