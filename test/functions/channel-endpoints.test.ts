import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { derivedIdentifier, subjectKeyIn, tombstoneOf } from '../../lib/connection/connection.ts';
import { dynamoConnectionStore } from '../../lib/store/connection-store.ts';
import { keyOf } from '../../lib/store/keys.ts';
import { type Command, startInstance } from '../support/instance.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { createTeams } from '../support/teams.ts';

const path = '/v1/channel-endpoints';
const webhookUrl = 'https://hooks.example.com/services/canary-hook';

let service: TestService;
/** With an integration of Slack's and one of Teams'. */
let environment: TestEnvironment;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

beforeEach(async () => {
  environment = await createTeams(service);
});

const slackUser = {
  integrationIdentifier: 'slack',
  subscriberId: 'ann',
  type: 'slack_user',
  endpoint: { userId: 'U0ANN' },
};

const post = (body: object = {}, apiKey = environment.apiKey) =>
  service.api(apiKey, 'POST', path, { ...slackUser, ...body });
const patch = (identifier: string, endpoint: unknown, apiKey = environment.apiKey) =>
  service.api(apiKey, 'PATCH', `${path}/${identifier}`, { endpoint });
const get = (identifier: string) => service.api(environment.apiKey, 'GET', `${path}/${identifier}`);
const remove = (identifier: string, apiKey = environment.apiKey) =>
  service.api(apiKey, 'DELETE', `${path}/${identifier}`);

async function connected(body: object = {}): Promise<{ identifier: string; derived: string }> {
  await service.connect(environment, { subscriberId: 'ann', ...body });
  const connections = await service.connections(environment, '&subscriberId=ann');
  const [{ identifier }] = connections;
  const { Items = [] } = await service.db.client.send(new ScanCommand({ TableName: service.db.tables.connections }));
  const row = Items.find((item) => item['identifier'] === identifier && item['sk'] === 'CONN');
  return { identifier, derived: derivedIdentifier(row?.['subjectKey']) };
}

/** What a deletion of a connection begins with. */
async function deleteConnection(derived: string): Promise<void> {
  const connections = dynamoConnectionStore(service.db);
  const connection = await connections.get(environment.environmentId, subjectKeyIn(derived) ?? '');
  if (!connection) throw new Error('no connection');
  await connections.put(tombstoneOf(connection, service.now()), connection.revision);
}

