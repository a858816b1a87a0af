import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteIntegrations } from '../support/change-integrations.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { expectSettled, letSweepFinish } from '../support/settled.ts';
import { createTeams } from '../support/teams.ts';
import { openBrowser } from '../support/visitor.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

async function idOf(environment: TestEnvironment, providerId = 'slack'): Promise<string> {
  const { json } = await service.api(environment.apiKey, 'GET', '/v1/integrations');
  return json.data.find((each: { providerId: string }) => each.providerId === providerId)._id;
}

const pageOf = async (environment: TestEnvironment, query = '') =>
  `${service.url}/v1/integrations/${await idOf(environment)}/slack/install${query}`;

/** What a person does who presses the button and then Allow; gives the page at the end. */
async function install(page: string, choice: { workspaceId?: string; userId?: string } = {}) {
  const visitor = openBrowser(service);
  return visitor.visit(await service.approve(await visitor.proceed(page), choice));
}

async function flowRows() {
  const { Items = [] } = await service.db.client.send(
    new ScanCommand({ TableName: service.db.tables.flows, ConsistentRead: true }),
  );
  return Items.length;
}

describe('the install page', () => {
  it('names the product, without anything of a third party', async () => {
    const environment = await service.createTestEnvironment({ configurations: { productName: '<b>Billing</b> Bot' } });

    const page = await service.request('GET', await pageOf(environment));

    expect(page.status).toBe(200);
    expect(page.text).toContain('<h1>Add &#60;b&#62;Billing&#60;/b&#62; Bot to Slack?</h1>');
    expect(page.text).toContain('<button>Add to Slack</button>');
    expect(page.text).not.toMatch(/<script|<img|https?:/);
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none';.*frame-ancestors 'none'$/);
  });

  it('writes nothing when it is looked at', async () => {
    const environment = await service.createTestEnvironment();
    const page = await pageOf(environment);
    const before = await flowRows();

    const answer = await service.request('GET', page);
    await service.request('HEAD', page);

    expect(answer.headers.getSetCookie()).toEqual([]);
    expect(await flowRows()).toBe(before);
  });

  it('connects the workspace to nobody in particular, under the binding of the browser', async () => {
    const environment = await service.createTestEnvironment({ configurations: { productName: 'Billing Bot' } });

    const end = await install(await pageOf(environment));

    expect(end.status).toBe(200);
    expect(end.text).toContain('Acme is connected');
    expect(await service.connections(environment)).toMatchObject([
      { subscriberId: null, contextKeys: [], workspace: { id: 'T0ACME0001' }, status: 'active' },
    ]);
    expect(await service.endpoints(environment)).toEqual([]);
    await expectSettled(service, environment);
  });

  it('gives each company a connection, and one that installs again the same', async () => {
    const environment = await service.createTestEnvironment();
    const page = await pageOf(environment);

    await install(page, { workspaceId: 'T0ACME0001' });
    await install(page, { workspaceId: 'T0GLOBEX01' });
    await install(page, { workspaceId: 'T0ACME0001' });

    const connections = await service.connections(environment);
    expect(connections.map((each) => each.workspace.id).sort()).toEqual(['T0ACME0001', 'T0GLOBEX01']);
    await expectSettled(service, environment);
  });

  it('makes connections that are listed by environment and integration only', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionMode: 'shared', context: { tenant: 'acme' } });
    await install(await pageOf(environment), { workspaceId: 'T0GLOBEX01' });
    const namesIn = async (query: string) =>
      (await service.connections(environment, query)).map((each) => each.workspace.id).sort();

    expect(await namesIn('')).toEqual(['T0ACME0001', 'T0GLOBEX01']);
    expect(await namesIn('&integrationIdentifier=slack')).toEqual(['T0ACME0001', 'T0GLOBEX01']);
    expect(await namesIn('&subscriberId=ann')).toEqual([]);
    expect(await namesIn('&contextKeys=tenant:acme')).toEqual(['T0ACME0001']);
  });

  it('keeps the token of each person who gives one, and both end with their connections', async () => {
    const environment = await service.createTestEnvironment({
      configurations: { installUserScopes: ['search:read'] },
    });
    const page = await pageOf(environment);
    await install(page, { userId: 'U0ANNACME0001' });
    await install(page, { userId: 'U0BOBACME0001' });

    const connections = await service.connections(environment);
    expect(connections).toHaveLength(3);
    expect(connections.filter((each) => each.scopes.includes('search:read'))).toHaveLength(2);
    const before = service.slack.count('auth.revoke');
    for (const { identifier } of connections) {
      await service.api(environment.apiKey, 'DELETE', `/v1/channel-connections/${identifier}`);
    }
    expect(service.slack.count('auth.revoke') - before).toBe(3);
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });

  it('refuses another workspace than ?team= names, and lets go of all it granted', async () => {
    const environment = await service.createTestEnvironment({
      configurations: { installUserScopes: ['search:read'] },
    });

    const end = await install(await pageOf(environment, '?team=T0GLOBEX01'), { workspaceId: 'T0ACME0001' });

    expect(end.text).toContain('team_mismatch');
    expect(await service.connections(environment)).toEqual([]);
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });

  it.each(['?team=acme', '?team=T0ACME0001&team=T0GLOBEX01', '?team='])('ignores %s', async (query) => {
    const environment = await service.createTestEnvironment();

    const location = await openBrowser(service).proceed(await pageOf(environment, query));

    expect(new URL(location).searchParams.has('team')).toBe(false);
  });

  it('goes back to the product at the end', async () => {
    const redirectUrl = 'https://product.example/installed';
    const environment = await service.createTestEnvironment({ credentials: { redirectUrl } });

    const end = await install(await pageOf(environment));

    expect(end.headers.get('location')).toMatch(/^https:\/\/product\.example\/installed\?status=success&/);
  });

  it.each(['browser', 'confirm'] as const)('works for an integration that demands %s', async (binding) => {
    const environment = await service.createTestEnvironment({ configurations: { binding } });

    expect((await install(await pageOf(environment))).status).toBe(200);
  });

  it('asks for the scopes of the integration, but for no webhook', async () => {
    const environment = await service.createTestEnvironment({
      configurations: { scopes: ['chat:write', 'incoming-webhook'], installUserScopes: ['search:read'] },
    });

    const { searchParams } = new URL(await openBrowser(service).proceed(await pageOf(environment)));

    expect(searchParams.get('scope')).toBe('chat:write');
    expect(searchParams.get('user_scope')).toBe('search:read');
  });

  it('is not offered outside of allowedScopes, and the log says why', async () => {
    const environment = await service.createTestEnvironment({
      configurations: { scopes: ['chat:write'], installUserScopes: ['admin'], allowedScopes: ['chat:write'] },
    });

    const page = await service.request('GET', await pageOf(environment));

    expect(page.status).toBe(404);
    expect(service.lines.at(-1)?.fields).toMatchObject({ refused: ['admin'] });
  });

  it('is not offered for what is no living Slack integration', async () => {
    const deleted = await service.createTestEnvironment();
    const gone = await pageOf(deleted);
    await deleteIntegrations(service, deleted);
    const teams = await createTeams(service);
    const ids = [await idOf(teams, 'msteams'), '0'.repeat(24), 'slack', 'x'.repeat(3_000)];

    for (const page of [gone, ...ids.map((id) => `${service.url}/v1/integrations/${id}/slack/install`)]) {
      const answers = [
        await service.request('GET', page),
        await service.request('GET', `${page}?direct=1`),
        await openBrowser(service).press(page),
      ];
      expect(answers.map((answer) => answer.status)).toEqual([404, 404, 404]);
    }
  });
});

