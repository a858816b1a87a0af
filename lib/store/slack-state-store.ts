import { PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod/mini';
import { type Database, ifConditionHolds, parseRow, schemaVersion, updateOf } from './database.ts';
import { keyOf } from './keys.ts';

/** A state that was given to a browser, found by its hash. */
const slackStateSchema = z.object({
  /** What the install was begun with, as JSON; sealed. */
  installOptions: z.string(),
  /** Epoch milliseconds: from here on it is refused. */
  usableUntil: z.number(),
});
export type SlackState = z.infer<typeof slackStateSchema>;

export interface SlackStateStore {
  put(environmentId: string, stateHash: string, state: SlackState): Promise<void>;
  /** The one write that makes a state single-use. @returns undefined when it is unknown, used or too old */
  take(environmentId: string, stateHash: string, by: { attempt: string; now: number }): Promise<SlackState | undefined>;
}

export function dynamoSlackStateStore(db: Database): SlackStateStore {
  const TableName = db.tables.flows;
  return {
    async put(environmentId, stateHash, state) {
      const expiresAt = Math.ceil(state.usableUntil / 1000);
      await db.client.send(
        new PutCommand({
          TableName,
          Item: { ...keyOf.slackState(environmentId, stateHash), schemaVersion, ...state, expiresAt },
        }),
      );
    },
    async take(environmentId, stateHash, { attempt, now }) {
      const taken = await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName,
            Key: keyOf.slackState(environmentId, stateHash),
            ...updateOf({
              set: { attempt },
              // The last part: the SDK repeats a write whose answer was lost.
              condition: '#usableUntil > :now AND (attribute_not_exists(#attempt) OR #attempt = :attempt)',
              values: { now },
            }),
            ReturnValues: 'ALL_NEW',
          }),
        ),
      );
      return taken?.Attributes && parseRow(slackStateSchema, taken.Attributes);
    },
  };
}
