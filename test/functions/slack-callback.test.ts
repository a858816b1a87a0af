import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type TestService } from '../support/service.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

describe('a connect', () => {
  it('ends on a page that names workspace, product and subscriber, and stores a usable connection', async () => {
    const environment = await service.createTestEnvironment({ configurations: { productName: 'Billing Bot' } });

    const page = await service.connect(environment, { subscriberId: 'ann', context: { tenant: 'acme' } });

    expect(page.status).toBe(200);
    expect(page.text).toContain('Acme is connected');
    expect(page.text).toContain('Billing Bot');
    expect(page.text).toContain('ann');
    const [connection] = await service.connections(environment);
    expect(connection).toMatchObject({
      identifier: expect.stringMatching(/^chconn-[0-9a-f]{64}$/),
      channel: 'chat',
      providerId: 'slack',
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
      contextKeys: ['tenant:acme'],
      workspace: { id: 'T0ACME0001', name: 'Acme', botUserId: expect.any(String) },
      auth: { accessToken: 'hidden' },
      status: 'active',
    });
    expect(await service.endpoints(environment)).toEqual([]);
  });

  it('calls oauth.v2.access once, with the redirect URI of the URL, and checks the token with auth.test', async () => {
    const environment = await service.createTestEnvironment();
    const url = await service.connectUrl(environment);
    const before = service.slack.calls.length;

    await service.request('GET', await service.approve(url));

    const calls = service.slack.calls.slice(before);
    expect(calls.map((call) => call.method)).toEqual(['oauth.v2.access', 'auth.test']);
    expect(calls[0]?.form['redirect_uri']).toBe(new URL(url).searchParams.get('redirect_uri'));
  });

  it('links the person who approved when autoLinkUser is true', async () => {
    const environment = await service.createTestEnvironment();

    await service.connect(environment, { autoLinkUser: true }, { userId: 'U0BOBACME0001' });

    const [connection] = await service.connections(environment);
    expect(await service.endpoints(environment)).toMatchObject([
      {
        type: 'slack_user',
        endpoint: { userId: 'U0BOBACME0001' },
        subscriberId: 'subscriber-1',
        connectionIdentifier: connection.identifier,
      },
    ]);
  });

  it('links a subscriber once, however often they connect', async () => {
    const environment = await service.createTestEnvironment();

    await service.connect(environment, { autoLinkUser: true });
    await service.connect(environment, { autoLinkUser: true });

    expect(await service.endpoints(environment)).toHaveLength(1);
    expect(await service.connections(environment)).toHaveLength(1);
  });

  it('stores no subscriber on a shared connection, and still links the one who asked', async () => {
    const environment = await service.createTestEnvironment();
    const body = { subscriberId: 'ann', connectionMode: 'shared', context: { tenant: 'acme' }, autoLinkUser: true };

    await service.connect(environment, body);

    expect(await service.connections(environment)).toMatchObject([
      { subscriberId: null, contextKeys: ['tenant:acme'] },
    ]);
    expect(await service.endpoints(environment)).toMatchObject([{ subscriberId: 'ann' }]);
  });

  it('keeps the identifier that was given first; the derived one goes on working', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'my connection ü"1' });
    const [connection] = await service.connections(environment);

    await service.connect(environment);
    const given = await service.api(
      environment.apiKey,
      'GET',
      `/v1/channel-connections/${encodeURIComponent('my connection ü"1')}`,
    );

    expect(connection.identifier).toBe('my connection ü"1');
    expect(given.json.data.identifier).toBe('my connection ü"1');
    expect(await service.connections(environment)).toHaveLength(1);
  });

  it('refuses an identifier that is another subject’s, and a second one for the same subject', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { subscriberId: 'ann', connectionIdentifier: 'first' });

    const others = await service.connect(environment, { subscriberId: 'bob', connectionIdentifier: 'first' });
    const second = await service.connect(environment, { subscriberId: 'ann', connectionIdentifier: 'second' });

    expect([others.status, second.status]).toEqual([400, 400]);
    expect(others.text).toContain('identifier_conflict');
    expect(second.text).toContain('identifier_conflict');
    expect(await service.connections(environment)).toMatchObject([{ identifier: 'first', subscriberId: 'ann' }]);
  });

  it('moves to another workspace on a reconnect, drops what was linked in the old one and revokes its token', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { autoLinkUser: true });
    const before = service.slack.count('auth.revoke');

    const page = await service.connect(environment, { autoLinkUser: true }, { workspaceId: 'T0GLOBEX01' });

    expect(page.text).toContain('instead of Acme');
    expect(await service.connections(environment)).toMatchObject([{ workspace: { id: 'T0GLOBEX01' } }]);
    expect(await service.endpoints(environment)).toMatchObject([
      { endpoint: { userId: expect.stringContaining('GLOBEX') } },
    ]);
    expect(service.slack.count('auth.revoke') - before).toBe(1);
  });

  it('leaves the old workspace’s token alone while another subscriber lives on it', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { subscriberId: 'ann' });
    await service.connect(environment, { subscriberId: 'bob' });
    const before = service.slack.count('auth.revoke');

    await service.connect(environment, { subscriberId: 'ann' }, { workspaceId: 'T0GLOBEX01' });

    expect(service.slack.count('auth.revoke') - before).toBe(0);
  });

  it('stays where it is when the integration refuses a change of account', async () => {
    const environment = await service.createTestEnvironment({ configurations: { accountChange: 'refuse' } });
    await service.connect(environment);

    const page = await service.connect(environment, {}, { workspaceId: 'T0GLOBEX01' });

    expect(page.status).toBe(400);
    expect(page.text).toContain('account_change_refused');
    expect(await service.connections(environment)).toMatchObject([{ workspace: { id: 'T0ACME0001' } }]);
  });

  it('takes an org-wide install of an Enterprise Grid as a connection to the enterprise', async () => {
    const environment = await service.createTestEnvironment();

    const page = await service.connect(environment, {}, { workspaceId: 'E0INITECH1' });

    expect(page.status).toBe(200);
    expect(await service.connections(environment)).toMatchObject([{ workspace: { id: 'E0INITECH1' } }]);
  });

  it('makes a connection and a webhook endpoint when incoming-webhook is asked for beside other scopes', async () => {
    const environment = await service.createTestEnvironment();

    await service.connect(environment, { scope: ['chat:write', 'incoming-webhook'] });

    const [connection] = await service.connections(environment);
    expect(await service.endpoints(environment)).toMatchObject([
      {
        type: 'webhook',
        endpoint: { url: expect.stringMatching(/^http/), channel: expect.any(String) },
        connectionIdentifier: connection.identifier,
      },
    ]);
  });

  it('makes only the webhook endpoint when incoming-webhook is asked for alone', async () => {
    const environment = await service.createTestEnvironment();
    const before = service.slack.count('auth.revoke');

    const page = await service.connect(environment, { scope: ['incoming-webhook'] });

    expect(page.status).toBe(200);
    expect(await service.connections(environment)).toEqual([]);
    expect(await service.endpoints(environment)).toMatchObject([{ type: 'webhook', connectionIdentifier: null }]);
    expect(service.slack.count('auth.revoke') - before).toBe(0);
  });

  it('shows as scopes what was asked for here, not what others were granted in the workspace', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { subscriberId: 'ann', scope: ['chat:write', 'files:read'] });

    await service.connect(environment, { subscriberId: 'bob', scope: ['chat:write'] });

    const [bob] = await service.connections(environment, '&subscriberId=bob');
    expect(bob.scopes).toEqual(['chat:write']);
  });

  it('stores what token rotation brings', async () => {
    const environment = await service.createTestEnvironment({ app: { tokenRotation: true } });

    const page = await service.connect(environment);

    expect(page.status).toBe(200);
    expect(await service.connections(environment)).toHaveLength(1);
  });

  it('is refused when another app than the configured one was approved', async () => {
    const environment = await service.createTestEnvironment({ credentials: { applicationId: 'A0OTHER' } });

    const page = await service.connect(environment);

    expect(page.status).toBe(400);
    expect(page.text).toContain('wrong_app');
    expect(await service.connections(environment)).toEqual([]);
  });
});

