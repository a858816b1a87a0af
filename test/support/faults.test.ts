import { DeleteCommand, GetCommand, PutCommand, QueryCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from './embedded-store.ts';
import { type Faults, InjectedFault, injectFaults } from './faults.ts';

let database: TestDatabase;
let faults: Faults;

beforeEach(async () => {
  database = await testDatabase();
  faults = injectFaults(database.client);
});

afterEach(() => database.close());

function put(pk: string) {
  return database.client.send(new PutCommand({ TableName: database.tables.flows, Item: { pk } }));
}

async function exists(pk: string): Promise<boolean> {
  faults.reset();
  const { Item } = await database.client.send(new GetCommand({ TableName: database.tables.flows, Key: { pk } }));
  return Item !== undefined;
}

describe('injectFaults', () => {
  it('counts commands by name, and reads and writes', async () => {
    const { client, tables } = database;
    const TableName = tables.flows;
    await put('a');
    await put('b');
    await client.send(new DeleteCommand({ TableName, Key: { pk: 'a' } }));
    await client.send(new UpdateCommand({ TableName, Key: { pk: 'b' } }));
    await client.send(new GetCommand({ TableName, Key: { pk: 'b' } }));
    await client.send(
      new QueryCommand({ TableName, KeyConditionExpression: 'pk = :pk', ExpressionAttributeValues: { ':pk': 'b' } }),
    );

    expect(faults.counts).toEqual({ PutItem: 2, DeleteItem: 1, UpdateItem: 1, GetItem: 1, Query: 1 });
    expect([faults.reads, faults.writes]).toEqual([2, 4]);

    faults.reset();
    expect([faults.counts, faults.reads, faults.writes]).toEqual([{}, 0, 0]);
  });

  it('fails before the k-th command, and only there', async () => {
    faults.failBefore(2);

    const outcomes = await settleInTurn(['a', 'b', 'c']);

    expect(outcomes).toEqual(['done', 'fault', 'done']);
    expect([await exists('a'), await exists('b'), await exists('c')]).toEqual([true, false, true]);
  });

  it('fails after the k-th command took effect, and only there', async () => {
    faults.failAfter(2);

    const outcomes = await settleInTurn(['a', 'b', 'c']);

    expect(outcomes).toEqual(['done', 'fault', 'done']);
    expect([await exists('a'), await exists('b'), await exists('c')]).toEqual([true, true, true]);
  });

  it('loses the answer also of a command that DynamoDB refuses', async () => {
    faults.failAfter(1);

    const refused = database.client.send(
      new PutCommand({
        TableName: database.tables.flows,
        Item: { pk: 'a' },
        ConditionExpression: 'attribute_exists(pk)',
      }),
    );

    await expect(refused).rejects.toThrow(InjectedFault);
    expect(await exists('a')).toBe(false);
  });

  it('fails at the k-th command and all later ones when it kills', async () => {
    faults.killAt(2);

    const outcomes = await settleInTurn(['a', 'b', 'c', 'd']);

    expect(outcomes).toEqual(['done', 'fault', 'fault', 'fault']);
    expect([await exists('a'), await exists('b'), await exists('d')]).toEqual([true, false, false]);
  });

  it('is over after a reset', async () => {
    faults.killAt(1);

    faults.reset();

    expect(await settleInTurn(['a', 'b'])).toEqual(['done', 'done']);
  });
});

async function settleInTurn(keys: readonly string[]): Promise<string[]> {
  const outcomes: string[] = [];
  for (const pk of keys) {
    const outcome = await put(pk).then(
      () => 'done',
      (error: unknown) => (error instanceof InjectedFault ? 'fault' : 'other'),
    );
    outcomes.push(outcome);
  }
  return outcomes;
}
