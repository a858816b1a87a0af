import { UpdateCommand } from '@aws-sdk/lib-dynamodb';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { accounts } from '../../infra/local/pretend-slack/directory.ts';
import { botUserId } from '../../infra/local/pretend-slack/grants.ts';
import { type Grant, grantIdOf } from '../../lib/grant/grant.ts';
import { dynamoGrantStore } from '../../lib/store/grant-store.ts';
import { keyOf } from '../../lib/store/keys.ts';
import { aGrant } from '../support/builders.ts';
import { startInstance } from '../support/instance.ts';
import { type Answer, startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { signed, signingSecret, slackEvents } from '../support/slack-events.ts';
import { integrationIdOf } from '../support/slack-stores.ts';
import { createTeams } from '../support/teams.ts';
import { acme, globex, tokenTools } from '../support/tokens.ts';

let service: TestService;
let tools: ReturnType<typeof tokenTools>;

beforeAll(async () => {
  service = await startTestService();
  tools = tokenTools(service);
});

afterEach(() => service.slack.behave());
afterAll(() => service.close());

const ann = acme.people[0]?.id ?? '';
const second = 1_000;

/** An app whose events come here, and which asks people for tokens of theirs, too. */
async function listening(options: Parameters<TestService['createTestEnvironment']>[0] = {}) {
  const environment = await service.createTestEnvironment({
    ...options,
    credentials: { signingSecret, ...options.credentials },
    configurations: { installUserScopes: ['search:read'], ...options.configurations },
  });
  return { environment, slack: await slackEvents(service, environment) };
}

/** The same, and Acme is connected. Time goes on to another second. */
async function connected(options: Parameters<typeof listening>[0] = {}) {
  const app = await listening(options);
  await service.connect(app.environment, { connectionIdentifier: 'mine' });
  service.advance(10 * second);
  return app;
}

async function grantOf(environment: TestEnvironment, userId?: string, accountId = acme.id): Promise<Grant> {
  const grantId = grantIdOf(await integrationIdOf(service, environment), accountId, userId);
  return (await dynamoGrantStore(service.db).get(environment.environmentId, grantId)) as Grant;
}

const ask = (environment: TestEnvironment, identifier = 'mine') =>
  service.api(environment.apiKey, 'POST', `/v1/channel-connections/${identifier}/token`);

/** Time passes, and the person approves once more. */
async function reinstall(environment: TestEnvironment): Promise<void> {
  service.advance(10 * second);
  await service.connect(environment, { connectionIdentifier: 'mine' });
  service.advance(20 * second);
}

const botOf = ({ slackApp }: TestEnvironment) => botUserId(slackApp.appId, acme.id);

/** What a caller can see of a refusal, but for when and where it was. */
function seen({ status, headers, json }: Answer) {
  const { timestamp: _, path: __, ...body } = json;
  const shown = [...headers].filter(
    ([name]) => !['x-request-id', 'apigw-requestid', 'date', 'content-length'].includes(name),
  );
  return { status, body, headers: Object.fromEntries(shown) };
}

const refusal = { status: 401, body: { error: 'signature_invalid' } };

describe('a signature', () => {
  const body = '{ "type": "url_verification",\n "challenge": "caf\\u00e9 – \u{1f510}" }';

  it('of the body as it was sent lets it in', async () => {
    const { slack } = await listening();

    const answer = await slack.send(body);

    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ challenge: 'café – \u{1f510}' });
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('is of the bytes, also of a body that API Gateway gives in base64', async () => {
    const { slack } = await listening();
    const instance = startInstance(service);
    const bytes = Buffer.from(body);
    const headers = signed(bytes, service.now());
    const base64 = bytes.toString('base64');

    const decoded = await instance.slackEvents(slack.path, { headers, body: base64, isBase64Encoded: true });
    const asText = await instance.slackEvents(slack.path, { headers, body: base64, isBase64Encoded: false });

    expect(decoded).toMatchObject({ statusCode: 200, body: JSON.stringify({ challenge: 'café – \u{1f510}' }) });
    expect(asText.statusCode).toBe(401);
  });

  it('holds for bytes that are no text, which are then refused as such', async () => {
    const { slack } = await listening();
    const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0x7d]);

    const answer = await startInstance(service).slackEvents(slack.path, {
      headers: signed(bytes, service.now()),
      body: bytes.toString('base64'),
      isBase64Encoded: true,
    });

    expect(answer.statusCode).toBe(400);
    expect(JSON.parse(answer.body ?? '')).toMatchObject({ error: 'malformed_json' });
  });

  it.each([
    [-300_000, 200],
    [-300_001, 401],
    [300_000, 200],
    [300_001, 401],
  ])('that is made %d ms from now is answered with %d', async (milliseconds, status) => {
    const { slack } = await listening();
    const at = Math.floor(service.now() / second) * second;
    const headers = signed(body, at);
    service.freeze(at - milliseconds);

    const answer = await service.request('POST', slack.path, { headers, body }).finally(() => service.freeze());

    expect(answer.status).toBe(status);
  });

  it.each<[string, (headers: Record<string, string>) => Record<string, string>]>([
    ['without a signature', ({ 'x-slack-signature': _, ...others }) => others],
    ['without a timestamp', ({ 'x-slack-request-timestamp': _, ...others }) => others],
    ['with an empty signature', (headers) => ({ ...headers, 'x-slack-signature': '' })],
    ['with the version alone', (headers) => ({ ...headers, 'x-slack-signature': 'v0=' })],
    ['of another version', (headers) => replaced(headers, /^v0/, 'v1')],
    ['in capitals', (headers) => replaced(headers, /[a-f]/g, 'F')],
    ['that is cut off', (headers) => replaced(headers, /.$/, '')],
    ['given twice', (headers) => replaced(headers, /(.+)/, '$1,$1')],
    ['with another timestamp', (headers) => ({ ...headers, 'x-slack-request-timestamp': plusOne(headers) })],
    ['with a timestamp that is no number', (headers) => ({ ...headers, 'x-slack-request-timestamp': 'now' })],
    ['with a negative timestamp', (headers) => ({ ...headers, 'x-slack-request-timestamp': '-1' })],
    [
      'with a fractional timestamp',
      (headers) => ({ ...headers, 'x-slack-request-timestamp': `${plusOne(headers)}.0` }),
    ],
    ['by another secret', () => signed(body, service.now(), 'another-secret')],
    ['by no secret', () => signed(body, service.now(), '')],
    ['of another body', () => signed(`${body} `, service.now())],
  ])('%s is refused, also for url_verification', async (_, change) => {
    const { slack } = await listening();

    const answer = await service.request('POST', slack.path, { headers: change(signed(body, service.now())), body });

    expect(answer).toMatchObject({ status: 401, json: { error: 'signature_invalid' } });
    expect(answer.text).not.toContain('challenge');
  });

  it('of one integration is worth nothing at another', async () => {
    const mine = await connected({ credentials: { signingSecret: 'of-mine' } });
    const other = await listening({ credentials: { signingSecret: 'of-other' } });
    const text = JSON.stringify(mine.slack.uninstalled());

    const answer = await service.request('POST', mine.slack.path, {
      headers: signed(text, service.now(), 'of-other'),
      body: text,
    });

    expect(answer.status).toBe(401);
    expect((await other.slack.send(body, signed(body, service.now(), 'of-other'))).status).toBe(200);
    expect(await tools.shown(mine.environment)).toMatchObject({ status: 'active' });
  });

  it('is asked for before anything is said of the body', async () => {
    const { slack } = await listening();

    const answer = await service.request('POST', slack.path, { headers: { 'content-type': 'text/plain' }, body: '{' });

    expect(answer.status).toBe(401);
  });

  it('that is wrong is answered as an integration is that does not take events, and the log says which it was', async () => {
    const { slack } = await listening();
    const without = await service.createTestEnvironment();
    const teams = await createTeams(service);
    const deleted = await listening();
    const deletedId = await integrationIdOf(service, deleted.environment);
    await service.api(deleted.environment.apiKey, 'DELETE', `/v1/integrations/${deletedId}`);
    const wrong = signed(body, service.now(), 'wrong');
    const right = signed(body, service.now());
    const paths: [string, string, Record<string, string>][] = [
      ['signature_mismatch', slack.path, wrong],
      ['signature_missing', slack.path, {}],
      ['timestamp_too_far', slack.path, signed(body, 0)],
      ['signing_secret_missing', (await slackEvents(service, without)).path, right],
      ['integration_unknown', slack.path.replace(/[0-9a-f]{24}/, '0123456789abcdef01234567'), right],
      ['integration_unknown', slack.path.replace(/[0-9a-f]{24}/, 'slack'), right],
      [
        'integration_unknown',
        slack.path.replace(/[0-9a-f]{24}/, await integrationIdOf(service, teams, 'msteams')),
        right,
      ],
      ['integration_unknown', deleted.slack.path, right],
    ];
    service.lines.length = 0;

    const answers = await Promise.all(
      paths.map(([, path, headers]) => service.request('POST', path, { headers, body })),
    );

    for (const answer of answers) expect(seen(answer)).toMatchObject(refusal);
    expect(new Set(answers.map((answer) => JSON.stringify(seen(answer)))).size).toBe(1);
    const warnings = service.lines.filter(({ level }) => level === 'warn').map(({ fields }) => fields['reason']);
    expect(warnings.sort()).toEqual(paths.map(([reason]) => reason).sort());
  });
});

