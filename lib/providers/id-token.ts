import type { JWK, JWTPayload } from 'jose';
import { createRemoteJWKSet, customFetch } from 'jose/jwks/remote';
import { type JWTVerifyOptions, jwtVerify } from 'jose/jwt/verify';
import { constantTimeEqual } from '../crypto.ts';
import { FlowFailure } from '../flow/flow-failure.ts';

/** What an id_token has to say of the sign-in that it came from. */
export interface ExpectedSignIn {
  readonly clientId: string;
  readonly nonce: string;
  /** Epoch milliseconds by which the token must be valid: when it was received. */
  readonly at: number;
}

export interface Signed {
  readonly payload: JWTPayload;
  /** The published key that signed, with whatever its publisher says of it. */
  readonly key: JWK | undefined;
}

/**
 * Verifies the signature (RS256, by the keys at an address), times, audience and nonce of id_tokens. Keys are kept, and
 * an unknown one is looked up again.
 * @returns a function that throws FlowFailure `id_token_invalid`, or any other error when the keys cannot be had
 */
export function signatureVerifier(
  keysUrl: string,
  send: typeof fetch,
  options: Pick<JWTVerifyOptions, 'clockTolerance' | 'issuer' | 'maxTokenAge'>,
): (idToken: string, expected: ExpectedSignIn) => Promise<Signed> {
  // Made at the first use: it loads fetch, which a function that needs no key should not wait for.
  let keys: ReturnType<typeof createRemoteJWKSet> | undefined;
  return async (idToken, { clientId, nonce, at }) => {
    keys ??= createRemoteJWKSet(new URL(keysUrl), {
      [customFetch]: send,
      timeoutDuration: 5_000,
      // An unknown key is looked up at once: the token came from the provider itself, so nobody can make this a flood.
      cooldownDuration: 0,
    });
    const { payload, protectedHeader } = await jwtVerify(idToken, keys, {
      ...options,
      algorithms: ['RS256'],
      audience: clientId,
      currentDate: new Date(at),
      requiredClaims: ['exp', 'iat'],
    }).catch((cause: unknown) => {
      if (isUnreachable(cause)) throw cause;
      throw new FlowFailure('id_token_invalid', { cause });
    });
    const given = payload['nonce'];
    if (typeof given !== 'string' || !constantTimeEqual(given, nonce)) throw new FlowFailure('id_token_invalid');
    return { payload, key: keys.jwks()?.keys.find(({ kid }) => kid === protectedHeader.kid) };
  };
}

/** The keys could not be had, which says nothing of the token. */
function isUnreachable(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const ofKeySet = code === 'ERR_JWKS_TIMEOUT' || code === 'ERR_JWKS_INVALID' || code === 'ERR_JOSE_GENERIC';
  return ofKeySet || typeof code !== 'string' || !code.startsWith('ERR_J');
}
