import { generateKeyPairSync } from 'node:crypto';
import { decodeJwt, exportJWK, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { contoso, fabrikam } from '../../../../infra/local/pretend-microsoft/directory.ts';
import { app, graphScope, setup, verifier } from './harness.ts';

describe('POST /{tenant}/oauth2/v2.0/token with a code', () => {
  it('answers in the shape of Microsoft', async () => {
    const { redeem, getCode } = await setup();

    const answer = await redeem(await getCode({}, { scope: 'openid profile offline_access' }), { client_info: '1' });

    expect(answer).toEqual({
      status: 200,
      token_type: 'Bearer',
      scope: 'openid profile',
      expires_in: 3599,
      ext_expires_in: 3599,
      access_token: expect.any(String),
      refresh_token: expect.any(String),
      id_token: expect.any(String),
      client_info: expect.any(String),
    });
  });

  it('gives no id_token without openid', async () => {
    const { redeem, getCode } = await setup();

    const answer = await redeem(await getCode({}, { scope: 'User.Read' }));

    expect(answer.status).toBe(200);
    expect(answer.id_token).toBeUndefined();
  });

  it('takes a code once, and counts the repeats', async () => {
    const { microsoft, redeem, getCode } = await setup();
    const code = await getCode();

    const answers = await Promise.all([redeem(code), redeem(code), redeem(code)]);

    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ error_codes }) => error_codes?.[0] === 54005)).toHaveLength(2);
    expect(microsoft.codeReuses).toBe(2);
  });

  it('takes a code until it is 10 minutes old', async () => {
    const { clock, redeem, getCode } = await setup();
    const [first, second] = [await getCode(), await getCode()];

    clock.now += 599_999;
    const inTime = await redeem(first);
    clock.now += 1;
    const late = await redeem(second);

    expect(inTime.status).toBe(200);
    expect(late).toMatchObject({ status: 400, error: 'invalid_grant', error_codes: [70008] });
  });

  const refusals: [string, number, string, Record<string, string | undefined>, string?][] = [
    ['an unknown client id', 700016, 'unauthorized_client', { client_id: '00000000-0000-4000-8000-000000000000' }],
    ['no client id', 900144, 'invalid_request', { client_id: undefined }],
    ['a wrong secret', 7000215, 'invalid_client', { client_secret: 'wrong' }],
    ['no credential', 7000218, 'invalid_client', { client_secret: undefined }],
    ['an unknown code', 70000, 'invalid_grant', { code: 'x' }],
    ['no code', 900144, 'invalid_request', { code: undefined }],
    ['another redirect URI', 500112, 'invalid_client', { redirect_uri: 'http://localhost:3000/callback/' }],
    ['no redirect URI', 500112, 'invalid_client', { redirect_uri: undefined }],
    ['a wrong verifier', 501481, 'invalid_grant', { code_verifier: 'w'.repeat(43) }],
    ['no verifier', 501481, 'invalid_grant', { code_verifier: undefined }],
    ['another grant type', 70003, 'unsupported_grant_type', { grant_type: 'password' }],
    ['another authority', 700005, 'invalid_grant', {}, contoso.id],
    ['an unknown tenant', 90002, 'invalid_request', {}, '00000000-0000-4000-8000-000000000000'],
  ];
  it.each(refusals)('refuses %s with AADSTS%i, and the code stays good', async (_, code, error, form, authority) => {
    const { redeem, getCode } = await setup();
    const text = await getCode();

    const refused = await redeem(text, form, authority);
    const accepted = await redeem(text);

    expect(refused).toMatchObject({
      status: error === 'invalid_client' ? 401 : 400,
      error,
      error_codes: [code],
      error_description: expect.stringMatching(
        new RegExp(`^AADSTS${code}: .+ Trace ID: .+ Correlation ID: .+ Timestamp: `),
      ),
      timestamp: '2026-01-01 00:00:00Z',
      trace_id: expect.any(String),
      correlation_id: expect.any(String),
      error_uri: `https://login.microsoftonline.com/error?code=${code}`,
    });
    expect(accepted.status).toBe(200);
  });

  it('refuses the code of another app', async () => {
    const { microsoft, redeem, getCode } = await setup();
    const client_id = '5f0f1a2b-0000-4000-8000-000000000002';
    microsoft.registerApp({ ...app, clientId: client_id });

    const answer = await redeem(await getCode(), { client_id });

    expect(answer.error_codes).toEqual([70000]);
  });

  it('tells an expired secret from a wrong one', async () => {
    const { redeem, getCode } = await setup({ apps: [{ ...app, expiredSecrets: ['last year'] }] });

    const answer = await redeem(await getCode(), { client_secret: 'last year' });

    expect(answer).toMatchObject({ error: 'invalid_client', error_codes: [7000222] });
  });

  it('records every call', async () => {
    const { microsoft, clock, redeem, getCode } = await setup();

    await redeem(await getCode());

    expect(microsoft.count('token')).toBe(1);
    expect(microsoft.count('token', 'authorization_code')).toBe(1);
    expect(microsoft.count('token', 'client_credentials')).toBe(0);
    expect(microsoft.calls.at(-1)).toMatchObject({
      kind: 'token',
      path: '/organizations/oauth2/v2.0/token',
      at: clock.now,
      clientId: app.clientId,
      form: { code_verifier: verifier },
    });
  });
});

