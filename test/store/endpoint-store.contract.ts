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

      it('keeps the hidden row for a day', async () => {
        const { endpoints, endpoint, environmentId } = setup();
        await endpoints.putIfNewer(endpoint());

        await endpoints.remove(endpoint(), removal);

        const { client, tables } = database();
        const Key = keyOf.endpoint(environmentId, endpoint().identifier);
        const { Item } = await client.send(
          new GetCommand({ TableName: tables.connections, Key, ConsistentRead: true }),
        );
        expect(Item).toMatchObject({
          deletedAt: removal.asOf,
          expiresAt: Math.ceil(removal.asOf / 1000) + 24 * 60 * 60,
        });
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
        const { endpoints, endpoint, environmentId } = setup();
        await endpoints.putIfNewer(endpoint());
        await endpoints.remove(endpoint(), removal);

        await endpoints.putIfNewer(endpoint({ asOf: builtAt + 11 }));

        const { client, tables } = database();
        const Key = keyOf.endpoint(environmentId, endpoint().identifier);
        const { Item } = await client.send(
          new GetCommand({ TableName: tables.connections, Key, ConsistentRead: true }),
        );
        expect(Item).not.toHaveProperty('expiresAt');
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
  });
}
