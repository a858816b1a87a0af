import { GetCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, it } from 'vitest';
import { randomObjectId } from '../../lib/crypto.ts';
import type { Database } from '../../lib/store/database.ts';
import { keyOf } from '../../lib/store/keys.ts';
import { dynamoSeenEventStore } from '../../lib/store/seen-event-store.ts';
import { builtAt } from '../support/builders.ts';

export function describeSeenEventStore(database: () => Database): void {
  describe('dynamoSeenEventStore', () => {
    it('knows an event of an environment once it was added, however often', async () => {
      const seenEvents = dynamoSeenEventStore(database());
      const environmentId = randomObjectId();
      expect(await seenEvents.has(environmentId, 'event-1')).toBe(false);

      await seenEvents.add(environmentId, 'event-1', builtAt);
      await seenEvents.add(environmentId, 'event-1', builtAt);

      expect(await seenEvents.has(environmentId, 'event-1')).toBe(true);
      expect(await seenEvents.has(environmentId, 'event-2')).toBe(false);
      expect(await seenEvents.has(randomObjectId(), 'event-1')).toBe(false);
    });

    it('lets the table forget it when Slack no longer sends it', async () => {
      const { client, tables } = database();
      const environmentId = randomObjectId();

      await dynamoSeenEventStore({ client, tables }).add(environmentId, 'event-1', builtAt);

      const Key = keyOf.seenEvent(environmentId, 'event-1');
      const { Item } = await client.send(new GetCommand({ TableName: tables.flows, Key }));
      expect(Item).toEqual({ ...Key, schemaVersion: 1, expiresAt: builtAt / 1000 + 25 * 60 * 60 });
    });
  });
}