function replaced(headers: Record<string, string>, what: RegExp, by: string): Record<string, string> {
  return { ...headers, 'x-slack-signature': (headers['x-slack-signature'] ?? '').replace(what, by) };
}

function plusOne(headers: Record<string, string>): string {
  return String(Number(headers['x-slack-request-timestamp']) + 1);
}

describe('a body', () => {
  it.each<[string, string, number, string]>([
    ['that is no JSON', '{"type":', 400, 'malformed_json'],
    ['that is empty', '', 400, 'event_invalid'],
    ['that is a list', '[]', 400, 'event_invalid'],
    ['that is a string', '"url_verification"', 400, 'event_invalid'],
    ['without a type', '{}', 400, 'event_invalid'],
    ['without a challenge', '{"type":"url_verification"}', 400, 'event_invalid'],
    ['with a challenge that is no string', '{"type":"url_verification","challenge":1}', 400, 'event_invalid'],
    ['without an event', '{"type":"event_callback"}', 400, 'event_invalid'],
    ['over 256 KB', JSON.stringify({ type: 'event_callback', x: 'x'.repeat(256 * 1024) }), 413, 'body_too_large'],
  ])('%s is refused', async (_, body, status, code) => {
    const { slack } = await listening();

    expect(await slack.send(body)).toMatchObject({ status, json: { error: code } });
  });

  it.each<[string, object]>([
    ['event_time', { event_time: 'yesterday' }],
    ['event_time', { event_time: 1.5 }],
    ['event_id', { event_id: 'Ev 1' }],
    ['event_id', { event_id: 'x'.repeat(101) }],
    ['api_app_id', { api_app_id: null }],
    ['event.type', { event: {} }],
    ['event.type', { event: { type: 'a\nb' } }],
    ['tokens', { event: { type: 'tokens_revoked' } }],
    ['tokens.bot.0', { event: { type: 'tokens_revoked', tokens: { bot: [{ canary: 1 }] } } }],
    ['team_ids', { event: { type: 'team_access_revoked' } }],
    ['app_id', { event: { type: 'app_uninstalled_team', team_id: 'T0ACME0001' } }],
  ])('with a wrong %s is refused, which the message names without its value', async (field, wrong) => {
    const { slack } = await listening();

    const answer = await slack.send(slack.envelope({ type: 'app_uninstalled' }, wrong));

    expect(answer).toMatchObject({ status: 400, json: { error: 'event_invalid' } });
    expect(answer.json.message).toBe(`Not an event of Slack's: ${field}.`);
  });

  it('of another type than JSON is refused', async () => {
    const { slack } = await listening();

    const answer = await slack.send('payload=%7B%7D', { 'content-type': 'application/x-www-form-urlencoded' });

    expect(answer).toMatchObject({ status: 415, json: { error: 'unsupported_media_type' } });
  });

  it.each<[string, object]>([
    ['of another kind', { type: 'app_rate_limited', minute_rate_limited: 1 }],
    ['with another event', { event: { type: 'app_mention', text: 'canary-message', tokens: 'x' } }],
  ])('%s is answered and nothing is done', async (_, other) => {
    const { environment, slack } = await connected();

    const answer = await slack.send(slack.envelope({ type: 'app_uninstalled' }, other));

    expect(answer).toMatchObject({ status: 200, json: {} });
    expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
  });
});

