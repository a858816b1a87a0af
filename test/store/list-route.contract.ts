import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Connection, connectionSchema } from '../../lib/connection/connection.ts';
import { hashOf, randomObjectId } from '../../lib/crypto.ts';
import { type ListBody, type ListRequest, listRows, type Paging } from '../../lib/http/list-route.ts';
import type { Database } from '../../lib/store/database.ts';
import { isoTime } from '../support/builders.ts';
import { connectionRows, orderOf } from './connection-rows.ts';

const emptyPage = { data: [], next: null, previous: null, totalCount: 0, totalCountCapped: false };

type Page = ListBody<Connection>;

export function describeListRoute(database: () => Database): void {
  describe('listRows', () => {
    function setup() {
      const environmentId = randomObjectId();
      const rows = connectionRows(database(), environmentId);
      const list = (paging: Partial<Paging> = {}, request: Partial<ListRequest<Connection>> = {}): Promise<Page> =>
        listRows(database(), connectionSchema, {
          paging: { limit: 10, orderBy: 'createdAt', orderDirection: 'DESC', ...paging },
          sources: [rows.environment],
          filter: ['CONN', environmentId],
          orderOf,
          ...request,
        });
      return { environmentId, ...rows, list };
    }

    function cursor(...parts: unknown[]): string {
      return Buffer.from(JSON.stringify(parts)).toString('base64url');
    }

    it('gives an empty page of nothing', async () => {
      const { list } = setup();

      expect(await list()).toEqual(emptyPage);
    });

    it('names the neighbours of a page, and none where there is none', async () => {
      const { addMany, list } = setup();
      const added = await addMany(3, (index) => ({ createdAt: isoTime(index) }));
      const newestFirst = added.toReversed();

      const first = await list({ limit: 1 });
      const second = await list({ limit: 1, after: first.next as string });
      const third = await list({ limit: 1, after: second.next as string });
      const backOnSecond = await list({ limit: 1, before: third.previous as string });
      const backOnFirst = await list({ limit: 1, before: backOnSecond.previous as string });

      expect([first, second, third].flatMap(({ data }) => data)).toEqual(newestFirst);
      expect([first.previous, third.next]).toEqual([null, null]);
      expect(backOnSecond).toEqual({ ...second, next: expect.any(String), previous: expect.any(String) });
      expect(backOnFirst).toEqual({ ...first, next: expect.any(String), previous: null });
    });

    it('goes on from a page whose rows were all deleted meanwhile', async () => {
      const { addMany, remove, list } = setup();
      const added = await addMany(6, (index) => ({ createdAt: isoTime(index) }));
      const first = await list({ limit: 2, orderDirection: 'ASC' });
      const second = await list({ limit: 2, orderDirection: 'ASC', after: first.next as string });
      for (const row of [...first.data, ...second.data]) await remove(row);

      const next = await list({ limit: 2, orderDirection: 'ASC', after: second.next as string });
      const back = await list({ limit: 2, orderDirection: 'ASC', before: second.next as string });

      expect(next.data).toEqual(added.slice(4));
      expect(back.data).toEqual([]);
    });

    it('visits every row that stays exactly once, forth and back, whatever is written meanwhile', async () => {
      const { ann, other } = { ann: 'ann', other: ['tenant:acme'] };
      const newRow = fc.record({
        second: fc.nat(5),
        ofAnn: fc.boolean(),
        providerId: fc.constantFrom('slack' as const, 'msteams' as const),
      });
      const scenario = fc.record({
        rows: fc.array(newRow, { maxLength: 24 }),
        changes: fc.array(
          fc.record({ insert: fc.option(newRow, { nil: undefined }), remove: fc.option(fc.nat(), { nil: undefined }) }),
          { maxLength: 12 },
        ),
        limits: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 4 }),
        orderDirection: fc.constantFrom('ASC' as const, 'DESC' as const),
        filtered: fc.boolean(),
      });

      await fc.assert(
        fc.asyncProperty(scenario, async ({ rows, changes, limits, orderDirection, filtered }) => {
          const { addMany, add, remove, list, ofSubscriber, shared } = setup();
          const overridesOf = ({ second, ofAnn, providerId }: (typeof rows)[number], index: number) => ({
            createdAt: isoTime(second * 1_000),
            providerId,
            integrationId: `integration-${index}`,
            ...(ofAnn ? { subscriberId: ann } : { subscriberId: undefined, contextKeys: other }),
          });
          const matches = filtered ? ({ providerId }: Connection) => providerId === 'slack' : undefined;
          const living = await addMany(rows.length, (index) => overridesOf(rows[index] as never, index));
          const staying = new Set(living.map(orderOf));
          let change = 0;
          const changeSomething = async () => {
            const { insert, remove: place } = changes[change++] ?? {};
            if (insert) living.push(await add(overridesOf(insert, 1_000 + change)));
            const [removed] = place === undefined ? [] : living.splice(place % Math.max(1, living.length), 1);
            if (!removed) return;
            staying.delete(orderOf(removed));
            await remove(removed);
          };
          const walk = async (direction: 'next' | 'previous', start: Partial<Paging>) => {
            const pages: Page[] = [];
            let from = start;
            for (let turn = 0; ; turn += 1) {
              const page = await list(
                { ...from, limit: limits[turn % limits.length] as number, orderDirection },
                { sources: [ofSubscriber(ann), shared(other)], ...(matches && { matches }) },
              );
              const livingOrders = new Set(living.map(orderOf));
              expect(page.data.filter((row) => !livingOrders.has(orderOf(row)))).toEqual([]);
              pages.push(page);
              const neighbour = page[direction];
              if (neighbour === null) return pages;
              expect(turn).toBeLessThan(100);
              from = direction === 'next' ? { after: neighbour } : { before: neighbour };
              await changeSomething();
            }
          };
          const inOrder = (orders: string[]) => (orderDirection === 'ASC' ? orders.sort() : orders.sort().reverse());
          const expectAll = (visited: Connection[], wanted: Iterable<string>) => {
            const orders = visited.map(orderOf);
            expect(orders).toEqual(inOrder([...new Set(orders)]));
            expect(visited.every(matches ?? (() => true))).toBe(true);
            expect([...wanted].filter((order) => !orders.includes(order))).toEqual([]);
          };
          const wanted = () => {
            const wantedRows = living.filter((row) => staying.has(orderOf(row)) && (matches?.(row) ?? true));
            return inOrder(wantedRows.map(orderOf));
          };

          const forth = await walk('next', {});
          expectAll(
            forth.flatMap(({ data }) => data),
            wanted(),
          );

          const turningPoint = forth.findLast(({ previous }) => previous !== null);
          if (!turningPoint?.previous) return;
          const back = await walk('previous', { before: turningPoint.previous });
          const [firstBehind] = turningPoint.data;
          // Everything is before a page without rows, since it is the last one.
          const isBefore = (order: string) => {
            if (!firstBehind) return true;
            return orderDirection === 'ASC' ? order < orderOf(firstBehind) : order > orderOf(firstBehind);
          };
          expectAll(
            back.toReversed().flatMap(({ data }) => data),
            wanted().filter(isBefore),
          );
        }),
        { numRuns: 40 },
      );
    }, 120_000);

    it('gives a short page with a next one when a filter leaves most rows out', async () => {
      const { addMany, list } = setup();
      await addMany(1_005, (index) => ({ createdAt: isoTime(index), providerId: 'msteams' }));
      const last = await addMany(2, (index) => ({ createdAt: isoTime(2_000 + index) }));
      const request = { matches: ({ providerId }: Connection) => providerId === 'slack' };

      const first = await list({ orderDirection: 'ASC' }, request);
      const second = await list({ orderDirection: 'ASC', after: first.next as string }, request);

      expect(first).toMatchObject({ data: [], next: expect.any(String), previous: null, totalCountCapped: true });
      expect(second).toMatchObject({ data: last, next: null });
    });

    it('can be turned round on a page without rows', async () => {
      const { addMany, list } = setup();
      const ofSlack = { matches: ({ providerId }: Connection) => providerId === 'slack' };
      const early = await addMany(2, (index) => ({ createdAt: isoTime(index) }));
      await addMany(2_205, (index) => ({ createdAt: isoTime(100 + index), providerId: 'msteams' }));
      const late = await addMany(2, (index) => ({ createdAt: isoTime(9_000 + index) }));
      const walk = async (from: Partial<Paging>, direction: 'next' | 'previous', orderDirection: 'ASC' | 'DESC') => {
        const pages: Page[] = [];
        for (let paging = from; pages.length < 10; ) {
          const page = await list({ ...paging, orderDirection }, ofSlack);
          pages.push(page);
          const cursor = page[direction];
          if (cursor === null) break;
          paging = direction === 'next' ? { after: cursor } : { before: cursor };
        }
        return pages;
      };

      for (const orderDirection of ['ASC', 'DESC'] as const) {
        const [before, behind] = orderDirection === 'ASC' ? [early, late] : [late.toReversed(), early.toReversed()];
        const forth = await walk({}, 'next', orderDirection);
        const rowless = await list({ after: forth[0]?.next as string, orderDirection }, ofSlack);
        const forthRows = forth.flatMap(({ data }) => data);
        const turned = await walk({ before: rowless.previous as string }, 'previous', orderDirection);
        const back = turned.toReversed().flatMap(({ data }) => data);
        const rowlessOnTheWayBack = turned.find(({ data }) => data.length === 0) ?? rowless;
        const forthAgain = await walk({ after: rowlessOnTheWayBack.next as string }, 'next', orderDirection);

        expect(rowless).toMatchObject({ data: [], next: expect.any(String), previous: expect.any(String) });
        expect(forthRows).toEqual([...before, ...behind]);
        expect(back).toEqual(before);
        expect(forthAgain.flatMap(({ data }) => data)).toEqual(behind);
      }
    });

    it.each(['ASC', 'DESC'] as const)(
      'can be turned round behind its last row and before its first, %s',
      async (order) => {
        const { addMany, list } = setup();
        const added = await addMany(3, (index) => ({ createdAt: isoTime(index) }));
        const inOrder = order === 'ASC' ? added : added.toReversed();
        const hash = hashOf('CONN', (added[0] as Connection).environmentId).slice(0, 32);
        const at = (row: Connection | undefined) => cursor(hash, orderOf(row as Connection));

        const behind = await list({ after: at(inOrder[2]), orderDirection: order });
        const back = await list({ before: behind.previous as string, orderDirection: order });
        const before = await list({ before: at(inOrder[0]), orderDirection: order });
        const forth = await list({ after: before.next as string, orderDirection: order });

        expect(behind).toMatchObject({ data: [], next: null, totalCount: 3 });
        expect(before).toMatchObject({ data: [], previous: null, totalCount: 3 });
        expect(back.data).toEqual(inOrder);
        expect(forth.data).toEqual(inOrder);
      },
    );

    it('counts at least the rows of the page, however many were read for it', async () => {
      const { addMany, list } = setup();
      await addMany(1_100, (index) => ({
        createdAt: isoTime(index),
        providerId: index >= 900 && index < 905 ? 'slack' : 'msteams',
      }));

      const page = await list({ orderDirection: 'ASC' }, { matches: ({ providerId }) => providerId === 'slack' });

      expect(page.data).toHaveLength(5);
      expect(page).toMatchObject({ totalCount: 5, totalCountCapped: true });
    });

    it.each([
      ['of nothing', ''],
      ['of no base64', '%%%'],
      ['of no JSON', Buffer.from('{').toString('base64url')],
      ['of JSON that is no list', Buffer.from('null').toString('base64url')],
      ['of an empty list', cursor()],
      ['of another filter', cursor(hashOf('other').slice(0, 32), 'position')],
    ])('gives an empty page for a cursor %s', async (_, text) => {
      const { add, list } = setup();
      await add();

      expect(await list({ after: text })).toEqual(emptyPage);
      expect(await list({ before: text })).toEqual(emptyPage);
    });

    it.each<[string, unknown]>([
      ['no text', 5],
      ['missing', undefined],
      ['empty', ''],
      ['longer than a key may be', 'x'.repeat(1_025)],
      ['longer in UTF-8 than a key may be', 'é'.repeat(1_024)],
    ])('gives an empty page for a forged cursor whose position is %s', async (_, position) => {
      const { add, list, environmentId } = setup();
      await add();
      const forged = cursor(hashOf('CONN', environmentId).slice(0, 32), position);

      expect(await list({ after: forged })).toEqual(emptyPage);
      expect(await list({ before: forged })).toEqual(emptyPage);
    });

    it('does not take the cursor of another list', async () => {
      const { addMany, list } = setup();
      await addMany(3, () => ({}));
      const { next } = await list({ limit: 1 });

      const elsewhere = await list({ limit: 1, after: next as string }, { filter: ['CONN', 'another'] });

      expect(elsewhere).toEqual(emptyPage);
    });

    it.each([
      ['exactly', 100, 100, false],
      ['up to a cap of', 101, 100, true],
    ])('counts %s a hundred rows, with a filter and without', async (_, rows, totalCount, totalCountCapped) => {
      const { addMany, list } = setup();
      await addMany(rows, () => ({}));

      expect(await list({ limit: 1 })).toMatchObject({ totalCount, totalCountCapped });
      expect(await list({ limit: 1 }, { matches: () => true })).toMatchObject({ totalCount, totalCountCapped });
    });

    it('counts the rows of all partitions that it merges', async () => {
      const { addMany, list, ofSubscriber, shared } = setup();
      await addMany(70, (index) => ({ subscriberId: 'ann', integrationId: `integration-${index}` }));
      await addMany(60, (index) => ({ subscriberId: undefined, integrationId: `integration-${index}` }));

      const page = await list({ limit: 1 }, { sources: [ofSubscriber('ann'), shared([])] });

      expect(page).toMatchObject({ totalCount: 100, totalCountCapped: true });
    });

    it('counts only what the filter lets through', async () => {
      const { addMany, list } = setup();
      await addMany(9, (index) => ({ providerId: index % 3 === 0 ? 'slack' : 'msteams' }));

      const page = await list({ limit: 1 }, { matches: ({ providerId }) => providerId === 'slack' });

      expect(page).toMatchObject({ totalCount: 3, totalCountCapped: false });
    });
  });
}
