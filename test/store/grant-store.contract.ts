import { describe, expect, it } from 'vitest';
import { randomObjectId } from '../../lib/crypto.ts';
import type { Grant } from '../../lib/grant/grant.ts';
import { nextCheckAt } from '../../lib/grant/next-check.ts';
import type { Database } from '../../lib/store/database.ts';
import { dynamoGrantStore, type GrantStore } from '../../lib/store/grant-store.ts';
import { aGrant, builtAt, isoTime } from '../support/builders.ts';

const lease = { owner: 'owner-1', until: builtAt + 10_000, sentToken: 'fingerprint' };
const refreshed = {
  token: 'sealed-refreshed',
  sealVersion: 'owner-1',
  tokenExpiresAt: builtAt / 1000 + 43_200,
  scopes: ['chat:write', 'users:read'],
  verifiedAt: builtAt + 500,
  asOf: builtAt + 100,
  flowId: 'owner-1',
};
const refusal = {
  status: 'reauthorization_required',
  statusReason: 'token_revoked',
  verifiedAt: builtAt + 500,
} as const;

const revocation = {
  asOf: builtAt + 10,
  flowId: 'flow-2',
  revokingUntil: builtAt + 10_010,
  revocation: { how: 'token', tries: 1 },
  dueAt: isoTime(60_000),
} as const;

