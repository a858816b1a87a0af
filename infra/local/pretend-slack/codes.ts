import type { Account, NamedId, Person } from './directory.ts';
import { SlackError } from './errors.ts';
import type { BadIdToken } from './id-token.ts';
import type { Misbehaviour } from './misbehaviour.ts';
import { randomHex } from './tokens.ts';

/** What a person allowed, and for which request: everything that a code is bound to. */
export interface Approval {
  readonly clientId: string;
  readonly redirectUri: string;
  /** The request named it, so the exchange must name it too, byte for byte. */
  readonly redirectUriSent: boolean;
  readonly account: Account;
  readonly person: Person;
  readonly botScopes: readonly string[];
  readonly userScopes: readonly string[];
  readonly channel: NamedId;
  /** Of Sign in with Slack, whose codes are for `openid.connect.token`; the others are for `oauth.v2.access`. */
  readonly signIn?: { readonly nonce: string | null };
  /** Chosen on the consent page, for the first exchange of this code. */
  readonly misbehaviour?: Misbehaviour;
  readonly badIdToken?: BadIdToken;
}

interface Code {
  readonly approval: Approval;
  readonly expiresAt: number;
  misbehaviour: Misbehaviour | undefined;
  spent: boolean;
}

/** Slack's codes live for 10 minutes. @see https://docs.slack.dev/authentication/installing-with-oauth */
const codeLifeMilliseconds = 600_000;

export class Codes {
  readonly #codes = new Map<string, Code>();
  readonly #now: () => number;
  reuses = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  issue(approval: Approval): string {
    const code = `${parseInt(randomHex(5), 16)}.${parseInt(randomHex(5), 16)}.${randomHex(32)}`;
    const { misbehaviour } = approval;
    this.#codes.set(code, { approval, misbehaviour, spent: false, expiresAt: this.#now() + codeLifeMilliseconds });
    return code;
  }

  /** One-time: the second exchange of a code fails as one of an unknown code does. */
  spend(
    text: string | undefined,
    clientId: string,
    redirectUri: string | undefined,
    purpose: 'install' | 'sign_in',
  ): Approval {
    const code = this.#codes.get(text ?? '');
    if (code?.spent) {
      this.reuses += 1;
    }
    if (!code || code.spent || code.expiresAt <= this.#now() || code.approval.clientId !== clientId) {
      throw new SlackError('invalid_code');
    }
    const { approval } = code;
    if ((purpose === 'sign_in') !== (approval.signIn !== undefined)) {
      throw new SlackError('invalid_code');
    }
    if (redirectUri === undefined ? approval.redirectUriSent : redirectUri !== approval.redirectUri) {
      throw new SlackError('bad_redirect_uri');
    }
    code.spent = true;
    return approval;
  }

  takeMisbehaviour(text: string | undefined): Misbehaviour | undefined {
    const code = this.#codes.get(text ?? '');
    const misbehaviour = code?.misbehaviour;
    if (code) {
      code.misbehaviour = undefined;
    }
    return misbehaviour;
  }
}
