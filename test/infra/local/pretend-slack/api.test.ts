import { InstallProvider } from '@slack/oauth';
import { WebClient } from '@slack/web-api';
import { describe, expect, it, vi } from 'vitest';
import { answerOf, app, setup } from './harness.ts';

describe('POST /api/auth.test', () => {
  it('describes a bot of a workspace', async () => {
    const { slack, install, call } = await setup();
    const installed = await install();

    const answer = await call('auth.test', {}, `Bearer ${installed.access_token}`);

    expect(answer).toEqual({
      ok: true,
      url: `${slack.url}/workspaces/acme/`,
      team: 'Acme',
      user: 'Courier',
      team_id: 'T0ACME0001',
      user_id: installed.bot_user_id,
      bot_id: expect.stringMatching(/^B0/),
      is_enterprise_install: false,
    });
  });

  it('describes an org-wide bot', async () => {
    const { install, call } = await setup();
    const { access_token: token } = await install({}, { org: true });

    const answer = await call('auth.test', { token });

    expect(answer).toMatchObject({ ok: true, enterprise_id: 'E0INITECH1', is_enterprise_install: true });
  });

  it.each([
    ['no token', 'not_authed', undefined],
    ['a made-up token', 'invalid_auth', 'xoxb-1-2-3'],
    ['a refresh token', 'invalid_auth', 'xoxe-1-A0LOCAL001'],
  ])('refuses %s with %s', async (_, error, token) => {
    const { call } = await setup();

    const answer = await call('auth.test', { token });

    expect(answer).toEqual({ ok: false, error });
  });

  it('refuses a token with any character changed', async () => {
    const { install, call } = await setup();
    const { access_token: token } = await install();

    const forgeries = [token.replace('T0ACME0001', 'T0GLOBEX01'), token.replace('xoxb', 'xoxp'), `${token}0`];
    const answers = await Promise.all(forgeries.map((forgery) => call('auth.test', { token: forgery })));

    expect(answers.map((answer) => answer.error)).toEqual(Array(3).fill('invalid_auth'));
  });

  it('knows its tokens after a restart, also one that followed a revocation', async () => {
    const before = await setup();
    const first = await before.install();
    before.slack.revokeToken(first.access_token);
    const second = await before.install();
    await before.slack.close();
    const after = await setup();

    const answer = await after.call('auth.test', { token: second.access_token });
    const reinstalled = await after.install();

    expect(answer).toMatchObject({ ok: true, team_id: 'T0ACME0001' });
    expect(reinstalled.access_token).toBe(second.access_token);
  });
});

describe('POST /api/auth.revoke', () => {
  it('ends a token', async () => {
    const { install, call } = await setup();
    const { access_token: token } = await install();

    const tried = await call('auth.revoke', { token, test: '1' });
    const revoked = await call('auth.revoke', { token });
    const answer = await call('auth.test', { token });

    expect(tried).toEqual({ ok: true, revoked: false });
    expect(revoked).toEqual({ ok: true, revoked: true });
    expect(answer).toEqual({ ok: false, error: 'token_revoked' });
  });
});

describe('POST /api/apps.uninstall', () => {
  const { clientId: client_id, clientSecret: client_secret } = app;

  it('ends the tokens of the bot and of all people', async () => {
    const { install, call } = await setup();
    const ann = await install({ user_scope: 'users:read' });
    const bob = await install({ user_scope: 'users:read' }, { userId: 'U0BOBACME0001' });

    const answer = await call('apps.uninstall', { client_id, client_secret, token: ann.access_token });
    const tokens = [ann.access_token, ann.authed_user.access_token, bob.authed_user.access_token];
    const tests = await Promise.all(tokens.map((token) => call('auth.test', { token })));

    expect(answer).toEqual({ ok: true });
    expect(tests.map((test) => test.error)).toEqual(Array(3).fill('token_revoked'));
  });

  it.each([
    ['invalid_client_id', { client_id: 'nobody' }],
    ['bad_client_secret', { client_secret: 'wrong' }],
    ['invalid_auth', { token: 'xoxb-made-up' }],
    ['client_id_token_mismatch', { client_id: '333.444' }],
  ])('refuses with %s', async (error, form) => {
    const { slack, install, call } = await setup();
    slack.registerApp({ ...app, clientId: '333.444', appId: 'A0OTHER001' });
    const { access_token: token } = await install();

    const refused = await call('apps.uninstall', { client_id, client_secret, token, ...form });
    const test = await call('auth.test', { token });

    expect(refused).toEqual({ ok: false, error });
    expect(test.ok).toBe(true);
  });
});

