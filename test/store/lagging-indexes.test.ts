import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Connection, connectionSchema, derivedIdentifier } from '../../lib/connection/connection.ts';
import { disconnect, settleConnection } from '../../lib/connection/disconnect.ts';
import { composeDisconnect } from '../../lib/connection/disconnect-deps.ts';
import { randomObjectId } from '../../lib/crypto.ts';
import { createEnvironment } from '../../lib/environment/create-environment.ts';
import { listRows } from '../../lib/http/list-route.ts';
import { dynamoConnectionStore } from '../../lib/store/connection-store.ts';
import { dynamoDueStore } from '../../lib/store/due-store.ts';
import { dynamoEndpointStore } from '../../lib/store/endpoint-store.ts';
import { dynamoApiKeyStore, dynamoEnvironmentStore } from '../../lib/store/environment-store.ts';
import { dynamoFlowStore } from '../../lib/store/flow-store.ts';
import { dynamoGrantStore } from '../../lib/store/grant-store.ts';
import { dynamoIntegrationStore } from '../../lib/store/integration-store.ts';
import { readList } from '../../lib/store/list.ts';
import {
  aConnection,
  aFlow,
  aGrant,
  anApiKey,
  anEndpoint,
  anEnvironment,
  anIntegration,
  builtAt,
  isoTime,
} from '../support/builders.ts';
import { type TestDatabase, testDatabase } from '../support/embedded-store.ts';
import { type LaggingIndexes, lagIndexes } from '../support/lagging-indexes.ts';
import { connectionRows, orderOf } from './connection-rows.ts';
import { observed } from './observed-database.ts';

let database: TestDatabase;
let indexes: LaggingIndexes;
const environmentId = randomObjectId();

beforeEach(async () => {
  database = await testDatabase();
  indexes = await lagIndexes(database);
});

afterEach(() => database.close());

