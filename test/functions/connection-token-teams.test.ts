import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Configurations } from '../../lib/integration/integration.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import * as teams from '../support/teams.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterEach(() => service.microsoft.behave());
afterAll(() => service.close());

const ask = (environment: TestEnvironment, body?: object, identifier = 'mine') =>
  service.api(environment.apiKey, 'POST', `/v1/channel-connections/${identifier}/token`, body);

const shown = async (environment: TestEnvironment) =>
  (await service.api(environment.apiKey, 'GET', '/v1/channel-connections/mine')).json.data;

describe('POST /v1/channel-connections/{identifier}/token of a Teams connection', () => {
  async function connectedTenant(configurations: Configurations = {}) {
    const environment = await teams.createTeams(service, configurations);
    await teams.connect(service, environment, { connectionIdentifier: 'mine' });
    const { workspace } = await shown(environment);
    return { environment, tenantId: workspace.id, clientId: environment.entraApp.clientId };
  }
  const tokenCalls = () => service.microsoft.count('token', 'client_credentials');
  const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

  it('asks Entra once for many', async () => {
    const { environment } = await connectedTenant();
    const before = tokenCalls();

    const answers = await Promise.all(Array.from({ length: 32 }, () => ask(environment)));

    expect(new Set(answers.map(({ json }) => json.data.accessToken)).size).toBe(1);
    expect(tokenCalls() - before).toBe(1);
  });

  it('hands out a token for the bot from the tenant that the bot is at home in', async () => {
    const home = 'c0270500-1a2b-4c3d-8e4f-00000000c0a1';
    const { environment } = await connectedTenant({ botAuthority: home });

    const answer = await ask(environment, { resource: 'bot' });

    expect(claimsOf(answer.json.data.accessToken)).toMatchObject({ tid: home, aud: 'https://api.botframework.com' });
    expect(answer.json.data).toMatchObject({ tokenType: 'Bearer', scopes: [] });
    expect((await ask(environment)).json.data.accessToken).not.toBe(answer.json.data.accessToken);
  });

  it('whose bot is at home nowhere says so, and stays as it is', async () => {
    const { environment } = await connectedTenant();

    const answer = await ask(environment, { resource: 'bot' });

    expect(answer.json).toMatchObject({ statusCode: 502, error: 'token_unavailable', reason: 'app_not_in_tenant' });
    expect(await shown(environment)).toMatchObject({ status: 'active' });
  });

  it('shares no token with another tenant or environment', async () => {
    const mine = await connectedTenant();
    const other = await teams.createTeams(service, {}, mine.environment.entraApp);
    await teams.connect(service, other, { connectionIdentifier: 'mine' });

    const [first, second] = [await ask(mine.environment), await ask(other)];

    expect(first.json.data.accessToken).not.toBe(second.json.data.accessToken);
  });

  it('that the tenant has withdrawn is a 409, and heals when it approves again', async () => {
    const { environment, tenantId, clientId } = await connectedTenant();
    service.microsoft.withdrawConsent(tenantId, clientId);

    const refused = await ask(environment);
    const before = tokenCalls();
    const again = await ask(environment);
    const asked = tokenCalls() - before;
    service.microsoft.consent(tenantId, clientId);
    service.advance(11_000);
    const healed = await ask(environment);

    for (const answer of [refused, again]) {
      expect(answer.json).toMatchObject({
        statusCode: 409,
        error: 'reauthorization_required',
        reason: 'app_not_in_tenant',
      });
    }
    expect(asked).toBe(0);
    expect(healed.status).toBe(200);
    expect(await shown(environment)).toMatchObject({ status: 'active' });
  });

  it('lacks roles', async () => {
    const { environment, tenantId, clientId } = await connectedTenant();
    service.microsoft.setRoles(tenantId, clientId, []);

    expect((await ask(environment)).json).toMatchObject({ statusCode: 409, reason: 'roles_missing' });
  });

  it('waits while Microsoft is in trouble', async () => {
    const { environment } = await connectedTenant();
    service.microsoft.misbehave({ kind: 'http_503', times: 1 });

    const answer = await ask(environment);

    expect(answer.json).toMatchObject({ statusCode: 502, error: 'token_unavailable', reason: 'provider_unavailable' });
    expect(Number(answer.headers.get('retry-after'))).toBe(1);
    expect((await ask(environment)).status).toBe(200);
  });

  it('that is pending is a 409 that says so', async () => {
    const environment = await teams.createTeams(service);
    const consent = { rolesLater: true };
    await teams.connect(service, environment, { connectionIdentifier: 'mine' }, { consent });

    const answer = await ask(environment);

    expect(answer.json).toMatchObject({ statusCode: 409, error: 'connection_pending', reason: 'roles_missing' });
  });

  it('that a caller made hands out the token that they brought, and no other', async () => {
    const environment = await teams.createTeams(service);
    const made = await service.api(environment.apiKey, 'POST', '/v1/channel-connections', {
      integrationIdentifier: 'msteams',
      subscriberId: 'caller',
      workspace: { id: 'c0270500-1a2b-4c3d-8e4f-00000000c0a1' },
      auth: { accessToken: 'app-only' },
    });
    const before = tokenCalls();

    const answer = await ask(environment, {}, made.json.data.identifier);
    const forGraph = await ask(environment, { resource: 'graph' }, made.json.data.identifier);

    expect(answer.json.data).toMatchObject({ accessToken: 'app-only', tokenType: 'Bearer', expiresAt: null });
    expect(forGraph.status).toBe(422);
    expect(tokenCalls()).toBe(before);
  });

  // Last: msal-node counts from the machine's clock, not from the one that this moves.
  it('hands out a token of the app for Graph, from memory while it lasts', async () => {
    const { environment, tenantId, clientId } = await connectedTenant();
    const before = tokenCalls();

    const answer = await ask(environment);
    const again = await ask(environment, { resource: 'graph' });
    service.advance(56 * 60_000);
    const later = await ask(environment);

    expect(answer.json.data).toMatchObject({ tokenType: 'Bearer', scopes: ['Team.ReadBasic.All'] });
    expect(claimsOf(answer.json.data.accessToken)).toMatchObject({
      tid: tenantId,
      appid: clientId,
      aud: 'https://graph.microsoft.com',
    });
    expect(Date.parse(answer.json.data.expiresAt)).toBeGreaterThan(Date.now());
    expect(again.json.data.accessToken).toBe(answer.json.data.accessToken);
    expect(later.json.data.accessToken).not.toBe(answer.json.data.accessToken);
    expect(tokenCalls() - before).toBe(2);
  });
});
