import * as z from 'zod/mini';
import { randomToken, sha256Hex } from '../crypto.ts';

/**
 * What an API key may do: `connect` OAuth URLs and reads, `manage` everything of integrations, connections and
 * endpoints, `tokens` hand-outs of provider tokens.
 */
export const permissions = ['connect', 'manage', 'tokens'] as const;
export type Permission = (typeof permissions)[number];

export const apiKeySchema = z.object({
  keyId: z.string(),
  environmentId: z.string(),
  /** Lower-case hex SHA-256 of the whole key: what the key is found by. The key itself is nowhere. */
  keyHash: z.string(),
  name: z.string(),
  permissions: z.array(z.enum(permissions)),
  /** ISO time. */
  createdAt: z.string(),
  /** ISO time; a revoked key is refused. */
  revokedAt: z.optional(z.string()),
});

export type ApiKey = z.infer<typeof apiKeySchema>;

/** Makes `cc_<keyId>_<secret>` and its id. */
export function generateApiKey(): { keyId: string; secret: string } {
  const keyId = randomToken(9).replace(/[-_]/g, '0');
  return { keyId, secret: `cc_${keyId}_${randomToken(32)}` };
}

export function hashApiKey(secret: string): string {
  return sha256Hex(secret);
}
