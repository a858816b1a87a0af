import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GetCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grantIdOf } from '../../lib/grant/grant.ts';
import { awsDatabase } from '../../lib/store/aws-database.ts';
import { dynamoGrantStore } from '../../lib/store/grant-store.ts';
import { type Command, startInstance } from '../support/instance.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

async function grantOf(environment: TestEnvironment, accountId: string) {
  const [integration] = (await service.api(environment.apiKey, 'GET', '/v1/integrations')).json.data;
  return dynamoGrantStore(service.db).get(environment.environmentId, grantIdOf(integration._id, accountId));
}

/** Slack, but its answer to an exchange is changed on the way. */
function changed(method: string, change: (answer: Record<string, unknown>) => unknown): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    if (!String(input).endsWith(`/api/${method}`)) return response;
    return new Response(JSON.stringify(change((await response.json()) as Record<string, unknown>)), response);
  };
}

const isUpdateTo = (status: string) => (command: Command) =>
  command.input.ExpressionAttributeValues?.[':status'] === status;

describe('two people of one workspace', () => {
  it.each<[string, (command: Command) => boolean]>([
    ['reference', ({ name, input }) => name === 'UpdateItemCommand' && String(input.Key.sk).startsWith('REF#')],
    ['grant', ({ input }) => input.Key?.sk === 'GRANT'],
    ['connection', ({ input }) => input.Item?.sk === 'CONN'],
  ])('keep a grant that can be used when one moves away before the other’s %s is written', async (_name, isWrite) => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { subscriberId: 'ann' });
    const bob = await service.approve(await service.connectUrl(environment, { subscriberId: 'bob' }));
    const instance = startInstance(service);
    instance.before(isWrite, () =>
      service.connect(environment, { subscriberId: 'ann' }, { workspaceId: 'T0GLOBEX01' }),
    );

    await instance.hit(bob);

    const [connection] = await service.connections(environment, '&subscriberId=bob');
    const grant = await grantOf(environment, 'T0ACME0001');
    expect(connection === undefined || grant?.status === 'active').toBe(true);
  });

  it('wait for a revocation under way, and try the token before it is stored', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { subscriberId: 'ann' });
    const bob = await service.approve(await service.connectUrl(environment, { subscriberId: 'bob' }));
    const ann = await service.approve(await service.connectUrl(environment, { subscriberId: 'ann' }), {
      workspaceId: 'T0GLOBEX01',
    });
    let meanwhile: Promise<{ statusCode?: number }> | undefined;
    const annsInstance = startInstance(service, {
      fetch: async (input, init) => {
        if (String(input).endsWith('/api/auth.revoke'))
          meanwhile ??= startInstance(service).hit(bob) as Promise<object>;
        await meanwhile;
        return fetch(input, init);
      },
    });

    await annsInstance.hit(ann);
    const bobsPage = await meanwhile;
    service.advance(11_000);
    const bobsReload = await service.request('GET', bob);

    expect(bobsPage).toMatchObject({ statusCode: 202 });
    expect(bobsReload.text).toContain('token_revoked');
    expect(await service.connections(environment, '&subscriberId=bob')).toEqual([]);
  });

  it('keep a token whose revocation Slack did not confirm sealed, until it does', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment);
    service.slack.misbehave({ method: 'auth.revoke', kind: 'http_500', times: 1 });

    await service.connect(environment, {}, { workspaceId: 'T0GLOBEX01' });

    service.slack.behave();
    const grant = await grantOf(environment, 'T0ACME0001');
    expect(grant?.status).toBe('revoking');
    expect(grant?.token).not.toBe('');
    expect(service.lines.some((line) => line.message.includes('did not confirm'))).toBe(true);
  });
});

describe('an answer of DynamoDB that is lost below the SDK’s retries', () => {
  it.each(['REDEEMING', 'EXCHANGED', 'active', 'COMPLETED'])('at the write of %s changes nothing', async (status) => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment, { connectionIdentifier: 'mine' }));
    const before = service.slack.count('auth.revoke');
    const instance = startInstance(service, { maxAttempts: 3 });
    instance.loseAnswer(isUpdateTo(status));

    const page = await instance.hit(callback);

    expect(page.statusCode).toBe(200);
    expect(service.slack.count('auth.revoke')).toBe(before);
    expect(await service.connections(environment)).toMatchObject([{ identifier: 'mine' }]);
  });

  it.each(['CONN', 'ALIAS'])('at the put of a row %s changes nothing', async (sk) => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment, { connectionIdentifier: 'mine' }));
    const instance = startInstance(service, { maxAttempts: 3 });
    instance.loseAnswer(({ input }) => input.Item?.sk === sk);

    const page = await instance.hit(callback);

    expect(page.statusCode).toBe(200);
    expect(await service.connections(environment)).toMatchObject([{ identifier: 'mine' }]);
  });
});

