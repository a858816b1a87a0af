import { GetCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, it } from 'vitest';
import { randomObjectId } from '../../lib/crypto.ts';
import type { Endpoint } from '../../lib/endpoint/endpoint.ts';
import type { Database } from '../../lib/store/database.ts';
import { dynamoEndpointStore } from '../../lib/store/endpoint-store.ts';
import { keyOf } from '../../lib/store/keys.ts';
import { anEndpoint, builtAt, isoTime } from '../support/builders.ts';

export function describeEndpointStore(database: () => Database): void {
  describe('dynamoEndpointStore', () => {
    function setup() {
      const environmentId = randomObjectId();
      const endpoints = dynamoEndpointStore(database());
      const identifier = 'chendp_1';
      const endpoint = (overrides: Partial<Endpoint> = {}) => anEndpoint({ environmentId, identifier, ...overrides });
      return {
        environmentId,
        endpoints,
        endpoint,
        find: () => endpoints.find(environmentId, identifier),
        get: () => endpoints.get(environmentId, identifier),
        async row() {
          const { client, tables } = database();
          const Key = keyOf.endpoint(environmentId, identifier);
          const get = new GetCommand({ TableName: tables.connections, Key, ConsistentRead: true });
          return (await client.send(get)).Item;
        },
        through: (connectionKey: string) => endpoints.listThroughConnection(environmentId, connectionKey),
      };
    }

    describe('putIfNewer', () => {
      it('writes an endpoint where there is none', async () => {
        const { endpoints, endpoint, find } = setup();
        const first = endpoint({ connectionKey: 'connection-1', connectionIdentifier: 'acme' });

        expect(await endpoints.putIfNewer(first)).toBe(true);
        expect(await find()).toEqual(first);
      });

      it.each<[string, { asOf: number; flowId: string }, boolean]>([
        ['replaces an older one', { asOf: builtAt + 1, flowId: 'flow-2' }, true],
        ['is written again by the same flow for the same exchange', { asOf: builtAt, flowId: 'flow-1' }, true],
        ['gives way to a newer one', { asOf: builtAt - 1, flowId: 'flow-2' }, false],
        ['gives way to one of another flow and the same time', { asOf: builtAt, flowId: 'flow-2' }, false],
      ])('%s', async (_, writer, written) => {
        const { endpoints, endpoint, find } = setup();
        await endpoints.putIfNewer(endpoint());
        const next = endpoint({ ...writer, contextKeys: ['tenant:acme'] });

        expect(await endpoints.putIfNewer(next)).toBe(written);
        expect(await find()).toEqual(written ? next : endpoint());
      });

      it('keeps the time of the first writing, and takes everything else anew', async () => {
        const { endpoints, endpoint, find } = setup();
        await endpoints.putIfNewer(endpoint());
        const next = endpoint({
          asOf: builtAt + 1,
          createdAt: isoTime(5),
          updatedAt: isoTime(5),
          target: { type: 'slack_user', userId: 'U2' },
        });

        await endpoints.putIfNewer(next);

        expect(await find()).toEqual({ ...next, createdAt: isoTime() });
      });

      it('leaves nothing of an older way through a connection behind', async () => {
        const { endpoints, endpoint, find, through } = setup();
        await endpoints.putIfNewer(endpoint({ connectionKey: 'connection-1', connectionIdentifier: 'acme' }));
        const direct = endpoint({ asOf: builtAt + 1 });

        await endpoints.putIfNewer(direct);

        expect(await find()).toEqual(direct);
        expect(await through('connection-1')).toEqual([]);
      });
    });

    describe('create', () => {
      it('writes an endpoint into every list that it belongs to', async () => {
        const { endpoints, endpoint, find, through } = setup();
        const created = endpoint({ connectionKey: 'connection-1', connectionIdentifier: 'acme' });

        expect(await endpoints.create(created)).toBe(true);
        expect(await find()).toEqual(created);
        expect(await through('connection-1')).toEqual([created]);
      });

      it('leaves an endpoint alone that has the identifier, whatever its time', async () => {
        const { endpoints, endpoint, find } = setup();
        await endpoints.putIfNewer(endpoint());

        expect(await endpoints.create(endpoint({ asOf: builtAt + 1, flowId: 'call-2' }))).toBe(false);
        expect(await endpoints.create(endpoint({ asOf: builtAt, flowId: 'call-2' }))).toBe(false);
        expect(await find()).toEqual(endpoint());
      });

      it('is given to one of many at the same time', async () => {
        const { endpoints, endpoint } = setup();
        const calls = Array.from({ length: 20 }, (_, index) => endpoint({ flowId: `call-${index}` }));

        const created = await Promise.all(calls.map((call) => endpoints.create(call)));

        expect(created.filter(Boolean)).toHaveLength(1);
      });

      it('says yes again to a repeat of the same call', async () => {
        const { endpoints, endpoint, find } = setup();
        await endpoints.create(endpoint());

        expect(await endpoints.create(endpoint())).toBe(true);
        expect(await find()).toEqual(endpoint());
      });

      it('takes an identifier that was freed before, and not one that was freed after', async () => {
        const { endpoints, endpoint, find, get } = setup();
        await endpoints.create(endpoint());
        await endpoints.remove(endpoint(), { asOf: builtAt + 10, flowId: 'call-2' });

        const repeat = await endpoints.create(endpoint());
        const late = await endpoints.create(endpoint({ asOf: builtAt + 10, flowId: 'call-3' }));
        const tombstone = await get();
        const next = endpoint({ asOf: builtAt + 11, flowId: 'call-4', createdAt: isoTime(11) });
        const created = await endpoints.create(next);

        expect([repeat, late, created]).toEqual([false, false, true]);
        expect(tombstone).toEqual({ asOf: builtAt + 10, deletedAt: builtAt + 10 });
        expect(await find()).toEqual(next);
      });
    });

    describe('retarget', () => {
      const target = { type: 'slack_user', userId: 'U0BOB' } as const;
      const change = { target, updatedAt: isoTime(5), asOf: builtAt + 5, flowId: 'call-2' };

      it('points an endpoint elsewhere, as the caller’s, and leaves everything else', async () => {
        const { endpoints, endpoint, find } = setup();
        const { accountId: _, ...was } = endpoint({ connectionKey: 'connection-1' });
        await endpoints.putIfNewer(endpoint({ connectionKey: 'connection-1' }));

        const changed = await endpoints.retarget(endpoint(), change);

        expect(changed).toEqual({ ...was, ...change, source: 'caller' });
        expect(await find()).toEqual(changed);
      });

      it('is not undone by the flow that made the endpoint', async () => {
        const { endpoints, endpoint, find } = setup();
        await endpoints.putIfNewer(endpoint());
        await endpoints.retarget(endpoint(), change);

        expect(await endpoints.putIfNewer(endpoint())).toBe(false);
        expect(await find()).toMatchObject({ target });
      });

      it('never makes an endpoint, and never brings one back', async () => {
        const { endpoints, endpoint, find } = setup();

        const absent = await endpoints.retarget(endpoint(), change);
        await endpoints.putIfNewer(endpoint());
        await endpoints.remove(endpoint(), { asOf: builtAt + 1, flowId: 'call-1' });
        const deleted = await endpoints.retarget(endpoint(), change);

        expect([absent, deleted]).toEqual([undefined, undefined]);
        expect(await find()).toBeUndefined();
      });

      it('leaves alone what is newer, or of another type by now', async () => {
        const { endpoints, endpoint, find } = setup();
        const read = endpoint();
        const newer = endpoint({ asOf: builtAt + 5 });
        const another = endpoint({ asOf: builtAt + 6, target: { type: 'slack_channel', channelId: 'C1' } });

        await endpoints.putIfNewer(newer);
        const older = await endpoints.retarget(read, change);
        await endpoints.putIfNewer(another);
        const other = await endpoints.retarget(read, { ...change, asOf: builtAt + 7 });

        expect([older, other]).toEqual([undefined, undefined]);
        expect(await find()).toEqual(another);
      });
    });

    describe('find', () => {
      it('finds nothing that was never written, and nothing of another environment', async () => {
        const { endpoints, endpoint, environmentId } = setup();
        await endpoints.putIfNewer(endpoint());

        expect(await endpoints.find(environmentId, 'other')).toBeUndefined();
        expect(await endpoints.find(randomObjectId(), endpoint().identifier)).toBeUndefined();
      });
    });

    describe('remove', () => {
      const removal = { asOf: builtAt + 10, flowId: 'flow-2' };

      it('hides an endpoint from getting and from lists', async () => {
        const { endpoints, endpoint, find, through } = setup();
        const linked = endpoint({ connectionKey: 'connection-1' });
        await endpoints.putIfNewer(linked);

        expect(await endpoints.remove(linked, removal)).toBe(true);
        expect(await find()).toBeUndefined();
        expect(await through('connection-1')).toEqual([]);
      });

      it('hides an endpoint also from a connection that it did not go through when it was read', async () => {
        const { endpoints, endpoint, through } = setup();
        const read = endpoint();
        await endpoints.putIfNewer(read);
        await endpoints.putIfNewer(endpoint({ connectionKey: 'connection-1', asOf: builtAt + 1 }));

        await endpoints.remove(read, removal);

        expect(await through('connection-1')).toEqual([]);
      });

      it('leaves for a day what fences off older writers, and nothing of what it was', async () => {
        const { endpoints, endpoint, environmentId, row } = setup();
        await endpoints.putIfNewer(endpoint());

        await endpoints.remove(endpoint(), removal);

        expect(await row()).toEqual({
          ...keyOf.endpoint(environmentId, endpoint().identifier),
          schemaVersion: 1,
          ...removal,
          deletedAt: removal.asOf,
          expiresAt: Math.ceil(removal.asOf / 1000) + 24 * 60 * 60,
        });
      });

      it('makes room for an endpoint with a time of its own', async () => {
        const { endpoints, endpoint, find } = setup();
        await endpoints.putIfNewer(endpoint());
        await endpoints.remove(endpoint(), removal);
        const again = endpoint({ asOf: builtAt + 11, createdAt: isoTime(11), updatedAt: isoTime(11) });

        await endpoints.putIfNewer(again);

        expect(await find()).toEqual(again);
      });

      it('fences off writers that are older, and lets newer ones in', async () => {
        const { endpoints, endpoint, find } = setup();
        await endpoints.putIfNewer(endpoint());
        await endpoints.remove(endpoint(), removal);

        const older = await endpoints.putIfNewer(endpoint({ asOf: builtAt + 9, flowId: 'flow-3' }));
        const hidden = await find();
        const newest = endpoint({ asOf: builtAt + 11, flowId: 'flow-4' });
        const newer = await endpoints.putIfNewer(newest);

        expect([older, hidden, newer]).toEqual([false, undefined, true]);
        expect(await find()).toEqual(newest);
      });

      it('takes the expiry off a row that comes alive again', async () => {
        const { endpoints, endpoint, row } = setup();
        await endpoints.putIfNewer(endpoint());
        await endpoints.remove(endpoint(), removal);

        await endpoints.putIfNewer(endpoint({ asOf: builtAt + 11 }));

        expect(await row()).not.toHaveProperty('expiresAt');
      });

      it('leaves an endpoint alone that is newer than the removal', async () => {
        const { endpoints, endpoint, find } = setup();
        const newer = endpoint({ asOf: builtAt + 11 });
        await endpoints.putIfNewer(newer);

        expect(await endpoints.remove(endpoint(), removal)).toBe(false);
        expect(await find()).toEqual(newer);
      });

      it('fences off older writers also of an endpoint that is not there yet', async () => {
        const { endpoints, endpoint, find } = setup();

        await endpoints.remove(endpoint(), removal);

        expect(await endpoints.putIfNewer(endpoint())).toBe(false);
        expect(await find()).toBeUndefined();
      });
    });

    describe('listThroughConnection', () => {
      it('lists every endpoint of a connection, oldest first, also more than a hundred', async () => {
        const { endpoints, environmentId, through } = setup();
        const many = Array.from({ length: 205 }, (_, index) =>
          anEndpoint({ environmentId, connectionKey: 'connection-1', createdAt: isoTime(index) }),
        );
        await Promise.all(many.map((one) => endpoints.putIfNewer(one)));
        await endpoints.putIfNewer(anEndpoint({ environmentId, connectionKey: 'connection-2' }));
        await endpoints.putIfNewer(anEndpoint({ environmentId }));

        expect(await through('connection-1')).toEqual(many);
      });

      it('lists nothing of another environment', async () => {
        const { endpoints, endpoint } = setup();
        await endpoints.putIfNewer(endpoint({ connectionKey: 'connection-1' }));

        expect(await endpoints.listThroughConnection(randomObjectId(), 'connection-1')).toEqual([]);
      });
    });

    it('gives the living endpoints of an integration, oldest first', async () => {
      const { endpoints, environmentId } = setup();
      const own = (overrides: Partial<Endpoint>) => anEndpoint({ environmentId, integrationId: 'own', ...overrides });
      const [newer, older, gone] = [own({ createdAt: isoTime(2) }), own({ createdAt: isoTime(1) }), own({})];
      for (const each of [newer, older, gone, anEndpoint({ environmentId })]) await endpoints.putIfNewer(each);
      await endpoints.remove(gone, { asOf: builtAt + 1, flowId: 'flow-2' });

      expect(await Array.fromAsync(endpoints.ofIntegration(environmentId, 'own'))).toEqual([older, newer]);
      expect(await Array.fromAsync(endpoints.ofIntegration(randomObjectId(), 'own'))).toEqual([]);
    });
  });
}
