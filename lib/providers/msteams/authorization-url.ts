import { createHash } from 'node:crypto';
import { hmacSha256Base64url } from '../../crypto.ts';
import { nonceOf } from '../nonce.ts';

/** What a sign-in asks for: who the person is, and nothing that has to be kept. */
export const signInScopes = ['openid', 'profile', 'User.Read'] as const;

/** What has to be registered in Entra, as a Web redirect URI. */
export function teamsRedirectUri(publicUrl: string): string {
  return `${publicUrl}/v1/integrations/chat/oauth/callback/msteams`;
}

export interface TeamsAuthorizationRequest {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly state: string;
}

/**
 * Where an administrator approves the app's permissions for a tenant. Application permissions can be asked for through
 * `.default` only.
 * @see https://learn.microsoft.com/entra/identity-platform/v2-admin-consent
 */
export function adminConsentUrl(loginBaseUrl: string, request: TeamsAuthorizationRequest): string {
  const query = new URLSearchParams({
    client_id: request.clientId,
    redirect_uri: request.redirectUri,
    scope: 'https://graph.microsoft.com/.default',
    state: request.state,
  });
  return `${loginBaseUrl}/organizations/v2.0/adminconsent?${query}`;
}

/**
 * Where a person signs in. `/organizations` gives the account's home tenant, so a guest of a tenant does not pass for a
 * member of it.
 * @param stateSecret what verifier and nonce are derived from
 * @see https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
 */
export function signInUrl(loginBaseUrl: string, request: TeamsAuthorizationRequest, stateSecret: string): string {
  const query = new URLSearchParams({
    client_id: request.clientId,
    response_type: 'code',
    response_mode: 'query',
    redirect_uri: request.redirectUri,
    scope: signInScopes.join(' '),
    state: request.state,
    nonce: nonceOf(stateSecret),
    code_challenge: createHash('sha256').update(codeVerifierOf(stateSecret)).digest('base64url'),
    code_challenge_method: 'S256',
  });
  return `${loginBaseUrl}/organizations/oauth2/v2.0/authorize?${query}`;
}

/** RFC 7636: 43 characters, 256 bits. Derived, so that nothing has to be kept or sealed for it. */
export function codeVerifierOf(stateSecret: string): string {
  return hmacSha256Base64url(stateSecret, 'pkce');
}