describe('POST /v1/channel-endpoints', () => {
  it.each([
    ['slack', 'slack_channel', { channelId: 'C0GENERAL' }],
    ['slack', 'slack_user', { userId: 'U0ANN' }],
    ['slack', 'webhook', { url: webhookUrl, channel: '#general' }],
    ['slack', 'webhook', { url: webhookUrl }],
    ['msteams', 'ms_teams_channel', { teamId: 'team-1', channelId: '19:abc@thread.tacv2' }],
    ['msteams', 'ms_teams_user', { userId: 'user-1' }],
    ['msteams', 'ms_teams_user', { userId: 'user-1', tenantId: 'tenant-1' }],
    ['msteams', 'webhook', { url: webhookUrl }],
  ])('makes for %s a %s of exactly %j', async (integrationIdentifier, type, endpoint) => {
    const context = { tenant: { id: 'acme', data: { plan: 'pro' } }, app: 'jira' };
    const body = { integrationIdentifier, type, endpoint, context };

    const created = await post({ ...body, identifier: 'mine', createSubscriberIfMissing: true });

    expect(created.status).toBe(201);
    expect(created.json).toEqual({
      data: {
        identifier: 'mine',
        channel: 'chat',
        providerId: integrationIdentifier,
        integrationIdentifier,
        connectionIdentifier: null,
        subscriberId: 'ann',
        contextKeys: ['app:jira', 'tenant:acme'],
        type,
        endpoint,
        createdAt: expect.any(String),
        updatedAt: created.json.data.createdAt,
      },
    });
    expect((await get('mine')).json).toEqual(created.json);
    expect(await service.endpoints(environment)).toEqual([created.json.data]);
  });

  it('makes up an identifier that is none of a flow’s, and as many endpoints as are asked for', async () => {
    const [one, other] = [await post(), await post({ createSubscriberIfMissing: false })];

    expect(one.json.data.identifier).toMatch(/^chendp_[A-Za-z0-9_-]{12}$/);
    expect(other.json.data.identifier).not.toBe(one.json.data.identifier);
    expect(await service.endpoints(environment)).toHaveLength(2);
  });

  it.each([
    ['slack_user', undefined],
    ['slack_user', null],
    ['slack_user', 'U0ANN'],
    ['slack_user', ['U0ANN']],
    ['slack_user', {}],
    ['slack_user', { userId: '' }],
    ['slack_user', { userId: 5 }],
    ['slack_user', { userId: 'U0\nANN' }],
    ['slack_user', { userId: 'U'.repeat(1025) }],
    ['slack_user', { userId: 'U0ANN', channelId: 'C0GENERAL' }],
    ['slack_user', { userId: 'U0ANN', type: 'slack_user' }],
    ['slack_user', { userId: 'U0ANN', tenantId: 'T0' }],
    ['slack_user', JSON.parse('{"userId":"U0ANN","__proto__":{}}')],
    ['slack_channel', { userId: 'U0ANN' }],
    ['webhook', {}],
    ['webhook', { channel: '#general' }],
    ['webhook', { url: 5 }],
    ['webhook', { url: webhookUrl, channel: null }],
    ['webhook', { url: webhookUrl, headers: {} }],
    ['webhook', { sealedUrl: webhookUrl }],
    ['ms_teams_channel', { channelId: '19:abc' }],
    ['ms_teams_channel', { teamId: 'team-1' }],
    ['ms_teams_user', { tenantId: 'tenant-1' }],
    ['ms_teams_user', { userId: 'user-1', tenantId: null }],
  ])('refuses for a %s the payload %j', async (type, endpoint) => {
    const integrationIdentifier = type.startsWith('ms_') ? 'msteams' : 'slack';

    const answer = await post({ integrationIdentifier, type, endpoint });

    expect(answer.status).toBe(422);
    expect(answer.json).toMatchObject({
      error: 'validation_failed',
      message: 'Validation Error',
      errors: { general: { messages: [`Endpoint must match the required format for type "${type}"`] } },
    });
    expect(await service.endpoints(environment)).toEqual([]);
  });

  it.each([
    ['http://hooks.example.com/', 'must begin with https://'],
    ['https://user:canary@hooks.example.com/', 'must not contain a user name or password'],
    ['https://169.254.169.254/latest/meta-data/', 'must have a public host'],
    ['https://2130706433/', 'must have a public host'],
    ['https://[::ffff:10.0.0.1]/', 'must have a public host'],
    ['https://localhost/', 'must have a public host'],
  ])('refuses the webhook %s', async (url, problem) => {
    const created = await post({ type: 'webhook', endpoint: { url } });

    const [message] = created.json.errors.general.messages;
    expect(created.status).toBe(422);
    expect(message).toContain(`Endpoint must match the required format for type "webhook": url ${problem}`);
    expect(message).not.toContain('canary');
  });

  it('keeps a webhook’s URL in its normal form', async () => {
    const created = await post({ type: 'webhook', endpoint: { url: 'HTTPS://Hooks.Example.COM:443/a' } });

    expect(created.json.data.endpoint).toEqual({ url: 'https://hooks.example.com/a' });
  });

  it.each([
    [{ type: 'phone', endpoint: { phoneNumber: '+15550100' } }, /^type: .*slack_channel.*webhook.*ms_teams_user/],
    [{ type: 'pagerduty_service' }, /^type: .*slack_channel/],
    [{ type: undefined }, /^type: .*slack_channel/],
    [
      { type: 'ms_teams_user' },
      /^type: must be one of slack_channel, slack_user, webhook for an integration of slack, not ms_teams_user$/,
    ],
    [
      { integrationIdentifier: 'msteams' },
      /^type: must be one of ms_teams_channel, ms_teams_user, webhook for an integration of msteams, not slack_user$/,
    ],
    [{ subscriberId: undefined }, /^subscriberId/],
    [{ subscriberId: '' }, /^subscriberId: must not be empty$/],
    [{ integrationIdentifier: undefined }, /^integrationIdentifier/],
    [{ identifier: 'a/b' }, /^identifier: must not contain/],
    [{ identifier: '' }, /^identifier: must not be empty$/],
    [{ createSubscriberIfMissing: 'yes' }, /^createSubscriberIfMissing/],
    [{ context: {} }, /^Invalid context payload structure/],
    [{ context: { a: '1', b: '2', c: '3', d: '4', e: '5', f: '6' } }, /^Too many contexts: 6 provided/],
    [{ connectionMode: 'shared' }, /connectionMode/],
  ])('answers %j with 422', async (body, message) => {
    const answer = await post(body);

    expect(answer.status).toBe(422);
    expect(answer.json.errors.general.messages.join('\n')).toMatch(message);
  });

  it('says what is wrong in the contract’s order and words', async () => {
    const { environmentId } = environment;
    await post({ identifier: 'taken' });
    const wrong = {
      integrationIdentifier: 'nope',
      context: {},
      identifier: 'taken',
      connectionIdentifier: 'missing',
    };

    const integration = await post(wrong);
    const context = await post({ ...wrong, integrationIdentifier: 'slack' });
    const taken = await post({ ...wrong, integrationIdentifier: 'slack', context: undefined });
    const connection = await post({ connectionIdentifier: 'missing', identifier: 'free' });

    expect(integration.status).toBe(404);
    expect(integration.json).toMatchObject({
      message: 'Integration not found: nope',
      error: 'integration_not_found',
    });
    expect(context.status).toBe(422);
    expect(taken.status).toBe(409);
    expect(taken.json).toMatchObject({
      message: `Channel endpoint with identifier "taken" already exists in environment "${environmentId}"`,
      error: 'conflict',
    });
    expect(connection.status).toBe(404);
    expect(connection.json).toMatchObject({
      message: 'Channel connection not found: missing',
      error: 'connection_not_found',
    });
    expect(await service.endpoints(environment)).toHaveLength(1);
  });

  it('takes an identifier of a thousand characters that are longer than a key may be', async () => {
    const identifier = `ü"${'é'.repeat(1022)}`;
    const created = await post({ identifier });
    await post({ identifier: 'later' });

    const found = await get(encodeURIComponent(identifier));
    const { next } = (await service.api(environment.apiKey, 'GET', `${path}?limit=1&orderDirection=ASC`)).json;
    const rest = await service.api(environment.apiKey, 'GET', `${path}?orderDirection=ASC&after=${next}`);

    expect(created.status).toBe(201);
    expect(found.json).toEqual(created.json);
    expect(rest.json.data).toMatchObject([{ identifier: 'later' }]);
  });

  it('keeps identifiers of the form that flows derive for flows', async () => {
    const answer = await post({ identifier: `chendp_${'a'.repeat(64)}` });

    expect(answer.status).toBe(400);
    expect(answer.json.error).toBe('identifier_reserved');
  });

  it('goes through a living connection of its integration, under the connection’s name', async () => {
    const { derived } = await connected({ connectionIdentifier: 'acme' });

    const named = await post({ connectionIdentifier: 'acme', subscriberId: 'bob', context: { tenant: 'acme' } });
    const byKey = await post({ connectionIdentifier: derived });
    const otherIntegration = await post({
      integrationIdentifier: 'msteams',
      type: 'ms_teams_user',
      connectionIdentifier: 'acme',
    });

    expect(named.json.data).toMatchObject({ connectionIdentifier: 'acme', subscriberId: 'bob' });
    expect(byKey.json.data.connectionIdentifier).toBe('acme');
    expect(await service.endpoints(environment, '&connectionIdentifier=acme')).toHaveLength(2);
    expect(otherIntegration.status).toBe(404);
    expect(otherIntegration.json.message).toBe('Channel connection not found: acme');
  });

  it('does not go through a connection that was deleted', async () => {
    const { derived } = await connected();
    await deleteConnection(derived);

    expect((await post({ connectionIdentifier: derived })).status).toBe(404);
  });

  it('stays when the connection moves to another workspace, while what a flow linked there goes', async () => {
    await connected({ connectionIdentifier: 'acme', autoLinkUser: true });
    const { identifier } = (await post({ connectionIdentifier: 'acme' })).json.data;

    await service.connect(environment, { subscriberId: 'ann' }, { workspaceId: 'T0GLOBEX01' });

    expect(await service.endpoints(environment)).toMatchObject([{ identifier, connectionIdentifier: 'acme' }]);
  });

  it('gives one identifier to one of twenty at the same time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => post({ identifier: 'one', endpoint: { userId: `U${index}` } })),
    );

    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(19).fill(409)]);
    const winner = answers.find(({ status }) => status === 201);
    expect((await get('one')).json).toEqual(winner?.json);
  });

  it('leaves no endpoint behind when its connection is deleted meanwhile', async () => {
    const { derived } = await connected();
    const instance = startInstance(service);
    instance.before(writesAnEndpoint, () => deleteConnection(derived));

    const answer = await instance.api(environment.apiKey, 'POST', path, {
      ...slackUser,
      identifier: 'late',
      connectionIdentifier: derived,
    });

    expect(answer.statusCode).toBe(404);
    expect(JSON.parse(answer.body ?? '').message).toBe(`Channel connection not found: ${derived}`);
    expect((await get('late')).status).toBe(404);
    expect(await service.endpoints(environment)).toEqual([]);
  });

  it('leaves none behind either when the connection is deleted and made again meanwhile', async () => {
    const { derived } = await connected();
    const instance = startInstance(service);
    instance.before(writesAnEndpoint, async () => {
      await deleteConnection(derived);
      await service.connect(environment, { subscriberId: 'ann' });
    });

    const body = { ...slackUser, identifier: 'late', connectionIdentifier: derived };
    const answer = await instance.api(environment.apiKey, 'POST', path, body);

    expect(answer.statusCode).toBe(404);
    expect(await service.endpoints(environment)).toEqual([]);
  });

  it('takes an identifier again whose endpoint was deleted, with times of its own', async () => {
    const first = (await post({ identifier: 'again', context: { tenant: 'acme' } })).json.data;
    await post({ identifier: 'between' });
    await remove('again');

    const again = await post({ identifier: 'again', endpoint: { userId: 'U0NEW' } });

    expect(again.status).toBe(201);
    expect(again.json.data).toMatchObject({ endpoint: { userId: 'U0NEW' }, contextKeys: [] });
    expect(again.json.data.createdAt > first.createdAt).toBe(true);
    expect(await service.endpoints(environment)).toMatchObject([{ identifier: 'again' }, { identifier: 'between' }]);
  });

  it('takes it also on a machine whose clock is behind', async () => {
    await post({ identifier: 'again' });
    service.advance(60_000);
    await remove('again');
    service.advance(-60_000);

    expect((await post({ identifier: 'again' })).status).toBe(201);
  });

  it('answers any JSON with 201 or a 4xx in the contract’s shape', async () => {
    const json = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          integrationIdentifier: fc.constantFrom('slack', 'msteams', ''),
          subscriberId: fc.oneof(fc.string(), fc.constant(null)),
          type: fc.constantFrom('slack_user', 'webhook', 'ms_teams_user', 'phone'),
          endpoint: fc.oneof(
            fc.jsonValue(),
            fc.record({ userId: fc.string({ unit: 'binary' }) }),
            fc.record({ url: fc.oneof(fc.webUrl(), fc.string()) }),
          ),
          identifier: fc.string({ unit: 'binary' }),
          context: fc.jsonValue(),
        },
        { requiredKeys: ['integrationIdentifier', 'type', 'endpoint'] },
      ),
    );

    await fc.assert(
      fc.asyncProperty(json, async (body) => {
        const answer = await service.api(environment.apiKey, 'POST', path, body);

        expect(answer.status === 201 || (answer.status >= 400 && answer.status < 500)).toBe(true);
        if (answer.status !== 201) expect(answer.json).toMatchObject({ statusCode: answer.status, path });
      }),
      { numRuns: 150 },
    );
  });
});

