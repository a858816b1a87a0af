import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, it } from 'vitest';
import { randomObjectId } from '../../lib/crypto.ts';
import type { Integration } from '../../lib/integration/integration.ts';
import { claimAlias, getAlias } from '../../lib/store/alias.ts';
import { type Database, schemaVersion } from '../../lib/store/database.ts';
import { dynamoDueStore } from '../../lib/store/due-store.ts';
import { dynamoIntegrationStore } from '../../lib/store/integration-store.ts';
import { keyOf } from '../../lib/store/keys.ts';
import { anIntegration, builtAt, isoTime } from '../support/builders.ts';

const tenMinutes = 10 * 60_000;
const deletedAt = builtAt + 1;

export function describeIntegrationStore(database: () => Database): void {
  describe('dynamoIntegrationStore', () => {
    function setup() {
      const environmentId = randomObjectId();
      const integrations = dynamoIntegrationStore(database());
      const clientId = `client-${environmentId}`;
      const integration = (overrides: Partial<Integration> = {}) =>
        anIntegration({ environmentId, credentials: { clientId }, ...overrides });
      async function created(overrides: Partial<Integration> = {}) {
        const made = integration(overrides);
        if (!(await integrations.create(made, builtAt))) throw new Error('the identifier was taken');
        return made;
      }
      return { environmentId, integrations, clientId, integration, created };
    }

    async function markDeleting({ environmentId, integrationId }: Integration) {
      const deleting = await dynamoIntegrationStore(database()).beginDeletion(environmentId, integrationId, deletedAt);
      if (!deleting) throw new Error('no such integration');
      return deleting;
    }

    describe('create', () => {
      it('stores an integration under its id and its identifier', async () => {
        const { integrations, created, environmentId } = setup();

        const made = await created({ configurations: { scopes: ['chat:write'], binding: 'direct' } });

        expect(await integrations.get(made.integrationId)).toEqual(made);
        expect(await integrations.find(environmentId, 'slack')).toEqual(made);
      });

      it('refuses an identifier that is taken in the environment', async () => {
        const { integrations, created, integration, environmentId } = setup();
        const first = await created();
        const second = integration();

        expect(await integrations.create(second, builtAt + 100 * tenMinutes)).toBe(false);
        expect(await integrations.find(environmentId, 'slack')).toEqual(first);
        expect(await integrations.get(second.integrationId)).toBeUndefined();
      });

      it('takes the same identifier in another environment', async () => {
        const one = setup();
        const other = setup();

        const [first, second] = [await one.created(), await other.created()];

        expect(await one.integrations.find(one.environmentId, 'slack')).toEqual(first);
        expect(await other.integrations.find(other.environmentId, 'slack')).toEqual(second);
      });

      it('lets exactly one of 20 parallel creators have an identifier', async () => {
        const { integrations, integration, environmentId } = setup();
        const creators = Array.from({ length: 20 }, () => integration());

        const results = await Promise.all(creators.map((creator) => integrations.create(creator, builtAt)));

        expect(results.filter(Boolean)).toHaveLength(1);
        expect(await integrations.find(environmentId, 'slack')).toEqual(creators[results.indexOf(true)]);
        expect(await integrations.list(environmentId)).toHaveLength(1);
      });

      it.each([
        ['keeps the identifier of a creator that crashed for 10 minutes', tenMinutes - 1, false],
        ['gives away the identifier of a creator that crashed after 10 minutes', tenMinutes, true],
      ])('%s', async (_, milliseconds, given) => {
        const { integrations, integration, environmentId } = setup();
        const crashed = { target: randomObjectId(), claimedAt: builtAt };
        await claimAlias(database(), keyOf.integrationAlias(environmentId, 'slack'), crashed, async () => false);
        const next = integration();

        expect(await integrations.create(next, builtAt + milliseconds)).toBe(given);
        expect(await integrations.find(environmentId, 'slack')).toEqual(given ? next : undefined);
      });

      it('gives away the identifier of an integration that is being deleted', async () => {
        const { integrations, created, environmentId } = setup();
        await markDeleting(await created());

        const next = await created();

        expect(await integrations.find(environmentId, 'slack')).toEqual(next);
      });
    });

    describe('get', () => {
      it('gives an integration to its own environment, and to a caller that names none', async () => {
        const { integrations, created, environmentId } = setup();
        const made = await created();

        expect(await integrations.get(made.integrationId, environmentId)).toEqual(made);
        expect(await integrations.get(made.integrationId)).toEqual(made);
      });

      it('refuses an integration of another environment', async () => {
        const { integrations, created } = setup();
        const made = await created();

        expect(await integrations.get(made.integrationId, randomObjectId())).toBeUndefined();
      });

      it('does not know an unknown id', async () => {
        const { integrations } = setup();

        expect(await integrations.get(randomObjectId())).toBeUndefined();
      });
    });

    describe('replace', () => {
      it('changes an integration that is as it was read', async () => {
        const { integrations, created, environmentId } = setup();
        const made = await created();
        const changed = { ...made, name: 'Changed', revision: 'changed' };

        expect(await integrations.replace(changed, made, builtAt)).toBe(true);

        expect(await integrations.find(environmentId, 'slack')).toEqual(changed);
        expect(await integrations.list(environmentId)).toEqual([changed]);
      });

      it('changes nothing that somebody else has changed meanwhile, and takes its own write for done', async () => {
        const { integrations, created } = setup();
        const made = await created();
        const first = { ...made, name: 'First', revision: 'first' };
        await integrations.replace(first, made, builtAt);

        expect(await integrations.replace({ ...made, revision: 'second' }, made, builtAt)).toBe(false);
        expect(await integrations.replace(first, made, builtAt)).toBe(true);

        expect(await integrations.get(made.integrationId)).toEqual(first);
      });

      it('does not bring back an integration that is gone', async () => {
        const { integrations, integration } = setup();
        const gone = integration({ revision: undefined });

        expect(await integrations.replace({ ...gone, revision: 'changed' }, gone, builtAt)).toBe(false);
        expect(await integrations.get(gone.integrationId)).toBeUndefined();
      });
    });

    it('hides an integration that is being deleted from getting, finding and lists', async () => {
      const { integrations, created, environmentId } = setup();
      const made = await created();

      await markDeleting(made);

      expect(await integrations.get(made.integrationId)).toBeUndefined();
      expect(await integrations.find(environmentId, 'slack')).toBeUndefined();
      expect(await integrations.list(environmentId)).toEqual([]);
      expect(await integrations.getEvenDeleting(made.integrationId)).toMatchObject({
        ...made,
        state: 'deleting',
        deletedAt,
        revision: expect.not.stringMatching(made.revision ?? ''),
      });
    });

    describe('beginDeletion', () => {
      it('happens once, and in the integration’s own environment', async () => {
        const { integrations, created, environmentId } = setup();
        const { integrationId } = await created();

        expect(await integrations.beginDeletion(randomObjectId(), integrationId, builtAt)).toBeUndefined();
        expect(await integrations.beginDeletion(environmentId, integrationId, builtAt)).toMatchObject({
          integrationId,
        });
        expect(await integrations.beginDeletion(environmentId, integrationId, builtAt)).toBeUndefined();
        expect(await integrations.beginDeletion(environmentId, randomObjectId(), builtAt)).toBeUndefined();
      });

      it('is not undone by whoever read the integration before', async () => {
        const { integrations, created } = setup();
        const made = await created();
        await markDeleting(made);

        expect(await integrations.replace({ ...made, revision: 'changed' }, made, builtAt)).toBe(false);
        expect(await integrations.get(made.integrationId)).toBeUndefined();
      });

      it('makes the integration due for the sweep, a minute later and when that says', async () => {
        const { integrations, created } = setup();
        const { integrationId } = await markDeleting(await created());
        const due = dynamoDueStore(database());
        const isTaken = async (at: number) =>
          (await due.takeDue(at, 10_000)).find(({ row }) => row.integrationId === integrationId)?.row as Integration;

        const early = await isTaken(deletedAt + 59_999);
        const first = await isTaken(deletedAt + 60_000);
        await integrations.lookAgain(first, deletedAt + tenMinutes);
        const between = await isTaken(deletedAt + tenMinutes - 1);
        const second = await isTaken(deletedAt + tenMinutes);

        expect([early, between]).toEqual([undefined, undefined]);
        expect([first, second]).toMatchObject([{ integrationId }, { integrationId }]);
      });
    });

    describe('remove', () => {
      it('takes away the row, the identifier and the use of the app', async () => {
        const { integrations, created, integration, environmentId } = setup();
        const deleting = await markDeleting(await created());

        await integrations.remove(deleting);
        await integrations.remove(deleting);

        const twin = integration({ identifier: 'twin' });
        expect(await integrations.getEvenDeleting(deleting.integrationId)).toBeUndefined();
        expect(await integrations.sharesClient(twin, builtAt)).toBe(false);
        expect(await getAlias(database(), keyOf.integrationAlias(environmentId, 'slack'))).toBeUndefined();
      });

      it('leaves the identifier to whoever has it by now', async () => {
        const { integrations, created, environmentId } = setup();
        const deleting = await markDeleting(await created());
        const next = await created();

        await integrations.remove(deleting);

        expect(await integrations.find(environmentId, 'slack')).toEqual(next);
      });
    });

    describe('list', () => {
      it("lists an environment's own integrations, oldest first", async () => {
        const { integrations, created, environmentId } = setup();
        const newer = await created({ identifier: 'newer', createdAt: isoTime(2) });
        const older = await created({ identifier: 'older', createdAt: isoTime(1) });
        await setup().created();

        expect(await integrations.list(environmentId)).toEqual([older, newer]);
      });
    });

    describe('sharesClient', () => {
      it('says no while an integration is the only one of its app', async () => {
        const { integrations, created } = setup();
        const made = await created();
        await created({ identifier: 'other-app', credentials: { clientId: randomObjectId() } });
        await created({ identifier: 'other-provider', providerId: 'msteams' });

        expect(await integrations.sharesClient(made, builtAt)).toBe(false);
      });

      it('says yes when another integration of the environment has the same app', async () => {
        const { integrations, created } = setup();
        const made = await created();
        const twin = await created({ identifier: 'twin' });

        expect([
          await integrations.sharesClient(made, builtAt),
          await integrations.sharesClient(twin, builtAt),
        ]).toEqual([true, true]);
      });

      it('says yes when an integration of another environment has the same app', async () => {
        const one = setup();
        const other = setup();
        const made = await one.created();
        const twin = await other.created({ credentials: { clientId: one.clientId } });

        expect(await one.integrations.sharesClient(made, builtAt)).toBe(true);
        expect(await other.integrations.sharesClient(twin, builtAt)).toBe(true);
      });

      it('says no while the only other integration of the app is being deleted', async () => {
        const { integrations, created } = setup();
        const made = await created();
        const twin = await created({ identifier: 'twin' });
        const before = await integrations.sharesClient(made, builtAt + 100 * tenMinutes);
        await markDeleting(twin);

        expect([before, await integrations.sharesClient(made, builtAt)]).toEqual([true, false]);
      });

      it('says no once the other integration of the app has another client id', async () => {
        const { integrations, created, clientId } = setup();
        const made = await created();
        const twin = await created({ identifier: 'twin' });
        const moved = { ...twin, credentials: { clientId: `other-${clientId}` }, revision: 'moved' };

        await integrations.replace(moved, twin, builtAt);

        expect(await integrations.sharesClient(made, builtAt)).toBe(false);
      });

      it.each([
        ['says yes for 10 minutes while another integration is about to have the app', tenMinutes - 1, true],
        ['says no of an app that another integration did not get in the end', tenMinutes, false],
      ])('%s', async (_, milliseconds, shared) => {
        const { integrations, created, clientId } = setup();
        const made = await created();
        const { integrationId } = await created({
          identifier: 'other',
          credentials: { clientId: `other-${clientId}` },
        });
        const { client, tables } = database();
        const use = { schemaVersion, integrationId, claimedAt: builtAt };
        const Item = { ...keyOf.clientUse('slack', clientId, integrationId), ...use };
        await client.send(new PutCommand({ TableName: tables.connections, Item }));

        expect(await integrations.sharesClient(made, builtAt + milliseconds)).toBe(shared);
      });

      it.each([
        ['says yes for 10 minutes of an app whose other creator crashed', tenMinutes - 1, true],
        ['says no of an app whose other creator crashed after 10 minutes', tenMinutes, false],
      ])('%s', async (_, milliseconds, shared) => {
        const { integrations, created, clientId } = setup();
        const made = await created();
        const { client, tables } = database();
        const integrationId = randomObjectId();
        const use = { schemaVersion, integrationId, claimedAt: builtAt };
        const Item = { ...keyOf.clientUse('slack', clientId, integrationId), ...use };
        await client.send(new PutCommand({ TableName: tables.connections, Item }));

        expect(await integrations.sharesClient(made, builtAt + milliseconds)).toBe(shared);
      });

      it('says no of an integration without a client id', async () => {
        const { integrations, created } = setup();
        await created({ identifier: 'also-without', credentials: {} });

        expect(await integrations.sharesClient(await created({ credentials: {} }), builtAt)).toBe(false);
      });
    });
  });
}
