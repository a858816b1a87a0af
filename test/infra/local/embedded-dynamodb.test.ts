import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTables } from '../../../infra/local/create-tables.ts';
import {
  type EmbeddedDynamoDb,
  localClientConfig,
  startEmbeddedDynamoDb,
} from '../../../infra/local/embedded-dynamodb.ts';
import { startChild } from '../../support/child-process.ts';

const tables = { connections: 'connections', flows: 'flows' };

let folder: string;
const started: EmbeddedDynamoDb[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'embedded-dynamodb-'));
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((database) => database.close()));
  await rm(folder, { recursive: true });
});

async function start(path?: string) {
  const database = await startEmbeddedDynamoDb(path === undefined ? {} : { path });
  started.push(database);
  const client = DynamoDBDocumentClient.from(new DynamoDBClient(localClientConfig(database.endpoint)));
  return { ...database, client };
}

async function stop(database: { endpoint: string }): Promise<void> {
  const index = started.findIndex(({ endpoint }) => endpoint === database.endpoint);
  await started.splice(index, 1)[0]?.close();
}

describe('startEmbeddedDynamoDb', () => {
  it('listens on the loopback interface only', async () => {
    const { endpoint } = await start();

    expect(endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it('keeps rows in its folder when it is closed and started again', async () => {
    const first = await start(folder);
    await createTables(first.client, tables);
    await first.client.send(new PutCommand({ TableName: 'flows', Item: { pk: 'flow', kept: true } }));
    await stop(first);

    const second = await start(folder);
    const { Item } = await second.client.send(new GetCommand({ TableName: 'flows', Key: { pk: 'flow' } }));

    expect(Item).toEqual({ pk: 'flow', kept: true });
  });

  it('keeps nothing without a folder', async () => {
    const first = await start();
    await createTables(first.client, tables);

    const second = await start();

    const { TableNames } = await second.client.send(new ListTablesCommand({}));
    expect(TableNames).toEqual([]);
  });

  it('loses nothing that it acknowledged when it is killed under load', async () => {
    const writes = 300;
    const acknowledged: string[] = [];
    const script = new URL('./processes/write-until-killed.ts', import.meta.url);
    const child = startChild(script, [folder, String(2 * writes)]);

    for await (const line of child.lines) {
      acknowledged.push(line);
      if (acknowledged.length === writes) await child.kill();
    }

    const { client } = await start(folder);
    const rows = await Promise.all(
      acknowledged.map((pk) => client.send(new GetCommand({ TableName: 'flows', Key: { pk }, ConsistentRead: true }))),
    );
    expect(acknowledged.length).toBeGreaterThanOrEqual(writes);
    expect(rows.map(({ Item }) => Item?.['pk'])).toEqual(acknowledged);
  });

  it('says so when its folder cannot be used', async () => {
    const file = join(folder, 'file');
    await writeFile(file, 'not a folder');

    await expect(start(file)).rejects.toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' });
  });

  it('outlives a client that goes away in mid-request', async () => {
    const { endpoint, client } = await start();
    const socket = connect(Number(new URL(endpoint).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf');
    socket.resetAndDestroy();
    await once(socket, 'close');

    await expect(client.send(new ListTablesCommand({}))).resolves.toMatchObject({ TableNames: [] });
  });

  it('lets no web page in', async () => {
    const { endpoint } = await start();

    const response = await fetch(endpoint, { method: 'POST', headers: { origin: 'https://evil.example' } });

    expect(response.status).toBe(403);
    expect(response.headers.has('access-control-allow-origin')).toBe(false);
  });
});
