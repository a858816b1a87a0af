import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hashApiKey } from '../../lib/environment/api-key.ts';
import { dynamoConnectionStore } from '../../lib/store/connection-store.ts';
import { dynamoApiKeyStore } from '../../lib/store/environment-store.ts';
import { aConnection } from '../support/builders.ts';
import { startInstance } from '../support/instance.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { acme, globex, tokenTools } from '../support/tokens.ts';

let service: TestService;
let tools: ReturnType<typeof tokenTools>;

beforeAll(async () => {
  service = await startTestService();
  tools = tokenTools(service);
});

afterEach(() => service.slack.behave());
afterAll(() => service.close());

const hour = 3_600_000;

const ask = (environment: TestEnvironment, body?: object, identifier = 'mine') =>
  service.api(environment.apiKey, 'POST', `/v1/channel-connections/${identifier}/token`, body);

/** Connected so long ago that the token has expired. */
async function expired() {
  const environment = await tools.connected();
  service.advance(13 * hour);
  return environment;
}

describe('POST /v1/channel-connections/{identifier}/token', () => {
  it('hands out the token that is stored while it lasts', async () => {
    const environment = await tools.connected();
    const stored = await tools.tokenOf(environment);

    const answer = await ask(environment);

    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      data: {
        accessToken: stored.accessToken,
        tokenType: 'bot',
        expiresAt: new Date((stored.expiresAt ?? 0) * 1000).toISOString(),
        scopes: (await tools.shown(environment)).scopes,
        workspace: (await tools.shown(environment)).workspace,
      },
    });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(tools.sent(environment)).toEqual([]);
  });

  it('hands out a token that never expires', async () => {
    const environment = await tools.connected({ app: { tokenRotation: false } });

    const answer = await ask(environment, { minTtlSeconds: 1_800 });

    expect(answer.json.data).toMatchObject({ tokenType: 'bot', expiresAt: null });
    expect(await tools.worksAtSlack(answer.json.data.accessToken)).toBe(true);
  });

  it.each([
    [undefined, 301_000, false],
    [undefined, 290_000, true],
    [{ minTtlSeconds: 0 }, 10_000, false],
    [{ minTtlSeconds: 1_800 }, 1_790_000, true],
  ])('%o refreshes a token with %d ms left: %s', async (body, left, refreshes) => {
    const environment = await tools.connected();
    const before = await tools.tokenOf(environment);
    service.advance((before.expiresAt ?? 0) * 1000 - service.now() - left);

    const answer = await ask(environment, body);

    expect(answer.json.data.accessToken !== before.accessToken).toBe(refreshes);
    expect(tools.sent(environment)).toHaveLength(refreshes ? 1 : 0);
    expect(await tools.worksAtSlack(answer.json.data.accessToken)).toBe(true);
  });

  it('gives 64 who ask at the moment of expiry the token of one refresh', async () => {
    const environment = await expired();

    const answers = await Promise.all(Array.from({ length: 64 }, () => ask(environment)));

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ json }) => json.data.accessToken)).size).toBe(1);
    expect(tools.sent(environment)).toHaveLength(1);
  });

  it('takes two reads when nothing is due, and three by an identifier of the caller’s', async () => {
    const environment = await tools.connected();
    await service.connect(environment, { subscriberId: 'derived' });
    const [{ identifier: derived }] = await service.connections(environment, '&subscriberId=derived');
    const instance = startInstance(service);
    const count = async (identifier: string) => {
      instance.faults.reset();
      await instance.api(environment.apiKey, 'POST', `/v1/channel-connections/${identifier}/token`);
      return [instance.faults.reads, instance.faults.writes];
    };
    // The first opens the environment's data key.
    await count('mine');

    // One more is for the API key.
    expect(await count(derived)).toEqual([3, 0]);
    expect(await count('mine')).toEqual([4, 0]);
  });

  it('needs the permission tokens', async () => {
    const environment = await tools.connected();
    for (const permission of ['connect', 'manage'] as const) {
      const apiKey = await service.createApiKey(environment.environmentId, [permission]);

      const answer = await ask({ ...environment, apiKey });

      expect(answer.status).toBe(403);
      expect(answer.json.message).toContain('"tokens"');
    }
  });

  it('refuses a key at once after it was revoked', async () => {
    const environment = await tools.connected();
    await ask(environment);
    await dynamoApiKeyStore(service.db).revoke(hashApiKey(environment.apiKey), new Date().toISOString());

    expect((await ask(environment)).status).toBe(401);
  });

  it('does not know a connection of another environment', async () => {
    const environment = await tools.connected();
    const other = await service.createTestEnvironment();

    for (const identifier of ['mine', 'nobody']) {
      const answer = await ask(other, {}, identifier);
      expect(answer.status).toBe(404);
      expect(answer.json.error).toBe('connection_not_found');
    }
    expect(environment.environmentId).not.toBe(other.environmentId);
  });

  it.each([
    { minTtlSeconds: -1 },
    { minTtlSeconds: 1_801 },
    { minTtlSeconds: 1.5 },
    { minTtlSeconds: '300' },
    { resource: 'mail' },
    { resource: 'graph' },
    { unknown: 1 },
    [],
  ])('refuses %j for a Slack connection', async (body) => {
    const environment = await tools.connected();

    const answer = await ask(environment, body);

    expect(answer.status).toBe(422);
    expect(answer.json.error).toBe('validation_failed');
  });

  it('says how long a token may be asked to last', async () => {
    const answer = await ask(await tools.connected(), { minTtlSeconds: 1_801 });

    expect(answer.json).toMatchObject({ errors: { general: { messages: ['minTtlSeconds: must be at most 1800'] } } });
  });

  it('ignores an idempotency key', async () => {
    const environment = await tools.connected();
    const headers = { authorization: `ApiKey ${environment.apiKey}`, 'idempotency-key': 'once' };
    const post = () => service.request('POST', '/v1/channel-connections/mine/token', { headers });
    const first = await post();
    service.advance(13 * hour);

    const second = await post();

    expect(second.json.data.accessToken).not.toBe(first.json.data.accessToken);
    expect(second.headers.has('idempotency-replay')).toBe(false);
  });

  it('logs who got which token, and not the token', async () => {
    const environment = await tools.connected();
    const { accessToken, refreshToken = '' } = await tools.tokenOf(environment);
    const before = service.lines.length;

    await ask(environment);
    await ask(environment);

    const handedOut = service.lines.slice(before).filter(({ message }) => message === 'token handed out');
    const { connectionKey, grantId, fingerprint, apiKeyId, environmentId } = handedOut[0]?.fields ?? {};
    expect(handedOut).toHaveLength(2);
    expect(handedOut[1]?.fields).toMatchObject({ connectionKey, grantId, fingerprint, apiKeyId });
    expect(environmentId).toBe(environment.environmentId);
    expect(connectionKey).toMatch(/^[0-9a-f]{64}$/);
    expect(fingerprint).toMatch(/^[0-9a-f]{32}$/);
    expect(environment.apiKey).toContain(String(apiKeyId));
    const lines = JSON.stringify(service.lines);
    for (const secret of [accessToken, refreshToken, environment.apiKey]) expect(lines).not.toContain(secret);
  });

  it('shows what was approved for this connection, not what others were granted', async () => {
    const environment = await tools.connected();
    await service.connect(environment, { subscriberId: 'more', scope: ['chat:write', 'channels:history'] });
    await service.connect(environment, { subscriberId: 'less', scope: ['chat:write'], connectionIdentifier: 'less' });

    expect((await ask(environment, {}, 'less')).json.data.scopes).toEqual(['chat:write']);
  });
});

