import { randomUUID } from 'node:crypto';
import { ScanCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { derivedIdentifier } from '../../lib/connection/connection.ts';
import type { Grant } from '../../lib/grant/grant.ts';
import { openToken } from '../../lib/grant/token-vault.ts';
import { dynamoConnectionStore } from '../../lib/store/connection-store.ts';
import { dynamoGrantStore } from '../../lib/store/grant-store.ts';
import { keyOf } from '../../lib/store/keys.ts';
import { environmentVault } from '../../lib/vault/environment-vault.ts';
import { startInstance } from '../support/instance.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { expectSettled, expectUsable, letSweepFinish } from '../support/settled.ts';
import { createTeams } from '../support/teams.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

const collection = '/v1/channel-connections';
const brought = (workspaceId = 'T0BROUGHT1') => ({
  workspace: { id: workspaceId, name: 'Brought', botUserId: 'U0BOT' },
  auth: { accessToken: `xoxb-brought-${randomUUID()}` },
});

const post = (environment: TestEnvironment, body: object = {}) =>
  service.api(environment.apiKey, 'POST', collection, {
    integrationIdentifier: 'slack',
    subscriberId: 'ann',
    ...brought(),
    ...body,
  });
const patch = (environment: TestEnvironment, identifier: string, body: object = brought()) =>
  service.api(environment.apiKey, 'PATCH', `${collection}/${identifier}`, body);
const revocations = () => service.slack.count('auth.revoke') + service.slack.count('apps.uninstall');

/** The connection's row, its grant and the token in it. */
async function stored({ environmentId }: TestEnvironment, identifier: string) {
  const connection = await dynamoConnectionStore(service.db).find(environmentId, identifier);
  const grant = (await dynamoGrantStore(service.db).get(environmentId, connection?.grantId ?? '')) as Grant;
  return { connection, grant, token: await openToken(environmentVault(service), grant) };
}

async function someGrant({ environmentId }: TestEnvironment, grantId: string | undefined) {
  return dynamoGrantStore(service.db).get(environmentId, grantId ?? '');
}

describe('POST /v1/channel-connections', () => {
  it('answers with the connection, without its token, and keeps the token sealed in a grant of its own', async () => {
    const environment = await service.createTestEnvironment();
    const body = brought();

    const answer = await post(environment, { identifier: 'mine', context: { tenant: 'acme' }, ...body });

    expect(answer.status).toBe(201);
    expect(answer.json).toEqual({
      data: {
        identifier: 'mine',
        channel: 'chat',
        providerId: 'slack',
        integrationIdentifier: 'slack',
        subscriberId: 'ann',
        contextKeys: ['tenant:acme'],
        workspace: body.workspace,
        auth: { accessToken: 'hidden' },
        status: 'active',
        scopes: [],
        createdAt: expect.any(String),
        updatedAt: expect.any(String),
      },
    });
    expect(await service.connections(environment)).toEqual([answer.json.data]);
    const { grant, token } = await stored(environment, 'mine');
    expect(grant).toMatchObject({ source: 'caller', status: 'active', account: { id: 'T0BROUGHT1' } });
    expect(token).toEqual({ accessToken: body.auth.accessToken });
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });

  it('shows and logs no token, and stores none unsealed', async () => {
    const environment = await service.createTestEnvironment();
    const auth = { accessToken: 'xoxb-canary-access', refreshToken: 'xoxe-1-canary-refresh' };

    const answers = [
      await post(environment, { identifier: 'mine', auth }),
      await patch(environment, 'mine', { ...brought(), auth }),
      await patch(environment, 'mine', { ...brought(), auth: { ...auth, accesToken: 'xoxb-canary-typo' } }),
      await post(environment, { auth }),
    ];

    const { Items } = await service.db.client.send(new ScanCommand({ TableName: service.db.tables.connections }));
    expect(answers.map((answer) => answer.status)).toEqual([201, 200, 422, 409]);
    expect(JSON.stringify([answers, Items, service.lines])).not.toContain('canary-');
  });

  it('gives the derived identifier when none is asked for, and takes it for its own subject', async () => {
    const environment = await service.createTestEnvironment();
    const { identifier } = (await post(environment)).json.data;
    await service.api(environment.apiKey, 'DELETE', `${collection}/${identifier}`);

    const answer = await post(environment, { identifier });

    expect(answer.json.data.identifier).toBe(identifier);
    expect(identifier).toBe(derivedIdentifier(identifier.slice('chconn-'.length)));
  });

  it('stores no subscriber on a shared connection', async () => {
    const environment = await service.createTestEnvironment();

    const answer = await post(environment, { connectionMode: 'shared', context: { tenant: 'acme' } });

    expect(answer.json.data).toMatchObject({ subscriberId: null, contextKeys: ['tenant:acme'] });
  });

  it.each([
    [{ integrationIdentifier: 'nope' }, 404, 'integration_not_found', 'Integration not found: nope'],
    [
      { subscriberId: undefined, connectionMode: 'subscriber' },
      400,
      'subscriber_required',
      'subscriberId is required when connectionMode is "subscriber"',
    ],
    [{ connectionMode: 'shared' }, 400, 'context_required', 'context is required when connectionMode is "shared"'],
    [
      { subscriberId: undefined },
      400,
      'subscriber_or_context_required',
      'Either subscriberId or context must be provided',
    ],
    [
      { identifier: derivedIdentifier('0'.repeat(64)) },
      400,
      'identifier_reserved',
      'identifier has the form of a derived identifier, which belongs to another subscriber or context.',
    ],
  ])('refuses %j', async (body, status, error, message) => {
    const environment = await service.createTestEnvironment();

    const answer = await post(environment, body);

    expect(answer).toMatchObject({ status, json: { statusCode: status, error, message } });
    expect(await service.connections(environment)).toEqual([]);
  });

  it.each<[object, string]>([
    [{ workspace: undefined }, 'workspace: '],
    [{ workspace: { id: '' } }, 'workspace.id: '],
    [{ auth: {} }, 'auth.accessToken: '],
    [{ auth: { accessToken: '' } }, 'auth.accessToken: '],
    [{ auth: { accessToken: 'a', expiresAt: 'tomorrow' } }, 'auth.expiresAt: must be an ISO time'],
    [{ identifier: 'a/b' }, 'identifier: '],
    [{ connectionMode: 'both' }, 'connectionMode: '],
    [{ subscriberID: 'ann' }, 'body: '],
    [{ context: { 'a b': 'c' } }, 'Invalid context payload'],
  ])('finds the fault in %j', async (body, message) => {
    const environment = await service.createTestEnvironment();

    const answer = await post(environment, body);

    expect(answer.status).toBe(422);
    expect(answer.json.errors.general.messages[0]).toContain(message);
  });

  it.each([
    [{ subscriberId: 'ann' }, 'subscriberId "ann" and no context'],
    [{ subscriberId: undefined, context: { tenant: 'acme' } }, 'no subscriberId and context [tenant:acme]'],
  ])('refuses a second connection of %j', async (whose, words) => {
    const environment = await service.createTestEnvironment();
    const { identifier } = (await post(environment, whose)).json.data;
    const [first] = await service.connections(environment);

    const answer = await post(environment, { ...whose, identifier: 'another' });

    expect(answer).toMatchObject({
      status: 409,
      json: {
        error: 'connection_exists',
        message: `A channel connection already exists for integration "slack" with ${words}. Connection ID: ${identifier}`,
      },
    });
    expect(await service.connections(environment)).toEqual([first]);
  });

  it('refuses an identifier that is another connection’s', async () => {
    const environment = await service.createTestEnvironment();
    await post(environment, { identifier: 'mine' });

    const answer = await post(environment, { identifier: 'mine', subscriberId: 'bob' });

    expect(answer).toMatchObject({
      status: 409,
      json: {
        error: 'conflict',
        message: `Channel connection with identifier "mine" already exists in environment "${environment.environmentId}"`,
      },
    });
    expect(await service.connections(environment)).toHaveLength(1);
  });

  it('makes exactly one connection of several at once, with the token of the one that was told so', async () => {
    const environment = await service.createTestEnvironment();
    const bodies = Array.from({ length: 10 }, () => brought());

    const answers = await Promise.all(bodies.map((body) => post(environment, { ...body, identifier: 'mine' })));

    expect(answers.map((answer) => answer.status).sort()).toEqual([201, ...Array(9).fill(409)]);
    const winner = bodies[answers.findIndex((answer) => answer.status === 201)];
    expect((await stored(environment, 'mine')).token).toEqual(winner?.auth);
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });

  it('needs a key that may manage', async () => {
    const environment = await service.createTestEnvironment();
    await post(environment, { identifier: 'mine' });
    const [before] = await service.connections(environment);
    const limited = {
      ...environment,
      apiKey: await service.createApiKey(environment.environmentId, ['connect', 'tokens']),
    };

    const answers = [
      await post(limited, { subscriberId: 'bob' }),
      await patch(limited, 'mine'),
      await service.api(limited.apiKey, 'DELETE', `${collection}/mine`),
    ];

    expect(answers.map((answer) => [answer.status, answer.json.error])).toEqual(Array(3).fill([403, 'forbidden']));
    expect(await service.connections(environment)).toEqual([before]);
  });
});

describe('a refresh token that is brought', () => {
  it('is kept with its expiry; without one the token is refreshed before its first use', async () => {
    const environment = await service.createTestEnvironment();
    const auth = { accessToken: 'xoxe.xoxb-a', refreshToken: 'xoxe-1-a' };
    const before = Math.floor(service.now() / 1000);

    await post(environment, { identifier: 'one', auth: { ...auth, expiresAt: '2030-01-01T00:00:00Z' } });
    await post(environment, { identifier: 'two', subscriberId: 'bob', auth });

    const known = await stored(environment, 'one');
    expect(known.token).toEqual({ ...auth, expiresAt: Date.parse('2030-01-01T00:00:00Z') / 1000 });
    expect(known.grant.tokenExpiresAt).toBe(known.token.expiresAt);
    const { tokenExpiresAt = 0 } = (await stored(environment, 'two')).grant;
    expect(tokenExpiresAt).toBeGreaterThanOrEqual(before);
    expect(tokenExpiresAt).toBeLessThanOrEqual(service.now() / 1000);
  });

  it('is refused for Teams, in both calls', async () => {
    const environment = await createTeams(service);
    const auth = { accessToken: 'a', refreshToken: 'b' };
    const workspace = { id: randomUUID() };
    const made = await post(environment, { integrationIdentifier: 'msteams', identifier: 'mine', workspace });

    const answers = [
      await post(environment, { integrationIdentifier: 'msteams', subscriberId: 'bob', workspace, auth }),
      await patch(environment, 'mine', { workspace, auth }),
    ];

    expect(made.json.data).toMatchObject({ providerId: 'msteams', status: 'active', workspace });
    for (const answer of answers) {
      expect(answer).toMatchObject({
        status: 400,
        json: {
          error: 'rotation_unsupported',
          message:
            'Token rotation is not supported for provider "msteams". Remove refreshToken from the connection auth.',
        },
      });
    }
  });

  it('is refused when the integration could not refresh it', async () => {
    const environment = await service.createTestEnvironment();
    const [integration] = (await service.api(environment.apiKey, 'GET', '/v1/integrations')).json.data;
    await service.db.client.send(
      new UpdateCommand({
        TableName: service.db.tables.connections,
        Key: keyOf.integration(integration._id),
        UpdateExpression: 'REMOVE sealedCredentials.secretKey',
      }),
    );

    const answer = await post(environment, { auth: { accessToken: 'a', refreshToken: 'b' } });

    expect(answer).toMatchObject({
      status: 400,
      json: {
        error: 'rotation_credentials_missing',
        message: 'Integration "slack" must have clientId and secretKey configured to store a rotating refresh token.',
      },
    });
  });
});

describe('PATCH /v1/channel-connections/{identifier}', () => {
  it('replaces workspace and token wholesale', async () => {
    const environment = await service.createTestEnvironment();
    const made = (await post(environment, { identifier: 'mine', context: { tenant: 'acme' } })).json.data;
    const old = await stored(environment, 'mine');
    service.advance(1_000);
    const auth = { accessToken: 'xoxb-next' };

    const answer = await patch(environment, 'mine', { workspace: { id: 'T0NEXT' }, auth });

    expect(answer.status).toBe(200);
    expect(answer.json.data).toEqual({
      ...made,
      workspace: { id: 'T0NEXT' },
      updatedAt: expect.not.stringMatching(made.updatedAt),
    });
    expect((await service.api(environment.apiKey, 'GET', `${collection}/mine`)).json).toEqual(answer.json);
    expect((await stored(environment, 'mine')).token).toEqual(auth);
    expect(await someGrant(environment, old.grant.grantId)).toMatchObject({ status: 'revoked', token: '' });
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });

  it('answers by the derived identifier as well, and 404 for what does not exist', async () => {
    const environment = await service.createTestEnvironment();
    await post(environment, { identifier: 'mine' });
    const { connection } = await stored(environment, 'mine');

    const answer = await patch(environment, derivedIdentifier(connection?.subjectKey ?? ''));
    const missing = await patch(environment, 'nope');

    expect(answer.json.data.identifier).toBe('mine');
    expect(missing).toMatchObject({
      status: 404,
      json: { error: 'connection_not_found', message: 'Channel connection with identifier "nope" not found' },
    });
  });

  it.each([{ workspace: brought().workspace }, { auth: brought().auth }, { ...brought(), identifier: 'other' }])(
    'demands both parts and nothing else',
    async (body) => {
      const environment = await service.createTestEnvironment();
      await post(environment, { identifier: 'mine' });

      expect((await patch(environment, 'mine', body)).status).toBe(422);
    },
  );

  it('lets go of what a flow got: revokes its token, and removes what flows linked in its workspace', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine', autoLinkUser: true });
    const own = { integrationIdentifier: 'slack', subscriberId: 'subscriber-1', connectionIdentifier: 'mine' };
    const byCaller = await service.api(environment.apiKey, 'POST', '/v1/channel-endpoints', {
      ...own,
      type: 'slack_channel',
      endpoint: { channelId: 'C0GENERAL' },
    });
    const flowGrant = (await stored(environment, 'mine')).grant;
    const before = revocations();

    await patch(environment, 'mine', brought('T0OTHER'));

    expect(revocations() - before).toBe(1);
    expect(await someGrant(environment, flowGrant.grantId)).toMatchObject({ status: 'revoked', token: '' });
    expect(await service.endpoints(environment)).toMatchObject([{ identifier: byCaller.json.data.identifier }]);
    expect((await stored(environment, 'mine')).grant.source).toBe('caller');
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });

  it('keeps what was linked when the workspace stays the same', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine', autoLinkUser: true });

    await patch(environment, 'mine', brought('T0ACME0001'));
    await letSweepFinish(service);

    expect(await service.endpoints(environment)).toHaveLength(1);
  });

  it('leaves a flow’s token alive while another connection lives on it', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine' });
    await service.connect(environment, { subscriberId: 'bob' });
    const before = revocations();

    await patch(environment, 'mine');
    await letSweepFinish(service);

    expect(revocations()).toBe(before);
    await expectSettled(service, environment);
  });

  it('does not revoke the token that it is given back', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine' });
    const { grant, token } = await stored(environment, 'mine');
    const before = revocations();

    await patch(environment, 'mine', { workspace: { id: 'T0ACME0001' }, auth: { accessToken: token.accessToken } });
    await letSweepFinish(service);

    expect(revocations()).toBe(before);
    expect(await someGrant(environment, grant.grantId)).toMatchObject({ status: 'revoked', token: '' });
    expect((await stored(environment, 'mine')).token).toEqual(token);
  });

  it('never removes the app of a token that is brought for its workspace, also when Slack confirms late', async () => {
    const environment = await service.createTestEnvironment({ configurations: { revoke: 'uninstall' } });
    await service.connect(environment, { connectionIdentifier: 'mine' });
    service.slack.misbehave({ method: 'auth.revoke', kind: 'http_500', times: 1 });
    const before = [service.slack.count('auth.revoke'), service.slack.count('apps.uninstall')];

    await patch(environment, 'mine', brought('T0ACME0001'));
    await letSweepFinish(service);

    const after = [service.slack.count('auth.revoke'), service.slack.count('apps.uninstall')];
    expect(after.map((count, index) => count - (before[index] ?? 0))).toEqual([2, 0]);
    await expectSettled(service, environment);
  });

  it('ends with the workspace and the token of one of several at once', async () => {
    const environment = await service.createTestEnvironment();
    await post(environment, { identifier: 'mine' });
    const bodies = Array.from({ length: 5 }, (_, index) => brought(`T0NEXT${index}`));

    const answers = await Promise.all(bodies.map((body) => patch(environment, 'mine', body)));

    expect(answers.map((answer) => answer.status)).toEqual(Array(5).fill(200));
    const { connection, token } = await stored(environment, 'mine');
    const shown = bodies.find((body) => body.workspace.id === connection?.account.id);
    expect(token).toEqual(shown?.auth);
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });
});

