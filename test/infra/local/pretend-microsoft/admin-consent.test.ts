import { describe, expect, it } from 'vitest';
import { contoso, fabrikam, tailspin } from '../../../../infra/local/pretend-microsoft/directory.ts';
import { app, graphScope, queryOf, setup } from './harness.ts';

describe('GET /{tenant}/v2.0/adminconsent', () => {
  it('names the app, its permissions and the people, and says that it is a stand-in', async () => {
    const { consentUrl } = await setup();

    const response = await fetch(consentUrl());
    const page = await response.text();

    expect(response.status).toBe(200);
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    for (const text of [
      'Pretend Microsoft',
      'Courier',
      'Team.ReadBasic.All',
      'Adele Admin',
      'Fiona Founder',
      'viewport',
    ]) {
      expect(page).toContain(text);
    }
    expect(page).not.toContain('<script');
  });

  it('offers only the people of the tenant in the path, by id or domain, guests included', async () => {
    const { consentUrl } = await setup();

    const byId = await (await fetch(consentUrl({}, contoso.id))).text();
    const byDomain = await (await fetch(consentUrl({}, contoso.domain))).text();

    expect(byId).toContain('Gita Guest, Guest at Contoso');
    expect(byId).not.toContain('Fiona Founder');
    expect(byDomain).toBe(byId);
  });

  const refusals: [string, string, Record<string, string | undefined>, string?][] = [
    ['an unknown client id', 'AADSTS700016', { client_id: '00000000-0000-4000-8000-000000000000' }],
    ['no client id', 'AADSTS900144', { client_id: undefined }],
    ['another redirect URI', 'AADSTS50011', { redirect_uri: 'http://localhost:3000/callback/' }],
    ['no redirect URI', 'AADSTS500113', { redirect_uri: undefined }],
    ['a redirect URI that is no URL', 'AADSTS500113', { redirect_uri: 'javascript:alert(1)' }],
    ['no scope', 'AADSTS900144', { scope: undefined }],
    ['the common endpoint', 'AADSTS90014', {}, 'common'],
    ['an unknown tenant', 'AADSTS90002', {}, '00000000-0000-4000-8000-000000000000'],
    ['a malformed tenant', 'AADSTS900023', {}, 'nonsense'],
  ];
  it.each(refusals)('shows an error page for %s (%s), and never redirects', async (_, code, parameters, authority) => {
    const { consentUrl } = await setup();

    const response = await fetch(consentUrl(parameters, authority), { redirect: 'manual' });

    expect(response.status).toBe(400);
    expect(await response.text()).toContain(`<code id="error">${code}</code>`);
  });

  const hostile = '"><script>alert(1)</script>&\'';
  it.each([
    ['client_id', { client_id: hostile }],
    ['redirect_uri', { redirect_uri: `http://evil.example/${hostile}` }],
    ['scope', { scope: hostile }],
    ['state', { state: hostile }],
  ])('escapes a hostile %s', async (_, parameters) => {
    const { consentUrl } = await setup();

    const page = await (await fetch(consentUrl(parameters))).text();

    expect(page).not.toContain('<script');
  });
});

describe('POST /{tenant}/v2.0/adminconsent', () => {
  it('sends the browser back with the tenant and the very state', async () => {
    const { microsoft, consentUrl } = await setup();
    const state = 'a b&c=d"é';

    const location = await microsoft.approveConsent(consentUrl({ state }), { username: 'fiona@fabrikam.example' });

    expect(location).toMatch(/^http:\/\/localhost:3000\/callback\?/);
    expect(queryOf(location)).toEqual({ admin_consent: 'True', tenant: fabrikam.id, scope: graphScope, state });
  });

  it.each([
    ['cancel', 'access_denied', 'AADSTS65004'],
    ['not_admin', 'consent_required', 'AADSTS65004'],
    ['permission_denied', 'permission_denied', 'AADSTS65004'],
  ] as const)('reports %s as %s, with admin_consent=True and without a tenant', async (action, error, code) => {
    const { microsoft, consentUrl, appToken } = await setup();

    const query = queryOf(await microsoft.approveConsent(consentUrl(), { action }));

    expect(query).toMatchObject({ admin_consent: 'True', error, state: 's1' });
    expect(query['error_description']).toMatch(
      new RegExp(`^${code}: .+ Trace ID: [0-9a-f-]{36} Correlation ID: [0-9a-f-]{36} Timestamp: 2026-01-01 00:00:00Z$`),
    );
    expect(query['error_subcode']).toBe(action === 'cancel' ? 'cancel' : undefined);
    expect(query).not.toHaveProperty('tenant');
    expect((await appToken()).error_codes).toEqual([700016]);
  });

  it.each(['alex@contoso.example', 'megan@contoso.example', 'gita@fabrikam.example'])(
    'does not let %s approve',
    async (username) => {
      const { microsoft, consentUrl } = await setup();

      const query = queryOf(await microsoft.approveConsent(consentUrl(), { username }));

      expect(query).toMatchObject({ admin_consent: 'True', error: 'consent_required' });
      expect(query['error_description']).toMatch(/^AADSTS90094: /);
    },
  );

  it('grants nothing but the presence of the app for a scope other than .default', async () => {
    const { microsoft, consentUrl, appToken, graph } = await setup();

    await microsoft.approveConsent(consentUrl({ scope: 'https://graph.microsoft.com/User.Read' }));
    const { access_token: token } = await appToken();

    expect((await graph('/organization', token)).error?.message).toContain("Roles on the request ''");
  });

  it('approves for another tenant, as a partner may', async () => {
    const { microsoft, consentUrl, appToken } = await setup();

    const query = queryOf(await microsoft.approveConsent(consentUrl(), { approveFor: tailspin.id }));

    expect(query['tenant']).toBe(tailspin.id);
    expect((await appToken(tailspin.id)).status).toBe(200);
    expect((await appToken(contoso.id)).error_codes).toEqual([700016]);
  });

  it('comes back with another tenant than the one approved for, or none, as a browser may make of it', async () => {
    const { microsoft, consentUrl, appToken } = await setup();

    const altered = queryOf(await microsoft.approveConsent(consentUrl(), { claimTenant: fabrikam.id }));
    const missing = queryOf(await microsoft.approveConsent(consentUrl(), { claimTenant: 'none' }));

    expect(altered['tenant']).toBe(fabrikam.id);
    expect(missing).not.toHaveProperty('tenant');
    expect((await appToken(fabrikam.id)).error_codes).toEqual([700016]);
  });

  it('takes any client id and redirect URI with anyClient, and still checks the apps that are registered', async () => {
    const { microsoft, consentUrl } = await setup({ anyClient: true });
    const redirect_uri = 'http://localhost:9999/anywhere';

    const location = await microsoft.approveConsent(consentUrl({ client_id: 'made-up', redirect_uri }));
    const registered = microsoft.approveConsent(consentUrl({ client_id: app.clientId, redirect_uri }));

    expect(location).toContain(redirect_uri);
    await expect(registered).rejects.toThrow('AADSTS50011');
  });
});

describe('GET /', () => {
  it('lists the tenants, the apps in them and the permissions that are still to arrive, without tokens', async () => {
    const { microsoft, consentUrl, appToken } = await setup();
    await microsoft.approveConsent(consentUrl(), { rolesLater: true });
    const { access_token: token } = await appToken();

    const page = await (await fetch(microsoft.url)).text();

    expect(page).toContain(contoso.id);
    expect(page).toContain('Courier: <code>AppCatalog.Read.All (soon)');
    expect(page).not.toContain(token);
  });
});