describe('a token that cannot be had', () => {
  it('because the connection needs a new approval is a 409 that says why', async () => {
    const environment = await expired();
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'ok_false', error: 'account_inactive', times: 1 });

    const first = await ask(environment);
    const again = await ask(environment);

    for (const answer of [first, again]) {
      expect(answer.status).toBe(409);
      expect(answer.json).toMatchObject({ error: 'reauthorization_required', reason: 'account_inactive' });
      expect(answer.headers.has('retry-after')).toBe(false);
    }
    expect(tools.sent(environment)).toHaveLength(1);
    await service.connect(environment);
    expect((await ask(environment)).status).toBe(200);
  });

  it('because Slack’s answer was lost says so after one more try', async () => {
    const environment = await expired();
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'drop_after', times: 1 });

    const lost = await ask(environment);
    service.advance(60_000);
    const next = await ask(environment);
    await ask(environment);

    expect(lost.status).toBe(503);
    expect(lost.json.error).toBe('token_refresh_pending');
    expect(Number(lost.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(next.json).toMatchObject({ statusCode: 409, reason: 'refresh_response_lost' });
    expect(tools.sent(environment)).toHaveLength(2);
  });

  it.each([
    ['http_500', 502, 'token_refresh_failed'],
    ['rate_limited', 502, 'token_refresh_failed'],
    ['html', 502, 'token_refresh_failed'],
    ['drop_before', 503, 'token_refresh_pending'],
  ] as const)('because Slack is in trouble (%s) is to be tried again', async (kind, status, error) => {
    const environment = await expired();
    service.slack.misbehave({ method: 'oauth.v2.access', kind, times: 1 });

    const failed = await ask(environment);
    const next = await ask(environment);

    expect(failed.status).toBe(status);
    expect(failed.json.error).toBe(error);
    expect(Number(failed.headers.get('retry-after'))).toBe(1);
    expect(next.status).toBe(200);
    expect(tools.sent(environment)).toHaveLength(2);
  });

  it('because of Slack’s trouble is the old one while that lasts', async () => {
    const environment = await tools.connected();
    const { accessToken, expiresAt = 0 } = await tools.tokenOf(environment);
    service.advance(expiresAt * 1000 - service.now() - 100_000);
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'http_500', times: 1 });

    const answer = await ask(environment);

    expect(answer.json.data).toMatchObject({ accessToken });
  });

  it('because a caller brought one that has expired', async () => {
    const environment = await tools.connected();
    const expiresAt = Math.floor(service.now() / 1000) + 100;
    const identifier = await tools.brought(environment, { accessToken: 'xoxb-brought', expiresAt });
    const before = await ask(environment, {}, identifier);
    service.advance(101_000);

    const after = await ask(environment, {}, identifier);

    expect(before.json.data).toMatchObject({ accessToken: 'xoxb-brought' });
    expect(after.json).toMatchObject({ statusCode: 409, reason: 'token_expired' });
    expect(await tools.shown(environment, identifier)).toMatchObject({ status: 'reauthorization_required' });
  });

  it('because the connection has a person’s token only', async () => {
    const environment = await tools.connected();
    const { environmentId, integrationId, grantId: userGrantId } = await tools.grantOf(environment);
    const connection = aConnection({ environmentId, integrationId, subscriberId: 'person', userGrantId });
    await dynamoConnectionStore(service.db).put({ ...connection, grantId: undefined }, undefined);

    const answer = await ask(environment, {}, connection.identifier);

    expect(answer.json).toMatchObject({ statusCode: 409, reason: 'bot_token_missing' });
  });
});

