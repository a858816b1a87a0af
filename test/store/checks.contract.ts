import { describe, expect, it } from 'vitest';
import { randomObjectId } from '../../lib/crypto.ts';
import type { Grant } from '../../lib/grant/grant.ts';
import type { Database } from '../../lib/store/database.ts';
import { dynamoDueStore } from '../../lib/store/due-store.ts';
import { dynamoGrantStore } from '../../lib/store/grant-store.ts';
import { aGrant, builtAt } from '../support/builders.ts';

const hour = 60 * 60_000;
const day = 24 * hour;
/** By then every check of a grant that was proven at `builtAt` is due. */
const due = builtAt + day + 2 * hour;

const refresh = { token: 'new', sealVersion: 'owner', scopes: [], asOf: builtAt + hour, flowId: 'owner' };
const refused = (statusReason: string) =>
  ({ status: 'reauthorization_required', statusReason, verifiedAt: builtAt }) as const;
const revocation = {
  asOf: builtAt + 10,
  flowId: 'flow-2',
  revokingUntil: builtAt + 10_010,
  revocation: { how: 'token', tries: 1 },
  dueAt: new Date(builtAt + 60_000).toISOString(),
} as const;

/** Which grants the sweep asks the providers about, and when. */
export function describeChecks(database: () => Database): void {
  describe('checks', () => {
    function setup() {
      const environmentId = randomObjectId();
      const grants = dynamoGrantStore(database());
      const rows = dynamoDueStore(database());
      const own = <Row extends { environmentId: string }>(row: Row) => row.environmentId === environmentId;
      return {
        grants,
        rows,
        async put(overrides: Partial<Omit<Grant, 'version'>> = {}, now = builtAt): Promise<Grant> {
          const grant = aGrant({ environmentId, ...overrides });
          await grants.putIfNewer(grant, now);
          return (await grants.get(environmentId, grant.grantId)) as Grant;
        },
        takeChecks: async (now: number, limit = 10_000) => (await rows.takeChecks(now, limit)).filter(own),
        takeRows: async (now: number) => (await rows.takeDue(now, 10_000)).map(({ row }) => row).filter(own),
      };
    }

    it('come a day after a grant was stored, each at a time of its own', async () => {
      const { put, takeChecks, takeRows } = setup();
      const stored = await Promise.all(Array.from({ length: 20 }, (_, index) => put({ grantId: `grant-${index}` })));

      const early = await takeChecks(builtAt + day - 1);
      const taken = await takeChecks(due);

      expect(early).toEqual([]);
      expect(taken.map(({ grantId }) => grantId).sort()).toEqual(stored.map(({ grantId }) => grantId).sort());
      expect(new Set(stored.map(({ dueAt }) => dueAt)).size).toBeGreaterThan(15);
      expect(await takeRows(due)).toEqual([]);
    });

    it('are of whoever has waited longest, when there are more than may be taken', async () => {
      const { put, takeChecks } = setup();
      // Before everything that other tests store.
      const old = builtAt - 100 * day;
      const waiting = Array.from({ length: 60 }, (_, index) => put({ grantId: `grant-${index}` }, old - index * day));
      const stored = await Promise.all(waiting);

      const first = await takeChecks(old + 2 * day, 4);
      const rest = await takeChecks(old + 2 * day, 1_000);

      const dueAts = (taken: Grant[]) => stored.filter(({ grantId }) => taken.some((each) => each.grantId === grantId));
      expect(first.length).toBeGreaterThan(0);
      expect(first.length).toBeLessThanOrEqual(4);
      expect(rest).toHaveLength(60 - first.length);
      expect(dueAts(first).every(({ grantId }) => Number(grantId.split('-')[1]) > 40)).toBe(true);
    });

    it('are done by one of those who look at once, and put off for hours', async () => {
      const { put, takeChecks } = setup();
      await put();

      const taken = await Promise.all([takeChecks(due), takeChecks(due), takeChecks(due)]);

      expect(taken.flat()).toHaveLength(1);
      expect(await takeChecks(due + 3 * hour - 1)).toEqual([]);
      expect(await takeChecks(due + 3 * hour)).toHaveLength(1);
    });

    it.each<[string, Partial<Grant>, string, boolean]>([
      ['a Slack token that is dead', {}, 'token_revoked', false],
      ['a Slack token when the app was refused', {}, 'bad_client_secret', true],
      ['an app without consent', { credential: 'app_only' }, 'app_not_in_tenant', true],
    ])('of %s', async (_, overrides, statusReason, goesOn) => {
      const { grants, put, takeChecks } = setup();

      await grants.recordVerification(await put(overrides), refused(statusReason));

      expect(await takeChecks(due)).toHaveLength(goesOn ? 1 : 0);
    });

    it('begin again with a token that is approved anew', async () => {
      const { grants, put, takeChecks } = setup();
      await grants.recordVerification(await put(), refused('token_revoked'));

      await put({ asOf: builtAt + 1, sealVersion: 'flow-2' });

      expect(await takeChecks(due)).toHaveLength(1);
    });

    it.each<[string, (grants: ReturnType<typeof setup>['grants'], read: Grant) => Promise<unknown>]>([
      ['a refresh', (grants, read) => grants.keepRefreshed(read, 'owner', { ...refresh, verifiedAt: builtAt + hour })],
      [
        'a verification',
        (grants, read) => grants.recordVerification(read, { status: 'active', verifiedAt: builtAt + hour }),
      ],
    ])('wait for a day after %s, also of a grant that had no time', async (_, prove) => {
      const { grants, put, takeChecks } = setup();
      const read = await put();
      const unplanned = await put({ grantId: 'stored-before-there-were-checks' });
      await grants.settle(unplanned);

      for (const grant of [read, unplanned]) await prove(grants, grant);

      expect(await takeChecks(builtAt + day + hour - 1)).toEqual([]);
      expect(await takeChecks(due + hour)).toHaveLength(2);
    });

    it('give way to a revocation, and end with it', async () => {
      const { grants, put, takeChecks, takeRows } = setup();
      const revoking = await grants.beginRevocation(await put(), revocation);

      expect(await takeChecks(due)).toEqual([]);
      expect(await takeRows(due)).toMatchObject([{ status: 'revoking' }]);
      await grants.endRevocation(revoking as Grant);
      expect([...(await takeChecks(due * 2)), ...(await takeRows(due * 2))]).toEqual([]);
    });

    it('come back with whoever connects during a revocation', async () => {
      const { grants, put, takeChecks, takeRows } = setup();
      await grants.beginRevocation(await put(), revocation);

      await put({ asOf: builtAt + 11, flowId: 'flow-3' }, revocation.revokingUntil);

      expect(await takeRows(due + hour)).toEqual([]);
      expect(await takeChecks(due + hour)).toMatchObject([{ status: 'active', flowId: 'flow-3' }]);
    });

    it('are not of what a caller brought, which stays due for its own reason', async () => {
      const { grants, put, takeChecks, takeRows } = setup();
      const dueAt = new Date(builtAt + 60_000).toISOString();
      const brought = await put({ source: 'caller', dueAt });

      await grants.recordVerification(brought, { status: 'active', verifiedAt: builtAt });

      expect(await takeRows(due)).toMatchObject([{ source: 'caller' }]);
      expect(await takeChecks(due)).toEqual([]);
    });
  });
}
