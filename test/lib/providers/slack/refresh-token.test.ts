import { describe, expect, it } from 'vitest';
import { refreshSlackToken } from '../../../../lib/providers/slack/refresh-token.ts';

const request = {
  clientId: '1000.1000',
  clientSecrets: ['newer', 'older'],
  refreshToken: 'xoxe-1-refresh',
  timeoutMilliseconds: 8_000,
};
const granted = {
  ok: true,
  app_id: 'A0APP',
  access_token: 'xoxe.xoxb-access',
  refresh_token: 'xoxe-1-next',
  expires_in: 43_200,
  scope: 'chat:write,users:read',
  team: { id: 'T0ACME', name: 'Acme' },
  enterprise: null,
  is_enterprise_install: false,
};

function setup(...answers: ((signal: AbortSignal | null | undefined) => Promise<Response> | Response)[]) {
  const forms: Record<string, string>[] = [];
  const send: typeof fetch = async (url, init) => {
    expect(String(url)).toBe('https://slack.com/api/oauth.v2.access');
    forms.push(Object.fromEntries(new URLSearchParams(String(init?.body))));
    const answer = answers.shift();
    if (!answer) throw new Error('one call too many');
    return answer(init?.signal);
  };
  return {
    forms,
    refresh: (overrides = {}) => refreshSlackToken(send, 'https://slack.com', { ...request, ...overrides }),
  };
}

const refused = (error: string) => () => Response.json({ ok: false, error });

describe('refreshSlackToken', () => {
  it("sends the refresh token with the app's credentials", async () => {
    const { refresh, forms } = setup(() => Response.json(granted));

    expect(await refresh()).toEqual({
      kind: 'refreshed',
      accessToken: 'xoxe.xoxb-access',
      refreshToken: 'xoxe-1-next',
      expiresInSeconds: 43_200,
      scopes: ['chat:write', 'users:read'],
      accountId: 'T0ACME',
      appId: 'A0APP',
    });
    expect(forms).toEqual([
      {
        grant_type: 'refresh_token',
        refresh_token: 'xoxe-1-refresh',
        client_id: '1000.1000',
        client_secret: 'newer',
      },
    ]);
  });

  it('takes the enterprise of an org-wide install for the account', async () => {
    const enterprise = { id: 'E0INITECH', name: 'Initech' };
    const { refresh } = setup(() => Response.json({ ...granted, team: null, enterprise, is_enterprise_install: true }));

    expect(await refresh()).toMatchObject({ kind: 'refreshed', accountId: 'E0INITECH' });
  });

  it('tries the older client secret when Slack refuses the newer one', async () => {
    const { refresh, forms } = setup(refused('bad_client_secret'), () => Response.json(granted));

    expect(await refresh()).toMatchObject({ kind: 'refreshed' });
    expect(forms.map((form) => form['client_secret'])).toEqual(['newer', 'older']);
  });

  it.each(['invalid_refresh_token', 'invalid_client_id', 'something_new'])('tries once after %s', async (error) => {
    const { refresh } = setup(refused(error));

    expect(await refresh()).toEqual({ kind: 'refused', error });
  });

  it('does not repeat what Slack says when it is not one of its codes', async () => {
    const { refresh } = setup(refused('<script>'));

    expect(await refresh()).toEqual({ kind: 'refused', error: 'unknown_error' });
  });

  it('ends after its time limit', async () => {
    const never = (signal: AbortSignal | null | undefined) =>
      new Promise<Response>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    const { refresh } = setup(never);

    expect(await refresh({ timeoutMilliseconds: 20 })).toEqual({
      kind: 'unavailable',
      error: 'no_answer',
      mayBeSpent: true,
    });
  });

  it('does not call when there is no time left', async () => {
    const { refresh, forms } = setup();

    expect(await refresh({ timeoutMilliseconds: -1 })).toMatchObject({ kind: 'unavailable', mayBeSpent: false });
    expect(forms).toEqual([]);
  });

  it.each([
    ['17', 17],
    ['86400', 60],
    ['soon', 1],
    [undefined, 1],
  ])('waits as long as Slack says after a 429 (%s), up to a minute', async (header, seconds) => {
    const headers = header === undefined ? {} : { 'retry-after': header };
    const { refresh } = setup(() => Response.json({ ok: false, error: 'ratelimited' }, { status: 429, headers }));

    expect(await refresh()).toMatchObject({ kind: 'unavailable', retryAfterSeconds: seconds, mayBeSpent: false });
  });

  it.each([
    ['an answer without a token', { ...granted, access_token: undefined }],
    ['an answer for no account', { ...granted, team: null }],
    ['no JSON', undefined],
  ])('knows nothing after %s', async (_, body) => {
    const { refresh } = setup(() => new Response(JSON.stringify(body) ?? '<html>'));

    expect(await refresh()).toEqual({
      kind: 'unavailable',
      error: 'unreadable_answer',
      httpStatus: undefined,
      mayBeSpent: true,
    });
  });
});