describe('a store over indexes that never catch up', () => {
  it('finds a connection by both of its identifiers at once', async () => {
    const connections = dynamoConnectionStore(database);
    const connection = aConnection({ environmentId, identifier: 'acme' });
    await connections.claimIdentifier(environmentId, 'acme', connection.subjectKey, builtAt);
    await connections.put(connection, undefined);

    expect(await connections.get(environmentId, connection.subjectKey)).toEqual(connection);
    expect(await connections.find(environmentId, 'acme')).toEqual(connection);
    expect(await connections.find(environmentId, derivedIdentifier(connection.subjectKey))).toEqual(connection);
  });

  it('refuses an identifier at once that was claimed just now, and gives it away at once after its deletion', async () => {
    const connections = dynamoConnectionStore(database);
    const connection = aConnection({ environmentId, identifier: 'acme' });
    await connections.claimIdentifier(environmentId, 'acme', connection.subjectKey, builtAt);
    await connections.put(connection, undefined);
    const claim = () => connections.claimIdentifier(environmentId, 'acme', 'other-subject', builtAt + 2);
    const whileLiving = await claim();

    await connections.put({ ...connection, deletedAt: builtAt + 1, revision: 'next' }, connection.revision);

    expect([whileLiving, await claim()]).toEqual([false, true]);
    expect(await connections.find(environmentId, derivedIdentifier(connection.subjectKey))).toBeUndefined();
  });

  it('finds an endpoint, and hides it, at once', async () => {
    const endpoints = dynamoEndpointStore(database);
    const endpoint = anEndpoint({ environmentId });
    await endpoints.putIfNewer(endpoint);
    const written = await endpoints.find(environmentId, endpoint.identifier);

    await endpoints.remove(endpoint, { asOf: builtAt + 1, flowId: 'flow-2' });

    expect(written).toEqual(endpoint);
    expect(await endpoints.find(environmentId, endpoint.identifier)).toBeUndefined();
  });

  it('knows references of a grant at once', async () => {
    const grants = dynamoGrantStore(database);
    const { grantId } = aGrant();
    await grants.putIfNewer(aGrant({ environmentId }), builtAt);
    await grants.addReference(environmentId, grantId, 'subject-1', { asOf: builtAt });
    const referenced = await grants.references(environmentId, grantId);

    await grants.removeReference(environmentId, grantId, 'subject-1', { asOf: builtAt });

    expect(referenced).toHaveLength(1);
    expect(await grants.references(environmentId, grantId)).toEqual([]);
    expect(await grants.get(environmentId, grantId)).toMatchObject({ version: 1 });
  });

  it('finds integrations, environments, keys and flows at once', async () => {
    const integration = anIntegration({ environmentId });
    const twin = anIntegration({ environmentId, identifier: 'twin' });
    const [environment, key, flow] = [anEnvironment(), anApiKey(), aFlow()];
    const integrations = dynamoIntegrationStore(database);

    await integrations.create(integration, builtAt);
    await integrations.create(twin, builtAt);
    await dynamoEnvironmentStore(database).put(environment);
    await dynamoApiKeyStore(database).put(key);
    await dynamoFlowStore(database).put(flow);

    expect(await integrations.find(environmentId, 'slack')).toEqual(integration);
    expect(await integrations.sharesClient(integration, builtAt)).toBe(true);
    expect(await dynamoEnvironmentStore(database).get(environment.environmentId)).toEqual(environment);
    expect(await dynamoApiKeyStore(database).find(key.keyHash)).toEqual(key);
    expect(await dynamoFlowStore(database).get(flow.flowId)).toEqual(flow);
  });

  it('asks no index for anything but lists', async () => {
    const observer = observed(database);
    const connections = dynamoConnectionStore(observer.database);
    const grants = dynamoGrantStore(observer.database);
    const integrations = dynamoIntegrationStore(observer.database);
    const connection = aConnection({ environmentId, identifier: 'acme' });
    const integration = anIntegration({ environmentId });

    await connections.claimIdentifier(environmentId, 'acme', connection.subjectKey, builtAt);
    await connections.claimIdentifier(environmentId, 'acme', 'other-subject', builtAt);
    await connections.put(connection, undefined);
    await connections.find(environmentId, 'acme');
    await grants.putIfNewer(aGrant({ environmentId }), builtAt);
    await grants.references(environmentId, aGrant().grantId);
    await integrations.create(integration, builtAt);
    await integrations.find(environmentId, 'slack');
    await integrations.sharesClient(integration, builtAt);
    await dynamoEndpointStore(observer.database).find(environmentId, 'unknown');
    await createEnvironment(
      {
        environments: dynamoEnvironmentStore(observer.database),
        keyWrapper: {
          generateDataKey: async () => ({ plaintext: new Uint8Array(32), wrapped: 'wrapped' }),
          unwrapDataKey: async () => new Uint8Array(32),
        },
        now: () => builtAt,
      },
      { name: 'production' },
    );

    expect(observer.exchanges.length).toBeGreaterThan(12);
    expect(observer.exchanges.filter(({ index }) => index !== undefined)).toEqual([]);
  });
});

