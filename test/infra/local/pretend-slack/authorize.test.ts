import { describe, expect, it } from 'vitest';
import { app, setup } from './harness.ts';

describe('GET /oauth/v2/authorize', () => {
  it('names the app, the workspaces and the scopes, and says that it is a stand-in', async () => {
    const { authorizeUrl } = await setup();

    const response = await fetch(authorizeUrl({ scope: 'chat:write,incoming-webhook', user_scope: 'users:read' }));
    const page = await response.text();

    expect(response.status).toBe(200);
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    for (const text of [
      'Pretend Slack',
      'Courier',
      'Acme',
      'Globex',
      'Initech',
      'chat:write',
      'users:read',
      '#alerts',
    ]) {
      expect(page).toContain(text);
    }
    expect(page).not.toContain('<script');
  });

  it('preselects the workspace of team, and the first one when it is unknown', async () => {
    const { authorizeUrl } = await setup();

    const known = await (await fetch(authorizeUrl({ team: 'T0GLOBEX01' }))).text();
    const unknown = await (await fetch(authorizeUrl({ team: 'T0NOWHERE' }))).text();

    expect(known).toContain('name="account" value="T0GLOBEX01"');
    expect(unknown).toContain('name="account" value="T0ACME0001"');
  });

  it('asks for a channel only for an incoming webhook', async () => {
    const { authorizeUrl } = await setup();

    const page = await (await fetch(authorizeUrl())).text();

    expect(page).not.toContain('name="channel"');
  });

  const refusals: [string, string, Record<string, string | undefined>][] = [
    ['an unknown client id', 'invalid_client_id', { client_id: 'nobody' }],
    ['no client id', 'invalid_client_id', { client_id: undefined }],
    ['another host', 'bad_redirect_uri', { redirect_uri: 'http://evil.example/callback' }],
    ['another port', 'bad_redirect_uri', { redirect_uri: 'http://localhost:3001/callback' }],
    ['another scheme', 'bad_redirect_uri', { redirect_uri: 'https://localhost:3000/callback' }],
    ['a sibling path', 'bad_redirect_uri', { redirect_uri: 'http://localhost:3000/callback-evil' }],
    ['a path that climbs out', 'bad_redirect_uri', { redirect_uri: 'http://localhost:3000/callback/../evil' }],
    ['a fragment', 'bad_redirect_uri', { redirect_uri: 'http://localhost:3000/callback#x' }],
    ['credentials in the redirect URI', 'bad_redirect_uri', { redirect_uri: 'http://a:b@localhost:3000/callback' }],
    ['no URL', 'bad_redirect_uri', { redirect_uri: 'javascript:alert(1)' }],
    ['a malformed scope', 'invalid_scope', { scope: 'chat:write,Chat Write' }],
    ['an empty scope in the list', 'invalid_scope', { scope: 'chat:write,,users:read' }],
    ['identity scopes beside others', 'invalid_scope', { user_scope: 'identity.basic' }],
    ['an identity scope for a bot', 'invalid_scope', { scope: 'identity.basic' }],
    ['no scopes at all', 'no_scopes', { scope: undefined }],
  ];
  it.each(refusals)('shows an error page for %s (%s), and never redirects', async (_, error, parameters) => {
    const { authorizeUrl } = await setup();

    const response = await fetch(authorizeUrl(parameters), { redirect: 'manual' });

    expect(response.status).toBe(400);
    expect(response.headers.get('location')).toBeNull();
    expect(await response.text()).toContain(`<code id="error">${error}</code>`);
  });

  it('takes a subdirectory of a registered redirect URI', async () => {
    const { slack, authorizeUrl } = await setup();

    const location = await slack.approve(authorizeUrl({ redirect_uri: 'http://localhost:3000/callback/tenant?a=1' }));

    expect(location).toMatch(/^http:\/\/localhost:3000\/callback\/tenant\?a=1&code=.+&state=s1$/);
  });

  const hostile = '"><script>alert(1)</script>&\'';
  it.each([
    ['client_id', { client_id: hostile }],
    ['redirect_uri', { redirect_uri: `http://evil.example/${hostile}` }],
    ['scope', { scope: hostile }],
    ['user_scope', { user_scope: hostile }],
    ['state', { state: hostile }],
    ['team', { team: hostile }],
  ])('escapes a hostile %s', async (_, parameters) => {
    const { authorizeUrl } = await setup();

    const page = await (await fetch(authorizeUrl(parameters))).text();

    expect(page).not.toContain('<script');
    expect(page).not.toContain('">&');
  });

  it('escapes a hostile app name', async () => {
    const { authorizeUrl } = await setup({ apps: [{ ...app, name: hostile }] });

    const page = await (await fetch(authorizeUrl())).text();

    expect(page).not.toContain('<script');
    expect(page).toContain('&#60;script&#62;');
  });
});

