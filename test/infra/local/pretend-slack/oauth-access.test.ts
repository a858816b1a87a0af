import { describe, expect, it } from 'vitest';
import { app, setup } from './harness.ts';

describe('POST /api/oauth.v2.access with a code', () => {
  it('answers in the shape of Slack', async () => {
    const { install } = await setup();

    const answer = await install({ scope: 'chat:write,channels:read' }, { userId: 'U0BOBACME0001' });

    expect(answer).toEqual({
      ok: true,
      access_token: expect.stringMatching(/^xoxb-/),
      token_type: 'bot',
      scope: 'chat:write,channels:read',
      bot_user_id: expect.stringMatching(/^U0[0-9A-F]{9}$/),
      app_id: 'A0LOCAL001',
      team: { id: 'T0ACME0001', name: 'Acme' },
      enterprise: null,
      is_enterprise_install: false,
      authed_user: { id: 'U0BOBACME0001' },
    });
  });

  it('takes client credentials as HTTP Basic', async () => {
    const { call, getCode } = await setup();
    const code = await getCode();

    const basic = `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}`;
    const answer = await call('oauth.v2.access', { code, redirect_uri: app.redirectUris[0] }, basic);

    expect(answer.ok).toBe(true);
  });

  it('takes a code once, and counts the repeats', async () => {
    const { slack, exchange, getCode } = await setup();
    const code = await getCode();

    const answers = await Promise.all([exchange(code), exchange(code), exchange(code)]);

    expect(answers.filter((answer) => answer.ok)).toHaveLength(1);
    expect(answers.filter((answer) => answer.error === 'invalid_code')).toHaveLength(2);
    expect(slack.codeReuses).toBe(2);
  });

  it('takes a code until it is 10 minutes old', async () => {
    const { clock, exchange, getCode } = await setup();
    const codes = [await getCode(), await getCode()];

    clock.now += 599_999;
    const inTime = await exchange(codes[0]);
    clock.now += 1;
    const late = await exchange(codes[1]);

    expect(inTime.ok).toBe(true);
    expect(late).toEqual({ ok: false, error: 'invalid_code' });
  });

  it.each([
    ['an unknown client id', 'invalid_client_id', { client_id: 'nobody' }],
    ['no client id', 'invalid_client_id', { client_id: undefined }],
    ['a wrong secret', 'bad_client_secret', { client_secret: 'wrong' }],
    ['no secret', 'bad_client_secret', { client_secret: undefined }],
    ['an unknown code', 'invalid_code', { code: 'x' }],
    ['no code', 'invalid_code', { code: undefined }],
    ['another redirect URI', 'bad_redirect_uri', { redirect_uri: 'http://localhost:3000/callback/' }],
    ['no redirect URI', 'bad_redirect_uri', { redirect_uri: undefined }],
    ['another grant type', 'invalid_grant_type', { grant_type: 'password' }],
  ])('refuses %s with %s, and the code stays good', async (_, error, form) => {
    const { exchange, getCode } = await setup();
    const code = await getCode();

    const refused = await exchange(code, form);
    const accepted = await exchange(code);

    expect(refused).toEqual({ ok: false, error });
    expect(accepted.ok).toBe(true);
  });

  it('refuses the code of another app', async () => {
    const { slack, exchange, getCode } = await setup();
    slack.registerApp({ ...app, clientId: '333.444', appId: 'A0OTHER001' });
    const code = await getCode();

    const answer = await exchange(code, { client_id: '333.444' });

    expect(answer).toEqual({ ok: false, error: 'invalid_code' });
  });

  it('adds scopes up per app and workspace, until the app is uninstalled', async () => {
    const { slack, install } = await setup();

    await install({ scope: 'chat:write' });
    const more = await install({ scope: 'channels:read' });
    const elsewhere = await install({ scope: 'channels:read' }, { workspaceId: 'T0GLOBEX01' });
    slack.uninstall(app.clientId, 'T0ACME0001');
    const afresh = await install({ scope: 'channels:read' });

    expect(more.scope).toBe('chat:write,channels:read');
    expect(elsewhere.scope).toBe('channels:read');
    expect(afresh.scope).toBe('channels:read');
  });

  it('grants only what was not declined', async () => {
    const { install } = await setup();

    const answer = await install({ scope: 'chat:write,users:read' }, { declinedScopes: ['users:read'] });

    expect(answer.scope).toBe('chat:write');
  });

  it('names the org of a workspace of an Enterprise Grid', async () => {
    const { install } = await setup();

    const answer = await install({}, { workspaceId: 'T0INITECH1' });

    expect(answer.team).toEqual({ id: 'T0INITECH1', name: 'Initech Research' });
    expect(answer.enterprise).toEqual({ id: 'E0INITECH1', name: 'Initech' });
    expect(answer.is_enterprise_install).toBe(false);
  });

  it('has no team for an org-wide install', async () => {
    const { install } = await setup();

    const answer = await install({}, { org: true });

    expect(answer.team).toBeNull();
    expect(answer.enterprise).toEqual({ id: 'E0INITECH1', name: 'Initech' });
    expect(answer.is_enterprise_install).toBe(true);
    expect(answer.access_token).toMatch(/^xoxb-/);
  });

  it('has no bot for a user-only install', async () => {
    const { install } = await setup();

    const answer = await install({ scope: undefined, user_scope: 'identity.basic' });

    expect(answer).toEqual({
      ok: true,
      app_id: 'A0LOCAL001',
      team: { id: 'T0ACME0001', name: 'Acme' },
      enterprise: null,
      is_enterprise_install: false,
      authed_user: {
        id: 'U0ANNACME0001',
        scope: 'identity.basic',
        access_token: expect.stringMatching(/^xoxp-/),
        token_type: 'user',
      },
    });
  });

  it('gives the bot and the person a token each when both are asked for', async () => {
    const { install, call } = await setup();

    const answer = await install({ user_scope: 'users:read' });
    const bot = await call('auth.test', { token: answer.access_token });
    const person = await call('auth.test', { token: answer.authed_user.access_token });

    expect(bot.user_id).toBe(answer.bot_user_id);
    expect(person.user_id).toBe('U0ANNACME0001');
  });

  it('gives an incoming webhook of the chosen channel that takes messages', async () => {
    const { slack, install } = await setup();

    const { incoming_webhook: webhook } = await install({ scope: 'incoming-webhook' }, { channelId: 'C0ALEACME0001' });
    const posted = await fetch(webhook.url, { method: 'POST', body: JSON.stringify({ text: 'hello' }) });
    const forged = await fetch(`${webhook.url.slice(0, -1)}-`, { method: 'POST', body: '{}' });

    expect(webhook).toMatchObject({ channel: '#alerts', channel_id: 'C0ALEACME0001' });
    expect(webhook.configuration_url).toMatch(/^http/);
    expect(await posted.text()).toBe('ok');
    expect(forged.status).toBe(404);
    expect(slack.messages).toMatchObject([{ accountId: 'T0ACME0001', channel: 'C0ALEACME0001', text: 'hello' }]);
  });

  it('gives the same bot token again, and a new one after a revocation', async () => {
    const { slack, install } = await setup();

    const first = await install();
    const second = await install({}, { userId: 'U0BOBACME0001' });
    slack.revokeToken(first.access_token);
    const third = await install();

    expect(second.access_token).toBe(first.access_token);
    expect(third.access_token).not.toBe(first.access_token);
  });

  it('records every call', async () => {
    const { slack, clock, install } = await setup();

    await install();

    expect(slack.count('oauth.v2.access')).toBe(1);
    expect(slack.calls).toMatchObject([
      {
        method: 'oauth.v2.access',
        at: clock.now,
        form: { client_id: app.clientId, redirect_uri: app.redirectUris[0] },
      },
    ]);
  });
});

