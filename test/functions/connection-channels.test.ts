import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { MisbehaviourKind } from '../../infra/local/pretend-slack/misbehaviour.ts';
import type { Channel } from '../../lib/endpoint/channel.ts';
import type { Answer, TestEnvironment, TestService } from '../support/service.ts';
import { startTestService } from '../support/service.ts';
import * as teams from '../support/teams.ts';
import { acme, globex, tokenTools } from '../support/tokens.ts';

let service: TestService;
let tools: ReturnType<typeof tokenTools>;

beforeAll(async () => {
  service = await startTestService();
  tools = tokenTools(service);
});

afterEach(() => {
  service.slack.behave();
  service.microsoft.behave();
});
afterAll(() => service.close());

const ann = { userId: 'U0ANNACME0001' };
const bob = { userId: 'U0BOBACME0001' };
const chen = { userId: 'U0CHEACME0001' };
const bothScopes = ['chat:write', 'channels:read', 'groups:read'];
const listingRoles = ['Team.ReadBasic.All', 'Channel.ReadBasic.All'];

function list(
  environment: Pick<TestEnvironment, 'apiKey'>,
  query: Record<string, string> = {},
  identifier = 'mine',
): Promise<Answer> {
  const path = `/v1/channel-connections/${identifier}/channels?${new URLSearchParams(query)}`;
  return service.api(environment.apiKey, 'GET', path);
}

const namesOf = ({ json }: Answer): string[] => json.data.map(({ name }: Channel) => name);

/** Every page, from the first or from a cursor on. */
async function listAll(environment: TestEnvironment, query: Record<string, string> = {}): Promise<Answer[]> {
  const pages = [await list(environment, query)];
  for (let next = pages[0]?.json.next; next !== null; next = pages.at(-1)?.json.next) {
    pages.push(await list(environment, { ...query, cursor: next }));
    expect(pages.at(-1)?.status).toBe(200);
    expect(pages.length).toBeLessThan(100);
  }
  return pages;
}

/** An environment with the connection `mine` of a workspace. */
async function connected(
  choice: object = ann,
  { scope = bothScopes, app = {} }: { scope?: string[]; app?: object } = {},
): Promise<TestEnvironment> {
  const environment = await service.createTestEnvironment({ app });
  await service.connect(environment, { connectionIdentifier: 'mine', scope }, choice);
  return environment;
}

