import { QueryCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { hashOf } from '../crypto.ts';
import { type Database, ifConditionHolds, type RowKey, updateOf } from './database.ts';
import type { TableNames } from './tables.ts';

const buckets = 4;

/** What the sweep looks at: each kind has buckets, and a budget, of its own. */
type DueKind = 'flow' | 'row' | 'check';

const minute = 60_000;
/** Trouble of a provider's that passes may last for longer. */
const putOffMilliseconds: Record<DueKind, number> = { flow: minute, row: minute, check: 3 * 60 * minute };

/** Spreads what the sweep has to look at over a few partitions of the index. */
export function dueBucketOf(kind: DueKind, id: string): string {
  return `${kind}#${Number.parseInt(hashOf(id).slice(0, 2), 16) % buckets}`;
}

/**
 * Rows whose time to be looked at has come, the earliest first, from an index that may lag. Each is put off first, so
 * that one in trouble neither stays at the head of the queue nor is taken twice.
 */
export async function takeDueRows(
  db: Database,
  table: keyof TableNames,
  kind: DueKind,
  now: number,
  limit: number,
): Promise<Record<string, unknown>[]> {
  const TableName = db.tables[table];
  /** @returns undefined when somebody else has taken it */
  const putOff = async (Key: RowKey, read: unknown) => {
    const dueAt = new Date(now + putOffMilliseconds[kind]).toISOString();
    const update = updateOf({ set: { dueAt }, condition: '#dueAt = :read', values: { read } });
    const written = await ifConditionHolds(
      db.client.send(new UpdateCommand({ TableName, Key, ...update, ReturnValues: 'ALL_NEW' })),
    );
    return written?.Attributes;
  };
  const taken = Array.from({ length: buckets }, async (_, bucket) => {
    const { Items: keys = [] } = await db.client.send(
      new QueryCommand({
        TableName,
        IndexName: 'due',
        KeyConditionExpression: 'dueBucket = :bucket AND dueAt <= :now',
        ExpressionAttributeValues: { ':bucket': `${kind}#${bucket}`, ':now': new Date(now).toISOString() },
        Limit: Math.ceil(limit / buckets),
      }),
    );
    return Promise.all(keys.map(({ dueBucket, dueAt, ...key }) => putOff(key as unknown as RowKey, dueAt)));
  });
  return (await Promise.all(taken)).flat().filter((row) => row !== undefined);
}
