import * as z from 'zod/mini';
import { hashOf, randomToken } from '../crypto.ts';
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
  /** What a Bolt app's install brought besides tokens, sealed. */
  installation: z.optional(z.object({ sealed: z.string(), sealVersion: z.string() })),
  /** None when the flow brought a user token only. */
  grantId: z.optional(z.string()),
  userGrantId: z.optional(z.string()),
  /** Grants that the row named before, and whose references are to be released. */
  previousGrantIds: z.array(z.string()),
  /** Time fence of a deletion that this connection follows: endpoints that are older belonged to the one before, and go. */
  endpointsSince: z.optional(z.number()),
  /** ISO time at which the sweep looks whether anything of before is left. */
  dueAt: z.optional(z.string()),
  /** What the account before was called: the outcome page says what changed. */
  previousAccountName: z.optional(z.string()),
  account: accountSchema,
  botUserId: z.optional(z.string()),
  /** Who pressed Allow. */
  approverId: z.optional(z.string()),
  /** Text of the product's. */
  metadata: z.optional(z.string()),
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
  /** Epoch seconds, on a tombstone that the sweep is done with: when it may go. */
  expiresAt: z.optional(z.number()),
  /** Changes with every write; a writer names the one it read. */
  revision: z.string(),
});
export type Connection = z.infer<typeof connectionSchema>;

/** The grant that a connection's token comes from: the bot's, or the only person's. */
export function mainGrantIdOf({ grantId, userGrantId }: Connection): string | undefined {
  return grantId ?? userGrantId;
}

/** By then every index knows what was written before. */
const settleAfterMilliseconds = 60_000;

/** What a row's next form carries over from the row as it was read: all that is still to be released. */
export function leftBehind(
  existing: Connection | undefined,
  next: Pick<Connection, 'grantId' | 'userGrantId'>,
  now: number,
): Pick<Connection, 'previousGrantIds' | 'endpointsSince' | 'dueAt'> {
  const named = existing ? [...existing.previousGrantIds, existing.grantId, existing.userGrantId] : [];
  const left = named.filter((grantId) => grantId !== next.grantId && grantId !== next.userGrantId);
  const previousGrantIds = [...new Set(left)].filter((grantId) => grantId !== undefined);
  const isUnsettledTombstone = existing?.deletedAt !== undefined && existing.dueAt !== undefined;
  const endpointsSince = isUnsettledTombstone ? existing.asOf : existing?.endpointsSince;
  const isDue = previousGrantIds.length > 0 || endpointsSince !== undefined;
  return { previousGrantIds, endpointsSince, dueAt: isDue ? settlingTime(now) : undefined };
}

/**
 * The row of a connection that is deleted: hidden, without grants, and due until all that belonged to it is gone.
 * @param asOf newer than everything that reflects what the caller has seen
 */
export function tombstoneOf(
  connection: Connection,
  now: number,
  asOf = Math.max(now, connection.asOf + 1),
): Connection & { deletedAt: number } {
  return {
    ...connection,
    ...leftBehind(connection, { grantId: undefined, userGrantId: undefined }, now),
    grantId: undefined,
    userGrantId: undefined,
    installation: undefined,
    metadata: undefined,
    asOf,
    deletedAt: Math.max(now, asOf),
    dueAt: settlingTime(now),
    revision: randomToken(12),
  };
}

function settlingTime(now: number): string {
  return new Date(now + settleAfterMilliseconds).toISOString();
}

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
