import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { contoso, fabrikam, roleTemplates } from '../../../../infra/local/pretend-microsoft/directory.ts';
import { type BadIdToken, badIdTokens } from '../../../../infra/local/pretend-microsoft/id-token.ts';
import { app, setup } from './harness.ts';

type Context = Awaited<ReturnType<typeof setup>>;

async function idTokenOf(
  { getCode, redeem }: Context,
  ...[choice, parameters, authority]: Parameters<Context['getCode']>
) {
  const { id_token: idToken } = await redeem(await getCode(choice, parameters, authority), {}, authority);
  return idToken;
}

/** Verifies as a careful client does. */
async function verify({ microsoft, clock }: Context, idToken: string, authority = 'organizations') {
  const keySet = createRemoteJWKSet(new URL(`${microsoft.url}/${authority}/discovery/v2.0/keys`));
  const { payload, protectedHeader } = await jwtVerify(idToken, keySet, {
    algorithms: ['RS256'],
    audience: app.clientId,
    currentDate: new Date(clock.now),
  });
  const key = keySet.jwks()?.keys.find(({ kid }) => kid === protectedHeader.kid) as { issuer?: string } | undefined;
  const issuer = `https://login.microsoftonline.com/${payload['tid']}/v2.0`;
  const isRight =
    payload.iss === issuer &&
    key?.issuer?.replace('{tenantid}', String(payload['tid'])) === issuer &&
    payload['nonce'] === 'n1' &&
    payload['ver'] === '2.0' &&
    typeof payload['oid'] === 'string';
  if (!isRight) {
    throw new Error('wrong claims');
  }
  return payload;
}

describe('an id_token', () => {
  it('says who signed in, with the issuer of Microsoft', async () => {
    const context = await setup();

    const claims = await verify(context, await idTokenOf(context, { username: 'megan@contoso.example' }));

    expect(claims).toEqual({
      ver: '2.0',
      aud: app.clientId,
      iss: `https://login.microsoftonline.com/${contoso.id}/v2.0`,
      iat: context.clock.now / 1000 - 300,
      nbf: context.clock.now / 1000 - 300,
      exp: context.clock.now / 1000 + 3600,
      sub: expect.any(String),
      tid: contoso.id,
      oid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: 'Megan Member',
      preferred_username: 'megan@contoso.example',
      nonce: 'n1',
      acct: 0,
    });
  });

  it('has no oid without the profile scope', async () => {
    const context = await setup();

    const idToken = await idTokenOf(context, {}, { scope: 'openid' });

    expect(decodeJwt(idToken)).not.toHaveProperty('oid');
  });

  it.each([
    ['adele@contoso.example', [roleTemplates['Global Administrator'], roleTemplates.Member]],
    ['alex@contoso.example', [roleTemplates['Application Administrator'], roleTemplates.Member]],
    ['megan@contoso.example', [roleTemplates.Member]],
  ])('lists the roles of %s when the app says so', async (username, wids) => {
    const context = await setup({ apps: [{ ...app, groupMembershipClaims: true }] });

    const idToken = await idTokenOf(context, { username });

    expect(decodeJwt(idToken)['wids']).toEqual(wids);
  });

  it('tells a guest from a member by tenant, oid and acct', async () => {
    const context = await setup();
    const username = 'gita@fabrikam.example';

    const atHome = decodeJwt(await idTokenOf(context, { username }));
    const asGuest = decodeJwt(await idTokenOf(context, { username }, {}, contoso.id));

    expect(atHome).toMatchObject({ tid: fabrikam.id, acct: 0 });
    expect(asGuest).toMatchObject({ tid: contoso.id, acct: 1, iss: expect.stringContaining(contoso.id) });
    expect(asGuest['oid']).not.toBe(atHome['oid']);
  });

  const bad = Object.keys(badIdTokens) as BadIdToken[];
  const unusual: BadIdToken[] = ['guest', 'no_acct', 'no_wids'];
  it.each(bad.filter((kind) => !unusual.includes(kind)))('fails a careful check when bad: %s', async (kind) => {
    const context = await setup();
    context.microsoft.badIdToken(kind);

    const idToken = await idTokenOf(context);
    context.microsoft.badIdToken(undefined);
    const good = await idTokenOf(context);

    await expect(verify(context, idToken)).rejects.toThrow();
    await expect(verify(context, good)).resolves.toBeDefined();
  });

  it.each([
    ['guest', { acct: 1, wids: expect.anything() }],
    ['no_acct', { wids: expect.anything() }],
    ['no_wids', { acct: 0 }],
  ] as const)('is genuine but unusual: %s', async (kind, claims) => {
    const context = await setup({ apps: [{ ...app, groupMembershipClaims: true }] });
    context.microsoft.badIdToken(kind);

    const { acct, wids } = await verify(context, await idTokenOf(context));

    expect({ ...(acct !== undefined && { acct }), ...(wids !== undefined && { wids }) }).toEqual(claims);
  });

  it('is bad once when chosen on the page', async () => {
    const context = await setup();

    const first = await idTokenOf(context, { badIdToken: 'alg_none' });
    const second = await idTokenOf(context);

    expect(decodeProtectedHeader(first).alg).toBe('none');
    expect(decodeProtectedHeader(second).alg).toBe('RS256');
  });
});

describe('GET /{tenant}/discovery/v2.0/keys', () => {
  const keysOf = async (url: string) =>
    ((await (await fetch(url)).json()) as { keys: { kid: string; issuer: string }[] }).keys;

  it('names the issuer of each key, by placeholder, for consumers and for one tenant', async () => {
    const { microsoft } = await setup();

    const independent = await keysOf(`${microsoft.url}/common/discovery/v2.0/keys`);
    const own = await keysOf(`${microsoft.url}/${contoso.id}/discovery/v2.0/keys`);

    expect(independent.map(({ issuer }) => issuer)).toEqual([
      'https://login.microsoftonline.com/{tenantid}/v2.0',
      'https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0',
    ]);
    expect(own.map(({ issuer }) => issuer)).toEqual([`https://login.microsoftonline.com/${contoso.id}/v2.0`]);
    expect(independent[0]).not.toHaveProperty('d');
  });

  it('signs with a new key after a rotation, and publishes the one before until the next', async () => {
    const context = await setup();
    const before = await idTokenOf(context);

    context.microsoft.rotateKeys();
    const after = await idTokenOf(context);
    await verify(context, before);
    await verify(context, after);
    context.microsoft.rotateKeys();

    expect(decodeProtectedHeader(after).kid).not.toBe(decodeProtectedHeader(before).kid);
    await verify(context, after);
    await expect(verify(context, before)).rejects.toThrow();
  });
});

describe('GET /{tenant}/v2.0/.well-known/openid-configuration', () => {
  it.each([
    ['organizations', '{tenantid}'],
    [contoso.id, contoso.id],
  ])('names the issuer of Microsoft and the endpoints of the stand-in for %s', async (authority, issuer) => {
    const { microsoft } = await setup();

    const response = await fetch(`${microsoft.url}/${authority}/v2.0/.well-known/openid-configuration`);

    expect(await response.json()).toMatchObject({
      issuer: `https://login.microsoftonline.com/${issuer}/v2.0`,
      token_endpoint: `${microsoft.url}/${authority}/oauth2/v2.0/token`,
      jwks_uri: `${microsoft.url}/${authority}/discovery/v2.0/keys`,
    });
  });
});
