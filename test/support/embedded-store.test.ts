import { GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, it } from 'vitest';
import { testDatabase } from './embedded-store.ts';

describe('testDatabase', () => {
  it('gives fresh tables each time', async () => {
    const one = await testDatabase();
    const other = await testDatabase();
    await one.client.send(new PutCommand({ TableName: one.tables.flows, Item: { pk: 'flow' } }));

    const { Item } = await other.client.send(new GetCommand({ TableName: other.tables.flows, Key: { pk: 'flow' } }));

    expect(Item).toBeUndefined();
    await one.close();
    await other.close();
  });

  it('leaves out attributes that are undefined', async () => {
    const database = await testDatabase();
    const { client, tables } = database;
    await client.send(new PutCommand({ TableName: tables.flows, Item: { pk: 'flow', absent: undefined } }));

    const { Item } = await client.send(new GetCommand({ TableName: tables.flows, Key: { pk: 'flow' } }));

    expect(Item).toEqual({ pk: 'flow' });
    await database.close();
  });

  it('runs on when one of several users closes, even twice, and starts again after the last', async () => {
    const one = await testDatabase();
    const other = await testDatabase();

    await one.close();
    await one.close();
    await other.client.send(new PutCommand({ TableName: other.tables.flows, Item: { pk: 'flow' } }));
    await other.close();

    await expect(fetch(other.endpoint)).rejects.toThrow('fetch failed');
    const next = await testDatabase();
    await next.client.send(new PutCommand({ TableName: next.tables.flows, Item: { pk: 'flow' } }));
    await next.close();
  });
});
