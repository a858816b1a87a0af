import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type TestService } from '../support/service.ts';
import { adele, createTeams, type TeamsEnvironment } from '../support/teams.ts';

const path = '/v1/integrations/channel-endpoints/link';

let service: TestService;
let environment: TeamsEnvironment;

beforeAll(async () => {
  service = await startTestService();
  environment = await createTeams(service);
});

afterAll(() => service.close());

const post = (body: object, apiKey = environment.apiKey) =>
  service.api(apiKey, 'POST', path, { integrationIdentifier: 'slack', subscriberId: 'ann', ...body });

describe('POST /v1/integrations/channel-endpoints/link', () => {
  it('answers 200 with the URL that links a person of Slack’s', async () => {
    const answer = await post({ context: { tenant: 'acme' } });

    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ data: { url: expect.any(String), expiresAt: expect.any(String) } });
    const url = new URL(answer.json.data.url);
    expect(url.searchParams.get('user_scope')).toBe('identity.basic');
    expect(url.searchParams.has('scope')).toBe(false);

    await service.request('GET', await service.approve(url.href));

    expect(await service.endpoints(environment, '&integrationIdentifier=slack')).toMatchObject([
      { type: 'slack_user', subscriberId: 'ann', contextKeys: ['tenant:acme'] },
    ]);
  });

  it('answers 200 with the URL that links a person of Teams', async () => {
    const answer = await post({ integrationIdentifier: 'msteams' });

    expect(answer.status).toBe(200);
    await service.request('GET', await service.microsoft.signIn(answer.json.data.url, { username: adele }));

    expect(await service.endpoints(environment, '&integrationIdentifier=msteams')).toMatchObject([
      { type: 'ms_teams_user', subscriberId: 'ann', connectionIdentifier: null },
    ]);
  });

  it.each([
    [{ subscriberId: undefined }, 422, 'validation_failed'],
    [{ subscriberId: '' }, 422, 'validation_failed'],
    [{ integrationIdentifier: undefined }, 422, 'validation_failed'],
    [{ userScope: ['identity.basic'] }, 422, 'validation_failed'],
    [{ connectionIdentifier: 'acme' }, 422, 'validation_failed'],
    [{ context: {} }, 422, 'validation_failed'],
    [{ integrationIdentifier: 'nope' }, 404, 'integration_not_found'],
  ])('answers %j with %d', async (body, status, error) => {
    const answer = await post(body);

    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({ error, path });
  });

  it('needs the permission connect, and knows only integrations of the key’s environment', async () => {
    const weak = await service.createApiKey(environment.environmentId, ['manage', 'tokens']);
    const other = await service.createTestEnvironment();

    expect((await post({}, weak)).status).toBe(403);
    expect((await post({ integrationIdentifier: 'msteams' }, other.apiKey)).status).toBe(404);
  });
});
