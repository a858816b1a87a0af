import { DynamoDBClient, type ReturnValue } from '@aws-sdk/client-dynamodb';
import { DeleteCommand, GetCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StreamHandler } from '../../../functions/publish-events.ts';
import { localClientConfig } from '../../../infra/local/embedded-dynamodb.ts';
import { createTableStream } from '../../../infra/local/table-stream.ts';
import type { StreamRecord } from '../../../lib/events/row-change.ts';
import { documentClient } from '../../../lib/store/aws-database.ts';
import { type TestDatabase, testDatabase } from '../../support/embedded-store.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await testDatabase();
});
afterAll(() => db.close());

const nothing = () => {};
let keys = 0;

/** A stream that is handed to a handler, and a client whose writes are in it. */
function setup(answer: (records: readonly StreamRecord[]) => Awaited<ReturnType<StreamHandler>> = takeAll) {
  const seen: StreamRecord[] = [];
  const plainClients = [db, db].map(() => new DynamoDBClient(localClientConfig(db.endpoint)));
  const [client, reader] = plainClients.map(documentClient) as [TestDatabase['client'], TestDatabase['client']];
  const stream = createTableStream({
    tableName: db.tables.connections,
    reader,
    handler: async (batch) => {
      const { Records } = batch as { Records: StreamRecord[] };
      const result = answer(Records);
      const again = Records.findIndex(
        ({ dynamodb }) => dynamodb.SequenceNumber === result.batchItemFailures[0]?.itemIdentifier,
      );
      seen.push(...Records.slice(0, again === -1 ? Records.length : again));
      return result;
    },
    log: { info: nothing, warn: nothing, error: nothing },
  });
  stream.watch(client);
  keys += 1;
  const key = { pk: `C#environment#${keys}`, sk: 'CONN' };
  const images = () => seen.map(({ dynamodb: { OldImage, NewImage } }) => [OldImage?.['n'], NewImage?.['n']]);
  return { stream, client, seen, key, images };
}

const takeAll = () => ({ batchItemFailures: [] });
const put = (key: object, n: number, more = {}) =>
  new PutCommand({ TableName: db.tables.connections, Item: { ...key, n, ...more } });

describe('the local stream of a table', () => {
  it('hands on each write with the row before and after it, in DynamoDB’s JSON', async () => {
    const { stream, client, seen, key, images } = setup();
    const TableName = db.tables.connections;

    await client.send(put(key, 1, { left: undefined }));
    await client.send(
      new UpdateCommand({
        TableName,
        Key: key,
        UpdateExpression: 'SET n = n + :one',
        ExpressionAttributeValues: { ':one': 1 },
      }),
    );
    await client.send(new DeleteCommand({ TableName, Key: key }));
    await stream.drained();

    expect(images()).toEqual([
      [undefined, { N: '1' }],
      [{ N: '1' }, { N: '2' }],
      [{ N: '2' }, undefined],
    ]);
    expect(seen[0]?.dynamodb).toMatchObject({ Keys: { pk: { S: key.pk }, sk: { S: 'CONN' } } });
    expect(new Set(seen.map(({ dynamodb }) => dynamodb.SequenceNumber)).size).toBe(3);
  });

  it('leaves results and errors of commands as they are, and hands on no write that failed', async () => {
    const { stream, client, key, images } = setup();
    const TableName = db.tables.connections;
    await client.send(put(key, 1));

    const plain = await client.send(put(key, 2));
    const old = await client.send(new PutCommand({ TableName, Item: { ...key, n: 3 }, ReturnValues: 'ALL_OLD' }));
    const update = (ReturnValues?: ReturnValue) =>
      client.send(
        new UpdateCommand({
          TableName,
          Key: key,
          UpdateExpression: 'SET n = n + :one',
          ExpressionAttributeValues: { ':one': 1 },
          ...(ReturnValues && { ReturnValues }),
        }),
      );
    const updates = [await update(), await update('ALL_NEW'), await update('UPDATED_OLD')];
    const refused = client.send(
      new PutCommand({ TableName, Item: { ...key, n: 4 }, ConditionExpression: 'attribute_not_exists(pk)' }),
    );

    await expect(refused).rejects.toThrow(expect.objectContaining({ name: 'ConditionalCheckFailedException' }));
    expect(plain).not.toHaveProperty('Attributes');
    expect(old.Attributes).toEqual({ ...key, n: 2 });
    expect(updates[0]).not.toHaveProperty('Attributes');
    expect(updates.slice(1).map(({ Attributes }) => Attributes)).toEqual([{ ...key, n: 5 }, { n: 5 }]);
    await stream.drained();
    expect(images().map(([, after]) => after)).toEqual(['1', '2', '3', '4', '5', '6'].map((N) => ({ N })));
  });

  it('knows of other tables, other rows and reads nothing', async () => {
    const { stream, client, seen, key } = setup();

    await client.send(new PutCommand({ TableName: db.tables.flows, Item: { pk: `F#${key.pk}` } }));
    await client.send(put({ pk: key.pk, sk: 'ALIAS' }, 1));
    await client.send(new GetCommand({ TableName: db.tables.connections, Key: key }));
    await stream.drained();

    expect(seen).toEqual([]);
  });

  it('keeps the order of each row when its writers race', async () => {
    const { stream, client, key, images } = setup();

    await Promise.all(Array.from({ length: 20 }, (_, n) => client.send(put(key, n))));
    await stream.drained();

    const steps = images();
    expect(steps).toHaveLength(20);
    for (const [index, [before]] of steps.entries()) expect(before).toEqual(steps[index - 1]?.[1]);
  });

  it('hands on again what was not taken, before anything newer', async () => {
    let refusals = 2;
    const { stream, client, key, images } = setup((records) => {
      refusals -= 1;
      if (refusals === 1) throw new Error('the bus is gone');
      const second = records[1]?.dynamodb.SequenceNumber;
      return { batchItemFailures: refusals === 0 && second ? [{ itemIdentifier: second }] : [] };
    });

    for (const n of [1, 2, 3]) await client.send(put(key, n));
    await stream.drained();

    expect(images().map(([, after]) => after)).toEqual([{ N: '1' }, { N: '2' }, { N: '3' }]);
  });

  it('closes while nothing is taken', async () => {
    const { stream, client, key, seen } = setup((records) => ({
      batchItemFailures: [{ itemIdentifier: records[0]?.dynamodb.SequenceNumber ?? '' }],
    }));
    await client.send(put(key, 1));

    await stream.close();

    expect(seen).toEqual([]);
  });
});
