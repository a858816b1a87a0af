import { paginateScan } from '@aws-sdk/lib-dynamodb';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { MisbehaviourRule } from '../../infra/local/pretend-slack/misbehaviour.ts';
import { derivedIdentifier, subjectKeyOf } from '../../lib/connection/connection.ts';
import type { Token } from '../../lib/grant/grant.ts';
import { startInstance } from '../support/instance.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import * as teams from '../support/teams.ts';
import { acme, globex, tokenTools } from '../support/tokens.ts';

let service: TestService;
let tools: ReturnType<typeof tokenTools>;

beforeAll(async () => {
  service = await startTestService();
  tools = tokenTools(service);
});

afterEach(() => service.slack.behave());
afterAll(() => service.close());

const verify = (environment: TestEnvironment, identifier = 'mine') =>
  service.api(environment.apiKey, 'POST', `/v1/channel-connections/${identifier}/verify`);

/** The same at another instance. */
async function verifyAt(instance: ReturnType<typeof startInstance>, environment: TestEnvironment) {
  const answer = await instance.api(environment.apiKey, 'POST', '/v1/channel-connections/mine/verify');
  return { status: answer.statusCode, json: JSON.parse(answer.body ?? '') };
}

async function everyRow(): Promise<string> {
  const rows: unknown[] = [];
  for await (const page of paginateScan({ client: service.db.client }, { TableName: service.db.tables.connections })) {
    rows.push(...(page.Items ?? []));
  }
  return JSON.stringify(rows);
}

describe('POST /v1/channel-connections/{identifier}/verify', () => {
  it('refreshes a rotating token and shows the connection', async () => {
    const environment = await tools.connected();
    const before = await tools.tokenOf(environment);
    const asked = service.now();

    const answer = await verify(environment);

    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ data: await tools.shown(environment) });
    expect(answer.json.data).toMatchObject({ identifier: 'mine', status: 'active', auth: { accessToken: 'hidden' } });
    expect(Date.parse(answer.json.data.lastVerifiedAt)).toBeGreaterThanOrEqual(asked);
    expect(tools.sent(environment)).toEqual([before.refreshToken]);
    const after = await tools.tokenOf(environment);
    expect(after.accessToken).not.toBe(before.accessToken);
    expect(after.refreshToken).not.toBe(before.refreshToken);
    expect(after.expiresAt).toBeGreaterThan(asked / 1000 + 43_000);
    expect(await tools.worksAtSlack(after.accessToken)).toBe(true);
  });

  it('goes on with the refresh token that the last refresh gave', async () => {
    const environment = await tools.connected();
    await verify(environment);
    const { refreshToken } = await tools.tokenOf(environment);
    service.advance(3_600_000);

    expect((await verify(environment)).status).toBe(200);
    expect(tools.sent(environment)).toHaveLength(2);
    expect(tools.sent(environment)[1]).toBe(refreshToken);
  });

  it('shows a result again that is younger than ten seconds', async () => {
    const environment = await tools.connected();
    const first = await verify(environment);
    service.advance(5_000);
    const again = await verify(environment);
    service.advance(5_500);

    const later = await verify(environment);

    expect(again.json).toEqual(first.json);
    expect(later.json.data.lastVerifiedAt > first.json.data.lastVerifiedAt).toBe(true);
    expect(tools.sent(environment)).toHaveLength(2);
  });

  it('refreshes once for 64 who ask at once', async () => {
    const environment = await tools.connected();

    const answers = await Promise.all(Array.from({ length: 64 }, () => verify(environment)));

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ json }) => json.data.lastVerifiedAt)).size).toBe(1);
    expect(tools.sent(environment)).toHaveLength(1);
  });

  it('needs the permission manage', async () => {
    const environment = await tools.connected();
    for (const permission of ['connect', 'tokens'] as const) {
      const apiKey = await service.createApiKey(environment.environmentId, [permission]);

      const answer = await verify({ ...environment, apiKey });

      expect(answer.status).toBe(403);
      expect(answer.json.message).toContain('"manage"');
    }
    expect(tools.sent(environment)).toEqual([]);
  });

  it('does not know a connection of another environment', async () => {
    const environment = await tools.connected();
    const other = await service.createTestEnvironment();
    const { identifier } = await tools.shown(environment);
    const derived = derivedIdentifier(
      subjectKeyOf({
        integrationId: (await tools.grantOf(environment)).integrationId,
        subscriberId: 'subscriber-1',
        contextKeys: [],
      }),
    );

    for (const name of [identifier, derived, 'nobody']) {
      const answer = await verify(other, name);
      expect(answer.status).toBe(404);
      expect(answer.json).toMatchObject({
        error: 'connection_not_found',
        message: `Channel connection with identifier '${name}' not found`,
      });
    }
    expect((await verify(environment, derived)).status).toBe(200);
    expect(tools.sent(environment)).toHaveLength(1);
  });

  it('leaves no token in a log, an answer or a row', async () => {
    const environment = await tools.connected();
    const before = await tools.tokenOf(environment);
    const answer = await verify(environment);
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'ok_false', error: 'invalid_refresh_token', times: 1 });
    service.advance(11_000);
    const refused = await verify(environment);
    const after = await tools.tokenOf(environment);

    const left = JSON.stringify(service.lines) + answer.text + refused.text + (await everyRow());
    for (const secret of [before, after].flatMap(({ accessToken, refreshToken = '' }) => [accessToken, refreshToken])) {
      expect(secret).toMatch(/^xoxe/);
      expect(left).not.toContain(secret);
    }
    expect(left).not.toContain(environment.slackApp.clientSecret);
  });
});

