import { createHash } from 'node:crypto';
import type { JWTPayload } from 'jose';
import type { App } from './apps.ts';
import type { SignIn } from './codes.ts';
import { type Account, contoso, fabrikam, roleTemplates } from './directory.ts';
import { derivedGuid } from './ids.ts';
import { issuerOf, type Keys } from './keys.ts';

/** What can be wrong with an id_token. All but the last three make it a forgery or a mistake, which nobody may accept. */
export const badIdTokens = {
  wrong_audience: 'is for another app',
  wrong_issuer: 'comes from another issuer',
  other_tenant_issuer: 'comes from the issuer of another tenant',
  expired: 'expired two hours ago',
  damaged_signature: 'has a damaged signature',
  swapped_payload: 'has the payload of another person and tenant',
  foreign_key: 'is signed with an unknown key',
  consumer_key: 'is signed with the key for personal accounts',
  alg_none: 'is not signed',
  wrong_nonce: 'has another nonce',
  missing_nonce: 'has no nonce',
  missing_oid: 'does not say who signed in',
  wrong_version: 'is of version 1.0',
  guest: 'says that the person is a guest (acct 1)',
  no_acct: 'does not say whether the person is a guest',
  no_wids: 'does not say which roles the person has',
} as const;

export type BadIdToken = keyof typeof badIdTokens;

export async function makeIdToken(
  keys: Keys,
  app: App,
  signIn: SignIn,
  now: number,
  bad?: BadIdToken,
): Promise<string> {
  const good = claimsOf(app, signIn, now);
  const claims = bad ? spoil(good, bad) : good;
  switch (bad) {
    case 'foreign_key':
      return keys.sign(claims, 'foreign');
    case 'consumer_key':
      return keys.sign(claims, 'consumers');
    case 'alg_none':
      return `${encode({ typ: 'JWT', alg: 'none' })}.${encode(claims)}.`;
    case 'damaged_signature':
      return (await keys.sign(claims)).replace(/(.)(.{20})$/, (_, letter, rest) => (letter === 'A' ? 'B' : 'A') + rest);
    case 'swapped_payload': {
      const [header, , signature] = (await keys.sign(good)).split('.');
      return `${header}.${encode(claims)}.${signature}`;
    }
    default:
      return keys.sign(claims);
  }
}

/** @see https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference */
function claimsOf(
  { clientId, groupMembershipClaims }: App,
  { account, nonce, scopes }: SignIn,
  now: number,
): JWTPayload {
  const { tenant, oid, username, name, role } = account;
  const isGuest = role === 'Guest';
  return {
    ver: '2.0',
    aud: clientId,
    iss: issuerOf(tenant.id),
    ...lifetime(now),
    sub: createHash('sha256').update(`${clientId}|${oid}`).digest('base64url'),
    tid: tenant.id,
    ...(scopes.includes('profile') && { oid, name, preferred_username: username }),
    ...(scopes.includes('email') && { email: username }),
    ...(nonce !== null && { nonce }),
    acct: isGuest ? 1 : 0,
    ...(isGuest && { idp: `https://sts.windows.net/${fabrikam.id}/` }),
    ...(groupMembershipClaims && { wids: widsOf(account) }),
  };
}

/** Entra dates its tokens back by five minutes. */
export function lifetime(now: number) {
  const iat = Math.floor(now / 1000) - 300;
  return { iat, nbf: iat, exp: iat + 3900 };
}

/** An administrator is a member too. */
function widsOf({ role }: Account): string[] {
  const { Member, Guest } = roleTemplates;
  return role === 'Guest' ? [Guest] : [...new Set([roleTemplates[role], Member])];
}

function spoil(claims: JWTPayload, bad: BadIdToken): JWTPayload {
  const stranger = claims['tid'] === fabrikam.id ? contoso.id : fabrikam.id;
  const changes: Partial<Record<BadIdToken, JWTPayload>> = {
    wrong_audience: { aud: derivedGuid('another app') },
    wrong_issuer: { iss: `https://login.evil.example/${claims['tid']}/v2.0` },
    other_tenant_issuer: { iss: issuerOf(stranger) },
    expired: { iat: (claims.iat ?? 0) - 11_100, nbf: (claims.nbf ?? 0) - 11_100, exp: (claims.exp ?? 0) - 10_800 },
    swapped_payload: { tid: stranger, iss: issuerOf(stranger), oid: derivedGuid('an attacker') },
    wrong_nonce: { nonce: 'not the nonce of this sign-in' },
    missing_nonce: { nonce: undefined },
    missing_oid: { oid: undefined },
    wrong_version: { ver: '1.0' },
    guest: { acct: 1 },
    no_acct: { acct: undefined },
    no_wids: { wids: undefined },
  };
  return { ...claims, ...changes[bad] };
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
