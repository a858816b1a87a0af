import { describe, expect, it } from 'vitest';
import { contoso, fabrikam } from '../../../../infra/local/pretend-microsoft/directory.ts';
import { queryOf, setup } from './harness.ts';

describe('GET /{tenant}/oauth2/v2.0/authorize', () => {
  it('offers the accounts, and preselects the login hint', async () => {
    const { authorizeUrl } = await setup();

    const page = await (await fetch(authorizeUrl({ login_hint: 'megan@contoso.example' }))).text();

    expect(page).toContain('Pretend Microsoft');
    expect(page).toContain('openid profile');
    expect(page).toMatch(/checked><span>Megan Member, Member at Contoso/);
    expect(page).not.toContain('Guest at Contoso');
    expect(page).not.toContain('<script');
  });

  it.each([
    ['an unknown client id', 'AADSTS700016', { client_id: '00000000-0000-4000-8000-000000000000' }],
    ['another redirect URI', 'AADSTS50011', { redirect_uri: 'http://evil.example/callback' }],
  ])('shows an error page for %s (%s)', async (_, code, parameters) => {
    const { microsoft, authorizeUrl } = await setup();

    const location = microsoft.signIn(authorizeUrl(parameters));

    await expect(location).rejects.toThrow(code);
  });

  const refusals: [string, string, Record<string, string | undefined>][] = [
    ['another response type', 'unsupported_response_type', { response_type: 'id_token' }],
    ['another response mode', 'invalid_request', { response_mode: 'form_post' }],
    ['no scope', 'invalid_request', { scope: undefined }],
    ['a plain code challenge', 'invalid_request', { code_challenge_method: 'plain' }],
    ['a malformed code challenge', 'invalid_request', { code_challenge: 'short' }],
    ['an unknown prompt', 'invalid_request', { prompt: 'admin_consent' }],
    ['prompt=none', 'login_required', { prompt: 'none' }],
  ];
  it.each(refusals)('reports %s to the redirect URI as %s', async (_, error, parameters) => {
    const { microsoft, authorizeUrl } = await setup();

    const query = queryOf(await microsoft.signIn(authorizeUrl(parameters)));

    expect(query).toMatchObject({ error, state: 's2', error_description: expect.stringMatching(/^AADSTS\d+: /) });
    expect(query).not.toHaveProperty('code');
  });
});

describe('POST /{tenant}/oauth2/v2.0/authorize', () => {
  it('sends the browser back with a code, the very state and a session state', async () => {
    const { microsoft, authorizeUrl } = await setup();
    const state = 'a b&c=d"é';

    const query = queryOf(await microsoft.signIn(authorizeUrl({ state })));

    expect(query).toEqual({ code: expect.any(String), state, session_state: expect.any(String) });
  });

  it('reports a cancelled sign-in', async () => {
    const { microsoft, authorizeUrl } = await setup();

    const query = queryOf(await microsoft.signIn(authorizeUrl(), { action: 'cancel' }));

    expect(query).toMatchObject({ error: 'access_denied', state: 's2' });
    expect(query).not.toHaveProperty('code');
  });

  it('refuses an account that is not in the tenant of the path', async () => {
    const { microsoft, authorizeUrl } = await setup();

    const location = microsoft.signIn(authorizeUrl({}, contoso.id), { username: 'fiona@fabrikam.example' });

    await expect(location).rejects.toThrow('AADSTS50020');
  });

  it('goes on with the account of the consent page, as a browser does', async () => {
    const { microsoft, consentUrl, authorizeUrl } = await setup();
    await microsoft.approveConsent(consentUrl(), { username: 'fiona@fabrikam.example' });

    const page = await (await fetch(authorizeUrl())).text();

    expect(page).toMatch(new RegExp(`checked><span>Fiona Founder, Global Administrator at ${fabrikam.name}`));
  });
});