describe("Slack's refusal", () => {
  it.each([
    'invalid_refresh_token',
    'token_revoked',
    'token_expired',
    'account_inactive',
    'app_not_installed',
    'team_access_not_granted',
    'invalid_client_id',
    'bad_client_secret',
  ])('%s leaves the stored token as it is, and says why', async (error) => {
    const environment = await tools.connected();
    const { token } = await tools.grantOf(environment);
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'ok_false', error, times: 1 });

    const answer = await verify(environment);

    expect(answer.status).toBe(502);
    expect(answer.json).toMatchObject({
      error: 'token_refresh_failed',
      reason: error,
      message: `Slack token refresh failed: ${error}. Reconnect the Slack channel connection.`,
    });
    expect(await tools.grantOf(environment)).toMatchObject({ token, status: 'reauthorization_required' });
    expect(await tools.shown(environment)).toMatchObject({ status: 'reauthorization_required', statusReason: error });
    expect(await service.connections(environment)).toEqual([await tools.shown(environment)]);
  });

  it('is shown again for ten seconds, and asked for anew afterwards', async () => {
    const environment = await tools.connected();
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'ok_false', error: 'account_inactive', times: 1 });
    const first = await verify(environment);
    const again = await verify(environment);
    service.advance(11_000);

    const healed = await verify(environment);

    expect([first.status, again.status, healed.status]).toEqual([502, 502, 200]);
    expect(again.json.message).toBe(first.json.message);
    expect(healed.json.data).toMatchObject({ status: 'active' });
    expect(healed.json.data).not.toHaveProperty('statusReason');
    expect(tools.sent(environment)).toHaveLength(2);
  });

  it('is of all connections that share the grant, and a reconnect of one heals them all', async () => {
    const environment = await tools.connected();
    await service.connect(environment, { subscriberId: 'subscriber-2', connectionIdentifier: 'yours' });
    const other = await service.connect(environment, { subscriberId: 'subscriber-3' }, { workspaceId: globex.id });
    expect(other.status).toBe(200);
    service.slack.uninstall(environment.slackApp.clientId, acme.id);
    expect((await verify(environment)).json.reason).toBe('invalid_refresh_token');
    const statuses = async () =>
      Object.fromEntries((await service.connections(environment)).map((each) => [each.subscriberId, each.status]));
    const before = await statuses();

    await service.connect(environment, { subscriberId: 'subscriber-2' });

    const dead = 'reauthorization_required';
    expect(before).toEqual({ 'subscriber-1': dead, 'subscriber-2': dead, 'subscriber-3': 'active' });
    expect(new Set(Object.values(await statuses()))).toEqual(new Set(['active']));
    expect(await tools.shown(environment)).not.toHaveProperty('lastVerifiedAt');
    expect((await verify(environment)).status).toBe(200);
  });

  it('of a newer client secret leads to a try with the one before', async () => {
    const environment = await tools.connected({ credentials: { previousSecretKey: 'canary-older-secret' } });
    service.slack.registerApp({ ...environment.slackApp, tokenRotation: true, clientSecret: 'canary-older-secret' });

    const answer = await verify(environment);

    expect(answer.status).toBe(200);
    const secrets = service.slack.calls
      .filter(({ grantType, form }) => grantType && form['client_id'] === environment.slackApp.clientId)
      .slice(-2)
      .map(({ form }) => form['client_secret']);
    expect(secrets).toEqual([environment.slackApp.clientSecret, 'canary-older-secret']);
  });

  it('of both client secrets is a refusal', async () => {
    const environment = await tools.connected({ credentials: { previousSecretKey: 'canary-older-secret' } });
    service.slack.registerApp({ ...environment.slackApp, tokenRotation: true, clientSecret: 'canary-newest-secret' });

    expect((await verify(environment)).json).toMatchObject({ statusCode: 502, reason: 'bad_client_secret' });
    expect(tools.sent(environment)).toHaveLength(2);
  });
});

