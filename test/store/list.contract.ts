import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, it } from 'vitest';
import { type Connection, connectionSchema } from '../../lib/connection/connection.ts';
import { randomObjectId } from '../../lib/crypto.ts';
import type { Database } from '../../lib/store/database.ts';
import { listOrderOf } from '../../lib/store/keys.ts';
import { type CollectQuery, collectList, countList, type ListQuery, readList } from '../../lib/store/list.ts';
import { isoTime } from '../support/builders.ts';
import { connectionRows, orderOf } from './connection-rows.ts';
import { observed } from './observed-database.ts';

export function describeLists(database: () => Database): void {
  function setup() {
    const environmentId = randomObjectId();
    const rows = connectionRows(database(), environmentId);
    return {
      environmentId,
      ...rows,
      read: (query: Partial<ListQuery> = {}) =>
        readList(database(), connectionSchema, { ...rows.environment, direction: 'ASC', limit: 10, ...query }),
    };
  }

  describe('readList', () => {
    it('reads rows in the order of their time, then of their name', async () => {
      const { addMany, read } = setup();
      const added = await addMany(6, (index) => ({ createdAt: isoTime(index % 3) }));
      const inOrder = added.toSorted((left, right) => (orderOf(left) < orderOf(right) ? -1 : 1));

      const ascending = await read();
      const descending = await read({ direction: 'DESC' });

      expect(ascending).toEqual({ rows: inOrder, last: orderOf(inOrder[5] as never), more: false });
      expect(descending.rows).toEqual(inOrder.toReversed());
    });

    it('gives an empty page of a partition without rows', async () => {
      const { read } = setup();

      expect(await read()).toEqual({ rows: [], last: undefined, more: false });
    });

    it('stops at the limit, and goes on behind the position where it stopped', async () => {
      const { addMany, read } = setup();
      const added = await addMany(5, (index) => ({ createdAt: isoTime(index) }));

      const first = await read({ limit: 3 });
      const second = await read({ after: first.last });

      expect(first).toEqual({ rows: added.slice(0, 3), last: orderOf(added[2] as never), more: true });
      expect(second).toMatchObject({ rows: added.slice(3), more: false });
    });

    it.each(['ASC', 'DESC'] as const)('goes on %s behind a row that was deleted meanwhile', async (direction) => {
      const { addMany, remove, read } = setup();
      const added = await addMany(4, (index) => ({ createdAt: isoTime(index) }));
      const { rows, last } = await read({ limit: 2, direction });
      for (const row of rows) await remove(row);

      const next = await read({ limit: 2, direction, after: last });

      expect(next.rows).toEqual(direction === 'ASC' ? added.slice(2) : added.slice(0, 2).toReversed());
    });

    it.each(['ASC', 'DESC'] as const)('starts %s behind a position that no row ever had', async (direction) => {
      const { addMany, read } = setup();
      const added = await addMany(4, (index) => ({ createdAt: isoTime(10 * index) }));

      const page = await read({ direction, after: listOrderOf(isoTime(15), '') });

      expect(page.rows).toEqual(direction === 'ASC' ? added.slice(2) : added.slice(0, 2).toReversed());
    });

    it.each(['ASC', 'DESC'] as const)(
      'never gives the row again behind whose position it starts, %s',
      async (direction) => {
        const { addMany, read } = setup();
        const added = await addMany(3, () => ({ createdAt: isoTime() }));

        for (const row of added) {
          const page = await read({ direction, after: orderOf(row) });

          expect(page.rows.map(orderOf)).not.toContain(orderOf(row));
        }
      },
    );

    it('hides what was deleted', async () => {
      const { addMany, remove, read } = setup();
      const [kept, deleted] = await addMany(2, (index) => ({ createdAt: isoTime(index) }));
      await remove(deleted as never);

      expect((await read()).rows).toEqual([kept]);
    });

    it.each<[string, Record<string, unknown>]>([
      ['of another schema version', { schemaVersion: 2 }],
      ['without a form', { schemaVersion: 1 }],
    ])('leaves out a row %s without taking the list along', async (_, content) => {
      const { add, read, environmentId, environment } = setup();
      const readable = await add();
      const { client, tables } = database();
      const Item = {
        ...content,
        pk: `C#${environmentId}#odd`,
        sk: 'CONN',
        environmentIndex: environment.partition,
        listOrder: listOrderOf(isoTime(-1), 'odd'),
      };
      await client.send(new PutCommand({ TableName: tables.connections, Item }));

      expect((await read()).rows).toEqual([readable]);
    });

    it('reads pages of more rows than DynamoDB gives in one batch', async () => {
      const { addMany, read } = setup();
      const added = await addMany(230, (index) => ({ createdAt: isoTime(index) }));

      expect((await read({ limit: 1_000 })).rows).toEqual(added);
    });

    it('asks again for rows that DynamoDB leaves unread', async () => {
      const { addMany, environment } = setup();
      const added = await addMany(4, (index) => ({ createdAt: isoTime(index) }));
      const { connections } = database().tables;
      let batches = 0;
      const leavingOneUnread = observed(database(), (answer, command) => {
        if (command !== 'BatchGetCommand' || batches++ > 0) return answer;
        const [{ pk, sk }, ...rows] = (answer['Responses'] as Record<string, Record<string, string>[]>)[
          connections
        ] as [Record<string, string>];
        return { Responses: { [connections]: rows }, UnprocessedKeys: { [connections]: { Keys: [{ pk, sk }] } } };
      });

      const page = await readList(leavingOneUnread.database, connectionSchema, {
        ...environment,
        direction: 'ASC',
        limit: 10,
      });

      expect(page.rows).toEqual(added);
      expect(batches).toBe(2);
    });

    it('refuses an index that does not exist', async () => {
      const { read } = setup();

      await expect(read({ index: 'byNothing' })).rejects.toThrow(TypeError);
    });
  });

  describe('countList', () => {
    it.each([
      ['counts all rows below the bound', 5, 3],
      ['counts all rows at the bound', 3, 3],
      ['stops at the bound', 2, 2],
    ])('%s', async (_, atMost, count) => {
      const { addMany, environment, add, remove } = setup();
      await addMany(3, () => ({}));
      await remove(await add());

      expect(await countList(database(), environment.index, environment.partition, atMost)).toBe(count);
    });
  });

  describe('collectList', () => {
    function collect(query: Pick<CollectQuery<Connection>, 'sources'> & Partial<CollectQuery<Connection>>) {
      const observer = observed(database());
      const page = collectList(observer.database, connectionSchema, {
        direction: 'ASC',
        limit: 10,
        atMostRead: 1_000,
        orderOf,
        ...query,
      });
      return { page, exchanges: observer.exchanges };
    }

    const onlySlack = ({ providerId }: { providerId: string }) => providerId === 'slack';

    it.each(['ASC', 'DESC'] as const)('merges two partitions into one list, %s', async (direction) => {
      const { addMany, ofSubscriber, shared } = setup();
      const added = await addMany(20, (index) => ({
        createdAt: isoTime(index),
        // Long stretches of one partition: its page ends before the other's begins.
        ...(index % 9 < 6
          ? { subscriberId: 'ann', contextKeys: [`n:${index}`] }
          : { subscriberId: undefined, contextKeys: ['tenant:acme'], integrationId: randomObjectId() }),
      }));
      const expected = direction === 'ASC' ? added : added.toReversed();
      const sources = [ofSubscriber('ann'), shared(['tenant:acme'])];

      const first = await collect({ sources, direction, limit: 7 }).page;
      const second = await collect({ sources, direction, limit: 13, after: first.position }).page;

      expect(first).toMatchObject({ rows: expected.slice(0, 7), more: true });
      expect(second).toMatchObject({ rows: expected.slice(7), more: false });
    });

    it('knows that nothing is left when the page is exactly full', async () => {
      const { addMany, environment } = setup();
      const added = await addMany(4, (index) => ({ createdAt: isoTime(index) }));

      const page = await collect({ sources: [environment], limit: 4 }).page;

      expect(page).toMatchObject({ rows: added, more: false });
    });

    it('reads on until a filter has let enough rows through', async () => {
      const { addMany, environment } = setup();
      const added = await addMany(30, (index) => ({
        createdAt: isoTime(index),
        providerId: index % 10 === 9 ? 'slack' : 'msteams',
      }));

      const page = await collect({ sources: [environment], limit: 2, matches: onlySlack }).page;

      expect(page).toMatchObject({ rows: [added[9], added[19]], more: true });
    });

    it.each([
      [1, 20],
      [2, 20],
      [2, 21],
    ])('reads of %d partitions at most %d rows and gives a short page that goes on', async (parts, atMostRead) => {
      const { addMany, ofIntegration } = setup();
      const integrationIds = Array.from({ length: parts }, () => randomObjectId());
      await addMany(atMostRead + 5, (index) => ({
        createdAt: isoTime(index),
        providerId: 'msteams',
        integrationId: integrationIds[index % parts] as string,
      }));
      const last = await addMany(3, (index) => ({
        createdAt: isoTime(1_000 + index),
        integrationId: integrationIds[0] as string,
      }));
      const query = { sources: integrationIds.map(ofIntegration), matches: onlySlack, atMostRead };

      const first = collect(query);
      const { rows, more, position, read } = await first.page;
      const second = await collect({ ...query, after: position }).page;

      expect({ rows, more }).toEqual({ rows: [], more: true });
      expect(first.exchanges.reduce((sum, exchange) => sum + exchange.rows, 0)).toBeLessThanOrEqual(read);
      expect(read).toBeLessThanOrEqual(atMostRead);
      expect(second).toMatchObject({ rows: last, more: false });
    });

    it('keeps a row back until it knows what the other partition has before it', async () => {
      const { add, addMany, ofIntegration } = setup();
      const [one, other] = [randomObjectId(), randomObjectId()];
      await addMany(12, (index) => ({ createdAt: isoTime(index), providerId: 'msteams', integrationId: one }));
      const between = await add({ createdAt: isoTime(15), integrationId: one });
      const late = await add({ createdAt: isoTime(20), integrationId: other });
      const query = { sources: [one, other].map(ofIntegration), matches: onlySlack, atMostRead: 20 };

      const first = await collect(query).page;
      const second = await collect({ ...query, after: first.position }).page;

      expect(first).toMatchObject({ rows: [], more: true });
      expect(second).toMatchObject({ rows: [between, late], more: false });
    });

    it('gives nothing when it may read nothing, and stays where it is', async () => {
      const { add, environment } = setup();
      await add();

      const page = await collect({ sources: [environment], after: 'position', atMostRead: 0 }).page;

      expect(page).toEqual({ rows: [], more: true, position: 'position', read: 0 });
    });
  });
}
