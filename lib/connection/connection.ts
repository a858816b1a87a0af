import * as z from 'zod/mini';
import { hashOf } from '../crypto.ts';
import { accountSchema } from '../grant/grant.ts';

/** Whom a connection is for. One connection per subject. */
export interface Subject {
  readonly integrationId: string;
  /** None for a shared connection. */
  readonly subscriberId: string | undefined;
  readonly contextKeys: readonly string[];
}

/** Key of the subject's connection; 64 lower-case hex digits. */
export function subjectKeyOf({ integrationId, subscriberId, contextKeys }: Subject): string {
  return hashOf('subject', integrationId, subscriberId ?? null, contextKeys);
}

/**
 * Key of the connection that an install makes which names neither subscriber nor context: that of its account, or of a
 * person of it who gave a token of their own.
 */
export function installKeyOf(integrationId: string, accountId: string, userId?: string): string {
  return hashOf('install', integrationId, accountId, userId ?? null);
}

const derivedForm = /^chconn-([0-9a-f]{64})$/;

/** The identifier that every connection has by its key, whether or not a caller gave another. */
export function derivedIdentifier(subjectKey: string): string {
  return `chconn-${subjectKey}`;
}

/** The subject's key in a derived identifier, else undefined. */
export function subjectKeyIn(identifier: string): string | undefined {
  return derivedForm.exec(identifier)?.[1];
}

export const connectionSchema = z.object({
  subjectKey: z.string(),
  identifier: z.string(),
  environmentId: z.string(),
  integrationId: z.string(),
  integrationIdentifier: z.string(),
  providerId: z.enum(['slack', 'msteams']),
  subscriberId: z.optional(z.string()),
  contextKeys: z.array(z.string()),
  /** Of an install that names neither subscriber nor context; it is nobody's to share. */
  isInstall: z.optional(z.boolean()),
  /** None when the flow brought a user token only. */
  grantId: z.optional(z.string()),
  userGrantId: z.optional(z.string()),
  /** Grants of accounts before this one whose references are still to be released. */
  previousGrantIds: z.array(z.string()),
  /** What the account before was called: the outcome page says what changed. */
  previousAccountName: z.optional(z.string()),
  account: accountSchema,
  botUserId: z.optional(z.string()),
  /** Who pressed Allow. */
  approverId: z.optional(z.string()),
  /** What was both asked for here and granted. */
  scopes: z.array(z.string()),
  /** `pending`: approved, but the provider does not yet give what was approved. */
  status: z.enum(['active', 'pending']),
  /** What a pending connection waits for. */
  statusReason: z.optional(z.string()),
  /** ISO times. */
  createdAt: z.string(),
  updatedAt: z.string(),
  /** Time fence, as on a grant. */
  asOf: z.number(),
  flowId: z.string(),
  /** Epoch milliseconds: the row is a tombstone, hidden, and only fences off late writers. */
  deletedAt: z.optional(z.number()),
  /** Epoch seconds, on a tombstone only: when it may go. */
  expiresAt: z.optional(z.number()),
  /** Changes with every write; a writer names the one it read. */
  revision: z.string(),
});
export type Connection = z.infer<typeof connectionSchema>;

/**
 * What a writer that reflects `asOf` of `flowId` meets in an existing row: nothing, an older one that it replaces, its
 * own earlier write, or a newer one that it must leave alone.
 */
export function fence(
  existing: { asOf: number; flowId: string } | undefined,
  writer: { asOf: number; flowId: string },
): 'absent' | 'older' | 'own' | 'newer' {
  if (!existing) return 'absent';
  if (existing.asOf === writer.asOf && existing.flowId === writer.flowId) return 'own';
  return existing.asOf < writer.asOf ? 'older' : 'newer';
}