describe('an answer that is for somebody else', () => {
  it('is refused when it is for another workspace', async () => {
    const environment = await service.createTestEnvironment({ app: { tokenRotation: true } });
    await service.connect(environment, {}, { workspaceId: globex.id });
    const ofGlobex = await tools.tokenOf(environment, globex);
    const identifier = await tools.brought(environment, ofGlobex, acme.id);

    const answer = await verify(environment, identifier);

    expect(answer.json).toMatchObject({ statusCode: 502, reason: 'account_mismatch' });
    expect(await tools.shown(environment, identifier)).toMatchObject({ status: 'reauthorization_required' });
  });

  it('is refused when it is of another app', async () => {
    const environment = await tools.connected();
    const { token } = await tools.grantOf(environment);
    const forging = startInstance(service, {
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        return Response.json({ ...((await response.json()) as object), app_id: 'A0OTHER' });
      },
    });

    const answer = await verifyAt(forging, environment);

    expect(answer.json).toMatchObject({ statusCode: 502, reason: 'account_mismatch' });
    expect((await tools.grantOf(environment)).token).toBe(token);
  });
});

describe('trouble at Slack', () => {
  const troubles: [string, Omit<MisbehaviourRule, 'method'>, object][] = [
    [
      'an HTTP 500',
      { kind: 'http_500' },
      { reason: 'unreadable_answer', message: expect.stringContaining('(HTTP 500)') },
    ],
    ['a rate limit', { kind: 'rate_limited', retryAfterSeconds: 2 }, { reason: 'ratelimited' }],
    ['an error of its own', { kind: 'ok_false', error: 'internal_error' }, { reason: 'internal_error' }],
    ['a rate limit in words', { kind: 'ok_false', error: 'ratelimited' }, { reason: 'ratelimited' }],
    ['a page', { kind: 'html' }, { reason: 'unreadable_answer' }],
    ['half an answer', { kind: 'malformed' }, { reason: 'unreadable_answer' }],
    ['a huge answer', { kind: 'huge' }, { reason: 'no_answer' }],
    ['a connection that ends before', { kind: 'drop_before' }, { reason: 'no_answer' }],
    ['a connection that ends after', { kind: 'drop_after' }, { reason: 'no_answer' }],
  ];

  it.each(troubles)('such as %s changes nothing, and the next call refreshes', async (_, rule, expected) => {
    const environment = await tools.connected();
    const { token } = await tools.grantOf(environment);
    service.slack.misbehave({ method: 'oauth.v2.access', times: 1, ...rule });

    const failed = await verify(environment);
    const between = await tools.shown(environment);
    const next = await verify(environment);

    expect(failed.json).toMatchObject({ statusCode: 502, error: 'token_refresh_failed', ...expected });
    expect(Number(failed.headers.get('retry-after'))).toBe(rule.retryAfterSeconds ?? 1);
    expect(between).toMatchObject({ status: 'active' });
    expect(between).not.toHaveProperty('lastVerifiedAt');
    expect(next.status).toBe(rule.kind === 'rate_limited' ? 502 : 200);
    if (rule.kind === 'rate_limited') {
      // Slack said when: nobody asks before.
      expect(tools.sent(environment)).toHaveLength(1);
      expect((await tools.grantOf(environment)).token).toBe(token);
      service.advance(2_000);
      expect((await verify(environment)).status).toBe(200);
    }
    expect(tools.sent(environment)).toHaveLength(2);
  });
});

