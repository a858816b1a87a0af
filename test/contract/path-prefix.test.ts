import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type TestService } from '../support/service.ts';
import { adele, createTeams, type TeamsEnvironment } from '../support/teams.ts';
import { openBrowser } from '../support/visitor.ts';
import { expectRefusal, novuAt } from './novu.ts';
import { startPathPrefixProxy } from './path-prefix-proxy.ts';

describe.each([
  { theProxy: 'takes away', keepsPrefix: false },
  { theProxy: 'hands on', keepsPrefix: true },
])('a service whose public URL has a path that a proxy $theProxy', ({ keepsPrefix }) => {
  let proxy: Awaited<ReturnType<typeof startPathPrefixProxy>>;
  let service: TestService;
  let environment: TeamsEnvironment;

  beforeAll(async () => {
    proxy = await startPathPrefixProxy('/prod', keepsPrefix);
    service = await startTestService({ publicUrl: proxy.url });
    proxy.forwardTo(service.url);
    environment = await createTeams(service);
  });

  afterAll(async () => {
    await proxy.close();
    await service.close();
  });

  it.each(['', '/', '//'])('is reached by a serverURL with that path and "%s" at its end', async (end) => {
    const novu = novuAt(proxy.url + end, environment.apiKey);

    const { result } = await novu.integrations.list();

    expect(result.map(({ identifier }) => identifier).sort()).toEqual(['msteams', 'slack']);
  });

  it('is reached by a serverURL of one call alone', async () => {
    const novu = novuAt('http://127.0.0.1:1', environment.apiKey);

    const { result } = await novu.channelConnections.list({ limit: 1 }, { serverURL: proxy.url });

    expect(result.data).toEqual([]);
  });

  it('answers errors as the SDK knows them', async () => {
    await expectRefusal(novuAt(proxy.url, environment.apiKey).channelConnections.retrieve('a b'), {
      status: 404,
      error: 'connection_not_found',
      message: "Channel connection with identifier 'a b' not found",
    });
  });

  it('brings Slack back to that path, and the flow to its end', async () => {
    const novu = novuAt(proxy.url, environment.apiKey);
    const { result } = await novu.integrations.generateConnectOAuthUrl({
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
    });
    const redirectUri = `${proxy.url}/v1/integrations/chat/oauth/callback/slack`;
    expect(new URL(result.url).searchParams.get('redirect_uri')).toBe(redirectUri);

    const callback = await service.approve(result.url);
    const page = await service.request('GET', callback);

    expect(callback.startsWith(`${redirectUri}?`)).toBe(true);
    expect(page.status).toBe(200);
    expect((await novu.channelConnections.list({ subscriberId: 'ann' })).result.data).toHaveLength(1);
  });

  it('brings Microsoft back to that path, twice, and the flow to its end', async () => {
    const novu = novuAt(proxy.url, environment.apiKey);
    const { result } = await novu.integrations.generateConnectOAuthUrl({
      integrationIdentifier: 'msteams',
      subscriberId: 'bob',
    });
    const redirectUri = `${proxy.url}/v1/integrations/chat/oauth/callback/msteams`;

    const consent = await service.microsoft.approveConsent(result.url, { username: adele });
    const signIn = (await service.request('GET', consent)).headers.get('location') ?? '';
    const callback = await service.microsoft.signIn(signIn, { username: adele });
    const page = await service.request('GET', callback);

    expect([consent, callback].map((address) => address.split('?', 1)[0])).toEqual([redirectUri, redirectUri]);
    expect(new URL(signIn).searchParams.get('redirect_uri')).toBe(redirectUri);
    expect(page.status).toBe(200);
    expect((await novu.channelConnections.list({ subscriberId: 'bob' })).result.data).toHaveLength(1);
  });

  it('shows the start page under that path, and ends the flow in the browser that went on from there', async () => {
    const { apiKey } = await service.createTestEnvironment({ configurations: { binding: 'browser' } });
    const { result } = await novuAt(proxy.url, apiKey).integrations.generateConnectOAuthUrl({
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
    });
    const visitor = openBrowser(service);

    const startPage = await visitor.visit(result.url);
    const pressed = await visitor.press(result.url);
    const callback = await service.approve(pressed.headers.get('location') ?? '');
    const stranger = await service.request('GET', callback);
    const page = await visitor.visit(callback);

    expect(result.url.startsWith(`${proxy.url}/connect/`)).toBe(true);
    expect([startPage, pressed, stranger, page].map(({ status }) => status)).toEqual([200, 303, 400, 200]);
  });
});
