import { PutCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod/mini';
import { type Database, getRow, schemaVersion } from './database.ts';
import { keyOf } from './keys.ts';

/** Events of a provider's whose work is done, by a hash of their ids. */
export interface SeenEventStore {
  has(environmentId: string, eventHash: string): Promise<boolean>;
  add(environmentId: string, eventHash: string, now: number): Promise<void>;
}

/** Longer than a provider goes on sending an event. Nobody minds one that is forgotten: its work may be done again. */
const keptSeconds = 25 * 60 * 60;

const seenEventSchema = z.object({ expiresAt: z.number() });

export function dynamoSeenEventStore(db: Database): SeenEventStore {
  return {
    async has(environmentId, eventHash) {
      return (await getRow(db, 'flows', keyOf.seenEvent(environmentId, eventHash), seenEventSchema)) !== undefined;
    },
    async add(environmentId, eventHash, now) {
      const expiresAt = Math.ceil(now / 1000) + keptSeconds;
      const Item = { ...keyOf.seenEvent(environmentId, eventHash), schemaVersion, expiresAt };
      await db.client.send(new PutCommand({ TableName: db.tables.flows, Item }));
    },
  };
}