describe('a list over indexes that lag', () => {
  const rows = () => connectionRows(database, environmentId);
  const read = () => readList(database, connectionSchema, { ...rows().environment, direction: 'ASC', limit: 10 });

  it('shows a new row late, and its latest state from then on', async () => {
    const connection = await rows().add();
    const early = await read();
    await indexes.catchUp();
    const renamed = { ...connection, identifier: 'renamed', revision: 'next' };
    await dynamoConnectionStore(database).put(renamed, connection.revision);

    const late = await read();

    expect(early.rows).toEqual([]);
    expect(late.rows).toEqual([renamed]);
  });

  it('never shows a deleted row, although the index still holds it', async () => {
    const kept = await rows().add({ createdAt: isoTime(1) });
    const deleted = await rows().add({ createdAt: isoTime(2) });
    await indexes.catchUp();

    await rows().remove(deleted);

    const { rows: shown, last } = await read();
    expect(shown).toEqual([kept]);
    expect(last).toBe(orderOf(deleted));
  });

  it('never shows a deleted endpoint of a connection', async () => {
    const endpoints = dynamoEndpointStore(database);
    const endpoint = anEndpoint({ environmentId, connectionKey: 'connection-1' });
    await endpoints.putIfNewer(endpoint);
    await indexes.catchUp();

    await endpoints.remove(endpoint, { asOf: builtAt + 1, flowId: 'flow-2' });

    expect(await endpoints.listThroughConnection(environmentId, 'connection-1')).toEqual([]);
  });

  it('does not show a row in a partition that it has left', async () => {
    const endpoints = dynamoEndpointStore(database);
    const endpoint = anEndpoint({ environmentId, connectionKey: 'connection-1' });
    await endpoints.putIfNewer(endpoint);
    await indexes.catchUp();

    await endpoints.putIfNewer({ ...endpoint, connectionKey: 'connection-2', asOf: builtAt + 1 });

    expect(await endpoints.listThroughConnection(environmentId, 'connection-1')).toEqual([]);
  });

  it('comes to its end when a row has moved forward since the index saw it', async () => {
    const [first, moving, ...others] = (await rows().addMany(6, (index) => ({
      createdAt: isoTime(index),
    }))) as [Connection, Connection, ...Connection[]];
    await indexes.catchUp();
    const tombstone = await rows().remove(moving);
    const revived = { ...moving, createdAt: isoTime(100), revision: 'revived' };
    await dynamoConnectionStore(database).put(revived, tombstone.revision);

    const visited: Connection[] = [];
    let after: string | undefined;
    for (let pages = 0; pages < 10; pages += 1) {
      const page = await listRows(database, connectionSchema, {
        paging: { limit: 1, orderBy: 'createdAt', orderDirection: 'DESC', after },
        sources: [rows().environment],
        filter: ['all'],
        orderOf,
      });
      visited.push(...page.data);
      if (page.next === null) break;
      after = page.next;
    }

    expect(visited).toEqual([...others.toReversed(), first]);
  });

  it('shows an integration, an environment and a key late', async () => {
    const integrations = dynamoIntegrationStore(database);
    const integration = anIntegration({ environmentId });
    const key = anApiKey({ environmentId });
    await integrations.create(integration, builtAt);
    await dynamoApiKeyStore(database).put(key);
    const early = [await integrations.list(environmentId), await dynamoApiKeyStore(database).list(environmentId)];

    await indexes.catchUp();

    expect(early).toEqual([[], []]);
    expect(await integrations.list(environmentId)).toEqual([integration]);
    expect(await dynamoApiKeyStore(database).list(environmentId)).toEqual([key]);
  });
});

describe('a connection that is ended while the indexes lag', () => {
  it('loses the endpoint that they did not know, when the sweep looks again', async () => {
    const endpoints = dynamoEndpointStore(database);
    const connection = aConnection({ environmentId, grantId: undefined });
    const endpoint = anEndpoint({ environmentId, connectionKey: connection.subjectKey });
    const newer = anEndpoint({ environmentId, connectionKey: connection.subjectKey, asOf: builtAt + 2_000 });
    const deps = composeDisconnect({
      db: database,
      keyWrapper: { generateDataKey: unused, unwrapDataKey: unused },
      slackBaseUrl: 'http://localhost',
      log: { info: unused, warn: unused, error: unused },
      now: () => builtAt + 1_000,
    });
    await dynamoConnectionStore(database).put(connection, undefined);
    for (const each of [endpoint, newer]) await endpoints.putIfNewer(each);
    await disconnect(deps, connection);
    const overlooked = await endpoints.find(environmentId, endpoint.identifier);
    await indexes.catchUp();

    const due = await dynamoDueStore(database).takeDue(builtAt + 61_000, 10);
    for (const { kind, row } of due) if (kind === 'connection') await settleConnection(deps, row);

    expect(overlooked).toEqual(endpoint);
    expect(due).toMatchObject([{ kind: 'connection', row: { subjectKey: connection.subjectKey } }]);
    expect(await endpoints.find(environmentId, endpoint.identifier)).toBeUndefined();
    expect(await endpoints.find(environmentId, newer.identifier)).toEqual(newer);
    await indexes.catchUp();
    expect(await dynamoDueStore(database).takeDue(builtAt + 600_000, 10)).toEqual([]);
  });
});

function unused(): never {
  throw new Error('not needed here');
}