describe('POST /api/users.identity', () => {
  it('names the person of an identity token, and more with more scopes', async () => {
    const { install, call } = await setup();
    const request = { scope: undefined, user_scope: 'identity.basic' };
    const { authed_user: basic } = await install(request);
    const { authed_user: more } = await install(
      { ...request, user_scope: 'identity.basic,identity.email,identity.team' },
      { userId: 'U0BOBACME0001' },
    );

    const answers = [
      await call('users.identity', { token: basic.access_token }),
      await call('users.identity', { token: more.access_token }),
    ];

    expect(answers).toEqual([
      { ok: true, user: { name: 'Ann Admin', id: 'U0ANNACME0001' }, team: { id: 'T0ACME0001' } },
      {
        ok: true,
        user: { name: 'Bob Builder', id: 'U0BOBACME0001', email: 'bob@acme.example' },
        team: { id: 'T0ACME0001', name: 'Acme' },
      },
    ]);
  });

  it('refuses a token without the scope', async () => {
    const { install, call } = await setup();
    const { access_token: token } = await install();

    const answer = await call('users.identity', { token });

    expect(answer).toEqual({ ok: false, error: 'missing_scope', needed: 'identity.basic', provided: 'chat:write' });
  });
});

describe('POST /api/chat.postMessage', () => {
  it('records the message, from JSON too, and checks channel and text', async () => {
    const { slack, install, call } = await setup();
    const { access_token: token } = await install();

    const posted = await call('chat.postMessage', { token, channel: '#general', text: 'hello' });
    const json = await fetch(`${slack.url}/api/chat.postMessage`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ channel: 'U0ANNACME0001', text: 'psst' }),
    });
    const refused = [
      await call('chat.postMessage', { token, channel: 'C0GENGLOBEX01', text: 'x' }),
      await call('chat.postMessage', { token, channel: 'C0GENACME0001' }),
    ];

    expect(posted).toMatchObject({ ok: true, channel: 'C0GENACME0001', message: { text: 'hello' } });
    expect((await answerOf(json)).ok).toBe(true);
    expect(refused.map((answer) => answer.error)).toEqual(['channel_not_found', 'no_text']);
    expect(slack.messages.map(({ channel, text }) => [channel, text])).toEqual([
      ['C0GENACME0001', 'hello'],
      ['U0ANNACME0001', 'psst'],
    ]);
  });
});