describe('PATCH /v1/channel-endpoints/{identifier}', () => {
  it.each([
    ['slack', 'slack_channel', { channelId: 'C1' }, { channelId: 'C2' }],
    ['slack', 'slack_user', { userId: 'U1' }, { userId: 'U2' }],
    ['slack', 'webhook', { url: webhookUrl, channel: '#a' }, { url: `${webhookUrl}/2` }],
    ['msteams', 'ms_teams_channel', { teamId: 't1', channelId: 'c1' }, { teamId: 't2', channelId: 'c2' }],
    ['msteams', 'ms_teams_user', { userId: 'u1', tenantId: 't1' }, { userId: 'u2' }],
  ])('points for %s a %s elsewhere', async (integrationIdentifier, type, endpoint, next) => {
    const created = await post({ integrationIdentifier, type, endpoint, identifier: 'mine' });
    service.advance(1_000);

    const changed = await patch('mine', next);

    expect(changed.status).toBe(200);
    expect(changed.json.data).toEqual({
      ...created.json.data,
      endpoint: next,
      updatedAt: expect.not.stringMatching(created.json.data.updatedAt),
    });
    expect((await get('mine')).json).toEqual(changed.json);
    expect(await service.endpoints(environment)).toEqual([changed.json.data]);
  });

  it.each([
    ['slack_user', { channelId: 'C1' }, ''],
    ['slack_user', { userId: 'U2', channelId: 'C1' }, ''],
    ['slack_user', {}, ''],
    ['webhook', { userId: 'U2' }, ''],
    ['webhook', { url: 'https://10.0.0.1/' }, ': url must have a public host, not one of a private network'],
  ])('refuses to make of a %s %j', async (type, endpoint, detail) => {
    const given = type === 'webhook' ? { url: webhookUrl } : { userId: 'U1' };
    const created = await post({ type, endpoint: given, identifier: 'mine' });

    const refused = await patch('mine', endpoint);

    expect(refused.status).toBe(400);
    expect(refused.json).toMatchObject({
      message: `Endpoint must match the required format for type "${type}"${detail}`,
      error: 'endpoint_format_mismatch',
    });
    expect((await get('mine')).json).toEqual(created.json);
  });

  it.each([
    [{}],
    [{ endpoint: null }],
    [{ endpoint: 'U2' }],
    [{ endpoint: { userId: 'U2' }, subscriberId: 'bob' }],
    [{ endpoint: { userId: 'U2' }, type: 'slack_user' }],
  ])('takes nothing but an endpoint: %j is a 422', async (body) => {
    const created = await post({ identifier: 'mine' });

    const refused = await service.api(environment.apiKey, 'PATCH', `${path}/mine`, body);

    expect(refused.status).toBe(422);
    expect((await get('mine')).json).toEqual(created.json);
  });

  it('points elsewhere also what a flow linked, and the flow’s callback does not undo it', async () => {
    const callback = await service.approve(
      await service.connectUrl(environment, { subscriberId: 'ann', autoLinkUser: true }),
    );
    await service.request('GET', callback);
    const [{ identifier }] = await service.endpoints(environment);

    const changed = await patch(identifier, { userId: 'U0OTHER' });
    await service.request('GET', callback);

    expect(changed.status).toBe(200);
    expect(await service.endpoints(environment)).toEqual([changed.json.data]);
  });

  it('answers 404 for what does not exist and for what was deleted', async () => {
    await post({ identifier: 'mine' });
    await remove('mine');

    for (const identifier of ['mine', 'nope']) {
      const answer = await patch(identifier, { userId: 'U2' });
      expect(answer.status).toBe(404);
      expect(answer.json).toMatchObject({
        message: `Channel endpoint with identifier "${identifier}" not found in environment "${environment.environmentId}"`,
        error: 'endpoint_not_found',
      });
    }
  });

  it('does not bring back what is deleted meanwhile', async () => {
    await post({ identifier: 'mine' });
    const instance = startInstance(service);
    instance.before(writesAnEndpoint, () => remove('mine'));

    const answer = await instance.api(environment.apiKey, 'PATCH', `${path}/mine`, { endpoint: { userId: 'U2' } });

    expect(answer.statusCode).toBe(404);
    expect(JSON.parse(answer.body ?? '').error).toBe('endpoint_not_found');
    expect((await get('mine')).status).toBe(404);
    expect(await service.endpoints(environment)).toEqual([]);
  });

  it('goes with a connection that is deleted meanwhile', async () => {
    const { derived } = await connected();
    await post({ identifier: 'mine', connectionIdentifier: derived });
    const instance = startInstance(service);
    instance.before(writesAnEndpoint, () => deleteConnection(derived));

    const answer = await instance.api(environment.apiKey, 'PATCH', `${path}/mine`, { endpoint: { userId: 'U2' } });

    expect(answer.statusCode).toBe(404);
    expect((await get('mine')).status).toBe(404);
  });

  it('does not carry over to a new connection what belonged to the deleted one', async () => {
    const { derived } = await connected();
    await post({ identifier: 'mine', connectionIdentifier: derived });
    await deleteConnection(derived);
    await service.connect(environment, { subscriberId: 'ann' });

    const changed = await patch('mine', { userId: 'U2' });
    const created = await post({ identifier: 'new', connectionIdentifier: derived });

    expect([changed.status, created.status]).toEqual([404, 201]);
    expect(await service.endpoints(environment)).toMatchObject([{ identifier: 'new' }]);
  });

  it('takes twenty changes at once, and one of them stays', async () => {
    await post({ identifier: 'mine' });

    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => patch('mine', { userId: `U${index}` })));

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(answers.map(({ json }) => json.data.endpoint.userId)).toContain(
      (await get('mine')).json.data.endpoint.userId,
    );
  });

  it('changes what a machine with a clock ahead has written', async () => {
    service.advance(60_000);
    await post({ identifier: 'mine' });
    service.advance(-60_000);

    expect((await patch('mine', { userId: 'U2' })).status).toBe(200);
    expect((await get('mine')).json.data.endpoint).toEqual({ userId: 'U2' });
  });
});

