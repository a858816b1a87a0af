import { BatchGetCommand, QueryCommand } from '@aws-sdk/lib-dynamodb';
import type * as z from 'zod/mini';
import { type Database, readableRow } from './database.ts';
import { connectionsTable } from './tables.ts';

export interface ListQuery {
  readonly index: string;
  readonly partition: string;
  readonly direction: 'ASC' | 'DESC';
  readonly limit: number;
  /** List position to start behind; the row that had it need not exist any more. */
  readonly after?: string | undefined;
}

export interface ListPage<Row> {
  /** Living rows in order; fewer than the limit where an index row had outlived its row. */
  readonly rows: Row[];
  /** Position of the last index row that was read. */
  readonly last: string | undefined;
  readonly more: boolean;
}

/** Reads one page of an index: its keys, then the rows themselves, so that a stale index row shows nothing. */
export async function readList<Schema extends z.ZodMiniType>(
  db: Database,
  schema: Schema,
  query: ListQuery,
): Promise<ListPage<z.output<Schema>>> {
  const { partitionKey, sortKey } = indexSchema(query.index);
  const ascending = query.direction === 'ASC';
  const { Items: keys = [], LastEvaluatedKey } = await db.client.send(
    new QueryCommand({
      TableName: db.tables.connections,
      IndexName: query.index,
      KeyConditionExpression:
        query.after === undefined
          ? '#partition = :partition'
          : `#partition = :partition AND #order ${ascending ? '>' : '<'} :after`,
      ExpressionAttributeNames: {
        '#partition': partitionKey,
        ...(query.after === undefined ? {} : { '#order': sortKey }),
      },
      ExpressionAttributeValues: {
        ':partition': query.partition,
        ...(query.after === undefined ? {} : { ':after': query.after }),
      },
      ScanIndexForward: ascending,
      Limit: query.limit,
    }),
  );
  const rows = await readRows(db, keys);
  return {
    rows: keys.flatMap((key) => {
      const row = rows.get(`${key['pk']} ${key['sk']}`);
      // A row that has left the partition, or its place in it, is shown where it is now, once the index knows.
      const isHere = row?.[partitionKey] === query.partition && row[sortKey] === key[sortKey];
      return (isHere && readableRow(schema, row)) || [];
    }),
    last: keys.at(-1)?.[sortKey] as string | undefined,
    more: LastEvaluatedKey !== undefined,
  };
}

/** Every row of an index partition, oldest first. */
export async function* everyRow<Schema extends z.ZodMiniType>(
  db: Database,
  schema: Schema,
  source: ListSource,
): AsyncGenerator<z.output<Schema>, void, undefined> {
  let after: string | undefined;
  do {
    const page = await readList(db, schema, { ...source, direction: 'ASC', limit: 100, after });
    yield* page.rows;
    after = page.more ? page.last : undefined;
  } while (after !== undefined);
}

/** Counts the rows of an index partition up to a bound. */
export async function countList(db: Database, index: string, partition: string, atMost: number): Promise<number> {
  const { Count = 0 } = await db.client.send(
    new QueryCommand({
      TableName: db.tables.connections,
      IndexName: index,
      KeyConditionExpression: '#partition = :partition',
      ExpressionAttributeNames: { '#partition': indexSchema(index).partitionKey },
      ExpressionAttributeValues: { ':partition': partition },
      Select: 'COUNT',
      Limit: atMost,
    }),
  );
  return Count;
}

function indexSchema(name: string) {
  const index = connectionsTable.indexes.find((candidate) => candidate.name === name);
  if (!index) throw new TypeError(`no index ${name}`);
  return index;
}

const batchSize = 100;

/** Reads rows of the connections table by their keys: whole, or the attributes that are named. */
export async function readRows(
  db: Database,
  keys: readonly { readonly pk?: unknown; readonly sk?: unknown }[],
  attributes?: readonly string[],
) {
  const projection = attributes && projectionOf(['pk', 'sk', 'schemaVersion', ...attributes]);
  const rows = new Map<string, Record<string, unknown>>();
  const TableName = db.tables.connections;
  for (let start = 0; start < keys.length; start += batchSize) {
    let wanted = keys.slice(start, start + batchSize).map(({ pk, sk }) => ({ pk, sk }));
    for (let attempt = 0; wanted.length > 0; attempt += 1) {
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** attempt));
      if (attempt > 5) throw new Error('DynamoDB left rows of a page unread');
      const { Responses, UnprocessedKeys } = await db.client.send(
        new BatchGetCommand({ RequestItems: { [TableName]: { Keys: wanted, ConsistentRead: true, ...projection } } }),
      );
      for (const row of Responses?.[TableName] ?? []) rows.set(`${row['pk']} ${row['sk']}`, row);
      wanted = (UnprocessedKeys?.[TableName]?.Keys ?? []) as typeof wanted;
    }
  }
  return rows;
}

function projectionOf(attributes: readonly string[]) {
  return {
    ProjectionExpression: attributes.map((name) => `#${name}`).join(', '),
    ExpressionAttributeNames: Object.fromEntries(attributes.map((name) => [`#${name}`, name])),
  };
}

export interface ListSource {
  readonly index: string;
  readonly partition: string;
}

export interface CollectQuery<Row> {
  /** Partitions that are merged into one list. */
  readonly sources: readonly ListSource[];
  readonly direction: 'ASC' | 'DESC';
  readonly limit: number;
  readonly after?: string | undefined;
  /** What the index does not filter; absent when it says it all. */
  readonly matches?: ((row: Row) => boolean) | undefined;
  /** Index rows that may be read. */
  readonly atMostRead: number;
  /** The row's position in the list. */
  orderOf(row: Row): string;
}

/** Collects one page over several partitions, with a filter, in list order. */
export async function collectList<Schema extends z.ZodMiniType>(
  db: Database,
  schema: Schema,
  query: CollectQuery<z.output<Schema>>,
): Promise<{ rows: z.output<Schema>[]; more: boolean; position: string | undefined; read: number }> {
  const { sources, direction, limit, matches, atMostRead, orderOf } = query;
  const sign = direction === 'ASC' ? 1 : -1;
  const compare = (left: string, right: string) => (left === right ? 0 : left < right ? -sign : sign);
  const rows: z.output<Schema>[] = [];
  let position = query.after;
  let read = 0;
  while (read + sources.length <= atMostRead) {
    // A filter may leave little of a page, so it gets a large one.
    const wanted = matches ? 100 : Math.min(limit + 1, 100);
    const size = Math.min(wanted, Math.floor((atMostRead - read) / sources.length));
    const pages = await Promise.all(
      sources.map((source) => readList(db, schema, { ...source, direction, limit: size, after: position })),
    );
    read += size * pages.length;
    const more = pages.some((page) => page.more);
    // Behind the first page end, a source that has more could still bring rows in between.
    const horizon = pages.flatMap((page) => (page.more && page.last !== undefined ? [page.last] : [])).sort(compare)[0];
    const known = pages
      .flatMap((page) => page.rows)
      .map((row) => ({ row, order: orderOf(row) }))
      .filter(({ order }) => horizon === undefined || compare(order, horizon) <= 0)
      .sort((left, right) => compare(left.order, right.order));
    for (const { row, order } of known) {
      if (matches && !matches(row)) continue;
      if (rows.length === limit) return { rows, more: true, position, read };
      rows.push(row);
      position = order;
    }
    if (!more) return { rows, more: false, position, read };
    position = horizon ?? position;
  }
  return { rows, more: true, position, read };
}