describe('app_uninstalled', () => {
  it('ends the bot’s token and everybody’s, which connections show and the token route says', async () => {
    const { environment, slack } = await connected();
    await service.link(environment, { userScope: ['identity.basic'] });
    const before = await service.endpoints(environment);

    const answer = await slack.send(slack.uninstalled());

    expect(answer).toMatchObject({ status: 200, json: {} });
    expect(await tools.shown(environment)).toMatchObject({ status: 'revoked', statusReason: 'app_uninstalled' });
    expect(await ask(environment)).toMatchObject({
      status: 409,
      json: { error: 'reauthorization_required', reason: 'app_uninstalled' },
    });
    for (const userId of [undefined, ann]) {
      expect(await grantOf(environment, userId)).toMatchObject({
        status: 'revoked',
        statusReason: 'app_uninstalled',
        token: '',
      });
    }
    expect(before).toHaveLength(1);
    expect(await service.endpoints(environment)).toEqual(before);
  });

  it('hides the install from slack-authorize', async () => {
    const { environment, slack } = await connected();
    await slack.send(slack.uninstalled());

    const answer = await service.api(environment.apiKey, 'POST', '/v1/integrations/slack/slack/authorize', {
      teamId: acme.id,
      userId: ann,
    });

    expect(answer).toMatchObject({ status: 404, json: { error: 'installation_not_found' } });
  });

  it('ends it for every customer of the workspace, and one reconnect heals them all', async () => {
    const { environment, slack } = await connected();
    await service.connect(environment, { connectionIdentifier: 'hers', subscriberId: 'subscriber-2' });
    service.advance(20 * second);

    await slack.send(slack.uninstalled());

    for (const identifier of ['mine', 'hers']) {
      expect(await tools.shown(environment, identifier)).toMatchObject({ status: 'revoked' });
    }
    await reinstall(environment);
    for (const identifier of ['mine', 'hers']) {
      const shown = await tools.shown(environment, identifier);
      expect(shown).toMatchObject({ status: 'active' });
      expect(shown).not.toHaveProperty('statusReason');
      expect((await ask(environment, identifier)).status).toBe(200);
    }
  });

  it('touches no other workspace, integration or environment', async () => {
    const { environment, slack } = await connected();
    await service.connect(
      environment,
      { connectionIdentifier: 'globex', subscriberId: 'g' },
      { workspaceId: globex.id },
    );
    const second = await service.createTestEnvironment();
    const { clientId, clientSecret } = second.slackApp;
    await service.api(environment.apiKey, 'POST', '/v1/integrations', {
      providerId: 'slack',
      identifier: 'slack-2',
      credentials: { clientId, secretKey: clientSecret, signingSecret },
    });
    await service.connect(environment, { connectionIdentifier: 'theirs', integrationIdentifier: 'slack-2' });
    const other = await connected();
    service.advance(10_000);

    await slack.send(slack.uninstalled());

    expect(await tools.shown(environment)).toMatchObject({ status: 'revoked' });
    expect(await tools.shown(environment, 'globex')).toMatchObject({ status: 'active' });
    expect(await tools.shown(environment, 'theirs')).toMatchObject({ status: 'active' });
    expect(await tools.shown(other.environment)).toMatchObject({ status: 'active' });
    expect((await ask(other.environment)).status).toBe(200);
  });

  it.each([[{}], [{ credentials: { applicationId: 'A0EXPECTED' }, app: { appId: 'A0EXPECTED' } }]])(
    'of another app is not acted on, with %o',
    async (options) => {
      const { environment, slack } = await connected(options);

      const answer = await slack.send(slack.uninstalled(undefined, { api_app_id: 'A0ANOTHER' }));

      expect(answer.status).toBe(200);
      expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
    },
  );

  it('ends many people’s tokens, and one in trouble holds up none of the others', async () => {
    const { environment, slack } = await connected();
    const integrationId = await integrationIdOf(service, environment);
    const { environmentId } = environment;
    const grants = dynamoGrantStore(service.db);
    const account = { id: acme.id, name: acme.name, kind: 'workspace' } as const;
    const people = Array.from({ length: 60 }, (_, index) => `U0PERSON${index}`);
    const at = { asOf: service.now() - 5_000, flowId: 'many' };
    const give = async (userId: string) => {
      const grant = aGrant({ environmentId, integrationId, account, userId, ...at });
      await grants.addUserGrant(environmentId, grantIdOf(integrationId, acme.id), grant.grantId, at);
      await grants.putIfNewer(grant, service.now());
    };
    await Promise.all(people.map(give));
    const poison = keyOf.grant(environmentId, grantIdOf(integrationId, acme.id, people[30]));
    const setVersion = (version: number) =>
      service.db.client.send(
        new UpdateCommand({
          TableName: service.db.tables.connections,
          Key: poison,
          UpdateExpression: 'SET schemaVersion = :version',
          ExpressionAttributeValues: { ':version': version },
        }),
      );
    await setVersion(99);
    const event = slack.uninstalled();
    const livingPeople = async () => {
      const each = people.map(async (userId) => (await grantOf(environment, userId)).status);
      return (await Promise.all(each)).filter((status) => status !== 'revoked').length;
    };

    expect((await slack.send(event)).status).toBe(500);
    await setVersion(1);
    expect(await livingPeople()).toBe(1);
    expect(await tools.shown(environment)).toMatchObject({ status: 'revoked' });

    expect((await slack.send(event)).status).toBe(200);
    expect(await livingPeople()).toBe(0);
    expect(await grants.userGrants(environmentId, grantIdOf(integrationId, acme.id))).toEqual([]);
  });
});