describe('DELETE /v1/channel-endpoints/{identifier}', () => {
  it('answers 204 without a body, and hides the endpoint everywhere', async () => {
    await post({ identifier: 'mine', context: { tenant: 'acme' } });

    const deleted = await remove('mine');
    const again = await remove('mine');

    expect([deleted.status, deleted.text]).toEqual([204, '']);
    expect(deleted.headers.has('content-type')).toBe(false);
    expect(again.status).toBe(404);
    expect(again.json).toMatchObject({
      message: `Channel endpoint with identifier "mine" not found in environment "${environment.environmentId}"`,
      error: 'endpoint_not_found',
    });
    for (const query of ['', '&subscriberId=ann', '&contextKeys=tenant:acme', '&integrationIdentifier=slack']) {
      expect(await service.endpoints(environment, query)).toEqual([]);
    }
  });

  it('deletes what is changed meanwhile', async () => {
    await post({ identifier: 'mine' });
    const instance = startInstance(service);
    instance.before(writesAnEndpoint, () => patch('mine', { userId: 'U2' }));

    const answer = await instance.api(environment.apiKey, 'DELETE', `${path}/mine`);

    expect(answer.statusCode).toBe(204);
    expect((await get('mine')).status).toBe(404);
  });

  it('ends what a flow linked, and linking again is a new endpoint with a time of its own', async () => {
    await service.link(environment, { subscriberId: 'ann' });
    const [linked] = await service.endpoints(environment);

    const deleted = await remove(linked.identifier);
    service.advance(1_000);
    await service.link(environment, { subscriberId: 'ann' });

    const [again] = await service.endpoints(environment);
    expect(deleted.status).toBe(204);
    expect(again.identifier).toBe(linked.identifier);
    expect(again.createdAt > linked.createdAt).toBe(true);
  });
});

