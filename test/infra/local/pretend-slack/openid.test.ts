import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { answerOf, app, setup } from './harness.ts';

const person = 'U0BOBACME0001';

async function setupSignIn() {
  const own = await setup();
  const signInUrl = (parameters: Record<string, string> = {}) => {
    const url = new URL('/openid/connect/authorize', own.slack.url);
    const defaults = {
      response_type: 'code',
      scope: 'openid email',
      client_id: app.clientId,
      redirect_uri: app.redirectUris[0] ?? '',
      state: 's1',
      nonce: 'n1',
    };
    url.search = new URLSearchParams({ ...defaults, ...parameters }).toString();
    return url.href;
  };
  const getCode = async (choice = {}) =>
    new URL(await own.slack.approve(signInUrl(), { userId: person, ...choice })).searchParams.get('code') ?? undefined;
  const exchange = (code: string | undefined, form: Record<string, string> = {}) =>
    own.call('openid.connect.token', {
      client_id: app.clientId,
      client_secret: app.clientSecret,
      redirect_uri: app.redirectUris[0],
      code,
      ...form,
    });
  const keys = async () =>
    createLocalJWKSet((await (await fetch(`${own.slack.url}/openid/connect/keys`)).json()) as JSONWebKeySet);
  return { ...own, signInUrl, getCode, exchange, keys };
}

describe('Sign in with the pretend Slack', () => {
  it('gives an id_token that its published key verifies, for this sign-in only', async () => {
    const { getCode, exchange, keys, clock } = await setupSignIn();

    const answer = await exchange(await getCode());
    const currentDate = new Date(clock.now);
    const { payload } = await jwtVerify(answer.id_token, await keys(), { algorithms: ['RS256'], currentDate });

    expect(answer).toMatchObject({ ok: true, token_type: 'Bearer', access_token: expect.stringMatching(/^xoxp-/) });
    expect(payload).toMatchObject({
      iss: 'https://slack.com',
      aud: app.clientId,
      sub: person,
      nonce: 'n1',
      exp: clock.now / 1000 + 300,
      'https://slack.com/user_id': person,
      'https://slack.com/team_id': 'T0ACME0001',
      email: 'bob@acme.example',
    });
    expect(payload).not.toHaveProperty('name');
  });

  it('takes a code once, from its own app, and none of an install', async () => {
    const { getCode, exchange, call, slack, authorizeUrl } = await setupSignIn();
    const code = await getCode();
    const installCode = new URL(await slack.approve(authorizeUrl())).searchParams.get('code') ?? undefined;

    const wrongSecret = await exchange(code, { client_secret: 'guessed' });
    const wrongAddress = await exchange(code, { redirect_uri: 'http://localhost:3000/other' });
    const first = await exchange(code);
    const second = await exchange(code);
    const ofInstall = await exchange(installCode);
    const refresh = await exchange(undefined, { grant_type: 'refresh_token' });
    const { clientId: client_id, clientSecret: client_secret } = app;
    const asInstall = await call('oauth.v2.access', { client_id, client_secret, code: await getCode() });

    expect(wrongSecret.error).toBe('bad_client_secret');
    expect(wrongAddress.error).toBe('bad_redirect_uri');
    expect(first.ok).toBe(true);
    expect([second.error, ofInstall.error, asInstall.error]).toEqual(Array(3).fill('invalid_code'));
    expect(refresh.error).toBe('invalid_grant_type');
  });

  it.each([
    [{ scope: 'openid identity.basic' }, 'invalid_scope'],
    [{ scope: 'email' }, 'invalid_scope'],
    [{ scope: 'openid,email' }, 'invalid_scope'],
    [{ response_type: 'token' }, 'invalid_response_type'],
  ])('shows an error page for %j', async (parameters, error) => {
    const { slack, signInUrl } = await setupSignIn();

    await expect(slack.approve(signInUrl(parameters))).rejects.toThrow(error);
  });

  it('shows an error page for openid in an install', async () => {
    const { slack, authorizeUrl } = await setupSignIn();

    await expect(slack.approve(authorizeUrl({ user_scope: 'openid' }))).rejects.toThrow('invalid_scope');
  });

  it('spoils the id_token as chosen on the page', async () => {
    const { slack, signInUrl, getCode, exchange } = await setupSignIn();

    const page = await (await fetch(signInUrl())).text();
    const answer = await exchange(await getCode({ badIdToken: 'wrong_nonce' }));

    expect(page).toContain('<option value="wrong_nonce">');
    expect(decodeJwt(answer.id_token)['nonce']).not.toBe('n1');
    expect(
      await (await fetch(`${slack.url}/oauth/v2/authorize?client_id=${app.clientId}&scope=chat:write`)).text(),
    ).not.toContain('bad_id_token');
  });

  it('publishes only the new key after a rotation', async () => {
    const { slack, getCode, exchange, keys, clock } = await setupSignIn();
    const before = await exchange(await getCode());
    slack.rotateKeys();
    const currentDate = new Date(clock.now);

    const after = await exchange(await getCode());

    await expect(jwtVerify(before.id_token, await keys(), { currentDate })).rejects.toThrow();
    await expect(jwtVerify(after.id_token, await keys(), { currentDate })).resolves.toBeDefined();
    expect((await answerOf(await fetch(`${slack.url}/api/openid.connect.token`))).error).toBe('unknown_method');
  });
});