describe('tokens_revoked', () => {
  it('with the bot ends the bot’s token alone', async () => {
    const { environment, slack } = await connected();

    await slack.send(slack.tokensRevoked({ bot: [botOf(environment)], oauth: [] }));

    expect(await tools.shown(environment)).toMatchObject({ status: 'revoked', statusReason: 'token_revoked' });
    expect(await grantOf(environment, ann)).toMatchObject({ status: 'active' });
    expect((await ask(environment)).json).toMatchObject({ reason: 'token_revoked' });
  });

  it('with a person ends that person’s token alone', async () => {
    const { environment, slack } = await connected();

    await slack.send(slack.tokensRevoked({ oauth: [ann, 'U0NOBODY'] }));

    expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
    expect(await grantOf(environment, ann)).toMatchObject({
      status: 'revoked',
      statusReason: 'token_revoked',
      token: '',
    });
  });

  it.each([[{ bot: ['U0ANOTHER'] }], [{ bot: [], oauth: [] }], [{ oauth: ['U0ANOTHER'] }], [{}]])(
    'with %o ends nothing',
    async (tokens) => {
      const { environment, slack } = await connected();

      expect((await slack.send(slack.tokensRevoked(tokens))).status).toBe(200);

      expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
      expect(await grantOf(environment, ann)).toMatchObject({ status: 'active' });
    },
  );

  it('ends a bot of which nobody knows who it is', async () => {
    const { environment, slack } = await listening();
    const integrationId = await integrationIdOf(service, environment);
    const { environmentId } = environment;
    const grant = aGrant({
      environmentId,
      integrationId,
      account: { id: acme.id, kind: 'workspace' },
      asOf: service.now() - 5_000,
    });
    await dynamoGrantStore(service.db).putIfNewer(grant, service.now());

    await slack.send(slack.tokensRevoked({ bot: ['U0SOMEBOT'] }));

    expect(await grantOf(environment)).toMatchObject({ status: 'revoked' });
  });
});

