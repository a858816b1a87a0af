import { randomUUID } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { createTables } from '../../infra/local/create-tables.ts';
import {
  type EmbeddedDynamoDb,
  localClientConfig,
  startEmbeddedDynamoDb,
} from '../../infra/local/embedded-dynamodb.ts';
import type { TableNames } from '../../lib/store/tables.ts';

export interface TestDatabase {
  readonly client: DynamoDBDocumentClient;
  readonly tables: TableNames;
  readonly endpoint: string;
  close(): Promise<void>;
}

/** Modules are loaded once per test file, and so is this: its tests share one database in memory. */
let shared: Promise<EmbeddedDynamoDb> | undefined;
let users = 0;

/** Fresh, empty tables that nobody else knows; in another DynamoDB when an endpoint is given. */
export async function testDatabase(options: { readonly endpoint?: string } = {}): Promise<TestDatabase> {
  const endpoint = options.endpoint ?? (await acquireShared());
  const plainClient = new DynamoDBClient(localClientConfig(endpoint));
  const client = DynamoDBDocumentClient.from(plainClient, { marshallOptions: { removeUndefinedValues: true } });
  const id = randomUUID();
  const tables = { connections: `connections-${id}`, flows: `flows-${id}` };
  await createTables(plainClient, tables);
  let open = true;
  return {
    client,
    tables,
    endpoint,
    async close() {
      if (!open) return;
      open = false;
      plainClient.destroy();
      if (options.endpoint === undefined) await releaseShared();
    },
  };
}

async function acquireShared(): Promise<string> {
  users += 1;
  shared ??= startEmbeddedDynamoDb();
  return (await shared).endpoint;
}

async function releaseShared(): Promise<void> {
  users -= 1;
  if (users > 0) return;
  const unused = shared;
  shared = undefined;
  await (await unused)?.close();
}