describe('an answer that is lost after Slack has rotated', () => {
  it('is recognised with one further call, and said', async () => {
    const environment = await tools.connected();
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'drop_after', times: 1 });
    expect((await verify(environment)).json.reason).toBe('no_answer');
    // Slack takes the old refresh token for a moment only.
    service.advance(60_000);

    const answers = await Promise.all(Array.from({ length: 16 }, () => verify(environment)));

    for (const { json } of answers) expect(json).toMatchObject({ statusCode: 502, reason: 'refresh_response_lost' });
    expect(await tools.shown(environment)).toMatchObject({
      status: 'reauthorization_required',
      statusReason: 'refresh_response_lost',
    });
    expect(tools.sent(environment)).toHaveLength(2);
    expect(new Set(tools.sent(environment)).size).toBe(1);
    await service.connect(environment);
    expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
  });

  it('is no loss where the old refresh token still works', async () => {
    const environment = await tools.connected();
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'drop_after', times: 1 });
    await verify(environment);

    expect((await verify(environment)).status).toBe(200);
    expect(await tools.worksAtSlack((await tools.tokenOf(environment)).accessToken)).toBe(true);
  });

  it('is not suspected after a refusal to try', async () => {
    const environment = await tools.connected();
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'rate_limited', times: 1 });
    await verify(environment);
    service.slack.uninstall(environment.slackApp.clientId, acme.id);
    service.advance(2_000);

    expect((await verify(environment)).json.reason).toBe('invalid_refresh_token');
  });
});

describe('a process that ends', () => {
  const commands = 11;
  const ks = Array.from({ length: commands }, (_, index) => index + 1);

  it.each(ks)('before DynamoDB command %d leaves a grant that works or says why not', async (k) => {
    for (const graceIsOver of [false, true]) {
      const environment = await tools.connected();
      const dying = startInstance(service);
      dying.faults.killAt(k);
      await verifyAt(dying, environment).catch(() => undefined);
      service.advance(graceIsOver ? 60_000 : 11_000);

      const answer = await verify(environment);

      expect(tools.sent(environment).length).toBeLessThanOrEqual(2);
      if (answer.status === 200) {
        expect(await tools.worksAtSlack((await tools.tokenOf(environment)).accessToken)).toBe(true);
      } else {
        // The one window that cannot be closed: Slack has rotated, and nobody kept its answer.
        expect(graceIsOver).toBe(true);
        expect(answer.json.reason).toBe('refresh_response_lost');
        expect(await tools.shown(environment)).toMatchObject({ statusReason: 'refresh_response_lost' });
      }
    }
  });

  it('has not more commands than that', async () => {
    const environment = await tools.connected();
    const instance = startInstance(service);

    await verifyAt(instance, environment);

    expect(instance.faults.reads + instance.faults.writes).toBe(commands);
  });

  it.each(ks)('when the answer of command %d is lost loses nothing', async (k) => {
    const environment = await tools.connected();
    const unlucky = startInstance(service);
    unlucky.faults.failAfter(k);
    await verifyAt(unlucky, environment).catch(() => undefined);
    service.advance(11_000);

    expect((await verify(environment)).status).toBe(200);
    expect(await tools.worksAtSlack((await tools.tokenOf(environment)).accessToken)).toBe(true);
  });

  it.each(['takes the lease', 'stores the token'])(
    'does not mind that the SDK repeats the write that %s',
    async (what) => {
      const environment = await tools.connected();
      const instance = startInstance(service, { maxAttempts: 3 });
      instance.loseAnswer(
        ({ name, input }) =>
          name === 'UpdateItemCommand' &&
          ':sealVersion' in (input.ExpressionAttributeValues ?? {}) === (what === 'stores the token'),
      );

      const answer = await verifyAt(instance, environment);

      expect(answer.status).toBe(200);
      expect(tools.sent(environment)).toHaveLength(1);
    },
  );
});

/** An instance that remembers the access tokens it gets, and may do something before it goes on with them. */
function recordingInstance(meanwhile: () => Promise<void> = async () => {}) {
  const got: string[] = [];
  const instance = startInstance(service, {
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      if (String(input).endsWith('oauth.v2.access')) {
        got.push(((await response.clone().json()) as { access_token: string }).access_token);
        await meanwhile();
      }
      return response;
    },
  });
  return { ...instance, got };
}

/** The write that stores a refreshed token. */
const storesToken = ({ name, input }: { name: string; input: { ExpressionAttributeValues?: object } }) =>
  name === 'UpdateItemCommand' && ':sealVersion' in (input.ExpressionAttributeValues ?? {});

