import { readFileSync } from 'node:fs';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { type Installation, InstallProvider, LogLevel } from '@slack/oauth';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localClientConfig } from '../../infra/local/embedded-dynamodb.ts';
import { answerHttpEvent } from '../../lib/slack-stores/index.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { storesOf } from '../support/slack-stores.ts';

let service: TestService;

// One each: the library counts lifetimes from the machine's clock, so a service's clock goes ahead only once.
beforeEach(async () => {
  service = await startTestService();
});

afterEach(async () => {
  await service.close();
  // Refreshes, refusals and deletions are logged, by ids.
  expect(JSON.stringify(service.lines)).not.toMatch(/xox|canary/);
});

const lifeMilliseconds = 43_200_000;
const ann = { id: 'U0ANN', token: 'xoxp-ann', scopes: ['search:read'] };

type Bot = NonNullable<Installation['bot']>;

const query = { teamId: 'T0ACME0001', enterpriseId: undefined, isEnterpriseInstall: false };

/** A workspace whose tokens rotate, connected through Chat Connect, and an app with InstallProvider. */
async function setup() {
  const environment = await service.createTestEnvironment({ app: { tokenRotation: true } });
  expect((await service.connect(environment)).status).toBe(200);
  const { installations } = await storesOf(service, environment, { slackBaseUrl: service.slack.url });
  const refreshes = () => service.slack.calls.filter(({ grantType }) => grantType === 'refresh_token').length;
  const before = refreshes();
  return {
    environment,
    installations,
    provider: () =>
      new InstallProvider({
        clientId: environment.slackApp.clientId,
        clientSecret: environment.slackApp.clientSecret,
        stateSecret: 'unused',
        installationStore: installations,
        clientOptions: { slackApiUrl: `${service.slack.url}/api/`, retryConfig: { retries: 0 } },
      }),
    refreshes: () => refreshes() - before,
    async works(token: string | undefined): Promise<boolean> {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await fetch(`${service.slack.url}/api/auth.test`, { method: 'POST', headers });
      return ((await answer.json()) as { ok: boolean }).ok;
    },
  };
}

