import * as z from 'zod/mini';
import { FlowFailure } from '../../flow/flow-failure.ts';
import { type ExpectedSignIn, signatureVerifier } from '../id-token.ts';
import { companyTenantId, isGuid } from './tenant.ts';

const claimsSchema = z.object({
  iss: z.string(),
  tid: z.string().check(z.refine((tid) => companyTenantId(tid) === tid)),
  oid: z.string().check(z.refine(isGuid)),
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
  /** @throws FlowFailure `id_token_invalid` */
  verify(idToken: string, expected: ExpectedSignIn): Promise<VerifiedPerson>;
}

/** Issuers and what tokens say never change with the address that is called. */
const issuerBase = 'https://login.microsoftonline.com';

/**
 * Verifies id_tokens whole, which msal-node does not: it takes tokens of other apps, issuers and keys, and without a
 * valid signature.
 * @see https://learn.microsoft.com/entra/identity-platform/claims-validation
 */
export function idTokenVerifier(loginBaseUrl: string, send: typeof fetch): IdTokenVerifier {
  const keysUrl = `${loginBaseUrl}/organizations/discovery/v2.0/keys`;
  const verifySignature = signatureVerifier(keysUrl, send, { clockTolerance: 300 });
  return {
    async verify(idToken, expected) {
      const { payload, key } = await verifySignature(idToken, expected);
      const claims = claimsSchema.safeParse(payload);
      if (!claims.success) throw new FlowFailure('id_token_invalid');
      const { tid, iss, oid, acct, wids } = claims.data;
      if (iss !== `${issuerBase}/${tid}/v2.0`) throw new FlowFailure('id_token_invalid');
      // A key of another issuer, such as that of personal accounts, must not sign for a company's tenant.
      const issuer = (key as { issuer?: unknown } | undefined)?.issuer;
      if (typeof issuer !== 'string' || issuer.replace('{tenantid}', tid) !== iss)
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