describe('who may write endpoints', () => {
  it('is a key with the permission manage', async () => {
    await post({ identifier: 'mine' });
    const apiKey = await service.createApiKey(environment.environmentId, ['connect', 'tokens']);

    const answers = await Promise.all([
      post({}, apiKey),
      patch('mine', { userId: 'U2' }, apiKey),
      remove('mine', apiKey),
    ]);

    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403]);
    expect(answers[0]?.json.message).toContain('"manage"');
    expect(await service.endpoints(environment)).toMatchObject([{ identifier: 'mine', endpoint: { userId: 'U0ANN' } }]);
  });

  it('is not a key of another environment, for which nothing of this one exists', async () => {
    const { derived } = await connected({ connectionIdentifier: 'acme' });
    await post({ identifier: 'mine' });
    const before = await service.endpoints(environment);
    const other = await service.createTestEnvironment();

    const changed = await patch('mine', { userId: 'U2' }, other.apiKey);
    const deleted = await remove('mine', other.apiKey);
    const through = await Promise.all(
      [derived, 'acme'].map((connectionIdentifier) => post({ connectionIdentifier }, other.apiKey)),
    );
    const foreignIntegration = await post({ integrationIdentifier: 'msteams', type: 'ms_teams_user' }, other.apiKey);
    const sameName = await post({ identifier: 'mine' }, other.apiKey);

    expect([changed, deleted, ...through, foreignIntegration].map(({ status }) => status)).toEqual(Array(5).fill(404));
    expect(sameName.status).toBe(201);
    expect(await service.endpoints(environment)).toEqual(before);
    expect(await service.endpoints(other)).toEqual([sameName.json.data]);
  });
});