export function describeGrantStore(database: () => Database): void {
  describe('dynamoGrantStore', () => {
    function setup() {
      const environmentId = randomObjectId();
      const grants = dynamoGrantStore(database());
      /** As it is stored when it is put at the time of `builtAt`: what a flow brought is to be checked. */
      const grant = (overrides: Partial<Omit<Grant, 'version'>> = {}) => {
        const built = aGrant({ environmentId, ...overrides });
        const isChecked = built.source === 'flow' && !('dueAt' in overrides);
        return isChecked ? { ...built, dueAt: nextCheckAt(built, built, builtAt) } : built;
      };
      const { grantId } = grant();
      const stored = () => grants.get(environmentId, grantId);
      return {
        environmentId,
        grants,
        grant,
        grantId,
        stored,
        /** Writes a grant, and gives it as it is read. */
        async put(overrides: Partial<Omit<Grant, 'version'>> = {}): Promise<Grant> {
          await grants.putIfNewer(grant(overrides), builtAt);
          return (await stored()) as Grant;
        },
        /** A token that no grant holds, as its revocation is announced. */
        announcement: (overrides: Partial<Grant> = {}): Grant => ({
          ...grant(),
          version: 1,
          status: 'revoking',
          ...revocation,
          ...overrides,
        }),
      };
    }

    describe('putIfNewer', () => {
      it('writes a grant where there is none, as version 1', async () => {
        const { grants, grant, stored } = setup();

        expect(await grants.putIfNewer(grant(), builtAt)).toBe(true);
        expect(await stored()).toEqual({ ...grant(), version: 1 });
      });

      it.each<[string, { asOf: number; flowId: string }, boolean]>([
        ['replaces an older one', { asOf: builtAt + 1, flowId: 'flow-2' }, true],
        ['replaces an older one of its own flow', { asOf: builtAt + 1, flowId: 'flow-1' }, true],
        ['is written again by the same flow for the same exchange', { asOf: builtAt, flowId: 'flow-1' }, true],
        ['gives way to a newer one', { asOf: builtAt - 1, flowId: 'flow-2' }, false],
        ['gives way to a newer one of its own flow', { asOf: builtAt - 1, flowId: 'flow-1' }, false],
        ['gives way to one of another flow and the same time', { asOf: builtAt, flowId: 'flow-2' }, false],
      ])('%s', async (_, writer, written) => {
        const { grants, grant, stored } = setup();
        await grants.putIfNewer(grant(), builtAt);

        const result = await grants.putIfNewer(grant({ ...writer, token: 'sealed-again' }), builtAt);

        expect(result).toBe(written);
        expect(await stored()).toEqual(
          written ? { ...grant({ ...writer, token: 'sealed-again' }), version: 2 } : { ...grant(), version: 1 },
        );
      });

      it('counts the version up with each write', async () => {
        const { grants, grant, stored } = setup();

        const versions: (number | undefined)[] = [];
        for (let round = 0; round < 4; round += 1) {
          await grants.putIfNewer(grant({ asOf: builtAt + round }), builtAt);
          versions.push((await stored())?.version);
        }

        expect(versions).toEqual([1, 2, 3, 4]);
      });

      it('leaves nothing of the older grant behind', async () => {
        const { grants, grant, stored } = setup();
        const refused = { ...refusal, refresh: lease };
        const rich = {
          ...refused,
          userId: 'U1',
          tokenExpiresAt: 1,
          appId: 'A1',
          botUserId: 'B1',
          botId: 'B2',
          enterpriseUrl: 'e',
        };
        const { grantId } = grant();
        await grants.putIfNewer(grant({ ...rich, grantId }), builtAt);
        const plain = grant({ asOf: builtAt + 1 });

        await grants.putIfNewer(plain, builtAt);

        expect(await stored()).toEqual({ ...plain, version: 2 });
      });

      it('ends with the newest of many that are written at once', async () => {
        const { grants, grant, stored } = setup();
        const times = Array.from({ length: 20 }, (_, index) => builtAt + ((index * 7) % 20));

        await Promise.all(times.map((asOf) => grants.putIfNewer(grant({ asOf, flowId: `flow-${asOf}` }), builtAt)));

        expect(await stored()).toMatchObject({ asOf: builtAt + 19, flowId: `flow-${builtAt + 19}` });
      });

      it('keeps the grants of environments, accounts and persons apart', async () => {
        const { grants, grant, stored } = setup();
        await grants.putIfNewer(grant(), builtAt);

        await grants.putIfNewer(grant({ environmentId: randomObjectId(), asOf: builtAt + 1, token: 'other' }), builtAt);
        await grants.putIfNewer(grant({ account: { id: 'T1', kind: 'workspace' }, asOf: builtAt + 1 }), builtAt);
        await grants.putIfNewer(grant({ userId: 'U1', asOf: builtAt + 1 }), builtAt);

        expect(await stored()).toEqual({ ...grant(), version: 1 });
      });
    });

    describe('putIfLater', () => {
      it.each<[string, number | undefined, number | undefined, boolean]>([
        ['replaces a token that expires earlier', 100, 101, true],
        ['gives way to one that expires at the same time', 100, 100, false],
        ['gives way to one that expires later', 100, 99, false],
        ['gives way to one that expires, with one that does not', 100, undefined, false],
        ['replaces one that does not expire', undefined, 99, true],
        ['replaces one that does not expire by one that does not either', undefined, undefined, true],
      ])('%s', async (_, current, tokenExpiresAt, written) => {
        const { grants, grant, put } = setup();
        await put({ tokenExpiresAt: current });

        const later = grant({ tokenExpiresAt, asOf: builtAt + 1 });

        expect(await grants.putIfLater(later, builtAt)).toBe(written);
      });

      it('gives way to one that needs a new approval and expires later: a refresh may still save it', async () => {
        const { grants, grant, put } = setup();
        await put({ tokenExpiresAt: 100, status: 'reauthorization_required' });

        expect(await grants.putIfLater(grant({ tokenExpiresAt: 99, asOf: builtAt + 1 }), builtAt)).toBe(false);
      });

      it('replaces what has ended, however long it would have lasted', async () => {
        const { grants, grant, put } = setup();
        const ending = await grants.beginRevocation(await put({ tokenExpiresAt: 100 }), revocation);
        await grants.endRevocation(ending as Grant);

        const next = grant({ tokenExpiresAt: 50, asOf: revocation.asOf + 1 });

        expect(await grants.putIfLater(next, builtAt)).toBe(true);
      });

      it('keeps to the time fence as well', async () => {
        const { grants, grant, put } = setup();
        await put({ tokenExpiresAt: 100 });

        expect(await grants.putIfLater(grant({ tokenExpiresAt: 101, asOf: builtAt - 1 }), builtAt)).toBe(false);
      });
    });

    describe('replaceToken', () => {
      const replacement = {
        token: 'sealed-again',
        sealVersion: 'flow-2.1',
        tokenExpiresAt: 2,
        asOf: builtAt + 1,
        flowId: 'flow-2',
      };

      it('puts a newer token into an active grant that rotates, ends its lease and leaves the rest', async () => {
        const { grants, grant, stored } = setup();
        const rotating = { tokenExpiresAt: 1, botUserId: 'B1', verifiedAt: builtAt };
        await grants.putIfNewer(grant({ ...rotating, refresh: lease }), builtAt);

        await grants.replaceToken(grant().environmentId, grant().grantId, replacement);

        expect(await stored()).toEqual({ ...grant({ ...rotating, ...replacement }), version: 2 });
      });

      it.each<[string, Partial<Grant>]>([
        ['newer', { asOf: builtAt + 2 }],
        ['of the same time', { asOf: builtAt + 1 }],
        ['not one that rotates', { tokenExpiresAt: undefined }],
        ['in need of a new approval', { status: 'reauthorization_required' }],
        ['being revoked', { status: 'revoking' }],
        ['over', { status: 'revoked' }],
      ])('leaves a grant alone that is %s', async (_, overrides) => {
        const { grants, grant, stored } = setup();
        await grants.putIfNewer(grant({ tokenExpiresAt: 1, ...overrides }), builtAt);
        const before = await stored();

        await grants.replaceToken(grant().environmentId, grant().grantId, replacement);

        expect(await stored()).toEqual(before);
      });

      it('brings no grant into being', async () => {
        const { grants, grant, stored } = setup();

        await grants.replaceToken(grant().environmentId, grant().grantId, replacement);

        expect(await stored()).toBeUndefined();
      });
    });

    describe('references', () => {
      it('has none at first, also when the grant itself is there', async () => {
        const { grants, grant, grantId, environmentId } = setup();
        await grants.putIfNewer(grant(), builtAt);

        expect(await grants.references(environmentId, grantId)).toEqual([]);
      });

      it('knows a reference until it is taken back', async () => {
        const { grants, grantId, environmentId } = setup();
        await grants.addReference(environmentId, grantId, 'subject-1', { asOf: builtAt });
        const before = await grants.references(environmentId, grantId);

        await grants.removeReference(environmentId, grantId, 'subject-1', { asOf: builtAt });

        expect(before).toEqual([{ subjectKey: 'subject-1', asOf: builtAt, since: builtAt }]);
        expect(await grants.references(environmentId, grantId)).toEqual([]);
      });

      it('has one as long as any connection has one', async () => {
        const { grants, grantId, environmentId } = setup();
        await grants.addReference(environmentId, grantId, 'subject-1', { asOf: builtAt });
        await grants.addReference(environmentId, grantId, 'subject-2', { asOf: builtAt });

        await grants.removeReference(environmentId, grantId, 'subject-1', { asOf: builtAt });

        expect(await grants.references(environmentId, grantId)).toHaveLength(1);
      });

      it('are read a few at a time, from wherever the last ones ended', async () => {
        const { grants, grantId, environmentId } = setup();
        const subjects = Array.from({ length: 23 }, (_, index) => `subject-${index + 10}`);
        for (const subject of subjects) await grants.addReference(environmentId, grantId, subject, { asOf: builtAt });
        await grants.addUserGrant(environmentId, grantId, 'user-grant', { asOf: builtAt });

        const read: string[] = [];
        for (let after: string | undefined; ; ) {
          const page = await grants.references(environmentId, grantId, after);
          if (page.length === 0) break;
          read.push(...page.map((reference) => reference.subjectKey));
          after = read.at(-1);
        }

        expect(read).toEqual(subjects);
      });

      it('is not taken back by one that is older than its renewal', async () => {
        const { grants, grantId, environmentId } = setup();
        await grants.addReference(environmentId, grantId, 'subject-1', { asOf: builtAt });
        await grants.addReference(environmentId, grantId, 'subject-1', { asOf: builtAt + 5 });

        await grants.removeReference(environmentId, grantId, 'subject-1', { asOf: builtAt + 4 });

        expect(await grants.references(environmentId, grantId)).toHaveLength(1);
      });

      it('knows since when it has been there, until it is taken back', async () => {
        const { grants, grantId, environmentId } = setup();
        const since = async () => (await grants.references(environmentId, grantId))[0]?.since;
        await grants.addReference(environmentId, grantId, 'subject-1', { asOf: builtAt });
        await grants.addReference(environmentId, grantId, 'subject-1', { asOf: builtAt + 5 });
        const ofRenewed = await since();

        await grants.removeReference(environmentId, grantId, 'subject-1', { asOf: builtAt + 5 });
        await grants.addReference(environmentId, grantId, 'subject-1', { asOf: builtAt + 9 });

        expect([ofRenewed, await since()]).toEqual([builtAt, builtAt + 9]);
      });

      it('is not made older by a late writer', async () => {
        const { grants, grantId, environmentId } = setup();
        await grants.addReference(environmentId, grantId, 'subject-1', { asOf: builtAt + 5 });
        await grants.addReference(environmentId, grantId, 'subject-1', { asOf: builtAt });

        await grants.removeReference(environmentId, grantId, 'subject-1', { asOf: builtAt + 4 });

        expect(await grants.references(environmentId, grantId)).toHaveLength(1);
      });

      it('may be taken back when it is not there', async () => {
        const { grants, grantId, environmentId } = setup();

        await grants.removeReference(environmentId, grantId, 'subject-1', { asOf: builtAt });

        expect(await grants.references(environmentId, grantId)).toEqual([]);
      });

      it('belongs to one environment and one grant', async () => {
        const { grants, grantId, environmentId } = setup();
        await grants.addReference(environmentId, grantId, 'subject-1', { asOf: builtAt });

        expect(await grants.references(randomObjectId(), grantId)).toEqual([]);
        expect(await grants.references(environmentId, `${grantId}0`)).toEqual([]);
      });
    });

    describe('user grants', () => {
      it('are marked beside the grant of their account until they are over', async () => {
        const { grants, grantId, environmentId } = setup();
        await grants.addReference(environmentId, grantId, 'subject-1', { asOf: builtAt });
        await grants.addUserGrant(environmentId, grantId, 'user-grant', { asOf: builtAt });
        const before = await grants.userGrants(environmentId, grantId);

        await grants.removeUserGrant(environmentId, grantId, 'user-grant', { asOf: builtAt });

        expect(before).toEqual([{ userGrantId: 'user-grant', asOf: builtAt }]);
        expect(await grants.userGrants(environmentId, grantId)).toEqual([]);
      });

      it('are read from wherever the last ones ended', async () => {
        const { grants, grantId, environmentId } = setup();
        for (const name of ['a', 'b', 'c']) await grants.addUserGrant(environmentId, grantId, name, { asOf: builtAt });
        await grants.addUserGrant(environmentId, 'another-grant', 'd', { asOf: builtAt });
        await grants.removeUserGrant(environmentId, grantId, 'a', { asOf: builtAt });

        const rest = await grants.userGrants(environmentId, grantId, 'a');

        expect(rest.map(({ userGrantId }) => userGrantId)).toEqual(['b', 'c']);
        expect(await grants.userGrants(environmentId, grantId, 'c')).toEqual([]);
      });

      it('stay marked when a newer exchange renewed the mark', async () => {
        const { grants, grantId, environmentId } = setup();
        await grants.addUserGrant(environmentId, grantId, 'user-grant', { asOf: builtAt + 5 });
        await grants.addUserGrant(environmentId, grantId, 'user-grant', { asOf: builtAt });

        await grants.removeUserGrant(environmentId, grantId, 'user-grant', { asOf: builtAt });

        expect(await grants.userGrants(environmentId, grantId)).toEqual([
          { userGrantId: 'user-grant', asOf: builtAt + 5 },
        ]);
      });
    });

    describe('erase', () => {
      it('ends a grant in one write, and fences off exchanges that are older', async () => {
        const { grants, grant, stored, put } = setup();
        const at = { asOf: builtAt + 10, flowId: 'flow-2' };

        const erased = await grants.erase(await put({ tokenExpiresAt: 1 }), at);

        expect(erased).toBe(true);
        expect(await stored()).toEqual({
          ...grant({ dueAt: undefined }),
          ...at,
          token: '',
          status: 'revoked',
          version: 2,
        });
        expect(await grants.putIfNewer(grant({ asOf: builtAt + 9, flowId: 'flow-3' }), builtAt)).toBe(false);
      });

      it('says why, and fences off a refresh that is under way and whoever finishes the exchange before', async () => {
        const { grants, grant, stored, put } = setup();
        const read = await put();
        const lease = { owner: 'holder', until: builtAt + 10_000 };
        await grants.takeRefresh(read, lease, builtAt);
        const at = { asOf: builtAt, flowId: 'event', statusReason: 'app_uninstalled' };

        const erased = await grants.erase(read, at);

        expect(erased).toBe(true);
        const refreshed = {
          token: 'new',
          sealVersion: 'holder',
          scopes: [],
          verifiedAt: builtAt,
          asOf: builtAt + 1,
          flowId: 'holder',
        };
        expect(await grants.keepRefreshed(read, 'holder', refreshed)).toBeUndefined();
        expect(await grants.putIfNewer(grant(), builtAt)).toBe(false);
        expect(await stored()).toEqual({
          ...grant(),
          ...at,
          token: '',
          status: 'revoked',
          version: 2,
          dueAt: undefined,
        });
        expect(await grants.putIfNewer(grant({ asOf: builtAt + 1, flowId: 'flow-2' }), builtAt)).toBe(true);
        expect(await stored()).not.toHaveProperty('statusReason');
      });

      it('leaves a grant alone that was renewed since it was read', async () => {
        const { grants, stored, put, environmentId, grantId } = setup();
        const read = await put();
        await grants.renew(environmentId, grantId);
        const renewed = await stored();

        expect(await grants.erase(read, { asOf: builtAt + 10, flowId: 'flow-2' })).toBe(false);
        expect(await stored()).toEqual(renewed);
      });
    });

    describe('settle', () => {
      it('takes a grant off the sweep’s list, unless it was written since it was read', async () => {
        const { grants, stored, put, environmentId, grantId } = setup();
        const read = await put({ source: 'caller', dueAt: isoTime(60_000) });
        await grants.renew(environmentId, grantId);
        await grants.settle(read);
        const changed = await stored();

        await grants.settle(changed as Grant);

        expect(changed?.dueAt).toBe(isoTime(60_000));
        expect(await stored()).not.toHaveProperty('dueAt');
      });
    });

    describe('renew', () => {
      it('counts the version of a living grant up and leaves the rest as it is', async () => {
        const { grants, grant, stored, environmentId, grantId, put } = setup();
        await put();

        expect(await grants.renew(environmentId, grantId)).toBe(true);
        expect(await stored()).toEqual({ ...grant(), version: 2 });
      });

      it('takes one that needs a new approval', async () => {
        const { grants, environmentId, grantId, put } = setup();
        await put({ status: 'reauthorization_required' });

        expect(await grants.renew(environmentId, grantId)).toBe(true);
      });

      it('refuses a grant that is being revoked, was revoked or never was', async () => {
        const { grants, environmentId, grantId, put } = setup();
        const results = [await grants.renew(environmentId, grantId)];
        const ending = await grants.beginRevocation(await put(), revocation);
        results.push(await grants.renew(environmentId, grantId));
        await grants.endRevocation(ending as Grant);

        results.push(await grants.renew(environmentId, grantId));

        expect(results).toEqual([false, false, false]);
      });
    });

    describe('beginRevocation', () => {
      it('announces the end of a grant, whose token it keeps', async () => {
        const { grants, grant, stored, put } = setup();

        const ending = await grants.beginRevocation(await put(), revocation);

        expect(ending).toEqual({ ...grant(), status: 'revoking', version: 2, ...revocation });
        expect(await stored()).toEqual(ending);
      });

      it.each<[string, (grants: GrantStore, grant: Grant) => Promise<unknown>]>([
        [
          'a new token',
          (grants, { version: _, ...read }) => grants.putIfNewer({ ...read, asOf: read.asOf + 1 }, builtAt),
        ],
        ['a new user', (grants, read) => grants.renew(read.environmentId, read.grantId)],
      ])('leaves a grant alone that got %s since it was read', async (_, change) => {
        const { grants, stored, put } = setup();
        const read = await put();
        await change(grants, read);
        const renewed = await stored();

        expect(await grants.beginRevocation(read, revocation)).toBeUndefined();
        expect(await stored()).toEqual(renewed);
      });

      it('is announced again by a writer whose answer was lost, and by no other', async () => {
        const { grants, put } = setup();
        const read = await put();
        await grants.beginRevocation(read, revocation);

        expect(await grants.beginRevocation(read, revocation)).toMatchObject({ status: 'revoking', ...revocation });
        expect(await grants.beginRevocation(read, { ...revocation, flowId: 'flow-3' })).toBeUndefined();
        expect(await grants.beginRevocation(read, { ...revocation, asOf: builtAt + 11 })).toBeUndefined();
      });

      it('lets exactly one of several end a grant', async () => {
        const { grants, put } = setup();
        const read = await put();

        const results = await Promise.all(
          Array.from({ length: 10 }, (_, index) =>
            grants.beginRevocation(read, { ...revocation, flowId: `flow-${index + 2}` }),
          ),
        );

        expect(results.filter((result) => result !== undefined)).toHaveLength(1);
      });

      it('does not bring a grant into being', async () => {
        const { grants, grant, stored } = setup();

        expect(await grants.beginRevocation({ ...grant(), version: 1 }, revocation)).toBeUndefined();
        expect(await stored()).toBeUndefined();
      });

      it('makes newer exchanges wait while it is under way', async () => {
        const { grants, grant, stored, put } = setup();
        const ending = await grants.beginRevocation(await put(), revocation);
        const newer = grant({ asOf: revocation.asOf + 1, flowId: 'flow-3' });

        expect(await grants.putIfNewer(newer, revocation.revokingUntil - 1)).toBe(false);
        expect(await stored()).toEqual(ending);
      });

      it('lets newer exchanges in when its time is over, and leaves no trace', async () => {
        const { grants, grant, stored, put } = setup();
        await grants.beginRevocation(await put(), revocation);
        const newer = grant({ asOf: revocation.asOf + 1, flowId: 'flow-3' });

        const over = revocation.revokingUntil;

        expect(await grants.putIfNewer(newer, over)).toBe(true);
        expect(await stored()).toEqual({ ...newer, dueAt: nextCheckAt(newer, newer, over), version: 3 });
      });

      it('fences off older exchanges also when its time is over', async () => {
        const { grants, grant, put } = setup();
        await grants.beginRevocation(await put(), revocation);

        const older = grant({ asOf: revocation.asOf - 1, flowId: 'flow-3' });

        expect(await grants.putIfNewer(older, revocation.revokingUntil)).toBe(false);
      });
    });

    describe('announceRevocation', () => {
      it('announces the end of a token where no grant is', async () => {
        const { grants, announcement, stored } = setup();

        expect(await grants.announceRevocation(announcement())).toEqual(announcement());
        expect(await stored()).toEqual(announcement());
      });

      it('announces the end of a token where a grant was revoked', async () => {
        const { grants, announcement, stored, put } = setup();
        await grants.endRevocation((await grants.beginRevocation(await put(), revocation)) as Grant);
        const next = announcement({ asOf: builtAt + 100, flowId: 'flow-3' });

        expect(await grants.announceRevocation(next)).toEqual(next);
        expect(await stored()).toEqual(next);
      });

      it('leaves a living grant alone', async () => {
        const { grants, announcement, stored, put } = setup();
        const living = await put();

        expect(await grants.announceRevocation(announcement())).toBeUndefined();
        expect(await stored()).toEqual(living);
      });

      it('is announced again by the same flow, and by no other', async () => {
        const { grants, announcement } = setup();
        await grants.announceRevocation(announcement());

        expect(await grants.announceRevocation(announcement())).toEqual(announcement());
        expect(await grants.announceRevocation(announcement({ flowId: 'flow-3' }))).toBeUndefined();
      });
    });

    it('gives the grants of an integration that are not over', async () => {
      const { grants, environmentId } = setup();
      const put = async (accountId: string, integrationId = 'own') => {
        const account = { id: accountId, kind: 'workspace' } as const;
        const made = aGrant({ environmentId, integrationId, account });
        await grants.putIfNewer(made, builtAt);
        return (await grants.get(environmentId, made.grantId)) as Grant;
      };
      const listed = async () => {
        const found = await Array.fromAsync(grants.ofIntegration(environmentId, 'own'));
        return found.map(({ account }) => account.id).sort();
      };
      const [active, erased, revoking] = [await put('active'), await put('erased'), await put('revoking')];
      await put('other', 'other');

      await grants.erase(erased, { asOf: builtAt + 1, flowId: 'flow-2' });
      const ending = (await grants.beginRevocation(revoking, revocation)) as Grant;
      const during = await listed();
      await grants.endRevocation(ending);

      expect(during).toEqual(['active', 'revoking']);
      expect(await listed()).toEqual([active.account.id]);
      expect(await Array.fromAsync(grants.ofIntegration(randomObjectId(), 'own'))).toEqual([]);
    });

    describe('endRevocation', () => {
      it('erases the token and leaves a revoked row', async () => {
        const { grants, grant, stored, put } = setup();
        const ending = await grants.beginRevocation(await put({ tokenExpiresAt: 1 }), revocation);

        await grants.endRevocation(ending as Grant);

        const { asOf, flowId } = revocation;
        const ended = { token: '', status: 'revoked', version: 2, dueAt: undefined };
        expect(await stored()).toEqual({ ...grant(), ...ended, asOf, flowId });
      });

      it('fences off exchanges that are older, and lets newer ones in', async () => {
        const { grants, grant, stored, put } = setup();
        await grants.endRevocation((await grants.beginRevocation(await put(), revocation)) as Grant);

        const older = await grants.putIfNewer(grant({ asOf: revocation.asOf - 1, flowId: 'flow-3' }), builtAt);
        const newer = await grants.putIfNewer(grant({ asOf: revocation.asOf + 1, flowId: 'flow-4' }), builtAt);

        expect([older, newer]).toEqual([false, true]);
        expect(await stored()).toEqual({ ...grant({ asOf: revocation.asOf + 1, flowId: 'flow-4' }), version: 3 });
      });

      it('leaves a grant alone that was written since the announcement', async () => {
        const { grants, grant, stored, put } = setup();
        const ending = await grants.beginRevocation(await put(), revocation);
        await grants.putIfNewer(grant({ asOf: revocation.asOf + 1, flowId: 'flow-3' }), revocation.revokingUntil);
        const written = await stored();

        await grants.endRevocation(ending as Grant);

        expect(written).toMatchObject({ status: 'active', token: 'sealed-token' });
        expect(await stored()).toEqual(written);
      });

      it('leaves a revocation alone that somebody else announced', async () => {
        const { grants, stored, put } = setup();
        const ending = (await grants.beginRevocation(await put(), revocation)) as Grant;

        await grants.endRevocation({ ...ending, flowId: 'flow-3' });
        await grants.endRevocation({ ...ending, asOf: revocation.asOf + 1 });

        expect(await stored()).toEqual(ending);
      });
    });

    describe('takeRefresh', () => {
      it('records who refreshes, until when and with what, and changes nothing else', async () => {
        const { grants, stored, put } = setup();
        const read = await put();

        expect(await grants.takeRefresh(read, lease, builtAt)).toBe(true);
        expect(await stored()).toEqual({ ...read, refresh: lease });
      });

      it('lets one of many refresh', async () => {
        const { grants, put } = setup();
        const read = await put();

        const taken = await Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            grants.takeRefresh(read, { ...lease, owner: `owner-${index}` }, builtAt),
          ),
        );

        expect(taken.filter(Boolean)).toHaveLength(1);
      });

      it('may be taken again by its holder, and by others when its time is over', async () => {
        const { grants, put } = setup();
        const read = await put();
        await grants.takeRefresh(read, lease, builtAt);
        const other = { ...lease, owner: 'owner-2' };

        const results = [
          await grants.takeRefresh(read, lease, builtAt),
          await grants.takeRefresh(read, other, lease.until - 1),
          await grants.takeRefresh(read, other, lease.until),
        ];

        expect(results).toEqual([true, false, true]);
      });

      it.each<[string, (grants: GrantStore, grant: Grant) => Promise<unknown>]>([
        [
          'got another token',
          (grants, { version: _, ...read }) =>
            grants.putIfNewer({ ...read, asOf: read.asOf + 1, sealVersion: 'flow-2.1' }, builtAt),
        ],
        ['was refused', (grants, read) => grants.recordVerification(read, refusal)],
        ['is being ended', (grants, read) => grants.beginRevocation(read, revocation)],
      ])('is refused for a grant that %s since it was read', async (_, change) => {
        const { grants, stored, put } = setup();
        const read = await put();
        await change(grants, read);
        const changed = await stored();

        expect(await grants.takeRefresh(read, lease, builtAt)).toBe(false);
        expect(await stored()).toEqual(changed);
      });

      it('is possible for a grant that was refused before it was read', async () => {
        const { grants, put } = setup();
        const refused = (await grants.recordVerification(await put(), refusal)) as Grant;

        expect(await grants.takeRefresh(refused, lease, builtAt)).toBe(true);
      });
    });

    describe('keepRefreshed', () => {
      async function leased() {
        const context = setup();
        const read = await context.put();
        await context.grants.takeRefresh(read, lease, builtAt);
        return { ...context, read };
      }

      it('stores the token as the next version, and ends the lease', async () => {
        const { grants, read, stored } = await leased();

        const kept = await grants.keepRefreshed(read, lease.owner, refreshed);

        expect(kept).toEqual({
          ...read,
          ...refreshed,
          version: 2,
          dueAt: nextCheckAt(read, read, refreshed.verifiedAt),
        });
        expect(await stored()).toEqual(kept);
      });

      it('fences off exchanges that are older than the refresh', async () => {
        const { grants, read, grant } = await leased();
        await grants.keepRefreshed(read, lease.owner, refreshed);

        const older = await grants.putIfNewer(grant({ asOf: refreshed.asOf - 1, flowId: 'flow-2' }), builtAt);
        const newer = await grants.putIfNewer(grant({ asOf: refreshed.asOf + 1, flowId: 'flow-3' }), builtAt);

        expect([older, newer]).toEqual([false, true]);
      });

      it('may be repeated by a writer whose answer was lost', async () => {
        const { grants, read } = await leased();
        await grants.keepRefreshed(read, lease.owner, refreshed);

        expect(await grants.keepRefreshed(read, lease.owner, refreshed)).toMatchObject(refreshed);
      });

      it('is possible past the lease while nobody else has begun', async () => {
        const { grants, read } = await leased();
        await grants.renew(read.environmentId, read.grantId);

        expect(await grants.keepRefreshed(read, lease.owner, refreshed)).toMatchObject(refreshed);
      });

      const other = { ...lease, owner: 'owner-2', until: lease.until + 10_000 };

      it.each<[string, (grants: GrantStore, read: Grant) => Promise<unknown>]>([
        ['refreshes', (grants, read) => grants.takeRefresh(read, other, lease.until)],
        [
          'has refreshed',
          async (grants, read) => {
            await grants.takeRefresh(read, other, lease.until);
            await grants.keepRefreshed(read, other.owner, {
              ...refreshed,
              sealVersion: other.owner,
              asOf: other.until,
            });
          },
        ],
        [
          'has approved again',
          (grants, { version: _, ...read }) =>
            grants.putIfNewer({ ...read, asOf: read.asOf + 1, sealVersion: 'flow-2.1' }, builtAt),
        ],
        ['ends the grant', (grants, read) => grants.beginRevocation(read, { ...revocation, asOf: lease.until })],
      ])('is refused when somebody else %s', async (_, change) => {
        const { grants, read, stored } = await leased();
        await change(grants, read);
        const changed = await stored();

        expect(await grants.keepRefreshed(read, lease.owner, refreshed)).toBeUndefined();
        expect(await stored()).toEqual(changed);
      });

      it.each<[string, (grants: GrantStore, read: Grant) => Promise<unknown>]>([
        ['was refused', (grants, read) => grants.recordVerification(read, refusal, other.owner)],
        ['failed', (grants, read) => grants.giveBackRefresh(read, { ...other, failedAt: 1, error: 'no_answer' })],
      ])('brings the only good token back when the next refresh %s', async (_, change) => {
        const { grants, read } = await leased();
        await grants.takeRefresh(read, other, lease.until);
        await change(grants, read);

        const kept = await grants.keepRefreshed(read, lease.owner, refreshed);

        expect(kept).toEqual({
          ...read,
          ...refreshed,
          version: 2,
          dueAt: nextCheckAt(read, read, refreshed.verifiedAt),
        });
      });

      it('does not bring a grant into being', async () => {
        const { grants, grant, stored } = setup();

        expect(await grants.keepRefreshed({ ...grant(), version: 1 }, lease.owner, refreshed)).toBeUndefined();
        expect(await stored()).toBeUndefined();
      });
    });

    describe('giveBackRefresh', () => {
      const failed = { ...lease, until: builtAt + 2_000, failedAt: builtAt + 1_000, error: 'http', httpStatus: 500 };

      it('leaves what failed, and the next try to whoever comes after the pause', async () => {
        const { grants, stored, put } = setup();
        const read = await put();
        await grants.takeRefresh(read, lease, builtAt);

        await grants.giveBackRefresh(read, failed);

        expect(await stored()).toEqual({ ...read, refresh: failed });
        expect(await grants.takeRefresh(read, { ...lease, owner: 'owner-2' }, failed.until - 1)).toBe(false);
        expect(await grants.takeRefresh(read, { ...lease, owner: 'owner-2' }, failed.until)).toBe(true);
      });

      it('leaves the lease of somebody else alone', async () => {
        const { grants, stored, put } = setup();
        const read = await put();
        const other = { ...lease, owner: 'owner-2' };
        await grants.takeRefresh(read, other, builtAt);

        await grants.giveBackRefresh(read, failed);

        expect((await stored())?.refresh).toEqual(other);
      });
    });

    describe('recordVerification', () => {
      it('says how the provider answered, and keeps the token', async () => {
        const { grants, stored, put } = setup();
        const read = await put();

        const refused = await grants.recordVerification(read, refusal);
        const accepted = { status: 'active', verifiedAt: builtAt + 900 } as const;
        const healed = await grants.recordVerification(refused as Grant, accepted);

        expect(refused).toEqual({ ...read, ...refusal, dueAt: undefined });
        expect(healed).toEqual({ ...read, ...accepted, dueAt: nextCheckAt(read, read, accepted.verifiedAt) });
        expect(await stored()).toEqual(healed);
      });

      it('of a refresh ends its lease, and needs it', async () => {
        const { grants, put } = setup();
        const read = await put();
        await grants.takeRefresh(read, lease, builtAt);

        expect(await grants.recordVerification(read, refusal, 'owner-2')).toBeUndefined();
        const refused = await grants.recordVerification(read, refusal, lease.owner);
        expect(refused).toEqual({ ...read, ...refusal, dueAt: undefined });
      });

      it('gives way to what the provider was asked later', async () => {
        const { grants, stored, put } = setup();
        const read = await put();
        const refused = await grants.recordVerification(read, refusal);

        const earlier = { status: 'active', verifiedAt: refusal.verifiedAt - 1 } as const;
        expect(await grants.recordVerification(read, earlier)).toBeUndefined();
        expect(await stored()).toEqual(refused);
      });

      it('is not of a token that came since, nor of a grant that is being ended', async () => {
        const { grants, grant, put } = setup();
        const read = await put();
        const { version: _, ...newer } = { ...grant({ asOf: builtAt + 1, sealVersion: 'flow-2.1' }), version: 0 };
        await grants.putIfNewer(newer, builtAt);
        const ofOlder = await grants.recordVerification(read, refusal);
        const current = { ...newer, version: 2 };
        await grants.beginRevocation(current, revocation);

        expect(ofOlder).toBeUndefined();
        expect(await grants.recordVerification(current, refusal)).toBeUndefined();
      });
    });

    describe('a revocation', () => {
      it('does not begin while a refresh is under way, and does when its holder is gone or has given up', async () => {
        const { grants, put } = setup();
        const read = await put();
        await grants.takeRefresh(read, lease, builtAt);
        const during = await grants.beginRevocation(read, { ...revocation, asOf: lease.until - 1 });
        await grants.giveBackRefresh(read, { ...lease, failedAt: builtAt + 1, error: 'no_answer' });

        const after = await grants.beginRevocation(read, { ...revocation, asOf: builtAt + 2 });

        expect(during).toBeUndefined();
        expect(after).toMatchObject({ status: 'revoking' });
      });
    });
  });
}