describe('an organisation', () => {
  const org = accounts.find(({ team }) => team === null) ?? acme;
  const workspace = accounts.find(({ team, enterprise }) => team && enterprise?.id === org.id) ?? acme;

  async function orgWide() {
    const app = await listening();
    await service.connect(app.environment, { connectionIdentifier: 'org' }, { org: true });
    await service.connect(
      app.environment,
      { connectionIdentifier: 'team', subscriberId: 'subscriber-2' },
      { workspaceId: workspace.id },
    );
    service.advance(10 * second);
    const statuses = async () => [
      (await tools.shown(app.environment, 'org')).status,
      (await tools.shown(app.environment, 'team')).status,
    ];
    return { ...app, statuses };
  }
  const ofOrg = { team_id: null, enterprise_id: org.id };

  it.each<[string, object, string[]]>([
    [
      'that is org-wide by its authorization',
      { ...ofOrg, authorizations: [{ is_enterprise_install: true }] },
      ['revoked', 'active'],
    ],
    ['that is org-wide by itself', { ...ofOrg, is_enterprise_install: true }, ['revoked', 'active']],
    [
      'that is org-wide and names a workspace',
      { team_id: workspace.id, enterprise_id: org.id, is_enterprise_install: true },
      ['revoked', 'active'],
    ],
    [
      'of a workspace in it',
      { team_id: workspace.id, enterprise_id: org.id, authorizations: [{ is_enterprise_install: false }] },
      ['active', 'revoked'],
    ],
    ['without a workspace', ofOrg, ['revoked', 'active']],
    ['without an account', { team_id: null }, ['active', 'active']],
  ])('has an install %s ended', async (_, other, expected) => {
    const { slack, statuses } = await orgWide();

    expect((await slack.send(slack.uninstalled(undefined, other))).status).toBe(200);

    expect(await statuses()).toEqual(expected);
  });

  it('takes workspaces away from its app', async () => {
    const { environment, slack, statuses } = await orgWide();

    await slack.send(slack.envelope({ type: 'team_access_revoked', team_ids: [workspace.id, 'T0OTHER'] }, ofOrg));

    expect(await statuses()).toEqual(['active', 'revoked']);
    expect(await tools.shown(environment, 'team')).toMatchObject({ statusReason: 'team_access_revoked' });
    expect(await grantOf(environment, workspace.people[0]?.id, workspace.id)).toMatchObject({ status: 'revoked' });
  });

  it('tells of a workspace that has uninstalled the app, and of other apps', async () => {
    const { environment, slack, statuses } = await orgWide();
    const of = (appId: string) => ({ type: 'app_uninstalled_team', app_id: appId, team_id: workspace.id });

    await slack.send(slack.envelope(of('A0ANOTHER'), ofOrg));
    expect(await statuses()).toEqual(['active', 'active']);

    await slack.send(slack.envelope(of(environment.slackApp.appId), ofOrg));
    expect(await statuses()).toEqual(['active', 'revoked']);
    expect(await tools.shown(environment, 'team')).toMatchObject({ statusReason: 'app_uninstalled' });
  });
});

