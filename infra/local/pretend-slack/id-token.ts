import { createHash, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { Approval } from './codes.ts';
import { randomHex } from './tokens.ts';

/** What can be wrong with an id_token; nobody may accept one. */
export const badIdTokens = {
  wrong_audience: 'is for another app',
  wrong_issuer: 'comes from another issuer',
  expired: 'expired an hour ago',
  issued_later: 'was issued in an hour',
  wrong_nonce: 'has another nonce',
  missing_nonce: 'has no nonce',
  missing_user: 'does not say who signed in',
  damaged_signature: 'has a damaged signature',
  swapped_payload: 'has the payload of another person',
  foreign_key: 'is signed with an unknown key',
  alg_none: 'is not signed',
  hs256: 'is signed with the public key as a secret (HS256)',
} as const;

export type BadIdToken = keyof typeof badIdTokens;

interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

type Claims = Record<string, unknown>;

/** The same wherever the pretend Slack listens. @see https://slack.com/.well-known/openid-configuration */
const issuer = 'https://slack.com';
const lifeSeconds = 300;

/** Signs id_tokens. Keys are made when first needed; a rotation takes the key before it out of the published ones. */
export class IdTokens {
  #key: SigningKey | undefined;

  rotate(): void {
    this.#key = undefined;
  }

  publish() {
    const { kid, publicKey } = this.#current();
    return { keys: [{ ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256' }] };
  }

  /** @see https://docs.slack.dev/authentication/sign-in-with-slack */
  make(approval: Approval, nonce: string | null, now: number): string {
    const good = claimsOf(approval, nonce, now);
    const bad = approval.badIdToken;
    const claims = bad ? spoil(good, bad) : good;
    const key = this.#current();
    switch (bad) {
      case 'foreign_key':
        return signed(makeKey(), claims);
      case 'alg_none':
        return `${encode({ typ: 'JWT', alg: 'none' })}.${encode(claims)}.`;
      case 'hs256': {
        const unsigned = `${encode({ typ: 'JWT', alg: 'HS256', kid: key.kid })}.${encode(claims)}`;
        const secret = key.publicKey.export({ format: 'pem', type: 'spki' });
        return `${unsigned}.${createHmac('sha256', secret).update(unsigned).digest('base64url')}`;
      }
      case 'damaged_signature':
        return signed(key, claims).replace(/(.)(.{20})$/, (_, letter, rest) => (letter === 'A' ? 'B' : 'A') + rest);
      case 'swapped_payload': {
        const [header, , signature] = signed(key, good).split('.');
        return `${header}.${encode(claims)}.${signature}`;
      }
      default:
        return signed(key, claims);
    }
  }

  #current(): SigningKey {
    this.#key ??= makeKey();
    return this.#key;
  }
}

function claimsOf({ clientId, account, person, userScopes }: Approval, nonce: string | null, now: number): Claims {
  const { team, enterprise } = account;
  const iat = Math.floor(now / 1000);
  return {
    iss: issuer,
    sub: person.id,
    aud: clientId,
    exp: iat + lifeSeconds,
    iat,
    auth_time: iat,
    ...(nonce !== null && { nonce }),
    at_hash: createHash('sha256').update(randomHex(16)).digest().subarray(0, 16).toString('base64url'),
    'https://slack.com/team_id': (team ?? enterprise)?.id,
    'https://slack.com/user_id': person.id,
    ...(enterprise && { 'https://slack.com/enterprise_id': enterprise.id }),
    ...(userScopes.includes('email') && { email: person.email, email_verified: true }),
    ...(userScopes.includes('profile') && {
      name: person.name,
      'https://slack.com/team_name': (team ?? enterprise)?.name,
    }),
  };
}

function spoil(claims: Claims, bad: BadIdToken): Claims {
  const iat = Number(claims['iat']);
  const changes: Partial<Record<BadIdToken, Claims>> = {
    wrong_audience: { aud: 'another.app' },
    wrong_issuer: { iss: 'https://slack.evil.example' },
    expired: { iat: iat - 3_900, exp: iat - 3_600 },
    issued_later: { iat: iat + 3_600, exp: iat + 3_900 },
    wrong_nonce: { nonce: 'not the nonce of this sign-in' },
    missing_nonce: { nonce: undefined },
    missing_user: { 'https://slack.com/user_id': undefined },
    swapped_payload: { sub: 'U0ATTACKER', 'https://slack.com/user_id': 'U0ATTACKER' },
  };
  return { ...claims, ...changes[bad] };
}

function signed({ kid, privateKey }: SigningKey, claims: Claims): string {
  const unsigned = `${encode({ typ: 'JWT', alg: 'RS256', kid })}.${encode(claims)}`;
  return `${unsigned}.${sign('sha256', Buffer.from(unsigned), privateKey).toString('base64url')}`;
}

function makeKey(): SigningKey {
  return { kid: randomHex(16), ...generateKeyPairSync('rsa', { modulusLength: 2048 }) };
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