describe('GET /v1/channel-connections/{identifier}/channels of a Slack workspace', () => {
  it('lists what an endpoint can point at: public channels, and private ones of the person who approved', async () => {
    const environment = await connected(bob);

    const answer = await list(environment);

    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      data: [
        { id: 'C0GENACME0001', name: 'general', type: 'public_channel' },
        { id: 'C0RANACME0001', name: 'random', type: 'public_channel' },
        { id: 'C0ALEACME0001', name: 'alerts', type: 'public_channel' },
        { id: 'C0DEAACME0001', name: 'deals', type: 'private_channel' },
      ],
      next: null,
    });
    const [{ id: channelId }] = answer.json.data;
    const endpoint = await service.api(environment.apiKey, 'POST', '/v1/channel-endpoints', {
      integrationIdentifier: 'slack',
      subscriberId: 'subscriber-1',
      connectionIdentifier: 'mine',
      type: 'slack_channel',
      endpoint: { channelId },
    });
    expect(endpoint.status).toBe(201);
  });

  it('shows private channels of nobody but the one who approved, also to customers who share a workspace and its token', async () => {
    const environment = await connected(ann);
    await service.connect(
      environment,
      { subscriberId: 'second', connectionIdentifier: 'second', scope: bothScopes },
      chen,
    );
    const [{ identifier: derived }] = await service.connections(environment, '&subscriberId=second');

    const privateOnes = async (identifier: string) =>
      (await list(environment, {}, identifier)).json.data
        .filter(({ type }: Channel) => type === 'private_channel')
        .map(({ name }: Channel) => name);

    expect(await privateOnes('mine')).toEqual(['leadership', 'deals']);
    expect(await privateOnes('second')).toEqual([]);
    expect(await privateOnes(derived)).toEqual([]);
    for (const query of [
      'leadership',
      'C0LEAACME0001',
      'https://acme.slack.com/archives/C0LEAACME0001/p1700000000000000',
    ]) {
      expect((await list(environment, { query }, 'second')).json).toEqual({ data: [], next: null });
      expect(namesOf(await list(environment, { query }))).toEqual(['leadership']);
    }
  });

  it('gives each of hundreds of channels once, whatever the size of a page', async () => {
    for (let index = 0; index < 450; index += 1) {
      const id = `C1${String(index).padStart(8, '0')}`;
      service.slack.addChannel(globex.id, { id, name: `project-${index}`, isArchived: index % 3 === 0 });
    }
    for (let index = 0; index < 30; index += 1) {
      const id = `C2${String(index).padStart(8, '0')}`;
      const members = index % 2 === 0 ? ['U0DANGLOBEX01'] : ['U0HANGLOBEX01'];
      service.slack.addChannel(globex.id, { id, name: `secret-${index}`, members });
    }
    const environment = await connected({ workspaceId: globex.id, userId: 'U0DANGLOBEX01' });

    for (const limit of ['100', '37']) {
      const pages = await listAll(environment, { limit });
      const ids = pages.flatMap(({ json }) => json.data.map(({ id }: Channel) => id));
      expect(new Set(ids).size).toBe(ids.length);
      // 3 of every workspace's and 300 that are not archived; 2 of the person's and 15.
      expect(ids).toHaveLength(303 + 17);
      for (const { json } of pages) expect(json.data.length).toBeLessThanOrEqual(Number(limit));
    }
  });

  it('finds names by a part of them, in any case and with #', async () => {
    const environment = await connected(ann);

    expect(namesOf(await list(environment, { query: '#ENER' }))).toEqual(['general']);
    expect(namesOf(await list(environment, { query: 'ea' }))).toEqual(['leadership', 'deals']);
    expect((await list(environment, { query: 'nothing-like-it' })).json).toEqual({ data: [], next: null });
  });

  it('reads a bounded number of pages for one request, and goes on from there', async () => {
    for (let index = 0; index < 1_400; index += 1) {
      const id = `C3${String(index).padStart(8, '0')}`;
      service.slack.addChannel('T0INITECH1', { id, name: index === 1_399 ? 'needle' : `hay-${index}` });
    }
    const environment = await connected({ workspaceId: 'T0INITECH1', userId: 'U0ERIINITECH1' });
    const before = service.slack.count('conversations.list');

    const first = await list(environment, { query: 'needle' });
    const calls = service.slack.count('conversations.list') - before;
    const pages = await listAll(environment, { query: 'needle' });

    expect(first.json.data).toEqual([]);
    expect(first.json.next).not.toBeNull();
    expect(calls).toBe(5);
    expect(pages.flatMap(namesOf)).toEqual(['needle']);
  });

  it.each([
    ['an id', 'C0ALEACME0001'],
    ['a link to it', 'https://acme.slack.com/archives/C0ALEACME0001'],
    ['a link to a thread', 'https://acme.enterprise.slack.com/archives/C0ALEACME0001/p1700000000000001?thread_ts=17.1'],
    ['a link of the web client', 'https://app.slack.com/client/T0ACME0001/C0ALEACME0001/thread/C0ALEACME0001-17.1'],
  ])('resolves %s by one call', async (_, query) => {
    const environment = await connected(ann);
    const before = service.slack.calls.length;

    const answer = await list(environment, { query });

    expect(answer.json).toEqual({
      data: [{ id: 'C0ALEACME0001', name: 'alerts', type: 'public_channel' }],
      next: null,
    });
    expect(service.slack.calls.slice(before).map(({ method }) => method)).toEqual(['conversations.info']);
  });

  it.each([
    'C0NOTHERE01',
    'https://acme.slack.com/archives/C0NOTHERE01',
    'https://evil.example/archives/C0ALEACME0001',
    'https://slack.com.evil.example/archives/C0ALEACME0001',
  ])('finds nothing by %s', async (query) => {
    expect((await list(await connected(ann), { query })).json).toEqual({ data: [], next: null });
  });

  it('finds no channel that is archived, by its id neither', async () => {
    service.slack.addChannel(acme.id, { id: 'C0OLDACME0001', name: 'old', isArchived: true });
    const environment = await connected(ann);

    for (const query of ['old', 'C0OLDACME0001']) {
      expect((await list(environment, { query })).json).toEqual({ data: [], next: null });
    }
  });

  it.each([
    [
      ['chat:write', 'channels:read'],
      ['general', 'random', 'alerts'],
    ],
    [
      ['chat:write', 'groups:read'],
      ['leadership', 'deals'],
    ],
  ])('with %j lists the one kind without the other', async (scope, names) => {
    expect(namesOf(await list(await connected(ann, { scope })))).toEqual(names);
  });

  it('says which scopes are missing when none would do', async () => {
    const environment = await connected(ann, { scope: ['chat:write'] });

    for (const query of ['', 'general', 'C0GENACME0001', 'C0LEAACME0001']) {
      expect((await list(environment, { query })).json).toMatchObject({
        statusCode: 409,
        error: 'missing_scope',
        reason: 'channels:read,groups:read',
      });
    }
  });

  it('goes by what was approved for the connection, not by what others approved for the workspace', async () => {
    const environment = await connected(ann);
    const request = { subscriberId: 'second', connectionIdentifier: 'second', scope: ['chat:write', 'channels:read'] };
    await service.connect(environment, request, ann);

    expect(namesOf(await list(environment, {}, 'second'))).toEqual(['general', 'random', 'alerts']);
    expect((await list(environment, { query: 'C0LEAACME0001' }, 'second')).json.data).toEqual([]);
  });

  it('believes Slack when a scope was taken away since', async () => {
    const environment = await connected(ann, { app: { tokenRotation: true } });
    service.slack.misbehave({ kind: 'ok_false', error: 'missing_scope', method: 'users.conversations' });

    expect(namesOf(await list(environment))).toEqual(['general', 'random', 'alerts']);
    service.slack.misbehave({ kind: 'ok_false', error: 'missing_scope', method: 'conversations.list' });
    expect((await list(environment)).json).toMatchObject({ statusCode: 409, error: 'missing_scope' });
  });

  it('lists no private ones of a person who has left the workspace', async () => {
    const environment = await connected(ann);
    service.slack.misbehave({ kind: 'ok_false', error: 'user_not_found', method: 'users.conversations' });

    expect(namesOf(await list(environment))).toEqual(['general', 'random', 'alerts']);
  });

  it('lists no private ones with a token that a caller brought: nobody knows who approved', async () => {
    const environment = await connected(ann);
    const identifier = await tools.brought(environment, await tools.tokenOf(environment));

    const answer = await list(environment, {}, identifier);

    expect(namesOf(answer)).toEqual(['general', 'random', 'alerts']);
    expect((await list(environment, { query: 'C0LEAACME0001' }, identifier)).json.data).toEqual([]);
  });

  it('wants to know which workspace of an enterprise', async () => {
    const environment = await connected({ org: true, userId: 'U0ERIINITECH1' });
    const one = await connected(ann);

    const named = await list(environment, { teamId: 'T0INITECH1' });

    expect(namesOf(named).slice(0, 3)).toEqual(['general', 'random', 'alerts']);
    for (const refused of [
      await list(environment),
      await list(environment, { teamId: 'T0ACME0001' }),
      await list(environment, { teamId: 'acme' }),
      await list(one, { teamId: acme.id }),
    ]) {
      expect(refused.json).toMatchObject({ statusCode: 422, error: 'validation_failed' });
      expect(refused.json.errors.general.messages[0]).toMatch(/^teamId: /);
    }
  });

  it.each(['limit=0', 'limit=101', 'limit=ten', `query=${'x'.repeat(1_025)}`, 'after=x'])(
    'refuses %s',
    async (query) => {
      const answer = await list(await connected(ann), Object.fromEntries(new URLSearchParams(query)));

      expect(answer.json).toMatchObject({ statusCode: 422, error: 'validation_failed' });
    },
  );

  it('knows no cursor of another connection or query, nor a made-up one', async () => {
    const environment = await connected(ann);
    await service.connect(
      environment,
      { subscriberId: 'second', connectionIdentifier: 'second', scope: bothScopes },
      bob,
    );
    const other = await connected(ann);
    const { next } = (await list(environment, { limit: '2' })).json;
    const forged = Buffer.from(JSON.stringify(['0'.repeat(32), '["private","",0]'])).toString('base64url');
    const [hash] = JSON.parse(Buffer.from(next, 'base64url').toString());
    const withPosition = (position: string) => Buffer.from(JSON.stringify([hash, position])).toString('base64url');

    const answers = [
      await list(environment, { cursor: next }, 'second'),
      await list(environment, { cursor: next, query: 'a' }),
      await list(other, { cursor: next }),
      ...(await Promise.all(
        ['x', forged, ...['', '[]', '["public"]', '["secret","",0]', '["public","",-1]'].map(withPosition)].map(
          (cursor) => list(environment, { cursor }),
        ),
      )),
    ];

    for (const { status, json } of answers) {
      expect(status).toBe(200);
      expect(json).toEqual({ data: [], next: null });
    }
    expect(namesOf(await list(environment, { cursor: next }))).toEqual(['alerts', 'leadership', 'deals']);
    const slacks = withPosition('["public","not-of-slack",0]');
    expect((await list(environment, { cursor: slacks })).json).toMatchObject({ statusCode: 422 });
  });

  it.each(['rate_limited', 'ok_false'] as const)(
    'passes on that Slack takes no more calls (%s), and no cursor is lost',
    async (kind) => {
      const environment = await connected(ann);
      const { next } = (await list(environment, { limit: '4' })).json;
      service.slack.misbehave({ kind, error: 'ratelimited', retryAfterSeconds: 17, times: 1 });

      const refused = await list(environment, { cursor: next });
      const again = await list(environment, { cursor: next });

      expect(refused.json).toMatchObject({ statusCode: 429, error: 'rate_limited' });
      expect(refused.headers.get('retry-after')).toBe(kind === 'rate_limited' ? '17' : '1');
      expect(namesOf(again)).toEqual(['deals']);
    },
  );

  it('gives what it has read when Slack takes no more calls after that', async () => {
    const environment = await connected(ann);
    service.slack.misbehave({ kind: 'rate_limited', method: 'users.conversations', times: 2 });

    const first = await list(environment);
    const second = await list(environment, { cursor: first.json.next });
    const third = await list(environment, { cursor: first.json.next });

    expect(namesOf(first)).toEqual(['general', 'random', 'alerts']);
    expect(second.status).toBe(429);
    expect(namesOf(third)).toEqual(['leadership', 'deals']);
  });

  it.each<[MisbehaviourKind, string]>([
    ['http_500', 'unreadable_answer'],
    ['html', 'unreadable_answer'],
    ['malformed', 'unreadable_answer'],
    ['drop_before', 'no_answer'],
    ['huge', 'no_answer'],
    ['ok_false', 'internal_error'],
  ])('is a 502 to try again when Slack is in trouble (%s)', async (kind, reason) => {
    const environment = await connected(ann);
    service.slack.misbehave({ kind, times: 1 });

    const answer = await list(environment);

    expect(answer.json).toMatchObject({ statusCode: 502, error: 'channels_unavailable', reason });
    expect(answer.headers.get('retry-after')).toBe('1');
    expect((await list(environment)).status).toBe(200);
  });

  it('is a 502 with Slack’s code for what no repetition changes', async () => {
    const environment = await connected(ann);
    service.slack.misbehave({ kind: 'ok_false', error: 'ekm_access_denied', times: 1 });

    const answer = await list(environment);

    expect(answer.json).toMatchObject({ statusCode: 502, error: 'channels_unavailable', reason: 'ekm_access_denied' });
    expect(answer.headers.get('retry-after')).toBeNull();
  });

  it.each([false, true])('lets everybody see that the token is dead (rotating: %s)', async (tokenRotation) => {
    const environment = await connected(ann, { app: { tokenRotation } });
    service.slack.uninstall(environment.slackApp.clientId, acme.id);

    const answer = await list(environment);

    expect(answer.json).toMatchObject({ statusCode: 409, error: 'reauthorization_required' });
    expect(await tools.shown(environment)).toMatchObject({
      status: 'reauthorization_required',
      statusReason: answer.json.reason,
    });
  });

  it('goes on with another token when Slack ended the one that is kept, but not its chain', async () => {
    const environment = await connected(ann, { app: { tokenRotation: true } });
    service.slack.misbehave({ kind: 'ok_false', error: 'token_expired', method: 'conversations.list', times: 1 });

    const answer = await list(environment);

    expect(answer.text).toContain('general');
    expect(tools.sent(environment)).toHaveLength(1);
  });

  it('refreshes a token that has expired', async () => {
    const environment = await connected(ann, { app: { tokenRotation: true } });
    service.advance(13 * 3_600_000);

    expect((await list(environment)).status).toBe(200);
    expect(tools.sent(environment)).toHaveLength(1);
  });

  it.each(['token_revoked', 'account_inactive'])('is a 409 when the token is dead (%s)', async (error) => {
    const environment = await connected(ann);
    service.slack.misbehave({ kind: 'ok_false', error, times: 1 });

    expect((await list(environment)).json).toMatchObject({
      statusCode: 409,
      error: 'reauthorization_required',
      reason: error,
    });
  });

  it('is a 409 when Slack refuses to refresh', async () => {
    const environment = await connected(ann, { app: { tokenRotation: true } });
    service.slack.uninstall(environment.slackApp.clientId, acme.id);
    service.advance(13 * 3_600_000);

    expect((await list(environment)).json).toMatchObject({ statusCode: 409, error: 'reauthorization_required' });
  });

  it('needs connect or manage, and a connection of the key’s environment', async () => {
    const environment = await connected(ann);
    const other = await service.createTestEnvironment();
    const statusWith = async (permission: 'connect' | 'manage' | 'tokens') =>
      (await list({ apiKey: await service.createApiKey(environment.environmentId, [permission]) })).status;

    expect(await statusWith('connect')).toBe(200);
    expect(await statusWith('manage')).toBe(200);
    expect(await statusWith('tokens')).toBe(403);
    for (const identifier of ['mine', 'nobody']) {
      expect((await list(other, {}, identifier)).json).toMatchObject({
        statusCode: 404,
        error: 'connection_not_found',
      });
    }
  });

  it('gives names with markup as they are, and writes neither names nor tokens into the log', async () => {
    const name = 'canary-<script>alert(1)</script>';
    service.slack.addChannel(acme.id, { id: 'C0XSSACME0001', name });
    const environment = await connected(ann);
    const { accessToken } = await tools.tokenOf(environment);

    const answer = await list(environment, { query: 'canary-<script>' });

    expect(namesOf(answer)).toEqual([name]);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.text).not.toContain(accessToken);
    const log = JSON.stringify(service.lines);
    expect(log).toContain('channels listed');
    for (const secret of [accessToken, 'canary-']) expect(log).not.toContain(secret);
  });
});