describe('anyClient', () => {
  it('takes an unknown client with any redirect URI, and holds it to the secret of its first exchange', async () => {
    const { exchange, getCode } = await setup({ anyClient: true });
    const request = { client_id: 'made-up', redirect_uri: 'http://localhost:9999/anywhere' };
    const [first, second] = [await getCode(request), await getCode(request)];

    const useless = await exchange('no code', { ...request, client_secret: 'mistyped' });
    const accepted = await exchange(first, { ...request, client_secret: 'mine' });
    const refused = await exchange(second, { ...request, client_secret: 'other' });

    expect(useless.error).toBe('invalid_code');
    expect(accepted).toMatchObject({ ok: true, app_id: expect.stringMatching(/^A0/) });
    expect(refused.error).toBe('bad_client_secret');
  });

  it('still checks the apps that are registered', async () => {
    const { slack, authorizeUrl, install } = await setup({ anyClient: true });

    const elsewhere = slack.approve(authorizeUrl({ redirect_uri: 'http://localhost:9999/anywhere' }));

    await expect(elsewhere).rejects.toThrow('bad_redirect_uri');
    expect((await install()).ok).toBe(true);
  });
});

describe('token rotation', () => {
  const rotating = { apps: [{ ...app, tokenRotation: true }] };

  it('gives expiring tokens and a refresh token, each for bot and person', async () => {
    const { install } = await setup(rotating);

    const answer = await install({ user_scope: 'users:read' });

    for (const [tokens, prefix] of [
      [answer, 'xoxe.xoxb-'],
      [answer.authed_user, 'xoxe.xoxp-'],
    ] as const) {
      expect(tokens.expires_in).toBe(43_200);
      expect(tokens.access_token.startsWith(prefix)).toBe(true);
      expect(tokens.refresh_token).toMatch(/^xoxe-1-/);
    }
  });

  it('ends an access token after 12 hours', async () => {
    const { clock, install, call } = await setup(rotating);
    const { access_token: token } = await install();

    clock.now += 43_200_000;
    const answer = await call('auth.test', { token });

    expect(answer).toEqual({ ok: false, error: 'token_expired' });
  });

  it('refreshes bot and user tokens in the shape of Slack', async () => {
    const { install, refresh, slack } = await setup(rotating);
    const installed = await install({ user_scope: 'users:read' });

    const bot = await refresh(installed.refresh_token);
    const user = await refresh(installed.authed_user.refresh_token);

    expect(bot).toEqual({
      ok: true,
      access_token: expect.stringMatching(/^xoxe\.xoxb-/),
      expires_in: 43_200,
      refresh_token: expect.stringMatching(/^xoxe-1-/),
      token_type: 'bot',
      scope: 'chat:write',
      bot_user_id: installed.bot_user_id,
      app_id: 'A0LOCAL001',
      team: { id: 'T0ACME0001', name: 'Acme' },
      enterprise: null,
      is_enterprise_install: false,
    });
    expect(user).toMatchObject({ token_type: 'user', scope: 'users:read' });
    expect(bot.access_token).not.toBe(installed.access_token);
    expect(slack.calls.at(-1)?.grantType).toBe('refresh_token');
  });

  it('takes a refresh token once, apart from a short grace', async () => {
    const { clock, install, refresh } = await setup(rotating);
    const { refresh_token: token } = await install();

    const first = await refresh(token);
    const inGrace = await refresh(token);
    clock.now += 60_000;
    const late = await refresh(token);

    expect(first.ok).toBe(true);
    expect(inGrace.ok).toBe(true);
    expect(late).toEqual({ ok: false, error: 'invalid_refresh_token' });
  });

  it('keeps two access tokens alive and revokes the oldest beyond', async () => {
    const { install, refresh, call } = await setup(rotating);
    const first = await install();
    const second = await refresh(first.refresh_token);

    const before = await call('auth.test', { token: first.access_token });
    const third = await refresh(second.refresh_token);
    const after = await Promise.all(
      [first, second, third].map(({ access_token: token }) => call('auth.test', { token })),
    );

    expect(before.ok).toBe(true);
    expect(after.map((answer) => answer.error ?? 'ok')).toEqual(['token_revoked', 'ok', 'ok']);
  });

  it('leaves the rest of the install alone when a token is revoked', async () => {
    const { install, refresh, call } = await setup(rotating);
    const installed = await install();

    await call('auth.revoke', { token: installed.access_token });
    const revoked = await call('auth.test', { token: installed.access_token });
    const refreshed = await refresh(installed.refresh_token);

    expect(revoked.error).toBe('token_revoked');
    expect(refreshed.ok).toBe(true);
  });

  it('refuses refresh tokens that are made up, of another app, or of an uninstalled app', async () => {
    const { slack, install, refresh, exchange } = await setup(rotating);
    slack.registerApp({ ...app, clientId: '333.444', appId: 'A0OTHER001', tokenRotation: true });
    const { refresh_token } = await install();

    const answers = [
      await refresh('xoxe-1-made-up'),
      await exchange(undefined, { client_id: '333.444', grant_type: 'refresh_token', refresh_token }),
    ];
    slack.uninstall(app.clientId, 'T0ACME0001');
    answers.push(await refresh(refresh_token));

    expect(answers.map((answer) => answer.error)).toEqual(Array(3).fill('invalid_refresh_token'));
  });

  it('goes on after a restart', async () => {
    const before = await setup(rotating);
    const installed = await before.install();
    await before.slack.close();
    const after = await setup(rotating);

    const test = await after.call('auth.test', { token: installed.access_token });
    const refreshed = await after.refresh(installed.refresh_token);

    expect(test.ok).toBe(true);
    expect(refreshed.ok).toBe(true);
  });
});
