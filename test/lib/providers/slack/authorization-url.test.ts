import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nonceOf } from '../../../../lib/providers/nonce.ts';
import {
  type SlackAuthorizationRequest,
  slackAuthorizationUrl,
  slackSignInUrl,
} from '../../../../lib/providers/slack/authorization-url.ts';

const base = 'https://slack.com';
const request: SlackAuthorizationRequest = {
  clientId: '1000.2000',
  redirectUri: 'https://connect.example/v1/integrations/chat/oauth/callback/slack',
  state: 'flow.secret',
  scopes: { bot: ['chat:write', 'users:read.email'] },
};

const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom('&', '=', '#', '?', '%', '+', ' ', '/', ';', '\n', '\r', 'a', ':') }),
  fc.constantFrom('a&redirect_uri=https://evil.example', 'x#y', '%26scope%3Dadmin', 'a\r\nLocation: b'),
);
/** A comma separates scopes, and the API lets none of them hold one. */
const scopes = fc.array(
  text.map((scope) => scope.replaceAll(',', '')),
  { minLength: 1, maxLength: 4 },
);

describe('slackAuthorizationUrl', () => {
  it('asks for bot scopes', () => {
    const url = new URL(slackAuthorizationUrl(base, request));

    expect(`${url.origin}${url.pathname}`).toBe('https://slack.com/oauth/v2/authorize');
    expect([...url.searchParams]).toEqual([
      ['state', request.state],
      ['client_id', request.clientId],
      ['redirect_uri', request.redirectUri],
      ['scope', 'chat:write,users:read.email'],
    ]);
  });

  it('asks for user scopes, and then for no bot', () => {
    const url = new URL(slackAuthorizationUrl(base, { ...request, scopes: { user: ['identity.basic'] } }));

    expect(url.searchParams.get('user_scope')).toBe('identity.basic');
    expect(url.searchParams.has('scope')).toBe(false);
  });

  it('goes where it is told to', () => {
    const url = slackAuthorizationUrl('http://127.0.0.1:4000', request);

    expect(url.startsWith('http://127.0.0.1:4000/oauth/v2/authorize?')).toBe(true);
  });

  it('carries every parameter as it is, and none besides', () => {
    fc.assert(
      fc.property(text, text, text, scopes, fc.boolean(), (clientId, redirectUri, state, names, bot) => {
        const built = slackAuthorizationUrl(base, {
          clientId,
          redirectUri,
          state,
          scopes: bot ? { bot: names } : { user: names },
        });
        const url = new URL(built);

        expect(url.hash).toBe('');
        expect(`${url.origin}${url.pathname}`).toBe('https://slack.com/oauth/v2/authorize');
        expect(Object.fromEntries(url.searchParams)).toEqual({
          state,
          client_id: clientId,
          redirect_uri: redirectUri,
          [bot ? 'scope' : 'user_scope']: names.join(','),
        });
        expect([...url.searchParams]).toHaveLength(4);
        expect(built).toMatch(/^[!-~]+$/);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['the state', { state: 's&redirect_uri=https://evil.example&scope=admin' }],
    ['the scopes', { scopes: { bot: ['chat:write&redirect_uri=https://evil.example', '#&user_scope=admin'] } }],
    ['the client id', { clientId: '1&redirect_uri=https://evil.example' }],
  ])('lets no parameter be put in through %s', (_, overrides) => {
    const url = new URL(slackAuthorizationUrl(base, { ...request, ...overrides }));

    expect(url.searchParams.getAll('redirect_uri')).toEqual([request.redirectUri]);
    expect(url.searchParams.getAll('scope')).toHaveLength(1);
    expect(url.searchParams.has('user_scope')).toBe(false);
  });
});

describe('slackSignInUrl', () => {
  it('asks for a sign-in, with a nonce that is the same for the same state and tells nothing of its secret', () => {
    const { clientId, redirectUri, state } = request;
    const signIn = { clientId, redirectUri, state, scopes: ['openid', 'email'] };

    const url = new URL(slackSignInUrl(base, signIn, 'secret'));

    expect(`${url.origin}${url.pathname}`).toBe('https://slack.com/openid/connect/authorize');
    expect([...url.searchParams]).toEqual([
      ['response_type', 'code'],
      ['scope', 'openid email'],
      ['state', state],
      ['nonce', nonceOf('secret')],
      ['client_id', clientId],
      ['redirect_uri', redirectUri],
    ]);
    expect(nonceOf('secret')).not.toContain('secret');
    expect(nonceOf('another')).not.toBe(nonceOf('secret'));
  });
});