describe('a flow over a connection that a caller made', () => {
  it('takes it over, and what the caller brought is erased and never revoked', async () => {
    const environment = await service.createTestEnvironment();
    await post(environment, { subscriberId: 'subscriber-1', identifier: 'mine', ...brought('T0ACME0001') });
    const { grant } = await stored(environment, 'mine');
    const before = revocations();

    await service.connect(environment);

    expect((await stored(environment, 'mine')).grant.source).toBe('flow');
    expect(await someGrant(environment, grant.grantId)).toMatchObject({ status: 'revoked', token: '' });
    expect(revocations()).toBe(before);
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });

  it('goes on with it when it is newer, and keeps no token of its own', async () => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment));
    service.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });
    await service.request('GET', callback);
    service.slack.behave();
    service.advance(1_000);
    const { identifier } = (await post(environment, { subscriberId: 'subscriber-1', ...brought('T0ACME0001') })).json
      .data;
    const before = revocations();

    const page = await service.request('GET', callback);

    expect(page.status).toBe(200);
    expect((await stored(environment, identifier)).grant.source).toBe('caller');
    expect(revocations() - before).toBe(1);
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });
});

describe('a key of another environment', () => {
  it('neither replaces nor deletes a connection, nor makes one with the integration', async () => {
    const victim = await service.createTestEnvironment();
    await service.connect(victim, { connectionIdentifier: 'mine', autoLinkUser: true });
    const [connection] = await service.connections(victim);
    const [integration] = (await service.api(victim.apiKey, 'GET', '/v1/integrations')).json.data;
    const { connection: row } = await stored(victim, 'mine');
    const attacker = await createTeams(service);
    await service.api(attacker.apiKey, 'DELETE', '/v1/integrations/slack');
    const calls = service.slack.calls.length;

    const answers = [];
    for (const identifier of ['mine', derivedIdentifier(row?.subjectKey ?? '')]) {
      answers.push(await patch(attacker, identifier));
      answers.push(await service.api(attacker.apiKey, 'DELETE', `${collection}/${identifier}`));
    }
    answers.push(await post(attacker, { integrationIdentifier: integration._id }));

    expect(answers.map((answer) => answer.status)).toEqual(Array(5).fill(404));
    expect(await service.connections(victim)).toEqual([connection]);
    expect(service.slack.calls.length).toBe(calls);
  });
});