describe('an identifier', () => {
  it('cannot be taken from a subject that is about to use it', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { subscriberId: 'ann' });
    const ann = await service.approve(
      await service.connectUrl(environment, { subscriberId: 'ann', connectionIdentifier: 'same' }),
    );
    let bob: { text: string } | undefined;
    const instance = startInstance(service);
    instance.before(
      ({ input }) => input.Item?.sk === 'CONN',
      async () => {
        bob = await service.connect(environment, { subscriberId: 'bob', connectionIdentifier: 'same' });
      },
    );

    await instance.hit(ann);

    expect(bob?.text).toContain('identifier_conflict');
    const named = (await service.connections(environment)).filter(({ identifier }) => identifier === 'same');
    expect(named).toMatchObject([{ subscriberId: 'ann' }]);
  });
});

describe('an answer of Slack’s', () => {
  type Answer = Record<string, unknown>;
  const part = (answer: Answer, name: string) => answer[name] as Answer;

  it.each<[string, (answer: Answer) => unknown]>([
    ['without a name for the team', (answer) => ({ ...answer, team: { ...part(answer, 'team'), name: null } })],
    ['with authed_user null', (answer) => ({ ...answer, authed_user: null })],
    ['without authed_user', ({ authed_user: _, ...answer }) => answer],
    [
      'with a null user token',
      (answer) => ({ ...answer, authed_user: { ...part(answer, 'authed_user'), access_token: null } }),
    ],
    ['with incoming_webhook null', (answer) => ({ ...answer, incoming_webhook: null })],
    ['with null rotation fields', (answer) => ({ ...answer, refresh_token: null, expires_in: null })],
    ['with a null enterprise', (answer) => ({ ...answer, enterprise: null })],
    [
      'with a webhook without a channel',
      (answer) => ({ ...answer, incoming_webhook: { url: 'https://hooks.slack.com/x', channel: null } }),
    ],
    ['with fields that nobody knows', (answer) => ({ ...answer, new_field: { deep: [null] } })],
  ])('%s makes a connection that can be read', async (_name, change) => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment));

    const page = await startInstance(service, { fetch: changed('oauth.v2.access', change) }).hit(callback);

    expect(page.statusCode).toBe(200);
    expect(await service.connections(environment)).toMatchObject([{ workspace: { id: 'T0ACME0001' } }]);
    expect(await grantOf(environment, 'T0ACME0001')).toMatchObject({ status: 'active' });
  });

  it.each<[string, (answer: Answer) => unknown, string]>([
    ['without a bot user', (answer) => ({ ...answer, bot_user_id: null }), 'bot_token_missing'],
    ['without scopes', (answer) => ({ ...answer, scope: null }), 'bot_token_missing'],
    ['with an endless lifetime', (answer) => ({ ...answer, expires_in: 1e300 }), 'provider_unavailable'],
    ['with a negative lifetime', (answer) => ({ ...answer, expires_in: -1 }), 'provider_unavailable'],
    [
      'with a name of 300 KB',
      (answer) => ({ ...answer, team: { ...part(answer, 'team'), name: 'x'.repeat(300_000) } }),
      'provider_unavailable',
    ],
    ['with neither team nor enterprise', (answer) => ({ ...answer, team: null }), 'provider_unavailable'],
    ['that is an array', () => [], 'provider_unavailable'],
  ])('%s ends the flow', async (_name, change, failure) => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment));

    const page = await startInstance(service, { fetch: changed('oauth.v2.access', change) }).hit(callback);

    expect(page.body).toContain(failure);
    expect(await service.connections(environment)).toEqual([]);
    expect((await service.connect(environment)).status).toBe(200);
  });

  it.each<[string, Answer]>([
    ['another team', { team_id: 'T0EVIL' }],
    ['another bot', { user_id: 'U0EVIL' }],
  ])('to auth.test that names %s ends the flow', async (_name, claims) => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment));
    const instance = startInstance(service, { fetch: changed('auth.test', (answer) => ({ ...answer, ...claims })) });

    const page = await instance.hit(callback);

    expect(page.body).toContain('token_mismatch');
    expect(await service.connections(environment)).toEqual([]);
  });

  it('to auth.test that is a refusal nobody knows ends the flow instead of asking for ever', async () => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment));
    const refuse = changed('auth.test', () => ({ ok: false, error: 'ekm_access_denied' }));

    const page = await startInstance(service, { fetch: refuse }).hit(callback);

    expect(page.statusCode).toBe(400);
    expect(page.body).toContain('ekm_access_denied');
  });
});

