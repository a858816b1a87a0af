import { createHmac } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { App, LogLevel } from '@slack/bolt';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { storesOf } from '../support/slack-stores.ts';

const signingSecret = 'canary-signing-secret';

let service: TestService;
const running: App[] = [];

beforeAll(async () => {
  service = await startTestService();
});

afterEach(async () => {
  for (const app of running.splice(0)) await app.stop();
});

afterAll(() => service.close());

/** A Bolt app of its own, which says hello to whoever mentions it; only the store knows of Chat Connect. */
async function startBolt(environment: TestEnvironment) {
  const { installations, states } = await storesOf(service, environment);
  const { clientId, clientSecret } = environment.slackApp;
  const redirectUri = 'https://bolt.example/slack/oauth_redirect';
  service.slack.registerApp({ ...environment.slackApp, redirectUris: [redirectUri] });
  const errors: Error[] = [];
  const app = new App({
    signingSecret,
    clientId,
    clientSecret,
    redirectUri,
    scopes: ['chat:write', 'channels:read'],
    installationStore: installations,
    installerOptions: {
      stateStore: states,
      directInstall: true,
      redirectUriPath: '/slack/oauth_redirect',
      userScopes: ['search:read'],
      authorizationUrl: `${service.slack.url}/oauth/v2/authorize`,
    },
    clientOptions: { slackApiUrl: `${service.slack.url}/api/`, retryConfig: { retries: 0 } },
    logLevel: LogLevel.ERROR,
  });
  app.error(async (error) => {
    errors.push(error);
  });
  const contexts: Record<string, unknown>[] = [];
  app.event('app_mention', async ({ event, client, context }) => {
    contexts.push({ ...context });
    await client.chat.postMessage({ channel: event.channel, text: `hello ${event.user}` });
  });
  app.event('app_uninstalled', async ({ context }) => {
    const { teamId = '', enterpriseId, isEnterpriseInstall } = context;
    await installations.deleteInstallation({ teamId, enterpriseId, isEnterpriseInstall });
  });
  app.event('tokens_revoked', async ({ event, context }) => {
    const { teamId = '', enterpriseId, isEnterpriseInstall } = context;
    for (const userId of event.tokens.oauth ?? []) {
      await installations.deleteInstallation({ teamId, enterpriseId, isEnterpriseInstall, userId });
    }
  });
  const server = await app.start({ port: 0, host: '127.0.0.1' });
  running.push(app);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    errors,
    contexts,
    /** What a person does who opens the app's install page and presses Allow; gives the status of what they see last. */
    async install(choice: Parameters<TestService['approve']>[1]): Promise<number> {
      const start = await fetch(`${url}/slack/install`, { redirect: 'manual' });
      const callback = new URL(await service.approve(start.headers.get('location') ?? '', choice));
      const cookie = (start.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
      return (await fetch(`${url}${callback.pathname}${callback.search}`, { headers: { cookie } })).status;
    },
    /** An event as Slack signs it. */
    async send(event: Record<string, unknown>, of: Record<string, unknown>, secret = signingSecret): Promise<number> {
      const body = JSON.stringify({ type: 'event_callback', api_app_id: environment.slackApp.appId, event, ...of });
      const timestamp = Math.floor(Date.now() / 1000);
      const signature = createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex');
      const response = await fetch(`${url}/slack/events`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-slack-request-timestamp': String(timestamp),
          'x-slack-signature': `v0=${signature}`,
        },
        body,
      });
      return response.status;
    },
  };
}

const mention = { type: 'app_mention', user: 'U0DAN', text: 'hi', ts: '1.1', event_ts: '1.1' };

function inTeam(teamId: string, enterpriseId: string | null = null, isEnterpriseInstall = false) {
  const authorization = { team_id: teamId, enterprise_id: enterpriseId, is_enterprise_install: isEnterpriseInstall };
  return { team_id: teamId, enterprise_id: enterpriseId, authorizations: [{ ...authorization, is_bot: true }] };
}

