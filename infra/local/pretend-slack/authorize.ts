import { type App, type Apps, allowsRedirectUri } from './apps.ts';
import type { Approval, Codes } from './codes.ts';
import { type Account, accounts, findAccount } from './directory.ts';
import { SlackError } from './errors.ts';
import { type BadIdToken, badIdTokens } from './id-token.ts';
import { type MisbehaviourKind, misbehaviourKinds } from './misbehaviour.ts';

/** An authorization request that passed every check, so that its redirect URI may be used. */
export interface AuthorizationRequest {
  readonly app: App;
  readonly redirectUri: string;
  readonly redirectUriSent: boolean;
  readonly state: string | null;
  readonly botScopes: readonly string[];
  readonly userScopes: readonly string[];
  /** Of Sign in with Slack. */
  readonly signIn?: { readonly nonce: string | null };
  /** Where `team` points; only a preselection, as at Slack, where the person may pick another one. */
  readonly account: Account;
}

export const authorizePaths = { install: '/oauth/v2/authorize', signIn: '/openid/connect/authorize' } as const;

/**
 * Nothing wrong here ever leads to a redirect: Slack shows these errors on a page of its own.
 *
 * @see https://docs.slack.dev/authentication/installing-with-oauth
 * @throws {SlackError} `invalid_client_id`, `bad_redirect_uri`, `invalid_scope`, `no_scopes`, `invalid_response_type`
 */
export function parseAuthorizationRequest(apps: Apps, path: string, query: URLSearchParams): AuthorizationRequest {
  const isSignIn = path === authorizePaths.signIn;
  const app = apps.find(query.get('client_id'));
  if (!app) {
    throw new SlackError('invalid_client_id', { value: query.get('client_id') ?? '' });
  }
  const named = query.get('redirect_uri');
  const redirectUri = named ?? app.redirectUris?.[0];
  if (!redirectUri || !allowsRedirectUri(app, redirectUri)) {
    throw new SlackError('bad_redirect_uri', { value: redirectUri ?? '' });
  }
  const botScopes = isSignIn ? [] : parseScopes(query.get('scope'), ',');
  const userScopes = isSignIn ? parseScopes(query.get('scope'), ' ') : parseScopes(query.get('user_scope'), ',');
  if (isSignIn) {
    requireSignIn(query.get('response_type'), userScopes);
  } else {
    refuseMixedIdentity(botScopes, userScopes);
  }
  const account = findAccount(query.get('team')) ?? (accounts[0] as Account);
  return {
    app,
    redirectUri,
    redirectUriSent: named !== null,
    state: query.get('state'),
    botScopes,
    userScopes,
    account,
    ...(isSignIn && { signIn: { nonce: query.get('nonce') } }),
  };
}

/** What Allow or Cancel leads to: the URL that the browser is sent to. @throws {SlackError} */
export function decide(codes: Codes, request: AuthorizationRequest, form: URLSearchParams): string {
  if (form.get('action') !== 'allow') {
    return redirection(request, 'error', 'access_denied');
  }
  return redirection(request, 'code', codes.issue(approvalOf(request, form)));
}

function approvalOf(request: AuthorizationRequest, form: URLSearchParams): Approval {
  const account = findAccount(form.get('account'));
  const person = account?.people.find(({ id }) => id === form.get('user'));
  const channelId = form.get('channel') ?? account?.channels[0]?.id;
  const channel = account?.channels.find(({ id }) => id === channelId);
  if (!account || !person || !channel) {
    throw new SlackError('invalid_choice', { value: form.toString() });
  }
  const isGranted = (scope: string) => !form.getAll('declined').includes(scope);
  const botScopes = request.botScopes.filter(isGranted);
  const userScopes = request.userScopes.filter(isGranted);
  if (botScopes.length + userScopes.length === 0) {
    throw new SlackError('no_scopes');
  }
  const kind = form.get('misbehave') ?? '';
  const misbehaviour = Object.hasOwn(misbehaviourKinds, kind) ? { kind: kind as MisbehaviourKind } : undefined;
  const bad = form.get('bad_id_token') ?? '';
  const { redirectUri, redirectUriSent, signIn } = request;
  const { clientId } = request.app;
  return {
    ...{ clientId, redirectUri, redirectUriSent, account, person, botScopes, userScopes, channel },
    ...(signIn && { signIn }),
    ...(misbehaviour && { misbehaviour }),
    ...(Object.hasOwn(badIdTokens, bad) && { badIdToken: bad as BadIdToken }),
  };
}

function redirection({ redirectUri, state }: AuthorizationRequest, name: 'code' | 'error', value: string): string {
  const url = new URL(redirectUri);
  url.searchParams.set(name, value);
  if (state !== null) {
    url.searchParams.set('state', state);
  }
  return url.href;
}

function parseScopes(list: string | null, separator: ',' | ' '): string[] {
  const scopes = list ? list.split(separator) : [];
  const wrong = scopes.find((scope) => !/^[a-z0-9_.:-]+$/.test(scope));
  if (wrong !== undefined) {
    throw new SlackError('invalid_scope', { value: wrong });
  }
  return [...new Set(scopes)];
}

/** @see https://docs.slack.dev/authentication/sign-in-with-slack */
function requireSignIn(responseType: string | null, scopes: string[]): void {
  if (responseType !== 'code') {
    throw new SlackError('invalid_response_type', { value: responseType ?? '' });
  }
  const foreign = scopes.filter((scope) => !['openid', 'email', 'profile'].includes(scope));
  if (foreign.length > 0 || !scopes.includes('openid')) {
    throw new SlackError('invalid_scope', { value: foreign.join(',') });
  }
}

/** The `identity.*` scopes are for people and come alone. @see https://api.slack.com/legacy/sign-in-with-slack */
function refuseMixedIdentity(botScopes: string[], userScopes: string[]): void {
  const scopes = [...botScopes, ...userScopes];
  const identity = scopes.filter((scope) => scope.startsWith('identity.'));
  if (scopes.length === 0) {
    throw new SlackError('no_scopes');
  }
  if (scopes.includes('openid')) {
    throw new SlackError('invalid_scope', { value: 'openid' });
  }
  if (identity.length > 0 && (identity.length < scopes.length || botScopes.length > 0)) {
    throw new SlackError('invalid_scope', { value: identity.join(',') });
  }
}
