import * as z from 'zod/mini';
import { hashOf } from '../crypto.ts';

/** What a grant is for: a Slack workspace or enterprise, or a Microsoft tenant. */
export const accountSchema = z.object({
  id: z.string(),
  name: z.optional(z.string()),
  kind: z.enum(['workspace', 'enterprise', 'tenant']),
  /** The Enterprise Grid organisation that a workspace belongs to. */
  enterpriseId: z.optional(z.string()),
});
export type Account = z.infer<typeof accountSchema>;

/** The token of a grant before it is sealed. Times are epoch seconds, as the provider gives them. */
export const tokenSchema = z.object({
  accessToken: z.string(),
  refreshToken: z.optional(z.string()),
  expiresAt: z.optional(z.number()),
});
export type Token = z.infer<typeof tokenSchema>;

/** The lease of a refresh. Whoever saw their call fail gives it back and leaves the failure for those who wait. */
const refreshSchema = z.object({
  /** Random; only its holder may store what the provider answers. */
  owner: z.string(),
  /** Epoch milliseconds: nobody else calls the provider before. */
  until: z.number(),
  /** Hash of a refresh token that was sent, and of which nobody knows whether it is spent. */
  sentToken: z.optional(z.string()),
  /** Epoch milliseconds: the holder saw the call fail then. */
  failedAt: z.optional(z.number()),
  error: z.optional(z.string()),
  httpStatus: z.optional(z.number()),
});
export type Refresh = z.infer<typeof refreshSchema>;

/** What a provider gave for an account (or for one user of it): one chain of refreshes. */
export const grantSchema = z.object({
  grantId: z.string(),
  environmentId: z.string(),
  integrationId: z.string(),
  providerId: z.enum(['slack', 'msteams']),
  account: accountSchema,
  /** Set on a grant of one person: a Slack user token. */
  userId: z.optional(z.string()),
  source: z.enum(['flow', 'caller']),
  /** `app_only`: the provider gives tokens for the account on request, and none is kept. */
  credential: z.enum(['token', 'app_only']),
  /** `tokenSchema` as JSON, sealed with `sealVersion`; empty when nothing is kept. */
  token: z.string(),
  sealVersion: z.string(),
  scopes: z.array(z.string()),
  /** Epoch seconds; absent when the provider does not rotate. */
  tokenExpiresAt: z.optional(z.number()),
  /** Goes up with every token that is stored. */
  version: z.number(),
  /**
   * `reauthorization_required`: the provider does not accept the credential any more; what is sealed stays.
   * `revoking`: nobody needs the token any more, and the provider has not confirmed its end; it stays sealed until then.
   */
  status: z.enum(['active', 'reauthorization_required', 'revoking', 'revoked']),
  /** Why the grant is not active: the provider's own code, or one of ours. */
  statusReason: z.optional(z.string()),
  /** Epoch milliseconds: when the provider last accepted the credential or refused it. */
  verifiedAt: z.optional(z.number()),
  /** A refresh that is under way, or whose outcome nobody saw. */
  refresh: z.optional(refreshSchema),
  /** Epoch milliseconds until which a writer waits for a revocation under way. */
  revokingUntil: z.optional(z.number()),
  /** What the provider was asked while the grant is `revoking`: to end the token or to remove the app, and how often. */
  revocation: z.optional(z.object({ how: z.enum(['token', 'uninstall']), tries: z.number() })),
  /** ISO time at which the sweep looks at the grant: a check, a revocation that is not confirmed, a credential just brought. */
  dueAt: z.optional(z.string()),
  appId: z.optional(z.string()),
  botUserId: z.optional(z.string()),
  botId: z.optional(z.string()),
  enterpriseUrl: z.optional(z.string()),
  /** Time fence: epoch milliseconds just before the exchange that this row reflects was sent, and its flow. */
  asOf: z.number(),
  flowId: z.string(),
});
export type Grant = z.infer<typeof grantSchema>;

/** What a connection says of its grant. */
export const grantStateSchema = z.pick(grantSchema, {
  source: true,
  status: true,
  statusReason: true,
  verifiedAt: true,
});
export type GrantState = z.infer<typeof grantStateSchema>;

/** Neither ended nor about to be. */
export function isLiving({ status }: Pick<Grant, 'status'>): boolean {
  return status === 'active' || status === 'reauthorization_required';
}

/** What the app's owner can put right: nobody has to approve anew. */
export function isRefusalOfTheApp(statusReason: string | undefined): boolean {
  return statusReason === 'bad_client_secret' || statusReason === 'invalid_client_id';
}

/** One chain per integration and account, and one per person of it; every connection that flows make shares it. */
export function grantIdOf(integrationId: string, accountId: string, userId?: string): string {
  return hashOf('grant', integrationId, accountId, userId ?? null);
}

/** What a caller brings for a connection is a grant of its own: no flow and no other connection ever shares it. */
export function callerGrantIdOf(subjectKey: string, revision: string): string {
  return hashOf('caller-grant', subjectKey, revision);
}