describe('a connection that changes while its token is refreshed', () => {
  it('hands out the token of the account that it has then, and the other one ends', async () => {
    const environment = await expired();
    const got: string[] = [];
    let moving: Promise<unknown> | undefined;
    const instance = startInstance(service, {
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        got.push(((await response.clone().json()) as { access_token: string }).access_token);
        moving ??= service.connect(environment, {}, { workspaceId: globex.id });
        await moving;
        return response;
      },
    });

    const answer = await instance.api(environment.apiKey, 'POST', '/v1/channel-connections/mine/token');

    const { data } = JSON.parse(answer.body ?? '');
    expect(data.workspace.id).toBe(globex.id);
    expect(data.accessToken).toBe((await tools.tokenOf(environment, globex)).accessToken);
    expect(await tools.grantOf(environment, acme)).toMatchObject({ status: 'revoked' });
    expect(await tools.worksAtSlack(got[0] ?? '')).toBe(false);
  });

  it('hands out nothing when it is deleted', async () => {
    const environment = await expired();
    const instance = startInstance(service, {
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        if (String(input).endsWith('oauth.v2.access')) {
          await service.api(environment.apiKey, 'DELETE', '/v1/channel-connections/mine');
        }
        return response;
      },
    });

    const answer = await instance.api(environment.apiKey, 'POST', '/v1/channel-connections/mine/token');

    expect(answer.statusCode).toBe(404);
    expect(await tools.grantOf(environment)).toMatchObject({ status: 'revoked', token: '' });
  });
});