describe('the time of an event', () => {
  const statusAfter = async (environment: TestEnvironment) => (await tools.shown(environment)).status;

  it.each([
    [-1, 'active'],
    [0, 'revoked'],
    [1, 'revoked'],
  ])('that is %d s after the first approval of a workspace leaves the connection %s', async (later, expected) => {
    const { environment, slack } = await connected();
    const { asOf, version } = await grantOf(environment);
    expect(version).toBe(1);

    await slack.send(slack.uninstalled(asOf + later * second));

    expect(await statusAfter(environment)).toBe(expected);
  });

  it.each<[number, 'lives' | 'is dead', string]>([
    [-1, 'is dead', 'active'],
    [0, 'lives', 'active'],
    [0, 'is dead', 'revoked'],
    [1, 'lives', 'active'],
    [10, 'is dead', 'revoked'],
    [10, 'lives', 'active'],
    [11, 'lives', 'revoked'],
  ])('that is %d s after a re-install whose token %s leaves the connection %s', async (later, token, expected) => {
    const { environment, slack } = await connected();
    await reinstall(environment);
    const { asOf } = await grantOf(environment);
    if (token === 'is dead') service.slack.uninstall(environment.slackApp.clientId, acme.id);

    await slack.send(slack.tokensRevoked({ bot: [botOf(environment)] }, asOf + later * second));

    expect(await statusAfter(environment)).toBe(expected);
  });

  it.each([
    ['no answer', 'lives', { kind: 'http_500' }],
    ['no answer', 'is dead', { kind: 'rate_limited' }],
    ['an answer of trouble', 'lives', { kind: 'ok_false', error: 'internal_error' }],
    ['an answer of a workspace that moves', 'lives', { kind: 'ok_false', error: 'team_added_to_org' }],
  ] as const)(
    'that comes close to a re-install and gets %s is to be sent again: the token %s',
    async (_, token, trouble) => {
      const { environment, slack } = await connected();
      await reinstall(environment);
      const { asOf } = await grantOf(environment);
      if (token === 'is dead') service.slack.uninstall(environment.slackApp.clientId, acme.id);
      service.slack.misbehave({ method: 'auth.test', ...trouble, times: 1 });
      const event = slack.tokensRevoked({ bot: [botOf(environment)] }, asOf);

      const first = await slack.send(event);
      const inTrouble = await statusAfter(environment);
      const second = await slack.send(event);

      expect(first).toMatchObject({ status: 503, json: { error: 'unavailable' } });
      expect(inTrouble).toBe('active');
      expect(second.status).toBe(200);
      expect(await statusAfter(environment)).toBe(token === 'is dead' ? 'revoked' : 'active');
    },
  );

  it('that is before a refresh is too late', async () => {
    const { environment, slack } = await connected({ app: { tokenRotation: true } });
    const event = slack.uninstalled();
    service.advance(13 * 3_600_000);
    expect((await ask(environment)).status).toBe(200);

    await slack.send(event);

    expect(await statusAfter(environment)).toBe('active');
    expect((await ask(environment)).status).toBe(200);
    // Nobody has approved that one since.
    expect(await grantOf(environment, ann)).toMatchObject({ status: 'revoked' });
  });

  it('fences off an older approval only, also one that is stored after it', async () => {
    const { environment, slack } = await connected();
    const callback = await service.approve(await service.connectUrl(environment, { connectionIdentifier: 'mine' }));
    const happenedAt = service.now();
    service.advance(5 * second);
    const instance = startInstance(service);
    let delivered: Answer | undefined;
    instance.before(
      ({ name, input }) => name === 'UpdateItemCommand' && input.Key?.sk === 'GRANT',
      async () => {
        service.advance(5 * second);
        delivered = await slack.send(slack.uninstalled(happenedAt));
      },
    );

    const page = await instance.hit(callback);

    expect(delivered?.status).toBe(200);
    expect(page.statusCode).toBe(200);
    expect(await statusAfter(environment)).toBe('active');
  });

  it('that is in the future fences off nothing that comes now', async () => {
    const { environment, slack } = await connected();

    await slack.send(slack.uninstalled(service.now() + 3_600_000));
    expect(await statusAfter(environment)).toBe('revoked');
    await reinstall(environment);

    expect(await statusAfter(environment)).toBe('active');
  });
});

