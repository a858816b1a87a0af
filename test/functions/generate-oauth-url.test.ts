import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApiServer } from '../../infra/local/api-server.ts';
import { composeHandlers } from '../../infra/local/local-service.ts';
import { fallbackFunction, routes } from '../../infra/routes.ts';
import { testDatabase } from '../support/embedded-store.ts';
import { injectFaults } from '../support/faults.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';

const chatOauth = '/v1/integrations/chat/oauth';
const connect = '/v1/integrations/channel-connections/oauth';
const linkUser = '/v1/integrations/channel-endpoints/oauth';

let service: TestService;
let environment: TestEnvironment;

beforeAll(async () => {
  service = await startTestService();
  environment = await service.createTestEnvironment();
});

afterAll(() => service.close());

const post = (path: string, body: unknown, apiKey = environment.apiKey) => service.api(apiKey, 'POST', path, body);

describe('an OAuth URL', () => {
  it('for a connect carries state, client id, redirect URI and the default bot scopes', async () => {
    const answer = await post(connect, { integrationIdentifier: 'slack', subscriberId: 'ann' });

    expect(answer.status).toBe(201);
    const url = new URL(answer.json.data.url);
    expect(url.origin + url.pathname).toBe(`${service.slack.url}/oauth/v2/authorize`);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      state: expect.stringMatching(/^[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}$/),
      client_id: environment.slackApp.clientId,
      redirect_uri: `${service.url}/v1/integrations/chat/oauth/callback/slack`,
      scope: 'chat:write,chat:write.public,channels:read,groups:read,users:read,users:read.email',
    });
    expect(Date.parse(answer.json.data.expiresAt) - service.now()).toBeLessThanOrEqual(300_000);
  });

  it('for a link_user asks for user scopes only', async () => {
    const deprecated = await post(chatOauth, {
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
      mode: 'link_user',
    });
    const current = await post(linkUser, {
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
      userScope: ['identity.basic', 'identity.email'],
    });

    expect(new URL(deprecated.json.data.url).searchParams.get('user_scope')).toBe('identity.basic');
    expect(new URL(current.json.data.url).searchParams.get('user_scope')).toBe('identity.basic,identity.email');
    expect(new URL(current.json.data.url).searchParams.has('scope')).toBe(false);
  });

  it('takes scopes from the request, else from the integration', async () => {
    const own = await service.createTestEnvironment({ configurations: { scopes: ['chat:write', 'im:write'] } });
    const scopeOf = async (body: object) =>
      new URL(
        (await post(connect, { integrationIdentifier: 'slack', subscriberId: 'a', ...body }, own.apiKey)).json.data.url,
      ).searchParams.get('scope');

    expect(await scopeOf({})).toBe('chat:write,im:write');
    expect(await scopeOf({ scope: ['files:read'] })).toBe('files:read');
    expect(await scopeOf({ scope: [] })).toBe('');
  });

  it('has a state that tells nothing and is never the same', async () => {
    const body = { integrationIdentifier: 'slack', subscriberId: 'ann', context: { tenant: 'acme' } };
    const answers = await Promise.all(Array.from({ length: 50 }, () => post(connect, body)));

    const states = answers.map((answer) => new URL(answer.json.data.url).searchParams.get('state') ?? '');
    expect(new Set(states).size).toBe(50);
    for (const state of states) {
      const decoded = state.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1'));
      expect(decoded.join()).not.toMatch(/ann|acme|slack/);
    }
  });

  it('costs one write and no read once the function is warm', async () => {
    const db = await testDatabase();
    const faults = injectFaults(db.client);
    const other = await startTestService();
    const warm = await other.createTestEnvironment();
    const server = await startApiServer({
      port: 0,
      routes,
      fallbackFunction,
      handlers: (url) =>
        composeHandlers({
          db: { client: db.client, tables: other.db.tables },
          keyWrapper: other.keyWrapper,
          slackBaseUrl: 'https://slack.com',
          microsoftLoginBaseUrl: 'https://login.microsoftonline.com',
          microsoftGraphBaseUrl: 'https://graph.microsoft.com',
          publicUrl: url,
          flowTtlSeconds: 300,
          log: other.log,
        }),
    });
    const ask = () =>
      fetch(server.url + connect, {
        method: 'POST',
        headers: { authorization: `ApiKey ${warm.apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({ integrationIdentifier: 'slack', subscriberId: 'ann' }),
      });
    await ask();
    faults.reset();

    const answer = await ask();

    expect(answer.status).toBe(201);
    expect({ reads: faults.reads, writes: faults.writes }).toEqual({ reads: 0, writes: 1 });
    await server.close();
    await other.close();
    await db.close();
  });
});

describe('the conditional rules', () => {
  it.each([
    [connect, { subscriberId: 'a' }, 422, /Integration identifier is required/],
    [connect, { integrationIdentifier: '', subscriberId: 'a' }, 422, /Integration identifier is required/],
    [connect, { integrationIdentifier: 'nope', subscriberId: 'a' }, 404, /^Integration not found: nope in environment/],
    [connect, { integrationIdentifier: 'slack' }, 400, /^Either subscriberId or context must be provided$/],
    [
      connect,
      { integrationIdentifier: 'slack', connectionMode: 'shared', subscriberId: 'a' },
      400,
      /^context is required when connectionMode is "shared"$/,
    ],
    [
      connect,
      { integrationIdentifier: 'slack', connectionMode: 'subscriber', context: { t: 'a' } },
      400,
      /^subscriberId is required when connectionMode is "subscriber"$/,
    ],
    [
      connect,
      { integrationIdentifier: 'slack', scope: ['incoming-webhook'], context: { t: 'a' } },
      400,
      /^subscriberId is required for incoming webhook$/,
    ],
    [chatOauth, { integrationIdentifier: 'slack', mode: 'link_user', context: { t: 'a' } }, 400, /link_user mode/],
    [linkUser, { integrationIdentifier: 'slack' }, 422, /subscriberId/],
    [connect, { integrationIdentifier: 'slack', subscriberId: 1 }, 422, /subscriberId/],
    [connect, { integrationIdentifier: 'slack', subscriberId: 'a', scope: 'chat:write' }, 422, /scope/],
    [connect, { integrationIdentifier: 'slack', subscriberId: 'a', scope: ['a b'] }, 422, /scope\.0/],
    [connect, { integrationIdentifier: 'slack', subscriberId: 'a', scope: ['a&client_id=x'] }, 422, /scope\.0/],
    [connect, { integrationIdentifier: 'slack', subscriberId: 'a', mode: 'connect' }, 422, /mode/],
    [chatOauth, { integrationIdentifier: 'slack', subscriberId: 'a', mode: 'steal' }, 422, /mode/],
    [connect, { integrationIdentifier: 'slack', subscriberId: 'a', context: {} }, 422, /Invalid context payload/],
    [connect, { integrationIdentifier: 'slack', subscriberId: 'a', context: { 'a:b': 'c' } }, 422, /Invalid context/],
    [
      connect,
      { integrationIdentifier: 'slack', subscriberId: 'a', connectionIdentifier: 'a/b' },
      422,
      /must not contain/,
    ],
    [
      connect,
      { integrationIdentifier: 'slack', subscriberId: 'a', connectionIdentifier: 'a?b' },
      422,
      /must not contain/,
    ],
    [connect, { integrationIdentifier: 'slack', subscriberId: 'a'.repeat(1025) }, 422, /at most 1024/],
    [connect, { integrationIdentifier: 'slack', subscriberId: 'a', binding: 'popup' }, 422, /binding/],
    [connect, { integrationIdentifier: 'slack', subscriberId: 'a', binding: 'confirm' }, 400, /needs a returnUrl/],
    [
      connect,
      { integrationIdentifier: 'slack', subscriberId: 'a', returnUrl: 'https://evil.example' },
      400,
      /returnUrl/,
    ],
    [connect, { integrationIdentifier: 'slack', subscriberId: 'a', scope: ['openid'] }, 400, /Sign in with Slack/],
    [
      linkUser,
      { integrationIdentifier: 'slack', subscriberId: 'a', userScope: ['openid', 'email', 'identity.basic'] },
      400,
      /not with: identity\.basic/,
    ],
    [connect, ['not', 'an', 'object'], 422, /body/],
    [
      connect,
      { integrationIdentifier: 'slack', subscriberId: 'a', connectionIdentifier: `chconn-${'0'.repeat(64)}` },
      400,
      /derived identifier/,
    ],
  ])('%s with %j answers %d', async (path, body, status, message) => {
    const answer = await post(path, body);

    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({ statusCode: status, timestamp: expect.any(String), path });
    const said = status === 422 ? answer.json.errors.general.messages.join('\n') : answer.json.message;
    expect(said).toMatch(message);
    expect(answer.json.error).toMatch(/^[a-z_]+$/);
  });

  it('take the subject’s own derived identifier', async () => {
    await service.connect(environment, { subscriberId: 'derived' });
    const [connection] = await service.connections(environment, '&subscriberId=derived');

    const answer = await post(connect, {
      integrationIdentifier: 'slack',
      subscriberId: 'derived',
      connectionIdentifier: connection.identifier,
    });

    expect(answer.status).toBe(201);
  });

  it('hold scopes to the integration’s allowedScopes', async () => {
    const own = await service.createTestEnvironment({ configurations: { allowedScopes: ['chat:write'] } });
    const body = { integrationIdentifier: 'slack', subscriberId: 'a' };

    const allowed = await post(connect, { ...body, scope: ['chat:write'] }, own.apiKey);
    const refused = await post(connect, { ...body, scope: ['chat:write', 'admin'] }, own.apiKey);

    expect(allowed.status).toBe(201);
    expect(refused.status).toBe(400);
    expect(refused.json).toMatchObject({ error: 'invalid_scope', message: expect.stringContaining('admin') });
  });

  it('demand a context hash under the API key when the integration says hmac', async () => {
    const own = await service.createTestEnvironment({ credentials: { hmac: true } });
    const { createHmac } = await import('node:crypto');
    const contextHash = createHmac('sha256', own.apiKey).update('{"tenant":"acme"}').digest('hex');
    const body = { integrationIdentifier: 'slack', subscriberId: 'a', context: { tenant: 'acme' } };
    const ask = (extra: object) => post(connect, { ...body, ...extra }, own.apiKey);

    expect((await ask({ contextHash })).status).toBe(201);
    expect((await ask({})).json.message).toBe('A valid contextHash is required when HMAC validation is enabled.');
    expect((await ask({ contextHash: '0'.repeat(64) })).json.message).toBe('Please provide a valid context HMAC hash');
    expect((await ask({ context: undefined, contextHash })).json.message).toBe(
      'A context is required when HMAC validation is enabled.',
    );
  });
});

describe('the edge of the API', () => {
  const body = JSON.stringify({ integrationIdentifier: 'slack', subscriberId: 'ann' });
  const send = (headers: Record<string, string>, text = body) =>
    service.request('POST', connect, {
      headers: { authorization: `ApiKey ${environment.apiKey}`, 'content-type': 'application/json', ...headers },
      body: text,
    });

  it.each([
    ['no key', { authorization: '' }, 401, 'Unauthorized'],
    ['an empty key', { authorization: 'ApiKey ' }, 401, 'Unauthorized'],
    ['another scheme', { authorization: 'Bearer abc' }, 401, 'Invalid authentication scheme: "Bearer"'],
    ['an unknown key', { authorization: 'ApiKey cc_unknown' }, 401, 'API Key not found'],
    ['another content type', { 'content-type': 'text/plain' }, 415, 'The body must be sent as application/json.'],
  ])('refuses %s', async (_name, headers, status, message) => {
    const answer = await send(headers);

    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({ statusCode: status, message, path: connect });
  });

  it('says so when there is no authorization header', async () => {
    const answer = await service.api(undefined, 'POST', connect, {});

    expect(answer.json.message).toBe('Missing authorization header');
  });

  it.each([
    ['malformed JSON', '{"a":', 400],
    ['a body over 256 KB', JSON.stringify({ a: 'x'.repeat(256 * 1024) }), 413],
    ['no body', '', 422],
    ['a body of null', 'null', 422],
    ['an unknown field', JSON.stringify({ integrationIdentifier: 'slack', subscriberId: 'a', scopes: [] }), 422],
    ['__proto__', '{"integrationIdentifier":"slack","subscriberId":"a","__proto__":{"x":1}}', 422],
  ])('answers %s in the contract’s shape', async (_name, text, status) => {
    const answer = await send({}, text);

    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({ statusCode: status, path: connect, error: expect.any(String) });
  });

  it('refuses a key without the permission, naming it', async () => {
    const apiKey = await service.createApiKey(environment.environmentId, ['manage', 'tokens']);

    const answer = await post(connect, { integrationIdentifier: 'slack', subscriberId: 'a' }, apiKey);

    expect(answer.status).toBe(403);
    expect(answer.json.message).toContain('"connect"');
  });

  it('answers any JSON with 201 or a 4xx in the contract’s shape', async () => {
    const json = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          integrationIdentifier: fc.constantFrom('slack', ''),
          subscriberId: fc.oneof(fc.string(), fc.constant(null)),
          context: fc.jsonValue(),
          connectionIdentifier: fc.string({ unit: 'binary' }),
          scope: fc.array(fc.string()),
          connectionMode: fc.constantFrom('shared', 'subscriber', 'x'),
        },
        { requiredKeys: ['integrationIdentifier'] },
      ),
    );

    await fc.assert(
      fc.asyncProperty(json, async (value) => {
        const answer = await post(connect, value);

        expect(answer.status === 201 || (answer.status >= 400 && answer.status < 500)).toBe(true);
        if (answer.status !== 201) expect(answer.json).toMatchObject({ statusCode: answer.status, path: connect });
      }),
      { numRuns: 200 },
    );
  });

  it('takes any identifier without / ? % through a whole connect and finds it again', async () => {
    const identifier = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
      .filter((text) => !/[/?%\p{Cc}\p{Cs}]/u.test(text) && !/^\.{1,2}$/.test(text));
    let count = 0;

    await fc.assert(
      fc.asyncProperty(identifier, async (connectionIdentifier) => {
        const own = { connectionIdentifier, subscriberId: `s${count++} "quoted" ünï.cöde` };
        const page = await service.connect(environment, own);
        const path = `/v1/channel-connections/${encodeURIComponent(connectionIdentifier)}`;
        const found = await service.api(environment.apiKey, 'GET', path);

        if (page.text.includes('identifier_conflict')) return;
        expect(page.status).toBe(200);
        expect(found.json.data).toMatchObject({ identifier: connectionIdentifier, subscriberId: own.subscriberId });
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  it('answers an unknown address, and an unknown method of a known one, with 404', async () => {
    const address = await service.api(environment.apiKey, 'GET', '/v1/nothing');
    const method = await service.api(environment.apiKey, 'DELETE', connect);

    expect(address.json).toMatchObject({ statusCode: 404, path: '/v1/nothing', error: 'not_found' });
    expect(method.json).toMatchObject({ statusCode: 404, error: 'not_found' });
  });
});
