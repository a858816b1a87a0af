import { hmacSha256Base64url } from '../crypto.ts';

/**
 * Ties an id_token to its sign-in (OpenID Connect Core 3.1.2.1). Derived from the state's secret, so that nothing has to
 * be kept or sealed for it.
 */
export function nonceOf(stateSecret: string): string {
  return hmacSha256Base64url(stateSecret, 'nonce');
}