describe('a holder that was stopped past its lease', () => {
  it('cannot overwrite what the next one stored, and answers with it', async () => {
    const environment = await tools.connected();
    const slow = startInstance(service);
    let newest: Token | undefined;
    slow.before(storesToken, async () => {
      service.advance(11_000);
      expect((await verify(environment)).status).toBe(200);
      newest = await tools.tokenOf(environment);
    });

    const answer = await verifyAt(slow, environment);

    expect(answer.status).toBe(200);
    expect(tools.sent(environment)).toHaveLength(2);
    expect(await tools.tokenOf(environment)).toEqual(newest);
    expect((await tools.grantOf(environment)).version).toBe(2);
  });

  it('brings the only good token back when the next one was refused', async () => {
    const environment = await tools.connected();
    const slow = startInstance(service);
    slow.before(storesToken, async () => {
      service.advance(60_000);
      expect((await verify(environment)).json.reason).toBe('refresh_response_lost');
    });

    const answer = await verifyAt(slow, environment);

    expect(answer.json.data).toMatchObject({ status: 'active' });
    expect(await tools.worksAtSlack((await tools.tokenOf(environment)).accessToken)).toBe(true);
  });

  it('drops its answer when a newer approval was stored', async () => {
    const environment = await tools.connected();
    const slow = startInstance(service);
    let approved: Token | undefined;
    slow.before(storesToken, async () => {
      await service.connect(environment);
      approved = await tools.tokenOf(environment);
    });

    const answer = await verifyAt(slow, environment);

    expect(answer.status).toBe(200);
    expect(await tools.tokenOf(environment)).toEqual(approved);
  });

  it('ends the token that it got for a grant that was let go', async () => {
    const environment = await tools.connected();
    const slow = recordingInstance();
    slow.before(storesToken, async () => {
      service.advance(11_000);
      await service.connect(environment, {}, { workspaceId: globex.id });
      expect(await tools.grantOf(environment)).toMatchObject({ status: 'revoked' });
    });

    const answer = await verifyAt(slow, environment);

    expect(answer.json.data).toMatchObject({ workspace: { id: globex.id }, status: 'active' });
    expect(slow.got).toHaveLength(2);
    expect(await tools.worksAtSlack(slow.got[0] ?? '')).toBe(false);
    expect(await tools.grantOf(environment)).toMatchObject({ status: 'revoked', token: '' });
  });
});

describe('a grant that is let go while it is refreshed', () => {
  it('ends with the token that the refresh gave', async () => {
    const environment = await tools.connected();
    let moving: Promise<unknown> | undefined;
    const instance = recordingInstance(async () => {
      moving ??= service.connect(environment, {}, { workspaceId: globex.id });
      await vi.waitUntil(async () => (await tools.shown(environment)).workspace.id === globex.id, { timeout: 10_000 });
    });

    const answer = await verifyAt(instance, environment);
    await moving;

    expect(answer.json.data).toMatchObject({ workspace: { id: globex.id }, status: 'active' });
    expect(await tools.grantOf(environment)).toMatchObject({ status: 'revoked', token: '' });
    expect(instance.got).toHaveLength(2);
    expect(await tools.worksAtSlack(instance.got[0] ?? '')).toBe(false);
  });

  it('ends without the app, which a token that a caller brought meanwhile lives on', async () => {
    const environment = await tools.connected({ configurations: { revoke: 'uninstall' } });
    const [revoked, uninstalled] = [service.slack.count('auth.revoke'), service.slack.count('apps.uninstall')];
    const instance = recordingInstance(async () => {
      const update = { workspace: { id: acme.id }, auth: { accessToken: 'xoxb-of-the-caller' } };
      const { status } = await service.api(environment.apiKey, 'PATCH', '/v1/channel-connections/mine', update);
      expect(status).toBe(200);
    });

    await verifyAt(instance, environment);

    expect(await tools.worksAtSlack(instance.got[0] ?? '')).toBe(false);
    expect(service.slack.count('auth.revoke') - revoked).toBe(1);
    expect(service.slack.count('apps.uninstall') - uninstalled).toBe(0);
  });
});

