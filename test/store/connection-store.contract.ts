import { describe, expect, it } from 'vitest';
import { type Connection, derivedIdentifier } from '../../lib/connection/connection.ts';
import { randomObjectId } from '../../lib/crypto.ts';
import { dynamoConnectionStore } from '../../lib/store/connection-store.ts';
import type { Database } from '../../lib/store/database.ts';
import { dynamoGrantStore } from '../../lib/store/grant-store.ts';
import { dynamoIntegrationStore } from '../../lib/store/integration-store.ts';
import { aConnection, aGrant, anIntegration, builtAt, isoTime } from '../support/builders.ts';

const tenMinutes = 10 * 60_000;

export function describeConnectionStore(database: () => Database): void {
  describe('dynamoConnectionStore', () => {
    function setup() {
      const environmentId = randomObjectId();
      const connections = dynamoConnectionStore(database());
      const connection = (overrides: Partial<Connection> = {}) => aConnection({ environmentId, ...overrides });
      return {
        environmentId,
        connections,
        connection,
        claim: (identifier: string, { subjectKey }: Connection, now = builtAt) =>
          connections.claimIdentifier(environmentId, identifier, subjectKey, now),
        find: (identifier: string) => connections.find(environmentId, identifier),
      };
    }

    describe('put', () => {
      it('writes a connection where there is none', async () => {
        const { connections, connection, environmentId } = setup();
        const first = connection();

        expect(await connections.put(first, undefined)).toBe(true);
        expect(await connections.get(environmentId, first.subjectKey)).toEqual(first);
      });

      it('refuses a first writing when there is one already', async () => {
        const { connections, connection, environmentId } = setup();
        const first = connection();
        await connections.put(first, undefined);

        expect(await connections.put(connection(), undefined)).toBe(false);
        expect(await connections.get(environmentId, first.subjectKey)).toEqual(first);
      });

      it('is written again by a writer whose answer was lost', async () => {
        const { connections, connection, environmentId } = setup();
        const [first, second] = [connection(), connection()];
        const results = [await connections.put(first, undefined), await connections.put(first, undefined)];

        results.push(await connections.put(second, first.revision), await connections.put(second, first.revision));

        expect(results).toEqual([true, true, true, true]);
        expect(await connections.get(environmentId, first.subjectKey)).toEqual(second);
      });

      it('replaces the row that was read, and leaves nothing of it behind', async () => {
        const { connections, connection, environmentId } = setup();
        const first = connection({ botUserId: 'B1', approverId: 'U1', previousAccountName: 'Before' });
        await connections.put(first, undefined);
        const second = connection();

        expect(await connections.put(second, first.revision)).toBe(true);
        expect(await connections.get(environmentId, first.subjectKey)).toEqual(second);
      });

      it('refuses a writer whose row was changed since it was read', async () => {
        const { connections, connection, environmentId } = setup();
        const [first, second] = [connection(), connection()];
        await connections.put(first, undefined);
        await connections.put(second, first.revision);

        expect(await connections.put(connection(), first.revision)).toBe(false);
        expect(await connections.get(environmentId, first.subjectKey)).toEqual(second);
      });

      it('refuses a writer that read a row which is not there', async () => {
        const { connections, connection, environmentId } = setup();
        const first = connection();

        expect(await connections.put(first, 'revision-1')).toBe(false);
        expect(await connections.get(environmentId, first.subjectKey)).toBeUndefined();
      });

      it('lets exactly one of 20 parallel writers of one subject win', async () => {
        const { connections, connection, environmentId } = setup();
        const writers = Array.from({ length: 20 }, () => connection());

        const results = await Promise.all(writers.map((writer) => connections.put(writer, undefined)));

        expect(results.filter(Boolean)).toHaveLength(1);
        const [winner] = writers.filter((_, index) => results[index]);
        expect(await connections.get(environmentId, connection().subjectKey)).toEqual(winner);
      });
    });

    describe('find', () => {
      it('finds a connection by its derived identifier, whatever it is called', async () => {
        const { connections, connection, find } = setup();
        const named = connection({ identifier: 'acme' });
        await connections.put(named, undefined);

        expect(await find(derivedIdentifier(named.subjectKey))).toEqual(named);
      });

      it('finds a connection by the identifier that it was given', async () => {
        const { connections, connection, find, claim } = setup();
        const named = connection({ identifier: 'acme' });
        await claim('acme', named);
        await connections.put(named, undefined);

        expect(await find('acme')).toEqual(named);
      });

      it('finds nothing under a name that was reserved but not taken up', async () => {
        const { connections, connection, find, claim } = setup();
        const derived = connection();
        await claim('acme', derived);
        const beforeTheConnection = await find('acme');

        await connections.put(derived, undefined);

        expect([beforeTheConnection, await find('acme')]).toEqual([undefined, undefined]);
      });

      it('hides a tombstone under every name, and keeps it for its subject', async () => {
        const { connections, connection, find, claim, environmentId } = setup();
        const named = connection({ identifier: 'acme' });
        await claim('acme', named);
        await connections.put(named, undefined);
        const tombstone = connection({ identifier: 'acme', deletedAt: builtAt + 1 });
        await connections.put(tombstone, named.revision);

        expect(await find('acme')).toBeUndefined();
        expect(await find(derivedIdentifier(named.subjectKey))).toBeUndefined();
        expect(await connections.get(environmentId, named.subjectKey)).toEqual(tombstone);
      });

      it('finds nothing of another environment', async () => {
        const { connections, connection, claim } = setup();
        const named = connection({ identifier: 'acme' });
        await claim('acme', named);
        await connections.put(named, undefined);
        const elsewhere = randomObjectId();

        expect(await connections.find(elsewhere, 'acme')).toBeUndefined();
        expect(await connections.find(elsewhere, derivedIdentifier(named.subjectKey))).toBeUndefined();
        expect(await connections.get(elsewhere, named.subjectKey)).toBeUndefined();
      });

      it.each([
        '',
        'chconn-',
        `chconn-${'A'.repeat(64)}`,
        `chconn-${'a'.repeat(65)}`,
        'é\u0000\uffff',
        'x'.repeat(5000),
      ])('finds nothing under the identifier %j that nobody has', async (identifier) => {
        const { find } = setup();

        expect(await find(identifier)).toBeUndefined();
      });
    });

    describe('claimIdentifier', () => {
      it('gives a free name, and gives it again to the same subject', async () => {
        const { connection, claim } = setup();

        expect(await claim('acme', connection())).toBe(true);
        expect(await claim('acme', connection())).toBe(true);
      });

      it('gives one name to different subjects in different environments', async () => {
        const one = setup();
        const other = setup();

        expect(await one.claim('acme', one.connection())).toBe(true);
        expect(await other.claim('acme', other.connection({ subscriberId: 'subscriber-2' }))).toBe(true);
      });

      it("refuses another subject's name for as long as its connection lives", async () => {
        const { connections, connection, claim, find } = setup();
        const named = connection({ identifier: 'acme' });
        await claim('acme', named);
        await connections.put(named, undefined);

        const taken = await claim('acme', connection({ subscriberId: 'subscriber-2' }), builtAt + 100 * tenMinutes);

        expect(taken).toBe(false);
        expect(await find('acme')).toEqual(named);
      });

      it('gives away a name whose connection was deleted', async () => {
        const { connections, connection, claim, find } = setup();
        const named = connection({ identifier: 'acme' });
        await claim('acme', named);
        await connections.put(connection({ identifier: 'acme', deletedAt: builtAt + 1 }), undefined);
        const next = connection({ subscriberId: 'subscriber-2', identifier: 'acme' });

        expect(await claim('acme', next, builtAt + 2)).toBe(true);
        await connections.put(next, undefined);
        expect(await find('acme')).toEqual(next);
      });

      it.each([
        ['keeps a name whose connection is missing for 10 minutes', tenMinutes - 1, false],
        ['gives away a name whose connection is missing after 10 minutes', tenMinutes, true],
      ])('%s', async (_, milliseconds, given) => {
        const { connection, claim } = setup();
        await claim('acme', connection());

        const taken = await claim('acme', connection({ subscriberId: 'subscriber-2' }), builtAt + milliseconds);

        expect(taken).toBe(given);
      });

      it('counts the 10 minutes from the latest claim of the subject', async () => {
        const { connection, claim } = setup();
        await claim('acme', connection());
        await claim('acme', connection(), builtAt + 1);

        const taken = await claim('acme', connection({ subscriberId: 'subscriber-2' }), builtAt + tenMinutes);

        expect(taken).toBe(false);
      });

      it.each([
        ['keeps a name for 10 minutes that its connection does not carry yet', tenMinutes - 1, false],
        ['gives away a name that its connection does not carry after 10 minutes', tenMinutes, true],
      ])('%s', async (_, milliseconds, given) => {
        const { connections, connection, claim } = setup();
        await connections.put(connection({ identifier: 'other-name' }), undefined);
        await claim('acme', connection());

        const taken = await claim('acme', connection({ subscriberId: 'subscriber-2' }), builtAt + milliseconds);

        expect(taken).toBe(given);
      });

      it.each([
        ['keeps a name for 10 minutes that its subject claimed anew after its deletion', tenMinutes - 1, false],
        ['gives away a name that its subject claimed in vain after 10 minutes', tenMinutes, true],
      ])('%s', async (_, milliseconds, given) => {
        const { connections, connection, claim } = setup();
        await connections.put(connection({ identifier: 'acme', deletedAt: builtAt - 1 }), undefined);
        await claim('acme', connection());

        const taken = await claim('acme', connection({ subscriberId: 'subscriber-2' }), builtAt + milliseconds);

        expect(taken).toBe(given);
      });

      it('refuses the first subject once its name was given away', async () => {
        const { connection, claim } = setup();
        await claim('acme', connection());
        await claim('acme', connection({ subscriberId: 'subscriber-2' }), builtAt + tenMinutes);

        expect(await claim('acme', connection(), builtAt + tenMinutes + 1)).toBe(false);
      });

      it('takes names that differ in case or form for different ones', async () => {
        const { connection, claim } = setup();
        await claim('café', connection());

        const others = ['Café', 'cafe\u0301', 'café ', 'cafe'].map((name, index) =>
          claim(name, connection({ subscriberId: `other-${index}` })),
        );

        expect(await Promise.all(others)).toEqual([true, true, true, true]);
      });

      it('gives away the name of a connection whose integration is being deleted', async () => {
        const { connections, connection, claim, environmentId } = setup();
        const integrations = dynamoIntegrationStore(database());
        const { integrationId, ...integration } = anIntegration({ environmentId });
        await integrations.create({ integrationId, ...integration }, builtAt);
        const old = connection({ integrationId, identifier: 'acme' });
        await claim('acme', old);
        await connections.put(old, undefined);
        const next = connection({ subscriberId: 'subscriber-2' });

        const before = await claim('acme', next, builtAt + 100 * tenMinutes);
        await integrations.beginDeletion(environmentId, integrationId, builtAt);

        expect([before, await claim('acme', next)]).toEqual([false, true]);
      });
    });

    describe('standingsOf', () => {
      const requiring = { requiredScopes: ['users:read'] };

      it('tells of each connection how its grant stands and what its integration requires', async () => {
        const { connections, connection, environmentId } = setup();
        const grants = dynamoGrantStore(database());
        const integration = anIntegration({ environmentId, configurations: requiring });
        await dynamoIntegrationStore(database()).create(integration, builtAt);
        await grants.putIfNewer(aGrant({ environmentId, grantId: 'bot' }), builtAt);
        await grants.putIfNewer(aGrant({ environmentId, grantId: 'person', source: 'caller' }), builtAt);
        await grants.putIfNewer(aGrant({ environmentId: randomObjectId(), grantId: 'foreign' }), builtAt);
        const of = { integrationId: integration.integrationId };
        const all = [
          connection({ ...of, grantId: 'bot' }),
          connection({ ...of, grantId: undefined, userGrantId: 'person' }),
          connection({ ...of, grantId: 'foreign' }),
          connection({ ...of, grantId: 'bot', providerId: 'msteams' }),
        ];

        const standingOf = await connections.standingsOf(environmentId, all);

        const { requiredScopes } = requiring;
        expect(all.map(standingOf)).toEqual([
          { grant: { source: 'flow', status: 'active' }, requiredScopes },
          { grant: { source: 'caller', status: 'active' }, requiredScopes },
          { grant: undefined, requiredScopes },
          { grant: { source: 'flow', status: 'active' }, requiredScopes: [] },
        ]);
      });

      it('knows nothing of an integration that is missing, or of another environment', async () => {
        const { connections, connection, environmentId } = setup();
        const foreign = anIntegration({ environmentId: randomObjectId(), configurations: requiring });
        await dynamoIntegrationStore(database()).create(foreign, builtAt);
        const all = ['missing', foreign.integrationId].map((integrationId) => connection({ integrationId }));

        const standingOf = await connections.standingsOf(environmentId, all);

        expect(all.map(standingOf)).toEqual(all.map(() => ({ grant: undefined, requiredScopes: [] })));
      });

      it('tells it of more than one batch holds', async () => {
        const { connections, connection, environmentId } = setup();
        const grants = dynamoGrantStore(database());
        const grantIds = Array.from({ length: 120 }, (_, index) => `grant-${index}`);
        await Promise.all(grantIds.map((grantId) => grants.putIfNewer(aGrant({ environmentId, grantId }), builtAt)));
        const all = grantIds.map((grantId) => connection({ grantId }));

        const standingOf = await connections.standingsOf(environmentId, all);

        expect(all.every((each) => standingOf(each).grant?.status === 'active')).toBe(true);
      });
    });

    it('gives the living connections of an integration, oldest first', async () => {
      const { connections, connection, environmentId } = setup();
      const own = (subscriberId: string, overrides: Partial<Connection> = {}) =>
        connection({ integrationId: 'own', subscriberId, ...overrides });
      const [newer, older] = [own('newer', { createdAt: isoTime(2) }), own('older', { createdAt: isoTime(1) })];
      const others = [own('gone', { deletedAt: builtAt }), connection()];
      for (const each of [newer, older, ...others]) await connections.put(each, undefined);

      expect(await Array.fromAsync(connections.ofIntegration(environmentId, 'own'))).toEqual([older, newer]);
      expect(await Array.fromAsync(connections.ofIntegration(randomObjectId(), 'own'))).toEqual([]);
    });
  });
}
