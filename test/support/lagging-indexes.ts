import { randomUUID } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  type BatchWriteCommandInput,
  DeleteCommand,
  type DeleteCommandInput,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  type PutCommandInput,
  type QueryCommandInput,
  ScanCommand,
  type UpdateCommandInput,
} from '@aws-sdk/lib-dynamodb';
import { createTables } from '../../infra/local/create-tables.ts';
import { localClientConfig } from '../../infra/local/embedded-dynamodb.ts';
import { connectionsTable, flowsTable, type TableSchema } from '../../lib/store/tables.ts';
import type { TestDatabase } from './embedded-store.ts';

export interface LaggingIndexes {
  /** Makes all that was written so far visible through the indexes. */
  catchUp(): Promise<void>;
}

type Row = Record<string, unknown>;

interface Table {
  readonly schema: TableSchema;
  /** The table as its indexes see it: a copy that is written late, whose indexes answer in place of the real ones. */
  readonly copy: string;
}

interface Change {
  readonly table: Table;
  readonly key: Row;
  /** Undefined when the row was deleted. */
  readonly row: Row | undefined;
}

/**
 * Makes the indexes of a database lag, as AWS's do and dynalite's do not: queries of an index see the tables as they
 * were `writes` changed rows ago, deleted rows and old index keys included; by default, as they were at the last
 * `catchUp()`. Reads of the tables themselves do not lag.
 */
export async function lagIndexes(
  database: TestDatabase,
  { writes = Number.POSITIVE_INFINITY }: { readonly writes?: number } = {},
): Promise<LaggingIndexes> {
  // A client of its own, so that copying is neither counted nor hit by faults.
  const plainClient = new DynamoDBClient(localClientConfig(database.endpoint));
  const client = DynamoDBDocumentClient.from(plainClient);
  const id = randomUUID();
  const tables = new Map<string, Table>([
    [database.tables.connections, { schema: connectionsTable, copy: `connections-copy-${id}` }],
    [database.tables.flows, { schema: flowsTable, copy: `flows-copy-${id}` }],
  ]);
  await createTables(plainClient, { connections: `connections-copy-${id}`, flows: `flows-copy-${id}` });
  for (const [name, table] of tables) await copyRows(client, name, table);

  const pending: Change[] = [];
  let queue = Promise.resolve();
  const inTurn = (work: () => Promise<void>) => {
    const done = queue.then(work);
    queue = done.catch(() => {});
    return done;
  };
  const applyUntil = async (remaining: number) => {
    while (pending.length > remaining) await apply(client, pending.shift() as Change);
  };
  const record = async (keys: readonly [tableName: string, key: Row][]) => {
    for (const [name, key] of keys) {
      const table = tables.get(name);
      if (!table) continue;
      const { Item: row } = await client.send(new GetCommand({ TableName: name, Key: key, ConsistentRead: true }));
      pending.push({ table, key, row });
    }
    await applyUntil(writes);
  };

  database.client.middlewareStack.add(
    (next, context) => async (args) => {
      const written = writtenKeys(context.commandName ?? '', args.input, tables);
      if (written.length === 0) return next({ ...args, input: redirected(args.input as QueryCommandInput, tables) });
      try {
        return await next(args);
      } finally {
        await inTurn(() => record(written));
      }
    },
    { step: 'initialize', name: 'lagIndexes', priority: 'low' },
  );
  return { catchUp: () => inTurn(() => applyUntil(0)) };
}

function redirected(input: QueryCommandInput, tables: ReadonlyMap<string, Table>): QueryCommandInput {
  const copy = tables.get(input.TableName ?? '')?.copy;
  return input.IndexName === undefined || copy === undefined ? input : { ...input, TableName: copy };
}

function writtenKeys(commandName: string, input: object, tables: ReadonlyMap<string, Table>): [string, Row][] {
  const keyOf = (name: string, row: Row): [string, Row] => {
    const { partitionKey, sortKey } = tables.get(name)?.schema ?? { partitionKey: '' };
    return [name, { [partitionKey]: row[partitionKey], ...(sortKey ? { [sortKey]: row[sortKey] } : {}) }];
  };
  switch (commandName) {
    case 'PutItemCommand': {
      const { TableName = '', Item = {} } = input as PutCommandInput;
      return [keyOf(TableName, Item)];
    }
    case 'UpdateItemCommand':
    case 'DeleteItemCommand': {
      const { TableName = '', Key = {} } = input as UpdateCommandInput | DeleteCommandInput;
      return [keyOf(TableName, Key)];
    }
    case 'BatchWriteItemCommand': {
      const { RequestItems = {} } = input as BatchWriteCommandInput;
      return Object.entries(RequestItems).flatMap(([name, requests]) =>
        requests.map((request) => keyOf(name, request.PutRequest?.Item ?? request.DeleteRequest?.Key ?? {})),
      );
    }
    case 'TransactWriteItemsCommand':
      throw new Error('lagging indexes do not know transactions');
    default:
      return [];
  }
}

async function apply(client: DynamoDBDocumentClient, { table, key, row }: Change): Promise<void> {
  if (row) await client.send(new PutCommand({ TableName: table.copy, Item: row }));
  else await client.send(new DeleteCommand({ TableName: table.copy, Key: key }));
}

async function copyRows(client: DynamoDBDocumentClient, name: string, table: Table): Promise<void> {
  let ExclusiveStartKey: Row | undefined;
  do {
    const page = await client.send(new ScanCommand({ TableName: name, ConsistentRead: true, ExclusiveStartKey }));
    for (const row of page.Items ?? []) await client.send(new PutCommand({ TableName: table.copy, Item: row }));
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey);
}
