import type { Novu } from '@novu/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contoso } from '../../infra/local/pretend-microsoft/directory.ts';
import { changeConfigurations } from '../support/change-integrations.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { adele, createTeams, megan } from '../support/teams.ts';
import { novuAt } from './novu.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

/** An environment of its own for each flow, with the integrations `slack` and `msteams`. */
async function newEnvironment(): Promise<Novu> {
  return novuAt(service.url, (await createTeams(service)).apiKey);
}

const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe('a Slack flow', () => {
  it('ends in a connection that the SDK reads, also when it lacks scopes that are required since', async () => {
    const environment = await service.createTestEnvironment();
    const novu = novuAt(service.url, environment.apiKey);
    await service.connect(environment, { connectionIdentifier: 'mine', scope: ['chat:write'] });
    const before = (await novu.channelConnections.retrieve('mine')).result;

    await changeConfigurations(service, environment, { requiredScopes: ['users:read'] });

    const { data } = (await novu.channelConnections.list({})).result;
    const { json } = await service.api(environment.apiKey, 'GET', '/v1/channel-connections/mine');
    expect(json.data).toMatchObject({ missingScopes: ['users:read'] });
    expect([(await novu.channelConnections.retrieve('mine')).result, ...data]).toEqual([before, before]);
  });

  it('ends in a connection and an endpoint that the SDK lists and retrieves', async () => {
    const novu = await newEnvironment();
    const { result } = await novu.integrations.generateConnectOAuthUrl({
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
      connectionIdentifier: 'anns slack',
      context: { tenant: 'acme', app: { id: 'jira' } },
      autoLinkUser: true,
    });

    const page = await service.request('GET', await service.approve(result.url));

    expect(page.status).toBe(200);
    const connections = await novu.channelConnections.list({ subscriberId: 'ann' });
    const endpoints = await novu.channelEndpoints.list({ connectionIdentifier: 'anns slack' });
    const of = {
      channel: 'chat',
      providerId: 'slack',
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
      contextKeys: ['app:jira', 'tenant:acme'],
      createdAt: isoTime,
      updatedAt: isoTime,
    };
    const connection = {
      ...of,
      identifier: 'anns slack',
      workspace: { id: 'T0ACME0001', name: 'Acme', botUserId: expect.stringMatching(/^U/) },
      auth: { accessToken: 'hidden' },
    };
    const endpoint = {
      ...of,
      identifier: expect.stringMatching(/^chendp_/),
      connectionIdentifier: 'anns slack',
      type: 'slack_user',
      endpoint: { userId: 'U0ANNACME0001' },
    };
    const onePage = { next: null, previous: null, totalCount: 1, totalCountCapped: false };
    expect(connections.result).toEqual({ data: [connection], ...onePage });
    expect(endpoints.result).toEqual({ data: [endpoint], ...onePage });
    expect((await novu.channelConnections.retrieve('anns slack')).result).toEqual(connections.result.data[0]);
    const { identifier = '' } = endpoints.result.data[0] ?? {};
    expect((await novu.channelEndpoints.retrieve(identifier)).result).toEqual(endpoints.result.data[0]);
  });

  it('of a shared connection has no subscriber', async () => {
    const novu = await newEnvironment();
    const { result } = await novu.integrations.generateConnectOAuthUrl({
      integrationIdentifier: 'slack',
      context: { tenant: 'acme' },
      connectionMode: 'shared',
    });

    await service.request('GET', await service.approve(result.url));

    const { data } = (await novu.channelConnections.list({ contextKeys: ['tenant:acme'] })).result;
    expect(data).toMatchObject([{ subscriberId: null, contextKeys: ['tenant:acme'] }]);
  });

  it('for an org-wide install names the enterprise', async () => {
    const novu = await newEnvironment();
    const { result } = await novu.integrations.generateConnectOAuthUrl({
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
    });

    await service.request('GET', await service.approve(result.url, { org: true }));

    const { data } = (await novu.channelConnections.list({})).result;
    expect(data).toMatchObject([{ workspace: { id: 'E0INITECH1', name: 'Initech' } }]);
  });

  it('for an incoming webhook ends in a webhook endpoint', async () => {
    const novu = await newEnvironment();
    const { result } = await novu.integrations.generateConnectOAuthUrl({
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
      scope: ['incoming-webhook'],
    });

    await service.request('GET', await service.approve(result.url));

    const { data } = (await novu.channelEndpoints.list({ subscriberId: 'ann' })).result;
    expect(data).toMatchObject([
      {
        type: 'webhook',
        connectionIdentifier: null,
        endpoint: { url: expect.stringMatching(/\/services\//), channel: expect.any(String) },
      },
    ]);
  });

  it('links a person', async () => {
    const novu = await newEnvironment();
    const { result } = await novu.integrations.generateLinkUserOAuthUrl({
      integrationIdentifier: 'slack',
      subscriberId: 'bob',
    });

    await service.request('GET', await service.approve(result.url, { userId: 'U0BOBACME0001' }));

    const { data } = (await novu.channelEndpoints.list({ subscriberId: 'bob' })).result;
    expect(data).toMatchObject([
      { type: 'slack_user', connectionIdentifier: null, contextKeys: [], endpoint: { userId: 'U0BOBACME0001' } },
    ]);
  });

  it('that was cancelled leaves nothing', async () => {
    const novu = await newEnvironment();
    const { result } = await novu.integrations.generateConnectOAuthUrl({
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
    });

    const page = await service.request('GET', await service.approve(result.url, { action: 'cancel' }));

    expect(page.status).toBe(400);
    expect((await novu.channelConnections.list({})).result.data).toEqual([]);
  });
});

describe('a Microsoft flow', () => {
  it('shows the connection to a tenant that is not ready yet', async () => {
    const novu = await newEnvironment();
    const { result } = await novu.integrations.generateConnectOAuthUrl({
      integrationIdentifier: 'msteams',
      context: { tenant: 'acme' },
      connectionIdentifier: 'acmes tenant',
    });

    const consent = await service.microsoft.approveConsent(result.url, { username: adele, rolesLater: true });
    const signIn = (await service.request('GET', consent)).headers.get('location') ?? '';
    const page = await service.request('GET', await service.microsoft.signIn(signIn, { username: adele }));

    expect(page.headers.get('refresh')).toBe('5');
    const { data } = (await novu.channelConnections.list({ contextKeys: ['tenant:acme'] })).result;
    expect(data).toMatchObject([{ identifier: 'acmes tenant', subscriberId: null, workspace: { id: contoso.id } }]);
  });

  it('ends in a connection to the tenant and the person who signed in', async () => {
    const novu = await newEnvironment();
    const { result } = await novu.integrations.generateConnectOAuthUrl({
      integrationIdentifier: 'msteams',
      subscriberId: 'ann',
      autoLinkUser: true,
    });

    const consent = await service.microsoft.approveConsent(result.url, { username: adele });
    const signIn = (await service.request('GET', consent)).headers.get('location') ?? '';
    const page = await service.request('GET', await service.microsoft.signIn(signIn, { username: adele }));

    expect(page.status).toBe(200);
    const connections = (await novu.channelConnections.list({ providerId: 'msteams' })).result.data;
    expect(connections).toMatchObject([{ providerId: 'msteams', subscriberId: 'ann', workspace: { id: contoso.id } }]);
    const endpoints = (await novu.channelEndpoints.list({ providerId: 'msteams', channel: 'chat' })).result.data;
    expect(endpoints).toMatchObject([
      {
        type: 'ms_teams_user',
        connectionIdentifier: connections[0]?.identifier,
        endpoint: { userId: expect.any(String) },
      },
    ]);
  });

  it('links a person', async () => {
    const novu = await newEnvironment();
    const { result } = await novu.integrations.generateLinkUserOAuthUrl({
      integrationIdentifier: 'msteams',
      subscriberId: 'bob',
    });

    await service.request('GET', await service.microsoft.signIn(result.url, { username: megan }));

    const { data } = (await novu.channelEndpoints.list({ subscriberId: 'bob' })).result;
    expect(data).toMatchObject([{ type: 'ms_teams_user', connectionIdentifier: null }]);
  });
});
