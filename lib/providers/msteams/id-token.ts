import { createRemoteJWKSet, customFetch } from 'jose/jwks/remote';
import { jwtVerify } from 'jose/jwt/verify';
import * as z from 'zod/mini';
import { constantTimeEqual } from '../../crypto.ts';
import { FlowFailure } from '../../flow/flow-failure.ts';
import { companyTenantId, isGuid } from './tenant.ts';

const claimsSchema = z.object({
  iss: z.string(),
  tid: z.string().check(z.refine((tid) => companyTenantId(tid) === tid)),
  oid: z.string().check(z.refine(isGuid)),
  nonce: z.string(),
  ver: z.literal('2.0'),
  /** 0 for a member, 1 for a guest; only when the app asks for the claim. */
  acct: z.optional(z.number()),
  /** Directory roles; only when the app asks for the claim. */
  wids: z.optional(z.array(z.string())),
  name: z.optional(z.string()),
  preferred_username: z.optional(z.string()),
});

/** Who signed in, proven by a signature of Microsoft's. */
export interface VerifiedPerson {
  readonly tenantId: string;
  /** The person's object id in the tenant. */
  readonly objectId: string;
  readonly isGuest: boolean;
  /** Undefined when the app does not ask Entra for it. */
  readonly directoryRoles: readonly string[] | undefined;
  /** For people to read; never to decide by. */
  readonly username: string | undefined;
}

export interface IdTokenVerifier {
  /**
   * @param at epoch milliseconds by which the token must be valid: when it was received
   * @throws FlowFailure `id_token_invalid`
   */
  verify(idToken: string, expected: { clientId: string; nonce: string; at: number }): Promise<VerifiedPerson>;
}

/** Issuers and what tokens say never change with the address that is called. */
const issuerBase = 'https://login.microsoftonline.com';
const clockToleranceSeconds = 300;

/**
 * Verifies id_tokens whole, which msal-node does not: it takes tokens of other apps, issuers and keys, and without a
 * valid signature.
 * @see https://learn.microsoft.com/entra/identity-platform/claims-validation
 */
export function idTokenVerifier(loginBaseUrl: string, send: typeof fetch): IdTokenVerifier {
  // Made at the first use: it loads fetch, which a function that needs no key should not wait for.
  let keys: ReturnType<typeof createRemoteJWKSet> | undefined;
  return {
    async verify(idToken, { clientId, nonce, at }) {
      keys ??= createRemoteJWKSet(new URL(`${loginBaseUrl}/organizations/discovery/v2.0/keys`), {
        [customFetch]: send,
        timeoutDuration: 5_000,
        // An unknown key is looked up at once: the token came from Microsoft itself, so nobody can make this a flood.
        cooldownDuration: 0,
      });
      const { payload, protectedHeader } = await jwtVerify(idToken, keys, {
        algorithms: ['RS256'],
        audience: clientId,
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(at),
        requiredClaims: ['exp', 'iat'],
      }).catch((cause: unknown) => {
        if (isUnreachable(cause)) throw cause;
        throw new FlowFailure('id_token_invalid', { cause });
      });
      const claims = claimsSchema.safeParse(payload);
      if (!claims.success) throw new FlowFailure('id_token_invalid');
      const { tid, iss, oid, acct, wids } = claims.data;
      if (iss !== `${issuerBase}/${tid}/v2.0`) throw new FlowFailure('id_token_invalid');
      if (!constantTimeEqual(claims.data.nonce, nonce)) throw new FlowFailure('id_token_invalid');
      // A key of another issuer, such as that of personal accounts, must not sign for a company's tenant.
      const key = keys.jwks()?.keys.find(({ kid }) => kid === protectedHeader.kid) as { issuer?: unknown } | undefined;
      if (typeof key?.issuer !== 'string' || key.issuer.replace('{tenantid}', tid) !== iss)
        throw new FlowFailure('id_token_invalid');
      return {
        tenantId: tid,
        objectId: oid,
        isGuest: acct === 1,
        directoryRoles: wids,
        username: claims.data.preferred_username,
      };
    },
  };
}

/** The keys could not be had, which says nothing of the token. */
function isUnreachable(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const ofKeySet = code === 'ERR_JWKS_TIMEOUT' || code === 'ERR_JWKS_INVALID' || code === 'ERR_JOSE_GENERIC';
  return ofKeySet || typeof code !== 'string' || !code.startsWith('ERR_J');
}

/** Template ids of the directory roles that may consent for a tenant, or manage its apps. */
const adminRoles = new Set([
  // Global Administrator
  '62e90394-69f5-4237-9190-012177145e10',
  // Privileged Role Administrator
  'e8611ab8-c189-46e8-94e1-60213ab1f814',
  // Application Administrator
  '9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3',
  // Cloud Application Administrator
  '158c047a-c907-4556-b7ef-446551a6b5f7',
]);

/**
 * Whether a person may speak for the tenant that they signed in to.
 * @throws FlowFailure `guest_refused`, `admin_proof_missing` or `admin_required`
 */
export function requireTenantProof(person: VerifiedPerson, proof: 'member' | 'admin'): void {
  if (person.isGuest) throw new FlowFailure('guest_refused');
  if (proof === 'member') return;
  if (!person.directoryRoles) throw new FlowFailure('admin_proof_missing');
  if (!person.directoryRoles.some((role) => adminRoles.has(role))) throw new FlowFailure('admin_required');
}