/** What was posted since, as its token's account, channel and text. */
const posted = (since: number) =>
  service.slack.messages.slice(since).map(({ accountId, channel, text }) => `${accountId} ${channel} ${text}`);

function lastToken(): string | undefined {
  return service.slack.calls.findLast(({ method }) => method === 'chat.postMessage')?.authorization;
}

const acme = { workspaceId: 'T0ACME0001' };
const globex = { workspaceId: 'T0GLOBEX01' };

describe('a Bolt app with the installation store', () => {
  it('answers in each workspace that Chat Connect connected with the token of that workspace', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { subscriberId: 'acme' }, acme);
    await service.connect(environment, { context: { tenant: 'globex' } }, globex);
    const bolt = await startBolt(environment);
    const since = service.slack.messages.length;

    expect(await bolt.send({ ...mention, channel: 'C0GENACME0001' }, inTeam('T0ACME0001'))).toBe(200);
    expect(await bolt.send({ ...mention, channel: 'C0GENGLOBEX01' }, inTeam('T0GLOBEX01'))).toBe(200);

    await expect
      .poll(() => posted(since).sort())
      .toEqual(['T0ACME0001 C0GENACME0001 hello U0DAN', 'T0GLOBEX01 C0GENGLOBEX01 hello U0DAN']);
    expect(bolt.contexts.map(({ teamId, botUserId, userToken }) => [teamId, typeof botUserId, userToken])).toEqual([
      ['T0ACME0001', 'string', undefined],
      ['T0GLOBEX01', 'string', undefined],
    ]);
    expect(bolt.errors).toEqual([]);
  });

  it('answers in every workspace of an enterprise with the token of its org-wide install', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { context: { tenant: 'initech' } }, { org: true });
    const bolt = await startBolt(environment);
    const since = service.slack.messages.length;
    const event = { ...mention, channel: 'C0GENINITECH1' };

    await bolt.send(event, inTeam('T0INITECH1', 'E0INITECH1', true));
    // Some of Slack's payloads do not say that the install is an org-wide one.
    await bolt.send(event, inTeam('T0INITECH1', 'E0INITECH1', false));

    const answer = 'E0INITECH1 C0GENINITECH1 hello U0DAN';
    await expect.poll(() => posted(since)).toEqual([answer, answer]);
    expect(bolt.contexts.map(({ teamId, enterpriseId }) => [teamId, enterpriseId])).toEqual([
      ['T0INITECH1', 'E0INITECH1'],
      ['T0INITECH1', 'E0INITECH1'],
    ]);
  });

  it('prefers the install of a workspace to that of its enterprise', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { context: { tenant: 'initech' } }, { org: true });
    await service.connect(environment, { context: { tenant: 'research' } }, { workspaceId: 'T0INITECH1' });
    const bolt = await startBolt(environment);
    const since = service.slack.messages.length;

    await bolt.send({ ...mention, channel: 'C0GENINITECH1' }, inTeam('T0INITECH1', 'E0INITECH1'));

    await expect.poll(() => posted(since)).toEqual(['T0INITECH1 C0GENINITECH1 hello U0DAN']);
  });

  it('answers nobody else: not with a wrong signature, nor in a workspace of another environment or integration', async () => {
    const connected = await service.createTestEnvironment();
    await service.connect(connected, {}, acme);
    const environment = await service.createTestEnvironment();
    await service.connect(environment, {}, globex);
    const bolt = await startBolt(environment);
    const since = service.slack.messages.length;

    expect(await bolt.send({ ...mention, channel: 'C0GENGLOBEX01' }, inTeam('T0GLOBEX01'), 'forged')).toBe(401);
    await bolt.send({ ...mention, channel: 'C0GENACME0001' }, inTeam('T0ACME0001'));

    await expect.poll(() => bolt.errors.length).toBe(1);
    expect(bolt.errors[0]?.message).toContain('No installation for enterprise -, team T0ACME0001, user U0DAN');
    expect(posted(since)).toEqual([]);
  });

  it('takes installs of its own, which are connections of the integration', async () => {
    const environment = await service.createTestEnvironment();
    const bolt = await startBolt(environment);
    const since = service.slack.messages.length;

    expect(await bolt.install(acme)).toBe(200);
    await bolt.send({ ...mention, user: 'U0ANNACME0001', channel: 'C0GENACME0001' }, inTeam('T0ACME0001'));

    await expect.poll(() => posted(since)).toEqual(['T0ACME0001 C0GENACME0001 hello U0ANNACME0001']);
    expect(lastToken()).toMatch(/^Bearer xoxb-/);
    expect(bolt.contexts[0]).toMatchObject({ userToken: expect.stringMatching(/^xoxp-/) });
    const connections = await service.connections(environment);
    expect(connections).toHaveLength(2);
    for (const connection of connections) {
      expect(connection).toMatchObject({
        integrationIdentifier: 'slack',
        subscriberId: null,
        contextKeys: [],
        workspace: { id: 'T0ACME0001', name: 'Acme' },
        status: 'active',
      });
    }
    expect(connections.map(({ scopes }) => scopes.join()).sort()).toEqual(['chat:write,channels:read', 'search:read']);
    // Nobody shares them: they are in no subscriber's and no context's list.
    expect(await service.connections(environment, '&subscriberId=ann')).toEqual([]);
    expect(await service.connections(environment, '&contextKeys=')).toEqual([]);
    expect(await service.connections(environment, '&integrationIdentifier=slack')).toHaveLength(2);
  });

  it('gives each person’s own token in an event of theirs only', async () => {
    const environment = await service.createTestEnvironment();
    const bolt = await startBolt(environment);
    await bolt.install({ ...acme, userId: 'U0ANNACME0001' });
    await bolt.install({ ...acme, userId: 'U0BOBACME0001' });

    for (const user of ['U0ANNACME0001', 'U0BOBACME0001', 'U0CHEACME0001']) {
      await bolt.send({ ...mention, user, channel: 'C0GENACME0001' }, inTeam('T0ACME0001'));
    }

    await expect.poll(() => bolt.contexts.length).toBe(3);
    const tokenOf = (user: string) => bolt.contexts.find(({ userId }) => userId === user)?.['userToken'];
    expect(tokenOf('U0ANNACME0001')).toContain('U0ANNACME0001');
    expect(tokenOf('U0BOBACME0001')).toContain('U0BOBACME0001');
    expect(tokenOf('U0CHEACME0001')).toBeUndefined();
  });

  it('forgets what Slack’s events say has ended, and takes the workspace in again', async () => {
    const environment = await service.createTestEnvironment();
    const bolt = await startBolt(environment);
    await bolt.install({ ...acme, userId: 'U0ANNACME0001' });
    const event = { ...mention, user: 'U0ANNACME0001', channel: 'C0GENACME0001' };

    await bolt.send(
      { type: 'tokens_revoked', tokens: { oauth: ['U0ANNACME0001'], bot: [] } },
      { ...inTeam('T0ACME0001'), authorizations: [] },
    );
    await expect.poll(async () => (await service.connections(environment)).length).toBe(1);
    const before = service.slack.messages.length;
    await bolt.send(event, inTeam('T0ACME0001'));
    await expect.poll(() => posted(before)).toHaveLength(1);
    expect(bolt.contexts[0]).toMatchObject({ botToken: expect.any(String), userToken: undefined });

    service.slack.uninstall(environment.slackApp.clientId, 'T0ACME0001');
    await bolt.send({ type: 'app_uninstalled' }, { ...inTeam('T0ACME0001'), authorizations: [] });
    await expect.poll(async () => (await service.connections(environment)).length).toBe(0);
    await bolt.send(event, inTeam('T0ACME0001'));
    await expect.poll(() => bolt.errors.length).toBe(1);

    const since = service.slack.messages.length;
    await bolt.install({ ...acme, userId: 'U0ANNACME0001' });
    await bolt.send(event, inTeam('T0ACME0001'));
    await expect.poll(() => posted(since)).toHaveLength(1);
  });
});
