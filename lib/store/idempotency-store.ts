import { DeleteCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod/mini';
import { type Database, getRow, ifConditionHolds, schemaVersion, updateOf } from './database.ts';
import { keyOf } from './keys.ts';

const recordSchema = z.object({
  /** Random id of the one request that works on the key; nobody else changes its record. */
  attempt: z.string(),
  bodyHash: z.string(),
  /** Epoch milliseconds from which a record without an answer may be taken over: whoever made it has crashed. */
  leaseUntil: z.optional(z.number()),
  /** The sealed answer, once there is one. */
  answer: z.optional(z.string()),
  /** Epoch milliseconds from which the record counts for nothing. */
  usableUntil: z.number(),
});
export type IdempotencyRecord = z.infer<typeof recordSchema>;

export interface RecordPlace {
  readonly environmentId: string;
  readonly recordId: string;
}

export interface IdempotencyStore {
  get(place: RecordPlace): Promise<IdempotencyRecord | undefined>;
  /** Writes a record where none counts any more. @returns false when another request's does */
  claim(place: RecordPlace, record: IdempotencyRecord, now: number): Promise<boolean>;
  /** Puts the answer into the attempt's own record. @returns false when another request has taken it over */
  finish(place: RecordPlace, attempt: string, finished: { answer: string; usableUntil: number }): Promise<boolean>;
  /** Removes the attempt's own record. */
  release(place: RecordPlace, attempt: string): Promise<void>;
}

export function dynamoIdempotencyStore(db: Database): IdempotencyStore {
  const TableName = db.tables.flows;
  const keyAt = ({ environmentId, recordId }: RecordPlace) => keyOf.idempotency(environmentId, recordId);
  return {
    get: (place) => getRow(db, 'flows', keyAt(place), recordSchema),
    async claim(place, record, now) {
      const written = await ifConditionHolds(
        db.client.send(
          new PutCommand({
            TableName,
            Item: { ...keyAt(place), schemaVersion, ...record, expiresAt: timeToLive(record.usableUntil) },
            // The last part: the SDK repeats a write whose answer was lost.
            ConditionExpression:
              'attribute_not_exists(pk) OR usableUntil <= :now OR (attribute_not_exists(answer) AND leaseUntil <= :now) OR attempt = :mine',
            ExpressionAttributeValues: { ':now': now, ':mine': record.attempt },
          }),
        ),
      );
      return written !== undefined;
    },
    async finish(place, attempt, { answer, usableUntil }) {
      const written = await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName,
            Key: keyAt(place),
            ...updateOf({
              set: { answer, usableUntil, expiresAt: timeToLive(usableUntil), leaseUntil: undefined },
              condition: '#attempt = :mine',
              values: { mine: attempt },
            }),
          }),
        ),
      );
      return written !== undefined;
    },
    async release(place, attempt) {
      await ifConditionHolds(
        db.client.send(
          new DeleteCommand({
            TableName,
            Key: keyAt(place),
            ConditionExpression: 'attempt = :mine',
            ExpressionAttributeValues: { ':mine': attempt },
          }),
        ),
      );
    },
  };
}

/** Epoch seconds: later than the record counts. */
function timeToLive(usableUntil: number): number {
  return Math.ceil(usableUntil / 1000) + 60;
}
