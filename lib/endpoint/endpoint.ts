import * as z from 'zod/mini';
import { hashOf } from '../crypto.ts';

/** Where a message goes, by type. A webhook's URL is a secret and stands sealed in the row. */
const endpointTargetSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('slack_user'), userId: z.string() }),
  z.object({ type: z.literal('ms_teams_user'), userId: z.string(), tenantId: z.string() }),
  z.object({ type: z.literal('webhook'), sealedUrl: z.string(), channel: z.optional(z.string()) }),
]);
export type EndpointTarget = z.infer<typeof endpointTargetSchema>;

export const endpointSchema = z.object({
  identifier: z.string(),
  environmentId: z.string(),
  integrationId: z.string(),
  integrationIdentifier: z.string(),
  providerId: z.enum(['slack', 'msteams']),
  subscriberId: z.string(),
  contextKeys: z.array(z.string()),
  /** The connection that it goes through, by key and by name. */
  connectionKey: z.optional(z.string()),
  connectionIdentifier: z.optional(z.string()),
  /** The account that the target belongs to. */
  accountId: z.string(),
  target: endpointTargetSchema,
  source: z.enum(['flow', 'caller']),
  /** ISO times. */
  createdAt: z.string(),
  updatedAt: z.string(),
  /** Time fence, as on a grant. */
  asOf: z.number(),
  flowId: z.string(),
  deletedAt: z.optional(z.number()),
});
export type Endpoint = z.infer<typeof endpointSchema>;

/** Derived from what it points at, so that linking twice is one endpoint. */
export function endpointIdentifierOf(
  subjectKey: string,
  subscriberId: string,
  type: EndpointTarget['type'],
  accountId: string,
  target: string,
): string {
  return `chendp_${hashOf('endpoint', subjectKey, subscriberId, type, accountId, target)}`;
}