describe('a link_user', () => {
  it('points the subscriber at the person who approved, and keeps no token', async () => {
    const environment = await service.createTestEnvironment();

    const page = await service.link(environment, {}, { userId: 'U0CHEACME0001' });

    expect(page.status).toBe(200);
    expect(page.text).toContain('Your Slack account is linked');
    expect(await service.endpoints(environment)).toMatchObject([
      { type: 'slack_user', endpoint: { userId: 'U0CHEACME0001' }, connectionIdentifier: null },
    ]);
    expect(await service.connections(environment)).toEqual([]);
  });

  it('goes with the subscriber’s own connection, else with the shared one of the same contexts', async () => {
    const environment = await service.createTestEnvironment();
    const context = { tenant: 'acme' };
    await service.connect(environment, { subscriberId: undefined, connectionMode: 'shared', context });
    const [shared] = await service.connections(environment);

    await service.link(environment, { subscriberId: 'bob', context });
    await service.link(environment, { subscriberId: 'bob' });

    const endpoints = await service.endpoints(environment, '&subscriberId=bob');
    expect(endpoints.map((endpoint) => endpoint.connectionIdentifier).sort()).toEqual([null, shared.identifier].sort());
  });

  it('refuses a person of another workspace than the connection’s', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment);

    const page = await service.link(environment, {}, { workspaceId: 'T0GLOBEX01' });

    expect(page.status).toBe(400);
    expect(page.text).toContain('wrong_workspace');
    expect(await service.endpoints(environment)).toEqual([]);
  });

  it('accepts a person of any workspace of the enterprise that is connected', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, {}, { workspaceId: 'E0INITECH1' });

    const page = await service.link(environment, {}, { workspaceId: 'T0INITECH1' });

    expect(page.status).toBe(200);
  });

  it('refuses a connection that does not exist or is another subscriber’s', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { subscriberId: 'ann', connectionIdentifier: 'anns' });

    const missing = await service.link(environment, { connectionIdentifier: 'nobodys' });
    const others = await service.link(environment, { subscriberId: 'bob', connectionIdentifier: 'anns' });

    expect(missing.text).toContain('connection_not_found');
    expect(others.text).toContain('connection_of_another_subscriber');
    expect(await service.endpoints(environment)).toEqual([]);
  });
});

