import { createHash, randomBytes } from 'node:crypto';
import type { Account } from './directory.ts';
import { EntraError } from './errors.ts';
import type { BadIdToken } from './id-token.ts';

/** Who signed in, and for which request: everything that a code is bound to. */
export interface SignIn {
  readonly clientId: string;
  /** Of the authority in the path. */
  readonly segment: string;
  readonly redirectUri: string;
  readonly scopes: readonly string[];
  readonly nonce: string | null;
  /** The S256 challenge; without one, a verifier is not looked at. */
  readonly challenge: string | null;
  readonly account: Account;
  /** Chosen on the page. */
  readonly badIdToken?: BadIdToken;
}

export interface Redemption {
  readonly clientId: string;
  readonly segment: string;
  readonly redirectUri: string | undefined;
  readonly verifier: string | undefined;
}

/** @see https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow */
const codeLifeMilliseconds = 600_000;

export class Codes {
  readonly #codes = new Map<string, { signIn: SignIn; expiresAt: number; isSpent: boolean }>();
  readonly #now: () => number;
  reuses = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  issue(signIn: SignIn): string {
    const code = `1.${randomBytes(48).toString('base64url')}.${randomBytes(96).toString('base64url')}`;
    this.#codes.set(code, { signIn, isSpent: false, expiresAt: this.#now() + codeLifeMilliseconds });
    return code;
  }

  /** One-time; what fails here leaves an unspent code good. @throws {EntraError} */
  spend(text: string, { clientId, segment, redirectUri, verifier }: Redemption): SignIn {
    const code = this.#codes.get(text);
    if (code?.signIn.clientId !== clientId) {
      throw new EntraError(70000, "The provided value for the 'code' parameter is not valid.");
    }
    const { signIn } = code;
    if (code.isSpent) {
      this.reuses += 1;
      throw new EntraError(54005, 'OAuth2 Authorization code was already redeemed, please retry with a new code.');
    }
    if (code.expiresAt <= this.#now()) {
      throw new EntraError(70008, 'The provided authorization code or refresh token has expired due to inactivity.');
    }
    if (signIn.segment !== segment) {
      throw new EntraError(700005, 'Provided Authorization Code is intended to use against other tenant.');
    }
    if (signIn.redirectUri !== redirectUri) {
      const expected = `'${signIn.redirectUri}' provided when requesting Authorization code.`;
      throw new EntraError(500112, `The reply address '${redirectUri}' does not match the reply address ${expected}`);
    }
    if (signIn.challenge !== null && challengeOf(verifier ?? '') !== signIn.challenge) {
      throw new EntraError(501481, 'The Code_Verifier does not match the code_challenge of the authorization request.');
    }
    code.isSpent = true;
    return signIn;
  }
}

function challengeOf(verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url');
}
