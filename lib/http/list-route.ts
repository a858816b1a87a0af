import * as z from 'zod/mini';
import { contextSetOf } from '../context/context.ts';
import { hashOf } from '../crypto.ts';
import { formatCursor, readCursor } from '../cursor.ts';
import { ChatConnectError } from '../errors.ts';
import type { Database } from '../store/database.ts';
import { collectList, countList, type ListSource } from '../store/list.ts';
import { validated } from './api.ts';

/** How many rows a page has at most. */
export const limitSchema = z._default(
  z.coerce
    .number()
    .check(z.int('must be a whole number'), z.minimum(1, 'must be at least 1'), z.maximum(100, 'must be at most 100')),
  10,
);

/** What every list takes beside its filters. */
const pagingShape = {
  limit: limitSchema,
  after: z.optional(z.string()),
  before: z.optional(z.string()),
  orderBy: z._default(z.enum(['createdAt', 'updatedAt']), 'createdAt'),
  orderDirection: z._default(z.enum(['ASC', 'DESC']), 'DESC'),
  includeCursor: z.optional(z.enum(['true', 'false'])),
} as const;
export type Paging = z.infer<z.ZodMiniObject<typeof pagingShape>>;

/** Unknown parameters are refused: a filter that is spelt wrongly must not show more than was asked. */
export function listQuerySchema<Filters extends z.core.$ZodLooseShape>(filters: Filters) {
  return z.strictObject({ ...filters, contextKeys: z.optional(z.array(z.string())), ...pagingShape });
}

/**
 * Reads a list's query by the schema that `listQuerySchema` made for it.
 * @throws ChatConnectError `validation_failed`, `cursors_conflict`, `unsupported_order`
 */
export function parseListQuery<Schema extends z.ZodMiniType<Paging>>(
  rawQuery: URLSearchParams,
  schema: Schema,
): { paging: Paging; filters: Omit<z.output<Schema>, keyof Paging> } {
  const query = validated(schema, readQuery(rawQuery), 'query');
  const { limit, after, before, orderBy, orderDirection, includeCursor, ...filters } = query;
  if (after !== undefined && before !== undefined) {
    throw new ChatConnectError(
      'cursors_conflict',
      'Cannot specify both "before" and "after" cursors at the same time.',
    );
  }
  if (orderBy === 'updatedAt') {
    throw new ChatConnectError(
      'unsupported_order',
      'Lists are ordered by createdAt; orderBy=updatedAt is not supported.',
    );
  }
  return { paging: { limit, after, before, orderBy, orderDirection, includeCursor }, filters };
}

/** `contextKeys` is repeatable; an empty one asks for rows without context, none at all for any. */
function readQuery(rawQuery: URLSearchParams): Record<string, string | string[]> {
  const contextKeys = rawQuery.getAll('contextKeys');
  const given: Record<string, string | string[]> = Object.fromEntries(rawQuery);
  if (contextKeys.length > 0) given['contextKeys'] = contextSetOf(contextKeys.filter((key) => key !== ''));
  return given;
}

export interface ListRequest<Row> {
  readonly paging: Paging;
  readonly sources: readonly ListSource[];
  /** Everything that the list was asked for; a cursor of another list is unknown. */
  readonly filter: readonly unknown[];
  /** Absent when the index says it all. */
  readonly matches?: ((row: Row) => boolean) | undefined;
  orderOf(row: Row): string;
}

export interface ListBody<Row> {
  readonly data: Row[];
  readonly next: string | null;
  readonly previous: string | null;
  readonly totalCount: number;
  readonly totalCountCapped: boolean;
}

const maxCount = 100;
/** No request reads more rows of an index than this; a page that ends there is short but goes on. */
const maxRowsRead = 1_000;
/** Behind every position, since those begin with a year. */
const endOfList = { ASC: '~', DESC: '!' } as const;
const emptyPage = { data: [], next: null, previous: null, totalCount: 0, totalCountCapped: false };

/** Reads the page of a list that a request asks for. An unknown cursor gives an empty page. */
export async function listRows<Schema extends z.ZodMiniType>(
  db: Database,
  schema: Schema,
  request: ListRequest<z.output<Schema>>,
): Promise<ListBody<z.output<Schema>>> {
  const { paging, sources, orderOf } = request;
  const { matches } = request;
  const filterHash = hashOf(...request.filter);
  const backwards = paging.before !== undefined;
  const cursor = paging.before ?? paging.after;
  const after = cursor === undefined ? undefined : readCursor(cursor, filterHash);
  if (cursor !== undefined && after === undefined) return emptyPage;
  const direction = backwards === (paging.orderDirection === 'DESC') ? 'ASC' : 'DESC';
  const page = await collectList(db, schema, {
    sources,
    direction,
    limit: paging.limit,
    after,
    matches,
    atMostRead: maxRowsRead,
    orderOf,
  });
  const cursorAt = (position: string | undefined) =>
    position === undefined ? null : formatCursor(position, filterHash);
  const [nearest] = page.rows;
  const onwards = page.more ? page.position : undefined;
  // A page without rows is turned round at what was read for it, or at the end of the list.
  const back = after === undefined ? undefined : nearest ? orderOf(nearest) : (onwards ?? endOfList[direction]);
  const { totalCount, totalCountCapped } = await countRows(db, schema, request, maxRowsRead - page.read);
  return {
    data: backwards ? page.rows.toReversed() : page.rows,
    next: cursorAt(backwards ? back : onwards),
    previous: cursorAt(backwards ? onwards : back),
    // When few rows may be read for it, the count can end before the page does.
    totalCount: Math.max(totalCount, page.rows.length),
    totalCountCapped,
  };
}

async function countRows<Schema extends z.ZodMiniType>(
  db: Database,
  schema: Schema,
  { sources, matches, orderOf }: ListRequest<z.output<Schema>>,
  atMostRead: number,
) {
  const atMost = maxCount + 1;
  if (!matches) {
    const counts = await Promise.all(sources.map(({ index, partition }) => countList(db, index, partition, atMost)));
    const count = counts.reduce((sum, part) => sum + part, 0);
    return { totalCount: Math.min(count, maxCount), totalCountCapped: count > maxCount };
  }
  const counted = { sources, direction: 'DESC', limit: maxCount, matches, atMostRead, orderOf } as const;
  const { rows, more } = await collectList(db, schema, counted);
  return { totalCount: rows.length, totalCountCapped: more };
}