describe('a state', () => {
  it('is used once: a reload with the same code shows the outcome again, another code learns nothing', async () => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment));
    await service.request('GET', callback);
    const before = service.slack.count('oauth.v2.access');
    const otherCode = new URL(callback);
    otherCode.searchParams.set('code', 'another-code');

    const reload = await service.request('GET', callback);
    const stranger = await service.request('GET', otherCode.href);

    expect(reload.status).toBe(200);
    expect(reload.text).toContain('Acme is connected');
    expect(stranger.status).toBe(400);
    expect(stranger.text).not.toMatch(/Acme|subscriber-1/);
    expect(service.slack.count('oauth.v2.access')).toBe(before);
  });

  it('stops showing its outcome after ten minutes', async () => {
    const own = await startTestService();
    const callback = await own.approve(await own.connectUrl(await own.createTestEnvironment()));
    await own.request('GET', callback);

    own.advance(10 * 60_000);
    const late = await own.request('GET', callback);

    expect(late.status).toBe(400);
    expect(late.text).not.toContain('Acme');
    await own.close();
  });

  it.each([
    [-1_000, 200],
    [0, 400],
    [1_000, 400],
  ])('at %d ms from its expiry answers %d', async (offset, status) => {
    const own = await startTestService({ flowTtlSeconds: 60 });
    const environment = await own.createTestEnvironment();
    const issued = await own.api(environment.apiKey, 'POST', '/v1/integrations/channel-connections/oauth', {
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
    });
    const callback = await own.approve(issued.json.data.url);
    own.advance(Date.parse(issued.json.data.expiresAt) - own.now() + offset);

    const page = await own.request('GET', callback);

    expect(page.status).toBe(status);
    expect(own.slack.count('oauth.v2.access')).toBe(status === 200 ? 1 : 0);
    await own.close();
  });

  it.each([
    ['unknown', (state: string) => `${'A'.repeat(22)}.${state.split('.')[1]}`],
    ['tampered with', (state: string) => `${state.split('.')[0]}.${'A'.repeat(43)}`],
    ['with characters appended', (state: string) => `${state}&extra`],
    ['cut short', (state: string) => state.slice(0, -1)],
    ['10 KB long', (state: string) => state + 'A'.repeat(10_000)],
  ])('that is %s is refused without a call to Slack, and the real one still works', async (_name, change) => {
    const environment = await service.createTestEnvironment();
    const callback = new URL(await service.approve(await service.connectUrl(environment)));
    const before = service.slack.calls.length;
    const wrong = new URL(callback);
    wrong.searchParams.set('state', change(callback.searchParams.get('state') ?? ''));

    const refused = await service.request('GET', wrong.href);

    expect(refused.status).toBe(400);
    expect(service.slack.calls.length).toBe(before);
    expect((await service.request('GET', callback.href)).status).toBe(200);
  });

  it.each([
    ['no state', (query: URLSearchParams) => query.delete('state')],
    ['no code', (query: URLSearchParams) => query.delete('code')],
    ['an empty code', (query: URLSearchParams) => query.set('code', '')],
    ['two codes', (query: URLSearchParams) => query.append('code', 'second')],
    ['two states', (query: URLSearchParams) => query.append('state', 'second')],
    ['nothing at all', (query: URLSearchParams) => ['code', 'state'].map((name) => query.delete(name))],
  ])('in a redirect with %s is refused with a page, and not used up', async (_name, change) => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment));
    const before = service.slack.calls.length;
    const wrong = new URL(callback);
    change(wrong.searchParams);

    const refused = await service.request('GET', wrong.href);

    expect(refused.status).toBe(400);
    expect(refused.headers.get('content-type')).toContain('text/html');
    expect(service.slack.calls.length).toBe(before);
    expect((await service.request('GET', callback)).status).toBe(200);
  });
});