describe('POST /oauth/v2/authorize', () => {
  it('sends the browser back with a code and the very state', async () => {
    const { slack, authorizeUrl } = await setup();
    const state = 'a b&c=d"é';

    const location = new URL(await slack.approve(authorizeUrl({ state })));

    expect(location.origin + location.pathname).toBe('http://localhost:3000/callback');
    expect(location.searchParams.get('state')).toBe(state);
    expect(location.searchParams.get('code')).toMatch(/^\d+\.\d+\.[0-9a-f]{64}$/);
  });

  it('leaves state out when there was none', async () => {
    const { slack, authorizeUrl } = await setup();

    const location = await slack.approve(authorizeUrl({ state: undefined }));

    expect([...new URL(location).searchParams.keys()]).toEqual(['code']);
  });

  it('reports a cancelled consent', async () => {
    const { slack, authorizeUrl } = await setup();

    const location = await slack.approve(authorizeUrl(), { action: 'cancel' });

    expect(location).toBe('http://localhost:3000/callback?error=access_denied&state=s1');
  });

  it('uses the first registered redirect URI when none is named', async () => {
    const { slack, authorizeUrl, exchange } = await setup();

    const location = await slack.approve(authorizeUrl({ redirect_uri: undefined }));
    const answer = await exchange(new URL(location).searchParams.get('code') ?? '', { redirect_uri: undefined });

    expect(location).toMatch(/^http:\/\/localhost:3000\/callback\?/);
    expect(answer.ok).toBe(true);
  });

  it('takes what the form of a browser sends', async () => {
    const { authorizeUrl } = await setup();
    const body = new URLSearchParams({ account: 'T0GLOBEX01', user: 'U0DANGLOBEX01', misbehave: '', action: 'allow' });

    const response = await fetch(authorizeUrl(), { method: 'POST', body, redirect: 'manual' });

    expect(response.status).toBe(302);
    expect(response.headers.get('location')).toContain('code=');
  });

  it.each([
    ['workspace', { workspaceId: 'T0NOWHERE', userId: 'U0ANNACME0001' }],
    ['person of another workspace', { workspaceId: 'T0ACME0001', userId: 'U0DANGLOBEX01' }],
    ['channel of another workspace', { workspaceId: 'T0ACME0001', channelId: 'C0GENGLOBEX01' }],
  ])('refuses a %s that cannot be chosen', async (_, choice) => {
    const { slack, authorizeUrl } = await setup();

    const decision = slack.approve(authorizeUrl(), choice);

    await expect(decision).rejects.toThrow('invalid_choice');
  });

  it('refuses when every scope is declined', async () => {
    const { slack, authorizeUrl } = await setup();

    const decision = slack.approve(authorizeUrl(), { declinedScopes: ['chat:write'] });

    await expect(decision).rejects.toThrow('no_scopes');
  });
});

describe('approve', () => {
  it('throws where a person would see an error page', async () => {
    const { slack, authorizeUrl } = await setup();

    const decision = slack.approve(authorizeUrl({ redirect_uri: 'http://evil.example/' }));

    await expect(decision).rejects.toThrow('bad_redirect_uri');
  });

  it('refuses a URL that leads elsewhere', async () => {
    const { slack } = await setup();

    const decision = slack.approve('https://slack.com/oauth/v2/authorize?client_id=1');

    await expect(decision).rejects.toThrow('not an authorization URL');
  });
});