describe('a webhook’s URL', () => {
  it('stands in no row and no log line, and is gone with its endpoint', async () => {
    await post({ type: 'webhook', endpoint: { url: webhookUrl }, identifier: 'hook' });
    await patch('hook', { url: `${webhookUrl}-2` });
    await post({ type: 'webhook', endpoint: { url: 'https://10.0.0.1/canary-hook' } });
    const rows = async () => {
      const scan = new ScanCommand({ TableName: service.db.tables.connections });
      return (await service.db.client.send(scan)).Items ?? [];
    };

    const text = JSON.stringify([await rows(), service.lines]);
    await remove('hook');

    const { pk } = keyOf.endpoint(environment.environmentId, 'hook');
    const tombstone = (await rows()).find((row) => row['pk'] === pk);
    expect(text).not.toContain('canary-hook');
    expect(Object.keys(tombstone ?? {}).sort()).toEqual(
      ['asOf', 'deletedAt', 'expiresAt', 'flowId', 'pk', 'schemaVersion', 'sk'].sort(),
    );
  });
});

function writesAnEndpoint({ name, input }: Command): boolean {
  if (!['PutItemCommand', 'UpdateItemCommand', 'PutCommand', 'UpdateCommand'].includes(name)) return false;
  return JSON.stringify(input.Item ?? input.Key).includes('"P#');
}