describe('an error of Slack’s', () => {
  it('ends the flow as cancelled, also beside a code, and keeps ending it on reload', async () => {
    const environment = await service.createTestEnvironment();
    const url = await service.connectUrl(environment);
    const cancelled = new URL(await service.approve(url, { action: 'cancel' }));
    cancelled.searchParams.set('code', 'smuggled');
    const before = service.slack.calls.length;

    const page = await service.request('GET', cancelled.href);
    const reload = await service.request('GET', cancelled.href);
    const approved = await service.request('GET', await service.approve(url));

    expect([page.status, reload.status, approved.status]).toEqual([400, 400, 400]);
    expect(page.text).toContain('Cancelled');
    expect(reload.text).toContain('Cancelled');
    expect(service.slack.calls.length).toBe(before);
  });

  it('other than a cancellation is told apart, and only Slack’s plain codes are repeated', async () => {
    const environment = await service.createTestEnvironment();
    const state = new URL(await service.connectUrl(environment)).searchParams.get('state');
    const query = new URLSearchParams({ state: state ?? '', error: '<script>alert(1)</script>' });

    const page = await service.request('GET', `/v1/integrations/chat/oauth/callback/slack?${query}`);

    expect(page.status).toBe(400);
    expect(page.text).toContain('did not allow the connection');
    expect(page.text).not.toContain('alert');
  });

  it('without a state is answered with a page', async () => {
    const page = await service.request('GET', '/v1/integrations/chat/oauth/callback/slack?error=access_denied');

    expect(page.status).toBe(400);
    expect(page.text).toContain('not approved');
  });
});