describe('a browser that changes what the URL asks for', () => {
  it('gets no user token stored in place of the bot', async () => {
    const environment = await service.createTestEnvironment();
    const url = new URL(await service.connectUrl(environment));
    url.searchParams.delete('scope');
    url.searchParams.set('user_scope', 'channels:history,chat:write');

    const page = await service.request('GET', await service.approve(url.href));

    expect(page.text).toContain('bot_token_missing');
    expect(await service.connections(environment)).toEqual([]);
  });

  it('gets no user token stored beside the bot', async () => {
    const environment = await service.createTestEnvironment();
    const url = new URL(await service.connectUrl(environment));
    url.searchParams.set('user_scope', 'channels:history');

    await service.request('GET', await service.approve(url.href, { userId: 'U0ANNACME0001' }));

    const [integration] = (await service.api(environment.apiKey, 'GET', '/v1/integrations')).json.data;
    const userGrant = grantIdOf(integration._id, 'T0ACME0001', 'U0ANNACME0001');
    expect(await service.connections(environment)).toHaveLength(1);
    expect(await dynamoGrantStore(service.db).get(environment.environmentId, userGrant)).toBeUndefined();
  });

  it('does not wipe the bot of a workspace that is connected', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment);
    const url = new URL(await service.connectUrl(environment));
    url.searchParams.delete('scope');
    url.searchParams.set('user_scope', 'channels:history');

    await service.request('GET', await service.approve(url.href));

    expect(await service.connections(environment)).toMatchObject([{ workspace: { id: 'T0ACME0001' } }]);
    expect(await grantOf(environment, 'T0ACME0001')).toMatchObject({ status: 'active' });
  });
});

describe('a link that meets a change of account', () => {
  it('leaves no endpoint of the old workspace', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment);
    const callback = await service.approve(await service.linkUrl(environment));
    const instance = startInstance(service);
    instance.before(
      ({ input }) => String(input.Key?.pk ?? '').startsWith('P#'),
      async () => {
        service.advance(50);
        await service.connect(environment, {}, { workspaceId: 'T0GLOBEX01' });
      },
    );

    const page = await instance.hit(callback);

    expect(page.body).toContain('wrong_workspace');
    expect(await service.endpoints(environment)).toEqual([]);
  });
});

describe('a sealed exchange', () => {
  it('that nobody finished within a day ends the flow, and its token', async () => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment));
    const before = service.slack.count('auth.revoke');
    service.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });
    await service.request('GET', callback);
    service.slack.behave();

    service.advance(25 * 60 * 60_000);
    const page = await service.request('GET', callback);

    expect(page.text).toContain('exchange_outcome_unknown');
    expect(await service.connections(environment)).toEqual([]);
    expect(service.slack.count('auth.revoke') - before).toBe(1);
  });
});

describe('the webhook rule', () => {
  it('counts the scopes of the integration as well', async () => {
    const environment = await service.createTestEnvironment({ configurations: { scopes: ['incoming-webhook'] } });

    const answer = await service.api(environment.apiKey, 'POST', '/v1/integrations/channel-connections/oauth', {
      integrationIdentifier: 'slack',
      context: { tenant: 'acme' },
    });

    expect(answer.json.message).toBe('subscriberId is required for incoming webhook');
  });
});

describe('the deployed database client', () => {
  it('gives up on a server that never answers', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    process.env['AWS_ENDPOINT_URL_DYNAMODB'] = `http://127.0.0.1:${port}`;
    process.env['AWS_REGION'] = 'eu-central-1';
    process.env['AWS_ACCESS_KEY_ID'] = 'none';
    process.env['AWS_SECRET_ACCESS_KEY'] = 'none';
    const db = awsDatabase({ CONNECTIONS_TABLE: 'connections' });

    const read = db.client.send(new GetCommand({ TableName: 'connections', Key: { pk: 'x', sk: 'y' } }));

    await expect(read).rejects.toThrow();
    silent.closeAllConnections();
    silent.close();
  });
});
