import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { expectSettled, letSweepFinish } from '../support/settled.ts';
import { createTeams } from '../support/teams.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

const askConnect = (environment: TestEnvironment, body: object) =>
  service.api(environment.apiKey, 'POST', '/v1/integrations/channel-connections/oauth', {
    integrationIdentifier: 'slack',
    subscriberId: 'ann',
    ...body,
  });

describe('teamId', () => {
  it('preselects the workspace at Slack, and connects it', async () => {
    const environment = await service.createTestEnvironment();
    const url = await service.connectUrl(environment, { teamId: 'T0GLOBEX01' });

    const page = await service.request('GET', await service.approve(url));

    expect(new URL(url).searchParams.get('team')).toBe('T0GLOBEX01');
    expect(page.text).toContain('Globex is connected');
  });

  it('is the enterprise of an org-wide install', async () => {
    const environment = await service.createTestEnvironment();
    const asked = { teamId: 'E0INITECH1' };

    const orgWide = await service.connect(environment, asked, { org: true, workspaceId: 'T0INITECH1' });
    const inside = await service.connect(environment, { ...asked, subscriberId: 'b' }, { workspaceId: 'T0INITECH1' });

    expect(orgWide.status).toBe(200);
    expect(inside.text).toContain('team_mismatch');
  });

  it('refuses another workspace, lets go of what it granted, and says so in the return URL', async () => {
    const returnUrl = 'https://product.example/done';
    const environment = await service.createTestEnvironment({ configurations: { returnUrls: [returnUrl] } });
    const before = service.slack.count('auth.revoke');
    const asked = { teamId: 'T0GLOBEX01', installUserScopes: ['search:read'], returnUrl };

    const answer = await service.connect(environment, asked, { workspaceId: 'T0ACME0001' });

    const target = new URL(answer.headers.get('location') ?? '');
    expect(Object.fromEntries(target.searchParams)).toEqual({ status: 'error', error: 'team_mismatch' });
    expect(service.slack.count('auth.revoke') - before).toBe(2);
    expect(await service.connections(environment)).toEqual([]);
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });

  it('refuses another workspace without hurting what is connected there', async () => {
    const environment = await service.createTestEnvironment();
    const withUser = { installUserScopes: ['search:read'] };
    await service.connect(environment, { subscriberId: 'ann', ...withUser });
    const before = service.slack.count('auth.revoke');

    const page = await service.connect(
      environment,
      { subscriberId: 'bob', teamId: 'T0GLOBEX01', ...withUser },
      { workspaceId: 'T0ACME0001' },
    );

    expect(page.status).toBe(400);
    expect(page.text).toContain('You chose another workspace');
    expect(service.slack.count('auth.revoke')).toBe(before);
    expect(await service.connections(environment)).toMatchObject([{ subscriberId: 'ann', status: 'active' }]);
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });

  it('holds for a link as well', async () => {
    const environment = await service.createTestEnvironment();

    const page = await service.link(environment, { teamId: 'T0GLOBEX01' }, { workspaceId: 'T0ACME0001' });

    expect(page.text).toContain('team_mismatch');
    expect(await service.endpoints(environment)).toEqual([]);
  });

  it.each(['acme', 'T0&scope=admin', '', 't0acme0001'])('cannot be %j', async (teamId) => {
    const environment = await service.createTestEnvironment();

    expect((await askConnect(environment, { teamId })).status).toBe(422);
  });

  it('is refused where it would mean nothing', async () => {
    const environment = await createTeams(service);

    const answer = await askConnect(environment, { integrationIdentifier: 'msteams', teamId: 'T0ACME0001' });

    expect(answer.json).toMatchObject({ statusCode: 422, error: 'validation_failed' });
  });
});

describe('metadata', () => {
  it('is shown with the connection, and stays when a reconnect names none', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { metadata: 'plan: gold' });
    const first = await service.connections(environment);

    await service.connect(environment);

    expect(first).toMatchObject([{ metadata: 'plan: gold' }]);
    expect(await service.connections(environment)).toMatchObject([{ metadata: 'plan: gold' }]);
  });

  it('does not go to Slack', async () => {
    const environment = await service.createTestEnvironment();

    expect(await service.connectUrl(environment, { metadata: 'canary' })).not.toContain('canary');
  });

  it('has 1 KB at most, in UTF-8', async () => {
    const environment = await service.createTestEnvironment();

    expect((await askConnect(environment, { metadata: 'é'.repeat(512) })).status).toBe(201);
    expect((await askConnect(environment, { metadata: 'é'.repeat(513) })).status).toBe(422);
  });
});

describe('installUserScopes', () => {
  it('are asked for beside the scopes of the bot: those of the request, else of the integration, else none', async () => {
    const plain = await service.createTestEnvironment();
    const set = await service.createTestEnvironment({ configurations: { installUserScopes: ['search:read'] } });
    const asked = async (environment: TestEnvironment, body: Record<string, unknown>) => {
      const { searchParams } = new URL(await service.connectUrl(environment, body));
      return { bot: searchParams.get('scope'), user: searchParams.get('user_scope') };
    };
    const scope = ['chat:write'];

    expect(await asked(plain, { scope })).toEqual({ bot: 'chat:write', user: null });
    expect(await asked(set, { scope })).toEqual({ bot: 'chat:write', user: 'search:read' });
    expect(await asked(set, { scope, installUserScopes: ['users:read', 'files:read'] })).toEqual({
      bot: 'chat:write',
      user: 'users:read,files:read',
    });
    expect(await asked(set, { scope, installUserScopes: [] })).toEqual({ bot: 'chat:write', user: null });
  });

  it('are within allowedScopes, whoever names them', async () => {
    const allowedScopes = ['chat:write', 'identity.basic'];
    const scope = ['chat:write'];
    const environment = await service.createTestEnvironment({ configurations: { allowedScopes } });
    const set = await service.createTestEnvironment({
      configurations: { allowedScopes, installUserScopes: ['admin'] },
    });

    for (const refused of [
      await askConnect(environment, { scope, installUserScopes: ['admin'] }),
      await askConnect(set, { scope }),
    ]) {
      expect(refused.json).toMatchObject({ statusCode: 400, error: 'invalid_scope' });
    }
  });

  it('bring a token of the person, which ends with the connection', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { installUserScopes: ['search:read'] });
    const [connection] = await service.connections(environment);
    const before = service.slack.count('auth.revoke');
    await expectSettled(service, environment);

    await service.api(environment.apiKey, 'DELETE', `/v1/channel-connections/${connection.identifier}`);

    expect(service.slack.count('auth.revoke') - before).toBe(2);
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });

  it('are not for links', async () => {
    const environment = await service.createTestEnvironment();

    const answer = await service.api(environment.apiKey, 'POST', '/v1/integrations/channel-endpoints/oauth', {
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
      installUserScopes: ['search:read'],
    });

    expect(answer.status).toBe(422);
  });
});