describe('conversations.list', () => {
  it('pages through the public channels, by GET or POST', async () => {
    const { slack, install, call } = await setup();
    const { access_token: token } = await install({ scope: 'channels:read' });

    const first = await call('conversations.list', { token, limit: '2' });
    const { next_cursor: cursor } = first.response_metadata;
    const second = await fetch(`${slack.url}/api/conversations.list?limit=2&cursor=${cursor}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const rest = await answerOf(second);

    expect(first.channels.map(({ name }) => name)).toEqual(['general', 'random']);
    expect(rest.channels.map(({ name }) => name)).toEqual(['alerts']);
    expect(rest.response_metadata.next_cursor).toBe('');
  });

  it('wants a workspace of the org for an org-wide token', async () => {
    const { install, call } = await setup();
    const { access_token: token } = await install({ scope: 'channels:read' }, { org: true });

    const answers = [
      await call('conversations.list', { token }),
      await call('conversations.list', { token, team_id: 'T0ACME0001' }),
      await call('conversations.list', { token, team_id: 'T0INITECH1' }),
    ];

    expect(answers.map((answer) => answer.error ?? 'ok')).toEqual([
      'missing_argument',
      'team_access_not_granted',
      'ok',
    ]);
  });
});

describe('private channels', () => {
  const scope = 'channels:read,groups:read';
  const types = 'private_channel';

  it('are listed for a person who is in them, one scope for each type', async () => {
    const { install, call } = await setup();
    const { access_token: token } = await install({ scope });
    const { access_token: publicOnly } = await install({ scope: 'channels:read' }, { workspaceId: 'T0GLOBEX01' });

    const answers = [
      await call('users.conversations', { token, types, user: 'U0ANNACME0001' }),
      await call('users.conversations', { token, types, user: 'U0BOBACME0001' }),
      await call('conversations.list', { token, types: `public_channel,${types}` }),
    ];
    const refused = [
      await call('conversations.list', { token: publicOnly, types: `public_channel,${types}` }),
      await call('users.conversations', { token, types, user: 'U0NOBODY' }),
    ];

    expect(answers.map(({ channels }) => channels.map(({ name }) => name))).toEqual([
      ['leadership', 'deals'],
      ['deals'],
      ['general', 'random', 'alerts', 'leadership', 'deals'],
    ]);
    expect(refused.map(({ error }) => error)).toEqual(['missing_scope', 'user_not_found']);
  });

  it('are shown by their id to who has the scope for them', async () => {
    const { install, call } = await setup();
    const { access_token: token } = await install({ scope: 'channels:read' });

    const answers = [
      await call('conversations.info', { token, channel: 'C0GENACME0001' }),
      await call('conversations.info', { token, channel: 'C0LEAACME0001' }),
      await call('conversations.info', { token, channel: 'C0GENGLOBEX01' }),
    ];

    expect(answers.map(({ error }) => error ?? 'ok')).toEqual(['ok', 'missing_scope', 'channel_not_found']);
  });
});

describe('the other paths', () => {
  it('answers an unknown method as Slack does', async () => {
    const { call } = await setup();

    const answer = await call('nothing.here');

    expect(answer).toEqual({ ok: false, error: 'unknown_method', req_method: 'nothing.here' });
  });

  it('refuses credentials in a query', async () => {
    const { slack } = await setup();

    const response = await fetch(`${slack.url}/api/oauth.v2.access?client_id=x&client_secret=y&code=z`);

    expect((await answerOf(response)).error).toBe('unknown_method');
  });

  it('lists workspaces and installed apps on /, without tokens', async () => {
    const { slack, install } = await setup();
    const { access_token: token } = await install();

    const page = await (await fetch(slack.url)).text();

    expect(page).toContain('T0ACME0001');
    expect(page).toContain('Courier, bot: <code>chat:write</code>');
    expect(page).not.toContain(token);
    expect(page).not.toContain('xox');
  });

  it('is silent, also about what breaks', async () => {
    const { slack, install } = await setup();
    const written = [
      ...(['log', 'info', 'warn', 'error', 'debug'] as const).map((level) => vi.spyOn(console, level)),
      ...[process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write')),
    ];

    await install();
    const broken = fetch(`${slack.url}/api/auth.test`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{',
    });

    await expect(broken).rejects.toThrow();
    expect(written.flatMap((spy) => spy.mock.calls)).toEqual([]);
    vi.restoreAllMocks();
  });

  it('refuses a port that is taken', async () => {
    const { slack } = await setup();

    const second = setup({ port: Number(new URL(slack.url).port) });

    await expect(second).rejects.toThrow('EADDRINUSE');
  });
});

describe('the libraries of Slack', () => {
  it('serves WebClient', async () => {
    const { slack, getCode } = await setup();
    const client = new WebClient(undefined, { slackApiUrl: `${slack.url}/api/` });
    const { clientId: client_id, clientSecret: client_secret, redirectUris } = app;

    const { access_token: token } = await client.oauth.v2.access({
      client_id,
      client_secret,
      redirect_uri: redirectUris[0] ?? '',
      code: await getCode({ scope: 'chat:write,channels:read' }),
    });
    const test = await client.auth.test({ token: token ?? '' });
    const { channels } = await client.conversations.list({ token: token ?? '' });

    expect(test.team_id).toBe('T0ACME0001');
    expect(channels).toHaveLength(3);
  });

  it('refreshes for InstallProvider', async () => {
    const { slack, clock, install } = await setup({ apps: [{ ...app, tokenRotation: true }] });
    const installed = await install({ user_scope: 'users:read' });
    const provider = new InstallProvider({
      clientId: app.clientId,
      clientSecret: app.clientSecret,
      stateSecret: 'unused',
      clientOptions: { slackApiUrl: `${slack.url}/api/` },
      installationStore: {
        storeInstallation: async () => undefined,
        fetchInstallation: async () => ({
          authVersion: 'v2' as const,
          team: installed.team,
          enterprise: undefined,
          user: {
            id: installed.authed_user.id,
            token: installed.authed_user.access_token,
            refreshToken: installed.authed_user.refresh_token,
            expiresAt: clock.now / 1000 - 1_000_000,
            scopes: undefined,
          },
          bot: {
            id: 'B1',
            userId: installed.bot_user_id,
            scopes: ['chat:write'],
            token: installed.access_token,
            refreshToken: installed.refresh_token,
            expiresAt: clock.now / 1000 - 1_000_000,
          },
        }),
      },
    });

    const result = await provider.authorize({
      teamId: 'T0ACME0001',
      enterpriseId: undefined,
      isEnterpriseInstall: false,
    });

    expect(slack.count('oauth.v2.access')).toBe(3);
    expect(result.botToken).toMatch(/^xoxe\.xoxb-/);
    expect(result.botToken).not.toBe(installed.access_token);
    expect(result.userToken).toMatch(/^xoxe\.xoxp-/);
  });
});