describe('POST /{tenant}/oauth2/v2.0/token with client credentials', () => {
  it('gives a token of the tenant with the roles that were consented to', async () => {
    const { microsoft, appToken } = await setup();
    microsoft.consent(fabrikam.id, app.clientId);

    const answer = await appToken(fabrikam.domain);

    expect(answer).toEqual({
      status: 200,
      token_type: 'Bearer',
      expires_in: 3599,
      ext_expires_in: 3599,
      access_token: expect.any(String),
    });
    expect(decodeJwt(answer.access_token)).toMatchObject({
      aud: 'https://graph.microsoft.com',
      iss: `https://sts.windows.net/${fabrikam.id}/`,
      appid: app.clientId,
      tid: fabrikam.id,
      roles: app.requestedRoles,
      idtyp: 'app',
    });
  });

  it('gives a token without roles for the Bot Framework', async () => {
    const { microsoft, appToken } = await setup();
    microsoft.consent(contoso.id, app.clientId);

    const { access_token: token } = await appToken(contoso.id, { scope: 'https://api.botframework.com/.default' });

    expect(decodeJwt(token).aud).toBe('https://api.botframework.com');
    expect(decodeJwt(token)).not.toHaveProperty('roles');
  });

  it.each([
    ['organizations', 'organizations', graphScope, 50059, 'invalid_request'],
    ['a single scope', contoso.id, 'https://graph.microsoft.com/User.Read', 1002012, 'invalid_scope'],
    ['no scope', contoso.id, undefined, 1002012, 'invalid_scope'],
    ['an unknown resource', contoso.id, 'https://evil.example/.default', 500011, 'invalid_resource'],
    ['a tenant that never consented', fabrikam.id, graphScope, 700016, 'unauthorized_client'],
  ])('refuses %s', async (_, authority, scope, code, error) => {
    const { microsoft, appToken } = await setup();
    microsoft.consent(contoso.id, app.clientId);

    const answer = await appToken(authority, { scope });

    expect(answer).toMatchObject({ error, error_codes: [code] });
  });

  it('misses the service principal after a withdrawal, and finds it after the next consent', async () => {
    const { microsoft, appToken } = await setup();
    microsoft.consent(contoso.id, app.clientId);

    microsoft.withdrawConsent(contoso.id, app.clientId);
    const withdrawn = await appToken();
    microsoft.consent(contoso.id, app.clientId);
    const again = await appToken();

    expect(withdrawn).toMatchObject({ status: 401, error: 'invalid_client', error_codes: [7000229] });
    expect(again.status).toBe(200);
  });

  it('leaves roles out until they have arrived', async () => {
    const { microsoft, clock, consentUrl, appToken } = await setup();
    microsoft.grantRolesAfter(60_000);
    await microsoft.approveConsent(consentUrl());

    clock.now += 59_999;
    const before = await appToken();
    clock.now += 1;
    const after = await appToken();

    expect(decodeJwt(before.access_token)).not.toHaveProperty('roles');
    expect(decodeJwt(after.access_token)['roles']).toEqual(app.requestedRoles);
  });

  it('takes 20 seconds for the roles where that was chosen on a page', async () => {
    const { microsoft, clock, consentUrl, getCode, appToken } = await setup();
    await microsoft.approveConsent(consentUrl());
    await getCode({ rolesLater: true });

    const before = await appToken();
    clock.now += 20_000;
    const after = await appToken();

    expect(decodeJwt(before.access_token)).not.toHaveProperty('roles');
    expect(decodeJwt(after.access_token)['roles']).toEqual(app.requestedRoles);
  });

  it('has exactly the roles that were set', async () => {
    const { microsoft, appToken } = await setup();

    microsoft.setRoles(contoso.id, app.clientId, []);
    const none = await appToken();
    microsoft.setRoles(contoso.id, app.clientId, ['Team.ReadBasic.All']);
    const one = await appToken();

    expect(decodeJwt(none.access_token)).not.toHaveProperty('roles');
    expect(decodeJwt(one.access_token)['roles']).toEqual(['Team.ReadBasic.All']);
  });

  it('knows an app in its home tenant without consent', async () => {
    const { appToken } = await setup({ apps: [{ ...app, homeTenantId: contoso.id }] });

    const answer = await appToken(contoso.id, { scope: 'https://api.botframework.com/.default' });

    expect(answer.status).toBe(200);
  });

  it('holds a client that nobody registered to the secret of its first token', async () => {
    const { microsoft, appToken } = await setup({ anyClient: true });
    microsoft.consent(contoso.id, 'made-up');
    const client_id = 'made-up';

    const useless = await appToken(fabrikam.id, { client_id, client_secret: 'mistyped' });
    const accepted = await appToken(contoso.id, { client_id, client_secret: 'mine' });
    const refused = await appToken(contoso.id, { client_id, client_secret: 'other' });

    expect(useless.error_codes).toEqual([700016]);
    expect(accepted.status).toBe(200);
    expect(refused.error_codes).toEqual([7000215]);
  });
});