describe('GET /v1/channel-connections/{identifier}/channels of a Teams tenant', () => {
  async function connectedTenant(username = teams.adele, requestedRoles = listingRoles) {
    const environment = await teams.createTeams(service, {}, { requestedRoles });
    const consent = { username: teams.adele };
    await teams.connect(service, environment, { connectionIdentifier: 'mine' }, { consent, signIn: { username } });
    const { workspace } = await tools.shown(environment);
    return { environment, tenantId: workspace.id, clientId: environment.entraApp.clientId };
  }

  it('lists standard channels of the teams that the person has joined', async () => {
    const { environment } = await connectedTenant(teams.megan);

    const answer = await list(environment);

    expect(namesOf(answer).sort()).toEqual(['Board / General', 'Engineering / Builds', 'Engineering / General']);
    const [row] = answer.json.data;
    expect(row).toEqual({
      id: expect.stringMatching(/^19:\w+@thread\.tacv2$/),
      name: expect.any(String),
      type: 'team_channel',
      teamId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    const endpoint = await service.api(environment.apiKey, 'POST', '/v1/channel-endpoints', {
      integrationIdentifier: 'msteams',
      subscriberId: 'subscriber-1',
      connectionIdentifier: 'mine',
      type: 'ms_teams_channel',
      endpoint: { teamId: row.teamId, channelId: row.id },
    });
    expect(endpoint.status).toBe(201);
  });

  it.each(['1', '3', '10', '100'])(
    'gives each channel once, %s a page, also of teams with several pages',
    async (limit) => {
      const { environment } = await connectedTenant();

      const pages = await listAll(environment, { limit });

      const names = pages.flatMap(namesOf);
      expect(new Set(names).size).toBe(names.length);
      expect(names).toHaveLength(2 + 23);
      expect(names).toContain('Operations / Alerts 22');
      expect(names).not.toContain('Board / General');
      expect(pages.at(-1)?.json.data).not.toEqual([]);
    },
  );

  it('finds by names of teams and of channels', async () => {
    const { environment } = await connectedTenant();

    expect(namesOf(await list(environment, { query: 'build' }))).toEqual(['Engineering / Builds']);
    expect(namesOf(await list(environment, { query: 'engineering' })).sort()).toEqual([
      'Engineering / Builds',
      'Engineering / General',
    ]);
    expect((await list(environment, { query: 'Secret' })).json).toEqual({ data: [], next: null });
  });

  it('resolves a link to a channel in a team that the person has joined, and no other', async () => {
    const { environment, tenantId } = await connectedTenant();
    const { environment: megans } = await connectedTenant(teams.megan);
    const [builds] = (await list(environment, { query: 'builds' })).json.data;
    const [board] = (await list(megans, { query: 'board' })).json.data;
    const linkTo = ({ id, teamId = '' }: Channel, host = 'teams.microsoft.com', tenant = tenantId) => {
      const query = new URLSearchParams({ groupId: teamId, tenantId: tenant });
      return `https://${host}/l/channel/${encodeURIComponent(id)}/Some%20name?${query}`;
    };
    const toMessage = linkTo(builds).replace('/l/channel/', '/l/message/');

    for (const query of [linkTo(builds), linkTo(builds, 'teams.cloud.microsoft'), toMessage]) {
      expect((await list(environment, { query })).json).toEqual({ data: [builds], next: null });
    }
    for (const query of [
      linkTo(board),
      linkTo(builds, 'teams.evil.example'),
      linkTo(builds, undefined, 'fab21ca0-1a2b-4c3d-8e4f-00000000fab1'),
      'https://teams.microsoft.com/l/channel/%E0%A4%A/x?groupId=1',
    ]) {
      expect((await list(environment, { query })).json).toEqual({ data: [], next: null });
    }
  });

  it.each([
    [['Team.ReadBasic.All'], 'Channel.ReadBasic.All'],
    [[], 'Team.ReadBasic.All,Channel.ReadBasic.All'],
  ])(
    'with the roles %j names those that are missing, and heals at once when they are granted',
    async (roles, reason) => {
      const { environment, tenantId, clientId } = await connectedTenant();
      await service.api(environment.apiKey, 'PUT', `/v1/integrations/${await teamsIntegrationId(environment)}`, {
        configurations: { requiredRoles: null },
      });
      service.microsoft.setRoles(tenantId, clientId, roles);

      const refused = await list(environment);
      service.microsoft.setRoles(tenantId, clientId, listingRoles);
      const healed = await list(environment);

      expect(refused.json).toMatchObject({ statusCode: 409, error: 'missing_roles', reason });
      expect(refused.json.message).toContain('Team.ReadBasic.All and Channel.ReadBasic.All');
      expect(healed.status).toBe(200);
    },
  );

  it('lists through the eyes of the subscriber who is linked, when a caller brought the token', async () => {
    const { environment, tenantId } = await connectedTenant();
    const { accessToken } = (await service.api(environment.apiKey, 'POST', '/v1/channel-connections/mine/token')).json
      .data;
    const own = { integrationIdentifier: 'msteams', identifier: 'own', subscriberId: 'megan' };
    await service.api(environment.apiKey, 'POST', '/v1/channel-connections', {
      ...own,
      workspace: { id: tenantId },
      auth: { accessToken },
    });

    const nobody = await list(environment, {}, 'own');
    const url = await teams.urlOf(service, environment, 'link', { subscriberId: 'megan', connectionIdentifier: 'own' });
    await service.request('GET', await service.microsoft.signIn(url, { username: teams.megan }));
    const linked = await list(environment, {}, 'own');

    expect(nobody.json).toMatchObject({ statusCode: 409, error: 'linked_person_missing' });
    expect(namesOf(linked)).toContain('Board / General');
    expect(namesOf(linked)).not.toContain('Operations / General');
  });

  it('is a 409 when the tenant has withdrawn its approval', async () => {
    const { environment, tenantId, clientId } = await connectedTenant();
    service.microsoft.withdrawConsent(tenantId, clientId);
    service.advance(3_600_000);

    expect((await list(environment)).json).toMatchObject({
      statusCode: 409,
      error: 'reauthorization_required',
      reason: 'app_not_in_tenant',
    });
  });

  it('is a 409 while the connection is pending', async () => {
    const environment = await teams.createTeams(service);
    await teams.connect(service, environment, { connectionIdentifier: 'mine' }, { consent: { rolesLater: true } });

    expect((await list(environment)).json).toMatchObject({ statusCode: 409, error: 'connection_pending' });
  });

  it('passes on that Graph takes no more calls', async () => {
    const { environment } = await connectedTenant();
    service.microsoft.misbehave({ kind: 'rate_limited', on: 'graph', retryAfterSeconds: 17, times: 1 });

    const answer = await list(environment);

    expect(answer.json).toMatchObject({ statusCode: 429, error: 'rate_limited' });
    expect(answer.headers.get('retry-after')).toBe('17');
    expect((await list(environment)).status).toBe(200);
  });

  it.each([
    ['http_503', 'provider_unavailable'],
    ['http_500', 'provider_unavailable'],
    ['malformed', 'unreadable_answer'],
    ['drop_before', 'no_answer'],
  ] as const)('is a 502 to try again when Graph is in trouble (%s)', async (kind, reason) => {
    const { environment } = await connectedTenant();
    service.microsoft.misbehave({ kind, on: 'graph', times: 1 });

    const answer = await list(environment);

    expect(answer.json).toMatchObject({ statusCode: 502, error: 'channels_unavailable', reason });
    expect(answer.headers.get('retry-after')).toBe('1');
  });

  it('knows no cursor of another person’s connection or of another query', async () => {
    const { environment } = await connectedTenant();
    const { environment: other } = await connectedTenant(teams.megan);
    const { next } = (await list(environment, { limit: '2' })).json;

    for (const answer of [await list(other, { cursor: next }), await list(environment, { cursor: next, query: 'a' })]) {
      expect(answer.json).toEqual({ data: [], next: null });
    }
    expect((await list(environment, { teamId: 'T0ACME0001' })).status).toBe(422);
  });

  async function teamsIntegrationId(environment: TestEnvironment): Promise<string> {
    const { data } = (await service.api(environment.apiKey, 'GET', '/v1/integrations')).json;
    return data.find(({ identifier }: { identifier: string }) => identifier === 'msteams')._id;
  }
});
