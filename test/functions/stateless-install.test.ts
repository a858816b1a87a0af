import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Configurations } from '../../lib/integration/integration.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { expectSettled, letSweepFinish } from '../support/settled.ts';
import { createTeams } from '../support/teams.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

const plainPath = () => `${service.url}/v1/integrations/chat/oauth/callback/slack`;

async function setUp(configurations: Configurations = {}) {
  const environment = await service.createTestEnvironment({ configurations });
  const { json } = await service.api(environment.apiKey, 'GET', '/v1/integrations');
  const integrationId: string = json.data[0]._id;
  return { environment, integrationId, path: `${plainPath()}/${integrationId}` };
}

/** What Slack's redirect is after an install that was started there; without a state. */
function startedAtSlack({ slackApp }: TestEnvironment, path: string, choice: object = {}, userScopes = '') {
  const query = new URLSearchParams({
    client_id: slackApp.clientId,
    redirect_uri: path,
    scope: 'chat:write',
    ...(userScopes && { user_scope: userScopes }),
  });
  return service.approve(`${service.slack.url}/oauth/v2/authorize?${query}`, choice);
}

/** The state and code of a callback, brought to another path. */
const moved = (callback: string, path: string) => `${path}${new URL(callback).search}`;

describe('with a state', () => {
  it('is as the plain path, for flows of its integration', async () => {
    const { environment, path } = await setUp();
    const callback = moved(await service.approve(await service.connectUrl(environment)), path);

    expect((await service.request('GET', callback)).text).toContain('Acme is connected');
  });

  it('knows no flow of another integration, and spends nothing of it', async () => {
    const mine = await setUp();
    const other = await setUp();
    const callback = await service.approve(await service.connectUrl(mine.environment));
    const before = service.slack.calls.length;

    const elsewhere = await service.request('GET', moved(callback, other.path));

    expect(elsewhere.status).toBe(400);
    expect(elsewhere.text).toContain('This link cannot be used');
    expect(service.slack.calls.length).toBe(before);
    expect((await service.request('GET', callback)).status).toBe(200);
  });
});

describe('without a state', () => {
  it.each([undefined, 'restart'] as const)('leads to the install page, and leaves the code (%s)', async (stateless) => {
    const { environment, integrationId, path } = await setUp(stateless ? { stateless } : {});
    const callback = await startedAtSlack(environment, path);
    const before = service.slack.calls.length;

    const answer = await service.request('GET', callback);

    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe(`${service.url}/v1/integrations/${integrationId}/slack/install`);
    expect(service.slack.calls.length).toBe(before);
  });

  it('is refused by an integration that says so', async () => {
    const { environment, path } = await setUp({ stateless: 'reject', productName: 'Billing Bot' });
    const callback = await startedAtSlack(environment, path);
    const before = service.slack.calls.length;

    const page = await service.request('GET', callback);

    expect(page.status).toBe(400);
    expect(page.text).toContain('Please start in Billing Bot');
    expect(service.slack.calls.length).toBe(before);
  });

  it('is no install on the plain path, nor when it was cancelled', async () => {
    const { environment, path } = await setUp({ stateless: 'accept' });
    const callback = await startedAtSlack(environment, path);

    const answers = [
      await service.request('GET', moved(callback, plainPath())),
      await service.request('GET', `${path}?error=access_denied`),
      await service.request('GET', path),
    ];

    expect(answers.map((answer) => answer.status)).toEqual([400, 400, 400]);
    expect(await service.connections(environment)).toEqual([]);
  });

  it('is a 404 for what is no living Slack integration', async () => {
    const teams = await createTeams(service);
    const { json } = await service.api(teams.apiKey, 'GET', '/v1/integrations');
    const teamsId = json.data.find((each: { providerId: string }) => each.providerId === 'msteams')._id;

    for (const id of [teamsId, '0'.repeat(24), 'slack']) {
      expect((await service.request('GET', `${plainPath()}/${id}?code=code`)).status).toBe(404);
    }
  });
});

describe('stateless: accept', () => {
  it('connects the workspace to nobody in particular', async () => {
    const { environment, path } = await setUp({ stateless: 'accept', binding: 'confirm' });

    const page = await service.request('GET', await startedAtSlack(environment, path));

    expect(page.text).toContain('Acme is connected');
    expect(await service.connections(environment)).toMatchObject([
      { subscriberId: null, contextKeys: [], workspace: { id: 'T0ACME0001' }, scopes: ['chat:write'] },
    ]);
    expect(await service.endpoints(environment)).toEqual([]);
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });

  it('touches no subscriber’s connection', async () => {
    const { environment, path } = await setUp({ stateless: 'accept' });
    await service.connect(environment, { subscriberId: 'ann' });
    const [anns] = await service.connections(environment);

    await service.request('GET', await startedAtSlack(environment, path, { workspaceId: 'T0GLOBEX01' }));

    const connections = await service.connections(environment);
    expect(connections).toHaveLength(2);
    expect(connections).toContainEqual(anns);
  });

  it('exchanges a code once, however often and at once it comes', async () => {
    const { environment, path } = await setUp({ stateless: 'accept' });
    const callback = await startedAtSlack(environment, path);
    const before = service.slack.count('oauth.v2.access');

    const atOnce = await Promise.all(Array.from({ length: 5 }, () => service.request('GET', callback)));
    const later = await service.request('GET', callback);

    expect(service.slack.count('oauth.v2.access') - before).toBe(1);
    expect([...atOnce, later].map((answer) => answer.status)).toEqual(Array(6).fill(200));
    expect(await service.connections(environment)).toHaveLength(1);
  });

  it('keeps a person’s token only where the integration asks for one', async () => {
    const plain = await setUp({ stateless: 'accept' });
    const asking = await setUp({ stateless: 'accept', installUserScopes: ['search:read'] });
    for (const { environment, path } of [plain, asking]) {
      await service.request('GET', await startedAtSlack(environment, path, {}, 'search:read'));
    }

    expect(await service.connections(plain.environment)).toHaveLength(1);
    expect(await service.connections(asking.environment)).toHaveLength(2);
  });

  it('is for the codes of its own app', async () => {
    const mine = await setUp({ stateless: 'accept' });
    const other = await setUp({ stateless: 'accept' });
    const callback = await startedAtSlack(mine.environment, mine.path);

    const page = await service.request('GET', moved(callback, other.path));

    expect(page.status).toBe(400);
    expect(page.text).toContain('invalid_code');
    expect(await service.connections(other.environment)).toEqual([]);
  });
});
