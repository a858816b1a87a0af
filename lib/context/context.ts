import * as z from 'zod/mini';
import { constantTimeEqual, hmacSha256Hex } from '../crypto.ts';
import { ChatConnectError, validationError } from '../errors.ts';
import { canonicalJson } from './canonical-json.ts';

export const maxContexts = 5;
const maxDataBytes = 64 * 1024;
const word = /^[a-zA-Z0-9_-]{1,100}$/;

/** `type` to `id`, or to `{id, data}`. */
export type Context = Record<string, string | { id: string; data?: Record<string, unknown> | undefined }>;

const structureMessage =
  'Invalid context payload structure. Expected object with context types as keys and string IDs or {id, data} objects as values';

export const contextWithData = z.strictObject({
  id: z.string().check(z.regex(word)),
  data: z.optional(z.record(z.string(), z.unknown())),
});

export const contextSchema = z.record(
  z.string().check(z.regex(word)),
  z.union([z.string().check(z.regex(word)), contextWithData]),
);

/**
 * Checks a request's `context`: 1 to 5 pairs, types and ids of letters, digits, `_` and `-` (so that `type:id` stays
 * unambiguous), at most 64 KB of data each.
 * @throws ChatConnectError `validation_failed`
 */
export function parseContext(value: unknown): Context {
  const parsed = contextSchema.safeParse(value);
  if (!parsed.success) throw validationError([structureMessage]);
  const entries = Object.entries(parsed.data);
  // A type named __proto__ is dropped on the way, and what is left would be another context than the one that was sent.
  const isWhole = entries.length === Object.keys(value as object).length;
  if (entries.length === 0 || !isWhole) throw validationError([structureMessage]);
  if (entries.length > maxContexts) {
    throw validationError([`Too many contexts: ${entries.length} provided, maximum allowed is ${maxContexts}`]);
  }
  for (const [type, entry] of entries) {
    const bytes = typeof entry === 'string' ? 0 : Buffer.byteLength(JSON.stringify(entry.data ?? null));
    if (bytes > maxDataBytes) {
      throw validationError([`Context '${type}' data is too large: ${Math.ceil(bytes / 1024)}KB exceeds 64KB limit`]);
    }
  }
  return parsed.data;
}

/** The sorted `type:id` list that identifies a context set; `data` plays no part. */
export function contextKeysOf(context: Context | undefined): string[] {
  const keys = Object.entries(context ?? {}).map(
    ([type, entry]) => `${type}:${typeof entry === 'string' ? entry : entry.id}`,
  );
  return contextSetOf(keys);
}

/** A set of context keys in its one order, whatever the order and number in which they were given. */
export function contextSetOf(keys: readonly string[]): string[] {
  return [...new Set(keys)].sort((left, right) => (collationKey(left) < collationKey(right) ? -1 : 1));
}

/**
 * Sorts as the contract's `localeCompare` does: punctuation, digits, letters, and case only between what is the same but
 * for it. Spelt out, because keys of connections are made from the order.
 */
function collationKey(key: string): string {
  const regardlessOfCase = key.toLowerCase().replace(/[_:-]/g, (mark) => '!"#'.charAt('_-:'.indexOf(mark)));
  return `${regardlessOfCase} ${key.replace(/[a-z]/g, '0')}`;
}

/**
 * Proves that the product's backend vouches for a context: lower-case hex HMAC-SHA256 of the context's canonical JSON,
 * as sent, under a secret of the environment.
 * @throws ChatConnectError `context_hash_invalid`
 */
export function verifyContextHash(context: Context | undefined, contextHash: string | undefined, secret: string): void {
  if (!context) {
    throw new ChatConnectError('context_hash_invalid', 'A context is required when HMAC validation is enabled.');
  }
  if (!contextHash) {
    throw new ChatConnectError(
      'context_hash_invalid',
      'A valid contextHash is required when HMAC validation is enabled.',
    );
  }
  const message = canonicalJson(context);
  if (message === undefined || !constantTimeEqual(hmacSha256Hex(secret, message), contextHash)) {
    throw new ChatConnectError('context_hash_invalid', 'Please provide a valid context HMAC hash');
  }
}