describe('the button', () => {
  it('can be pressed by no other site', async () => {
    const environment = await service.createTestEnvironment();
    const page = await pageOf(environment);
    const before = await flowRows();

    for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }, {}]) {
      const answer = await openBrowser(service).press(page, headers as Record<string, string>);
      expect(answer.status).toBe(400);
    }
    expect(await flowRows()).toBe(before);
  });

  it('may be pressed in two tabs', async () => {
    const environment = await service.createTestEnvironment();
    const page = await pageOf(environment);
    const visitor = openBrowser(service);
    const [first, second] = [await visitor.proceed(page), await visitor.proceed(page)];

    const ends = [
      await visitor.visit(await service.approve(second, { workspaceId: 'T0GLOBEX01' })),
      await visitor.visit(await service.approve(first, { workspaceId: 'T0ACME0001' })),
    ];

    expect(ends.map((end) => end.status)).toEqual([200, 200]);
    expect(await service.connections(environment)).toHaveLength(2);
  });

  it('binds to its browser: another one’s callback asks nothing of Slack, and the right one still finishes', async () => {
    const environment = await service.createTestEnvironment();
    const visitor = openBrowser(service);
    const callback = await service.approve(await visitor.proceed(await pageOf(environment)));
    const before = service.slack.calls.length;

    const elsewhere = await openBrowser(service).visit(callback);

    expect(elsewhere.status).toBe(400);
    expect(service.slack.calls.length).toBe(before);
    expect((await visitor.visit(callback)).status).toBe(200);
  });

  it('installs into its own environment alone', async () => {
    const [mine, other] = [await service.createTestEnvironment(), await service.createTestEnvironment()];

    await install(await pageOf(mine));

    expect(await service.connections(mine)).toHaveLength(1);
    expect(await service.connections(other)).toEqual([]);
  });
});

describe('?direct=1', () => {
  it('leads straight to Slack, with one row and a cookie', async () => {
    const environment = await service.createTestEnvironment();
    const page = await pageOf(environment, '?direct=1&team=T0GLOBEX01');
    const before = await flowRows();
    const visitor = openBrowser(service);

    const answer = await visitor.visit(page);

    expect(answer.status).toBe(303);
    expect(await flowRows()).toBe(before + 1);
    const end = await visitor.visit(await service.approve(answer.headers.get('location') ?? ''));
    expect(end.text).toContain('Globex is connected');
  });

  it.each([
    ['HEAD', {}],
    ['GET', { 'sec-purpose': 'prefetch' }],
    ['GET', { 'sec-purpose': 'prefetch;prerender' }],
    ['GET', { purpose: 'prefetch' }],
  ])('writes nothing for a look ahead (%s, %j)', async (method, headers) => {
    const environment = await service.createTestEnvironment();
    const page = await pageOf(environment, '?direct=1');
    const before = await flowRows();

    const answer = await service.request(method, page, { headers: headers as Record<string, string> });

    expect(answer.status).not.toBe(303);
    expect(await flowRows()).toBe(before);
  });
});