describe('trouble at Slack', () => {
  it.each([
    ['http_500', 502, 'provider_unavailable'],
    ['rate_limited', 502, 'provider_unavailable'],
    ['malformed', 502, 'provider_unavailable'],
    ['html', 502, 'provider_unavailable'],
    ['huge', 502, 'exchange_outcome_unknown'],
    ['drop_before', 502, 'exchange_outcome_unknown'],
    ['drop_after', 502, 'exchange_outcome_unknown'],
  ] as const)('in the exchange (%s) ends the flow with %d and never asks again', async (kind, status, failure) => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment));
    const before = service.slack.count('oauth.v2.access');
    service.slack.misbehave({ method: 'oauth.v2.access', kind, times: 1 });

    const page = await service.request('GET', callback);
    const reload = await service.request('GET', callback);

    expect([page.status, reload.status]).toEqual([status, status]);
    expect(page.text).toContain(failure);
    expect(service.slack.count('oauth.v2.access') - before).toBe(1);
    expect(await service.connections(environment)).toEqual([]);
    service.slack.behave();
  });

  it.each([
    ['invalid_code', 'invalid_code'],
    ['code_already_used', 'invalid_code'],
    ['bad_client_secret', 'provider_misconfigured'],
    ['bad_redirect_uri', 'provider_misconfigured'],
    ['internal_error', 'provider_unavailable'],
    ['no_scopes', 'provider_refused'],
  ])('that says %s is shown as %s', async (error, failure) => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment));
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'ok_false', error, times: 1 });

    const page = await service.request('GET', callback);

    expect(page.text).toContain(failure);
    service.slack.behave();
  });

  it('in auth.test is waited out: two failures change nothing', async () => {
    const environment = await service.createTestEnvironment();
    service.slack.misbehave({ method: 'auth.test', kind: 'http_500', times: 2 });

    const page = await service.connect(environment);

    expect(page.status).toBe(200);
    service.slack.behave();
  });

  it('in auth.test that lasts leaves the exchange sealed, and the next hit finishes it', async () => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment));
    const before = service.slack.count('oauth.v2.access');
    service.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });

    const waiting = await service.request('GET', callback);
    service.slack.behave();
    const finished = await service.request('GET', callback);

    expect(waiting.status).toBe(202);
    expect(waiting.headers.get('refresh')).toBe('3');
    expect(finished.status).toBe(200);
    expect(service.slack.count('oauth.v2.access') - before).toBe(1);
    expect(await service.connections(environment)).toHaveLength(1);
  });

  it('that revokes the token before it is stored ends the flow', async () => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment));
    service.slack.misbehave({ method: 'auth.test', kind: 'ok_false', error: 'token_revoked', times: 1 });

    const page = await service.request('GET', callback);

    expect(page.status).toBe(400);
    expect(page.text).toContain('token_revoked');
    expect(await service.connections(environment)).toEqual([]);
    service.slack.behave();
  });
});

describe('the way back to the product', () => {
  it('is a 303 to the integration’s redirect URL with the outcome in its query', async () => {
    const environment = await service.createTestEnvironment({
      credentials: { redirectUrl: 'https://product.example/done?tab=chat' },
    });

    const done = await service.connect(environment, { connectionIdentifier: 'mine' });
    const cancelled = await service.connect(environment, {}, { action: 'cancel' });

    expect(done.status).toBe(303);
    const location = new URL(done.headers.get('location') ?? '');
    expect(location.origin + location.pathname).toBe('https://product.example/done');
    expect(Object.fromEntries(location.searchParams)).toEqual({
      tab: 'chat',
      status: 'success',
      connectionIdentifier: 'mine',
    });
    expect(new URL(cancelled.headers.get('location') ?? '').searchParams.get('error')).toBe('access_denied');
  });

  it('is the request’s return URL when that is registered', async () => {
    const returnUrl = 'https://product.example/back';
    const environment = await service.createTestEnvironment({ configurations: { returnUrls: [returnUrl] } });

    const done = await service.connect(environment, { returnUrl });

    expect(done.headers.get('location')).toMatch(/^https:\/\/product\.example\/back\?status=success/);
  });

  it('is never taken by a state that is unknown or used with another code', async () => {
    const environment = await service.createTestEnvironment({
      credentials: { redirectUrl: 'https://product.example/done' },
    });
    const callback = new URL(await service.approve(await service.connectUrl(environment)));
    await service.request('GET', callback.href);
    callback.searchParams.set('code', 'another');

    const stranger = await service.request('GET', callback.href);

    expect(stranger.status).toBe(400);
    expect(stranger.headers.get('location')).toBeNull();
  });
});

describe('every page', () => {
  it('forbids scripts, frames, referrers and caching, and holds neither code nor state nor token', async () => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment));
    const query = new URL(callback).searchParams;

    const page = await service.request('GET', callback);

    expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    expect(page.text).not.toContain(query.get('code'));
    expect(page.text).not.toContain(query.get('state'));
    expect(page.text).not.toContain('xoxb');
  });

  it('shows a subscriber id with markup as text', async () => {
    const environment = await service.createTestEnvironment();

    const page = await service.connect(environment, { subscriberId: '"><img src=x onerror=alert(1)>' });

    expect(page.status).toBe(200);
    expect(page.text).not.toContain('<img');
  });
});