describe('an event and others who write', () => {
  it('loses against a re-install that is stored between its read and its write', async () => {
    const { environment, slack } = await connected();
    const event = JSON.stringify(slack.tokensRevoked({ bot: [botOf(environment)] }));
    const headers = signed(event, service.now());
    const instance = startInstance(service);
    instance.before(
      ({ name, input }) => name === 'UpdateItemCommand' && input.Key?.sk === 'GRANT',
      () => reinstall(environment),
    );

    const answer = await instance.slackEvents(slack.path, { headers, body: event, isBase64Encoded: false });

    expect(answer.statusCode).toBe(200);
    expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
    expect((await ask(environment)).status).toBe(200);
  });

  it('wins against a refresh that is under way: its token is not stored', async () => {
    const { environment, slack } = await connected({ app: { tokenRotation: true } });
    service.advance(13 * 3_600_000);
    let delivered: Answer | undefined;
    const instance = startInstance(service, {
      fetch: async (input, init) => {
        const isRefresh = String(init?.body ?? '').includes('refresh_token');
        const answer = await fetch(input, init);
        if (isRefresh) delivered ??= await slack.send(slack.uninstalled());
        return answer;
      },
    });

    const answer = await instance.api(environment.apiKey, 'POST', '/v1/channel-connections/mine/token');

    expect(delivered?.status).toBe(200);
    expect(tools.sent(environment)).toHaveLength(1);
    expect(answer.statusCode).toBe(409);
    expect(JSON.parse(answer.body ?? '')).toMatchObject({
      error: 'reauthorization_required',
      reason: 'app_uninstalled',
    });
    expect(await grantOf(environment)).toMatchObject({ status: 'revoked', token: '', statusReason: 'app_uninstalled' });
    expect(await grantOf(environment)).not.toHaveProperty('refresh');
  });

  it('ends a revocation that Slack has not confirmed', async () => {
    const { environment, slack } = await connected();
    service.slack.misbehave({ method: 'auth.revoke', kind: 'http_500' });
    await service.api(environment.apiKey, 'DELETE', '/v1/channel-connections/mine');
    expect(await grantOf(environment)).toMatchObject({ status: 'revoking' });
    service.advance(20 * second);

    await slack.send(slack.uninstalled());

    const { status, token, dueAt, revokingUntil } = await grantOf(environment);
    expect({ status, token, dueAt, revokingUntil }).toEqual({ status: 'revoked', token: '' });
  });
});

describe('an event that Slack sends again', () => {
  const retry = { 'x-slack-retry-num': '1', 'x-slack-retry-reason': 'http_timeout' };

  it('is answered, and its work is not done again', async () => {
    const { environment, slack } = await connected();
    const event = slack.uninstalled();
    await slack.send(event);
    await reinstall(environment);
    const text = JSON.stringify({ ...event, event_time: Math.floor(service.now() / second) });
    const instance = startInstance(service);
    const headers = { ...signed(text, service.now()), ...retry };

    const answer = await instance.slackEvents(slack.path, { headers, body: text, isBase64Encoded: false });

    expect(answer.statusCode).toBe(200);
    expect(instance.faults.writes).toBe(0);
    // Integration, data key, and whether the event was seen.
    expect(instance.faults.counts).toEqual({ GetItem: 3 });
    expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
  });

  it('is another one for another integration, whatever its id', async () => {
    const one = await connected();
    const other = await connected();
    const event = one.slack.uninstalled();

    await one.slack.send(event);
    await other.slack.send({ ...event, api_app_id: other.environment.slackApp.appId });

    expect(await tools.shown(one.environment)).toMatchObject({ status: 'revoked' });
    expect(await tools.shown(other.environment)).toMatchObject({ status: 'revoked' });
  });

  it('many times at once ends each grant once', async () => {
    const { environment, slack } = await connected();
    const event = slack.uninstalled();
    service.lines.length = 0;

    const answers = await Promise.all(Array.from({ length: 20 }, () => slack.send(event, retry)));

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const versions = [(await grantOf(environment)).version, (await grantOf(environment, ann)).version];
    expect(versions).toEqual([2, 2]);
    expect(await tools.shown(environment)).toMatchObject({ status: 'revoked' });
  });

  it('is done by the next delivery, wherever a process died with the one before', async () => {
    for (let command = 1; ; command += 1) {
      const { environment, slack } = await connected();
      const text = JSON.stringify(slack.uninstalled());
      const request = { headers: signed(text, service.now()), body: text, isBase64Encoded: false };
      const instance = startInstance(service);
      instance.faults.killAt(command);

      const died = await instance.slackEvents(slack.path, request);
      if (died.statusCode === 200) {
        // Reads of integration, data key, event, two grants and marks (twice); writes of two grants, a mark and the event.
        expect(command).toBeGreaterThan(8);
        break;
      }
      expect(died.statusCode).toBe(500);

      const answer = await slack.send(text, retry);
      expect(answer.status).toBe(200);
      for (const userId of [undefined, ann]) {
        expect(await grantOf(environment, userId)).toMatchObject({ status: 'revoked', token: '' });
      }
      instance.faults.reset();
      await instance.slackEvents(slack.path, request);
      expect(instance.faults.writes).toBe(0);
    }
  });
});