describe('installationStore, of tokens that rotate', () => {
  it('gives a token as it is while it lasts, and no refresh token', async () => {
    const { installations, provider, refreshes, works } = await setup();
    service.advance(lifeMilliseconds - 600_000);

    const { bot } = await installations.fetchInstallation(query);
    const authorized = await provider().authorize(query);

    expect(await works(bot?.token)).toBe(true);
    expect(bot).not.toHaveProperty('refreshToken');
    expect(authorized).toMatchObject({ botToken: bot?.token, teamId: 'T0ACME0001' });
    expect(authorized).not.toHaveProperty('botRefreshToken');
    expect(refreshes()).toBe(0);
  });

  it('refreshes it once for all who ask', async () => {
    const { provider, refreshes, works } = await setup();
    service.advance(lifeMilliseconds + 1_000);
    const providers = [provider(), provider(), provider()];

    const results = await Promise.all(Array.from({ length: 30 }, (_, index) => providers[index % 3]?.authorize(query)));

    const tokens = new Set(results.map((result) => result?.botToken));
    expect(tokens.size).toBe(1);
    expect(await works([...tokens][0])).toBe(true);
    expect(refreshes()).toBe(1);
  });

  it('refreshes a person’s token as well', async () => {
    const { environment, installations, refreshes, works } = await setup();
    const redirectUri = 'https://bolt.example/slack/oauth_redirect';
    service.slack.registerApp({ ...environment.slackApp, redirectUris: [redirectUri] });
    await installAs(environment.slackApp, redirectUri, installations);
    const asked = { ...query, userId: 'U0ANNACME0001' };
    const first = (await installations.fetchInstallation(asked)).user.token;

    service.advance(lifeMilliseconds + 1_000);
    const { bot, user } = await installations.fetchInstallation(asked);

    expect(user.token).not.toBe(first);
    expect([await works(bot?.token), await works(user.token)]).toEqual([true, true]);
    expect(refreshes()).toBe(2);
  });

  it('gives the bot without a person’s token when Slack takes that one no more', async () => {
    const { environment, installations, works } = await setup();
    const redirectUri = 'https://bolt.example/slack/oauth_redirect';
    service.slack.registerApp({ ...environment.slackApp, redirectUris: [redirectUri] });
    await installAs(environment.slackApp, redirectUri, installations);
    service.advance(lifeMilliseconds + 1_000);
    const { bot: before } = await installations.fetchInstallation({ ...query, userId: 'U0NOBODY' });

    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'ok_false', error: 'invalid_refresh_token' });
    const { bot, user } = await installations.fetchInstallation({ ...query, userId: 'U0ANNACME0001' });

    expect(bot).toEqual(before);
    expect(user.token).toBeUndefined();
    expect(await works(bot?.token)).toBe(true);
  });

  it('gives no token that has expired: it says that the app has to be installed anew', async () => {
    const { provider } = await setup();
    service.advance(lifeMilliseconds + 1_000);
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'ok_false', error: 'invalid_refresh_token', times: 1 });

    const authorized = provider().authorize(query);

    await expect(authorized).rejects.toMatchObject({ original: { code: 'reauthorization_required' } });
    await expect(provider().authorize(query)).rejects.toMatchObject({ original: { code: 'reauthorization_required' } });
  });

  it('goes on with a token that still lasts while Slack is in trouble, and says so when it has expired', async () => {
    const { provider, works } = await setup();
    service.advance(lifeMilliseconds - 120_000);
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'http_500' });

    try {
      expect(await works((await provider().authorize(query)).botToken)).toBe(true);
      service.advance(121_000);
      await expect(provider().authorize(query)).rejects.toMatchObject({ original: { code: 'token_unavailable' } });
    } finally {
      service.slack.behave();
    }
  });

  it('needs the permissions that the documentation lists, and no others', async () => {
    const { environment, installations } = await setup();
    const client = new DynamoDBClient(localClientConfig(service.db.endpoint));
    const used = new Set<string>();
    client.middlewareStack.add(
      (next, context) => (args) => {
        const { TableName, IndexName, RequestItems } = args.input as Record<string, string | object | undefined>;
        const table = String(TableName ?? Object.keys(RequestItems ?? {})[0]).replace(/-.*/, '');
        const action = String(context.commandName).replace(/Command$/, '');
        used.add([table, IndexName, action].filter(Boolean).join(' '));
        return next(args);
      },
      { step: 'initialize', name: 'used' },
    );
    const options = { client, slackBaseUrl: service.slack.url };
    const { installations: mine, states } = await storesOf(service, environment, options);
    await states.verifyStateParam(new Date(), await states.generateStateParam({ scopes: [] }, new Date()));
    await mine.storeInstallation({ ...(await installations.fetchInstallation(query)), user: ann });
    const [{ identifier }] = (await service.connections(environment)).filter(({ subscriberId }) => !subscriberId);
    await service.link(environment, { connectionIdentifier: identifier });
    service.advance(lifeMilliseconds + 1_000);
    await mine.fetchInstallation(query);
    await mine.fetchInstallation({ ...query, userId: 'U0BOB' });
    await mine.deleteInstallation(query);

    const documented = readFileSync(new URL('../../docs/slack-stores.md', import.meta.url), 'utf8');
    const listed = [...documented.matchAll(/^\| the (\w+) table(?:'s index `(\w+)`)? \| (.*) \|$/gm)].flatMap(
      ([, table, index, actions = '']) =>
        [...actions.matchAll(/`dynamodb:(\w+)`/g)].map(([, action]) =>
          [table, index, action].filter(Boolean).join(' '),
        ),
    );
    expect([...used].sort()).toEqual(listed.sort());
  });

  it('loses nothing when an app stores again what it fetched', async () => {
    const { installations, works } = await setup();
    const fetched = await installations.fetchInstallation(query);

    await installations.storeInstallation({ ...fetched, metadata: 'plan=gold' });
    service.advance(lifeMilliseconds + 1_000);

    const { bot, metadata } = await installations.fetchInstallation(query);
    expect(await works(bot?.token)).toBe(true);
    expect(metadata).toBe('plan=gold');
  });

  it('does not go back to an older token, whoever stores it', async () => {
    const { installations } = await setup();
    const old = await installations.fetchInstallation(query);
    service.advance(lifeMilliseconds + 1_000);
    const { bot } = await installations.fetchInstallation(query);

    await installations.storeInstallation(old);
    await installations.storeInstallation({ ...old, bot: { ...(old.bot as Bot), refreshToken: 'old' } });

    expect((await installations.fetchInstallation(query)).bot).toEqual(bot);
  });
});

/** An install by the app itself, of a bot and a person's token. */
async function installAs(
  app: { clientId: string; clientSecret: string },
  redirectUri: string,
  installationStore: Awaited<ReturnType<typeof storesOf>>['installations'],
) {
  const provider = new InstallProvider({
    ...app,
    stateVerification: false,
    installationStore,
    authorizationUrl: `${service.slack.url}/oauth/v2/authorize`,
    clientOptions: { slackApiUrl: `${service.slack.url}/api/` },
    logLevel: LogLevel.ERROR,
  });
  const installOptions = { scopes: ['chat:write'], userScopes: ['search:read'], redirectUri };
  const url = await provider.generateInstallUrl(installOptions, false);
  const callback = new URL(await service.approve(url));
  const event = {
    rawPath: callback.pathname,
    rawQueryString: callback.search.slice(1),
    headers: {},
    requestContext: { http: { method: 'GET' } },
  };
  const { statusCode } = await answerHttpEvent(event, (request, response) =>
    provider.handleCallback(request, response, undefined, installOptions),
  );
  expect(statusCode).toBe(200);
}
