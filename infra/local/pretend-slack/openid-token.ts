import type { Apps } from './apps.ts';
import type { Codes } from './codes.ts';
import { SlackError } from './errors.ts';
import type { Grants } from './grants.ts';
import type { IdTokens } from './id-token.ts';
import { type Client, requireApp } from './oauth-access.ts';

export interface OpenIdTokenDeps {
  readonly apps: Apps;
  readonly codes: Codes;
  readonly grants: Grants;
  readonly idTokens: IdTokens;
  readonly now: () => number;
}

/**
 * A code of Sign in with Slack for an id_token.
 *
 * @see https://docs.slack.dev/reference/methods/openid.connect.token
 */
export function openIdToken(deps: OpenIdTokenDeps, client: Client, form: Record<string, string>) {
  const app = requireApp(deps.apps, client);
  if ((form['grant_type'] ?? 'authorization_code') !== 'authorization_code') {
    throw new SlackError('invalid_grant_type');
  }
  const approval = deps.codes.spend(form['code'], app.clientId, form['redirect_uri'], 'sign_in');
  const grant = deps.grants.add(app.appId, approval.account, approval.person.id, approval.userScopes);
  app.clientSecret ??= client.secret ?? '';
  return {
    ok: true,
    access_token: deps.grants.issue(grant, app.tokenRotation).access_token,
    token_type: 'Bearer',
    id_token: deps.idTokens.make(approval, approval.signIn?.nonce ?? null, deps.now()),
  };
}