describe('a process that ends', () => {
  const posted = { integrationIdentifier: 'slack', subscriberId: 'ann', identifier: 'mine' };

  it.each(Array.from({ length: 12 }, (_, index) => index + 1))(
    'before DynamoDB command %d of a POST leaves nothing behind, or a connection; a repeat makes it one',
    async (k) => {
      const environment = await service.createTestEnvironment();
      const abandoned = await service.createTestEnvironment();
      const body = { ...posted, ...brought() };
      for (const { apiKey } of [environment, abandoned]) {
        const dying = startInstance(service);
        dying.faults.killAt(k);
        await dying.api(apiKey, 'POST', collection, body).catch(() => undefined);
      }
      await expectUsable(service, environment);
      const made = await service.connections(environment);

      const repeat = await post(environment, body);
      await letSweepFinish(service);

      expect(repeat.status).toBe(made.length === 0 ? 201 : 409);
      expect((await stored(environment, 'mine')).token).toEqual(body.auth);
      await expectSettled(service, environment);
      await expectUsable(service, abandoned);
      expect(await tokensLeft(abandoned)).toBe((await service.connections(abandoned)).length);
    },
  );

  it.each(Array.from({ length: 24 }, (_, index) => index + 1))(
    'before DynamoDB command %d of a PATCH leaves the connection with its old workspace and token or with the new ones',
    async (k) => {
      const environment = await service.createTestEnvironment();
      await service.connect(environment, { connectionIdentifier: 'mine', autoLinkUser: true });
      const flowGrant = (await stored(environment, 'mine')).grant;
      const body = brought('T0OTHER');
      const dying = startInstance(service);
      dying.faults.killAt(k);
      await dying.api(environment.apiKey, 'PATCH', `${collection}/mine`, body).catch(() => undefined);
      await expectUsable(service, environment);
      const { connection, token } = await stored(environment, 'mine');
      expect(token.accessToken === body.auth.accessToken).toBe(connection?.account.id === 'T0OTHER');

      await letSweepFinish(service);
      await expectSettled(service, environment);
      const isReplaced = connection?.account.id === 'T0OTHER';
      expect((await someGrant(environment, flowGrant.grantId))?.status).toBe(isReplaced ? 'revoked' : 'active');
      expect(await service.endpoints(environment)).toHaveLength(isReplaced ? 0 : 1);

      expect((await patch(environment, 'mine', body)).status).toBe(200);
      await letSweepFinish(service);
      await expectSettled(service, environment);
      expect((await stored(environment, 'mine')).token).toEqual(body.auth);
    },
  );

  async function tokensLeft({ environmentId }: TestEnvironment): Promise<number> {
    const { Items = [] } = await service.db.client.send(
      new ScanCommand({ TableName: service.db.tables.connections, ConsistentRead: true }),
    );
    return Items.filter((row) => row['sk'] === 'GRANT' && row['environmentId'] === environmentId && row['token'] !== '')
      .length;
  }
});