describe('events in any order', () => {
  type Step = 'uninstalled' | 'bot' | 'person' | 'install';

  function permutations(steps: readonly Step[]): Step[][] {
    if (steps.length < 2) return [[...steps]];
    return steps.flatMap((step) =>
      permutations(steps.filter((other) => other !== step)).map((rest) => [step, ...rest]),
    );
  }

  const three = ['uninstalled', 'bot', 'person'] as const;
  const orders = [...permutations(three), ...permutations([...three, 'install'])];

  it.each(orders.map((order) => [order]))('%j, each twice, end where the newest of them says', async (order) => {
    const { environment, slack } = await connected();
    const at = service.now();
    const events = {
      uninstalled: () => slack.uninstalled(at),
      bot: () => slack.tokensRevoked({ bot: [botOf(environment)] }, at),
      person: () => slack.tokensRevoked({ oauth: [ann] }, at),
    };
    const deliver = async (step: Exclude<Step, 'install'>) => {
      const event = events[step]();
      // The last one is the same, and another one for whoever only looks at ids.
      for (const each of [event, event, events[step]()]) expect((await slack.send(each)).status).toBe(200);
    };
    service.slack.uninstall(environment.slackApp.clientId, acme.id);

    for (const step of order) await (step === 'install' ? reinstall(environment) : deliver(step));

    const expected = order.includes('install') ? 'active' : 'revoked';
    expect(await tools.shown(environment)).toMatchObject({ status: expected });
    expect(await grantOf(environment, ann)).toMatchObject({ status: expected });
    expect((await ask(environment)).status).toBe(expected === 'active' ? 200 : 409);

    await reinstall(environment);
    for (const step of order) if (step !== 'install') await deliver(step);
    expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
    expect(await grantOf(environment, ann)).toMatchObject({ status: 'active' });
  });

  it('by the hundred, late, twice and at once, never end what was approved after them', async () => {
    const { environment, slack } = await connected();
    const kinds = [
      (at: number) => slack.uninstalled(at),
      (at: number) => slack.tokensRevoked({ bot: [botOf(environment)], oauth: [ann] }, at),
      (at: number) => slack.tokensRevoked({ oauth: [ann] }, at),
    ];
    const sent: object[] = [];
    for (let life = 0; life < 4; life += 1) {
      const at = service.now();
      const own = Array.from({ length: 12 }, (_, index) => kinds[index % kinds.length]?.(at) ?? {});
      sent.push(...own);
      const [storm = []] = fc.sample(fc.shuffledSubarray([...sent, ...own], { minLength: sent.length }), {
        numRuns: 1,
        seed: life,
      });
      const statuses = await Promise.all([...storm, ...own].map(async (event) => (await slack.send(event)).status));
      expect(new Set(statuses)).toEqual(new Set([200]));
      expect(await tools.shown(environment)).toMatchObject({ status: 'revoked' });

      await reinstall(environment);
      await Promise.all(sent.map((event) => slack.send({ ...event, event_id: `${Math.random()}` })));
      expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
      expect(await grantOf(environment, ann)).toMatchObject({ status: 'active' });
    }
  });
});

describe('the log', () => {
  it('has one line per event, with what became of it', async () => {
    const { environment, slack } = await connected();
    const { environmentId } = environment;
    const integrationId = await integrationIdOf(service, environment);
    const event = slack.uninstalled();
    service.lines.length = 0;

    await slack.send(event);
    await slack.send(event);
    await slack.send(slack.envelope({ type: 'app_mention' }));
    await slack.send(slack.uninstalled(undefined, { api_app_id: 'A0ANOTHER' }));

    const shown = service.lines.map(({ level, message, fields }) => ({ level, message, ...fields }));
    expect(shown).toMatchObject([
      { level: 'info', message: 'event done', eventType: 'app_uninstalled', eventId: event.event_id, grantsEnded: 2 },
      { level: 'info', message: 'event was seen before', eventId: event.event_id },
      { level: 'info', message: 'event ignored', eventType: 'app_mention' },
      { level: 'info', message: 'event done', eventType: 'app_uninstalled', grantsEnded: 0 },
    ]);
    for (const line of shown)
      expect(line).toMatchObject({ environmentId, integrationId, requestId: expect.anything() });
  });

  it('never has a secret, a token, a signature or a body', async () => {
    const { environment, slack } = await connected();
    const { accessToken } = await tools.tokenOf(environment);
    const challenge = '{"type":"url_verification","challenge":"canary-challenge"}';
    const bad = signed(challenge, service.now(), 'canary-wrong');
    service.lines.length = 0;

    await slack.send(challenge);
    await service.request('POST', slack.path, { headers: bad, body: challenge });
    await slack.send({ type: 'canary type' });
    await slack.send(slack.envelope({ type: 'message', text: 'canary-text' }));
    await slack.send(slack.uninstalled());

    expect(service.lines.length).toBeGreaterThan(4);
    const text = JSON.stringify(service.lines);
    for (const secret of ['canary', accessToken, bad['x-slack-signature']?.slice(3) ?? '', 'xoxb', 'xoxp']) {
      expect(text).not.toContain(secret);
    }
  });
});
