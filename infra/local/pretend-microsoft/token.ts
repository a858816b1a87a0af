import { randomBytes } from 'node:crypto';
import type { App, Apps } from './apps.ts';
import { clientInfoOf } from './authorize.ts';
import { authenticateClient } from './client-authentication.ts';
import type { Codes } from './codes.ts';
import type { Consents } from './consents.ts';
import { type Authority, findAuthority } from './directory.ts';
import { EntraError, missingParameter } from './errors.ts';
import { type BadIdToken, lifetime, makeIdToken } from './id-token.ts';
import { derivedGuid } from './ids.ts';
import type { Keys } from './keys.ts';

/** What an app-only token stands for; Graph looks it up here, so that nothing else passes for one. */
export interface AppToken {
  readonly clientId: string;
  readonly tenantId: string;
  readonly resource: string;
  readonly roles: readonly string[];
  readonly expiresAt: number;
}

export interface TokenDeps {
  readonly now: () => number;
  readonly url: string;
  readonly apps: Apps;
  readonly codes: Codes;
  readonly consents: Consents;
  readonly keys: Keys;
  readonly appTokens: Map<string, AppToken>;
  readonly badIdToken: () => BadIdToken | undefined;
}

export const graphResource = 'https://graph.microsoft.com';
const resources = [graphResource, 'https://api.botframework.com'];

/** @see https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow @throws {EntraError} */
export async function issueTokens(deps: TokenDeps, segment: string, path: string, form: Record<string, string>) {
  const { client_id: clientId = '', grant_type: grantType } = form;
  const authority = findAuthority(segment);
  if (!clientId) {
    throw missingParameter('body', 'client_id');
  }
  const app = deps.apps.find(clientId, authority.tenant?.name ?? authority.segment);
  const audiences = [deps.url, 'https://login.microsoftonline.com'].map((host) => `${host}${path}`);
  await authenticateClient(app, { form, audiences, now: deps.now() });
  const answer = await dispatch(deps, app, authority, grantType, form);
  // The first secret that got a token is the secret of an app that nobody registered.
  if (app.redirectUris === undefined) {
    app.clientSecret ??= form['client_secret'];
  }
  return answer;
}

function dispatch(deps: TokenDeps, app: App, authority: Authority, grantType = '', form: Record<string, string>) {
  switch (grantType) {
    case 'authorization_code':
      return redeemCode(deps, app, authority, form);
    case 'client_credentials':
      return issueAppToken(deps, app, authority, form['scope']);
    default:
      throw new EntraError(70003, `The app requested an unsupported grant type '${grantType}'.`);
  }
}

async function redeemCode(deps: TokenDeps, app: App, { segment }: Authority, form: Record<string, string>) {
  const { code, redirect_uri: redirectUri, code_verifier: verifier } = form;
  if (!code) {
    throw missingParameter('body', 'code');
  }
  const { clientId } = app;
  const signIn = deps.codes.spend(code, { clientId, segment, redirectUri, verifier });
  const { scopes, account } = signIn;
  const { oid, tenant } = account;
  const now = deps.now();
  const bad = signIn.badIdToken ?? deps.badIdToken();
  const scope = scopes.filter((name) => name !== 'offline_access').join(' ');
  const claims = { ...accessClaims(clientId, tenant.id, graphResource, now), oid, scp: scope, idtyp: 'user' };
  return {
    token_type: 'Bearer',
    scope,
    expires_in: 3599,
    ext_expires_in: 3599,
    access_token: await deps.keys.sign(claims),
    ...(scopes.includes('offline_access') && { refresh_token: `1.${randomBytes(96).toString('base64url')}` }),
    ...(scopes.includes('openid') && { id_token: await makeIdToken(deps.keys, app, signIn, now, bad) }),
    ...(form['client_info'] === '1' && { client_info: clientInfoOf(account) }),
  };
}

/** @see https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow */
async function issueAppToken(deps: TokenDeps, app: App, { segment, tenant }: Authority, scope = '') {
  if (!tenant) {
    throw new EntraError(50059, `No tenant-identifying information found in the request: '${segment}' is no tenant.`);
  }
  const resource = scope.replace(/\/\.default$/, '');
  if (resource === scope) {
    const rule = 'Client credential flows must have a scope value with /.default suffixed to the resource identifier.';
    throw new EntraError(1002012, `The provided value for scope ${scope} is not valid. ${rule}`);
  }
  if (!resources.includes(resource)) {
    throw new EntraError(500011, `The resource principal named ${resource} was not found in ${tenant.name}.`);
  }
  const granted = deps.consents.rolesOf(tenant, app);
  const roles = resource === graphResource ? granted : [];
  const { clientId } = app;
  const claims = {
    ...accessClaims(clientId, tenant.id, resource, deps.now()),
    oid: derivedGuid('service principal', tenant.id, clientId),
    idtyp: 'app',
    uti: randomBytes(16).toString('base64url'),
    // Entra leaves the claim out rather than empty.
    ...(roles.length > 0 && { roles }),
  };
  const token = await deps.keys.sign(claims);
  const expiresAt = deps.now() + 3_599_000;
  deps.appTokens.set(token, { clientId, tenantId: tenant.id, resource, roles, expiresAt });
  return { token_type: 'Bearer', expires_in: 3599, ext_expires_in: 3599, access_token: token };
}

/** Access tokens for Graph are of version 1.0. */
function accessClaims(appid: string, tid: string, aud: string, now: number) {
  return { aud, iss: `https://sts.windows.net/${tid}/`, ...lifetime(now), appid, tid, ver: '1.0' };
}