describe('a token that does not rotate', () => {
  it('is tried at Slack', async () => {
    const environment = await tools.connected({ app: { tokenRotation: false } });
    const { token, version } = await tools.grantOf(environment);
    const tests = service.slack.count('auth.test');

    const answer = await verify(environment);
    await verify(environment);

    expect(answer.json.data).toMatchObject({ status: 'active', lastVerifiedAt: expect.any(String) });
    expect(service.slack.count('auth.test') - tests).toBe(1);
    expect(await tools.grantOf(environment)).toMatchObject({ token, version });
    expect(tools.sent(environment)).toEqual([]);
  });

  it.each(['token_revoked', 'account_inactive', 'invalid_auth'])(
    'shows that Slack says %s, and heals',
    async (error) => {
      const environment = await tools.connected({ app: { tokenRotation: false } });
      service.slack.misbehave({ method: 'auth.test', kind: 'ok_false', error, times: 1 });

      const dead = await verify(environment);
      service.advance(11_000);
      const alive = await verify(environment);

      expect(dead.status).toBe(200);
      expect(dead.json.data).toMatchObject({ status: 'reauthorization_required', statusReason: error });
      expect(alive.json.data).toMatchObject({ status: 'active' });
    },
  );

  it.each(['http_500', 'rate_limited', 'drop_before', 'html'] as const)('stays as it was after %s', async (kind) => {
    const environment = await tools.connected({ app: { tokenRotation: false } });
    service.slack.misbehave({ method: 'auth.test', kind, times: 1 });

    const answer = await verify(environment);

    expect(answer.status).toBe(200);
    expect(answer.json.data).toMatchObject({ status: 'active' });
    expect(answer.json.data).not.toHaveProperty('lastVerifiedAt');
  });
});

describe('a token that a caller brought', () => {
  it('is refreshed with its refresh token', async () => {
    const environment = await tools.connected();
    const identifier = await tools.brought(environment, await tools.tokenOf(environment));

    const answer = await verify(environment, identifier);

    expect(answer.status).toBe(200);
    expect(answer.json.data).toMatchObject({ status: 'active', lastVerifiedAt: expect.any(String) });
    expect(tools.sent(environment)).toHaveLength(1);
  });

  it('is left alone without one', async () => {
    const environment = await tools.connected();
    const identifier = await tools.brought(environment, { accessToken: 'xoxb-anything' });
    const calls = service.slack.calls.length;

    const answer = await verify(environment, identifier);

    expect(answer.status).toBe(200);
    expect(answer.json.data).not.toHaveProperty('lastVerifiedAt');
    expect(service.slack.calls).toHaveLength(calls);
  });
});

describe('a Teams connection', () => {
  async function connectedTenant() {
    const environment = await teams.createTeams(service);
    await teams.connect(service, environment, { connectionIdentifier: 'teams' });
    const { workspace } = await tools.shown(environment, 'teams');
    return {
      environment,
      tenantId: workspace.id,
      clientId: environment.entraApp.clientId,
      ask: () => verify(environment, 'teams'),
    };
  }
  const tokenCalls = () => service.microsoft.count('token', 'client_credentials');

  it('is tried with a token of the app in the tenant', async () => {
    const { ask } = await connectedTenant();
    const before = tokenCalls();

    const answer = await ask();

    expect(answer.json.data).toMatchObject({ status: 'active', lastVerifiedAt: expect.any(String) });
    expect((await ask()).json).toEqual(answer.json);
    expect(tokenCalls() - before).toBe(1);
  });

  it('shows what the tenant took away, and heals when it is back', async () => {
    const { ask, tenantId, clientId } = await connectedTenant();
    service.microsoft.setRoles(tenantId, clientId, []);
    const lessRoles = await ask();
    service.microsoft.withdrawConsent(tenantId, clientId);
    service.advance(11_000);
    const withdrawn = await ask();
    service.microsoft.consent(tenantId, clientId);
    service.advance(11_000);

    const back = await ask();

    const dead = { status: 'reauthorization_required' };
    expect(lessRoles.json.data).toMatchObject({ ...dead, statusReason: 'roles_missing' });
    expect(withdrawn.json.data).toMatchObject({ ...dead, statusReason: 'app_not_in_tenant' });
    expect(back.json.data).toMatchObject({ status: 'active' });
    expect([lessRoles.status, withdrawn.status]).toEqual([200, 200]);
  });

  it('stays as it was while Microsoft is in trouble', async () => {
    const { ask } = await connectedTenant();
    service.microsoft.misbehave({ kind: 'http_503', times: 1 });

    const answer = await ask();

    service.microsoft.behave();
    expect(answer.status).toBe(200);
    expect(answer.json.data).toMatchObject({ status: 'active' });
    expect(answer.json.data).not.toHaveProperty('lastVerifiedAt');
  });

  it('that is pending is not asked about', async () => {
    const environment = await teams.createTeams(service);
    const consent = { rolesLater: true };
    await teams.connect(service, environment, { connectionIdentifier: 'teams' }, { consent });
    const before = tokenCalls();

    const answer = await verify(environment, 'teams');

    expect(answer.status).toBe(200);
    expect(answer.json.data).toMatchObject({ status: 'pending', statusReason: 'roles_missing' });
    expect(tokenCalls()).toBe(before);
  });
});
