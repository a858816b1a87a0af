import * as z from 'zod/mini';
import type { Example } from './operation.ts';
import { described } from './schemas.ts';

/** What the parameters mean that all lists have. */
export const listQueryTexts = {
  channel: 'Always `chat`.',
  providerId: 'Those of this provider.',
  integrationIdentifier: 'Those of this integration.',
  contextKeys: 'Those of exactly this context, each part as `type:id`. One that is empty: those without context.',
  limit: 'How many at most.',
  after: '`next` of the page before.',
  before: '`previous` of the page after.',
  orderBy: 'Only `createdAt`.',
  orderDirection: 'Newest or oldest first.',
  includeCursor: 'Of the contract. Has no effect.',
};

export function listAnswer<Row extends z.ZodMiniType>(row: Row) {
  return described(
    z.object({
      data: z.array(row),
      next: z.nullable(z.string()),
      previous: z.nullable(z.string()),
      totalCount: z.int().check(z.minimum(0), z.maximum(100)),
      totalCountCapped: z.boolean(),
    }),
    {
      data: 'The rows of this page. It can be short, or empty, and still have a `next`.',
      next: '`after` for the next page. Null on the last one.',
      previous: '`before` for the page before. Null on the first one.',
      totalCount: 'How many rows the filter finds, counted to 100.',
      totalCountCapped: 'Whether there are more than were counted.',
    },
  );
}

/** What all lists refuse. */
export const listRefused = {
  cursors: {
    summary: 'Two cursors',
    query: { after: 'MQ', before: 'Mg' },
    answer: {
      error: 'cursors_conflict',
      message: 'Cannot specify both "before" and "after" cursors at the same time.',
    },
  },
  order: {
    summary: 'Another order',
    query: { orderBy: 'updatedAt' },
    answer: {
      error: 'unsupported_order',
      message: 'Lists are ordered by createdAt; orderBy=updatedAt is not supported.',
    },
  },
} as const satisfies Record<string, Example>;