const keyPair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const otherKeyPair = generateKeyPairSync('rsa', { modulusLength: 2048 });

describe('a client assertion of a certificate', () => {
  const thumbprintSha256 = 'AB'.repeat(32);
  const publicKey = keyPair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const audience = `https://login.microsoftonline.com/${contoso.id}/oauth2/v2.0/token`;

  async function send(
    change: { claims?: object; header?: object; key?: typeof keyPair.privateKey; local?: boolean } = {},
  ) {
    const { microsoft, clock, appToken } = await setup({
      apps: [{ ...app, certificates: [{ publicKey, thumbprintSha256 }] }],
    });
    microsoft.consent(contoso.id, app.clientId);
    const seconds = clock.now / 1000;
    const { clientId } = app;
    const aud = change.local ? `${microsoft.url}/${contoso.id}/oauth2/v2.0/token` : audience;
    const claims = { iss: clientId, sub: clientId, aud, nbf: seconds, exp: seconds + 600, jti: 'j1' };
    const thumbprint = Buffer.from(thumbprintSha256, 'hex').toString('base64url');
    const assertion = await new SignJWT({ ...claims, ...change.claims })
      .setProtectedHeader({ alg: 'PS256', 'x5t#S256': thumbprint, ...change.header })
      .sign(change.key ?? keyPair.privateKey);
    return appToken(contoso.id, {
      client_secret: undefined,
      client_assertion: assertion,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    });
  }

  it('gets a token, for the endpoint of Microsoft or of the stand-in', async () => {
    const answers = [await send(), await send({ local: true })];

    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  });

  it.each([
    ['another audience', 700023, { claims: { aud: 'https://login.microsoftonline.com/common/oauth2/v2.0/token' } }],
    ['another subject', 700021, { claims: { sub: 'somebody' } }],
    ['a past expiry', 700024, { claims: { exp: Date.parse('2025-12-31T23:00:00Z') / 1000 } }],
    ['a future start', 700024, { claims: { nbf: Date.parse('2026-01-01T01:00:00Z') / 1000 } }],
    ['another key', 700027, { key: otherKeyPair.privateKey }],
    ['another certificate', 700027, { header: { 'x5t#S256': 'other' } }],
  ])('is refused for %s with AADSTS%i', async (_, code, change) => {
    const answer = await send(change);

    expect(answer).toMatchObject({ status: 401, error: 'invalid_client', error_codes: [code] });
  });
});

describe('a client assertion of a federated issuer', () => {
  const trust = { issuer: 'https://sts.example', subject: 'role/callback', audience: 'api://AzureADTokenExchange' };

  async function send(claims: object = {}, key = keyPair.privateKey, isTrusted = true) {
    const jwk = await exportJWK(keyPair.publicKey);
    const federated = { ...trust, jwks: { keys: [{ ...jwk, kid: 'k1', alg: 'RS256' }] } };
    const { microsoft, clock, appToken } = await setup({ apps: [{ ...app, ...(isTrusted && { federated }) }] });
    microsoft.consent(contoso.id, app.clientId);
    const { issuer: iss, subject: sub, audience: aud } = trust;
    const assertion = await new SignJWT({ iss, sub, aud, exp: clock.now / 1000 + 300, ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
      .sign(key);
    return appToken(contoso.id, {
      client_secret: undefined,
      client_assertion: assertion,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    });
  }

  it('gets a token', async () => {
    const answer = await send();

    expect(answer.status).toBe(200);
  });

  it.each([
    ['another issuer', 700211, { iss: 'https://other.example' }],
    ['another audience', 700212, { aud: 'api://other' }],
    ['another subject', 700213, { sub: 'role/other' }],
    ['a past expiry', 700024, { exp: Date.parse('2025-12-31T23:00:00Z') / 1000 }],
  ])('is refused for %s with AADSTS%i', async (_, code, claims) => {
    const answer = await send(claims);

    expect(answer).toMatchObject({ status: 401, error: 'invalid_client', error_codes: [code] });
  });

  it('is refused when signed with another key, or when the app trusts nobody', async () => {
    const answers = [await send({}, otherKeyPair.privateKey), await send({}, keyPair.privateKey, false)];

    expect(answers.map(({ error_codes }) => error_codes)).toEqual([[700027], [70021]]);
  });
});
