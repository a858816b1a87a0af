import { randomUUID } from 'node:crypto';
import { type App, type Apps, checkRedirectUri } from './apps.ts';
import type { Codes } from './codes.ts';
import { type Account, type Authority, findAuthority } from './directory.ts';
import { EntraError, entraErrorBody, missingParameter } from './errors.ts';
import type { BadIdToken } from './id-token.ts';

/** An authorization request whose client and redirect URI are good. */
export interface AuthorizationRequest {
  readonly app: App;
  readonly authority: Authority;
  readonly redirectUri: string;
  readonly state: string | null;
  readonly scopes: readonly string[];
  readonly nonce: string | null;
  readonly challenge: string | null;
  readonly loginHint: string | null;
  readonly wantsClientInfo: boolean;
  /** What else is wrong, which the redirect reports. */
  readonly problem: EntraError | undefined;
}

const prompts = [null, 'login', 'none', 'consent', 'select_account'];

/**
 * @see https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
 * @throws {EntraError} what Microsoft shows on a page of its own
 */
export function parseAuthorizationRequest(apps: Apps, segment: string, query: URLSearchParams): AuthorizationRequest {
  const authority = findAuthority(segment);
  const clientId = query.get('client_id');
  if (!clientId) {
    throw missingParameter('query', 'client_id');
  }
  const app = apps.find(clientId, authority.tenant?.name ?? 'Microsoft');
  return {
    app,
    authority,
    redirectUri: checkRedirectUri(app, query.get('redirect_uri')),
    state: query.get('state'),
    scopes: (query.get('scope') ?? '').split(' ').filter(Boolean),
    nonce: query.get('nonce'),
    challenge: query.get('code_challenge'),
    loginHint: query.get('login_hint'),
    wantsClientInfo: query.get('client_info') === '1',
    problem: problemOf(query),
  };
}

function problemOf(query: URLSearchParams): EntraError | undefined {
  const responseType = query.get('response_type');
  const responseMode = query.get('response_mode') ?? 'query';
  const prompt = query.get('prompt');
  if (responseType !== 'code') {
    return new EntraError(700054, `response_type '${responseType}' is not enabled for the application.`);
  }
  if (!query.get('scope')) {
    return missingParameter('query', 'scope');
  }
  if (responseMode !== 'query') {
    return new EntraError(90023, `Unsupported 'response_mode' value '${responseMode}'.`);
  }
  if (!prompts.includes(prompt)) {
    return new EntraError(90023, `Unsupported 'prompt' value '${prompt}'.`);
  }
  const challenge = query.get('code_challenge');
  if (challenge !== null && (query.get('code_challenge_method') !== 'S256' || !/^[\w-]{43}$/.test(challenge))) {
    return new EntraError(50147, 'Invalid size or method of Code_Challenge parameter.');
  }
  // Nobody is ever signed in already.
  return prompt === 'none' ? new EntraError(50058, 'A silent request was sent but no user is signed in.') : undefined;
}

/** The URL that the browser is sent to. */
export function decideSignIn(
  codes: Codes,
  request: AuthorizationRequest,
  { action, account, badIdToken }: { action: string; account: Account; badIdToken: BadIdToken | undefined },
  now: number,
): string {
  if (action !== 'sign_in') {
    return refuseSignIn(request, new EntraError(65004, 'User declined to consent to access the app.'), now);
  }
  const { app, authority, redirectUri, state, scopes, nonce, challenge, wantsClientInfo } = request;
  const signIn = { clientId: app.clientId, segment: authority.segment, redirectUri, scopes, nonce, challenge, account };
  const values = {
    code: codes.issue(badIdToken ? { ...signIn, badIdToken } : signIn),
    ...(wantsClientInfo && { client_info: clientInfoOf(account) }),
    session_state: randomUUID(),
  };
  return withQuery(redirectUri, values, state);
}

/** Pressing Cancel is known by its subcode. */
export function refuseSignIn(request: AuthorizationRequest, error: EntraError, now: number): string {
  const { error_description } = entraErrorBody(error, now);
  const cancelled = error.code === 65004 && { error: 'access_denied', error_subcode: 'cancel' };
  return withQuery(request.redirectUri, { error: error.error, error_description, ...cancelled }, request.state);
}

/** What MSAL knows an account by. */
export function clientInfoOf({ oid, tenant }: Account): string {
  return Buffer.from(JSON.stringify({ uid: oid, utid: tenant.id })).toString('base64url');
}

export function withQuery(redirectUri: string, values: Record<string, string>, state: string | null): string {
  const url = new URL(redirectUri);
  for (const [name, value] of Object.entries({ ...values, ...(state !== null && { state }) })) {
    url.searchParams.set(name, value);
  }
  return url.href;
}
