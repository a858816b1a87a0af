import * as z from 'zod/mini';
import { hashOf } from '../crypto.ts';
import type { ProviderId } from '../integration/integration.ts';

const text = z.string().check(
  z.minLength(1),
  z.maxLength(1024),
  z.refine((value) => !/\p{Cc}/u.test(value)),
);

/** Targets that stand in a row as they are given. */
const openTargets = [
  z.strictObject({ type: z.literal('slack_channel'), channelId: text }),
  z.strictObject({ type: z.literal('slack_user'), userId: text }),
  z.strictObject({ type: z.literal('ms_teams_channel'), teamId: text, channelId: text }),
  z.strictObject({ type: z.literal('ms_teams_user'), userId: text, tenantId: z.optional(text) }),
] as const;

/** A target as callers give it: exactly the keys of its type. */
export const givenTargetSchema = z.discriminatedUnion('type', [
  ...openTargets,
  z.strictObject({ type: z.literal('webhook'), url: z.string(), channel: z.optional(text) }),
]);
export type GivenTarget = z.infer<typeof givenTargetSchema>;

/** Where a message goes, by type. A webhook's URL is a secret and stands sealed in the row. */
const endpointTargetSchema = z.discriminatedUnion('type', [
  ...openTargets,
  z.object({ type: z.literal('webhook'), sealedUrl: z.string(), channel: z.optional(z.string()) }),
]);
export type EndpointTarget = z.infer<typeof endpointTargetSchema>;
export type EndpointType = EndpointTarget['type'];

/** What a provider's integrations can reach. */
export const endpointTypesOf: Readonly<Record<ProviderId, readonly EndpointType[]>> = {
  slack: ['slack_channel', 'slack_user', 'webhook'],
  msteams: ['ms_teams_channel', 'ms_teams_user', 'webhook'],
};
export const endpointTypes = [...new Set(Object.values(endpointTypesOf).flat())];

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
  /** The account that the target belongs to; nobody proves that of a caller's. */
  accountId: z.optional(z.string()),
  target: endpointTargetSchema,
  source: z.enum(['flow', 'caller']),
  /** ISO times. */
  createdAt: z.string(),
  updatedAt: z.string(),
  /** Time fence, as on a grant; `flowId` is a random id of its own for a caller's write. */
  asOf: z.number(),
  flowId: z.string(),
});
export type Endpoint = z.infer<typeof endpointSchema>;

const derivedForm = /^chendp_[0-9a-f]{64}$/;

/** Whether an identifier looks like one that a flow derives; a caller's could take the place of a flow's. */
export function isDerivedEndpointIdentifier(identifier: string): boolean {
  return derivedForm.test(identifier);
}

/** Derived from what it points at, so that linking twice is one endpoint. */
export function endpointIdentifierOf(
  subjectKey: string,
  subscriberId: string,
  type: EndpointType,
  accountId: string,
  target: string,
): string {
  return `chendp_${hashOf('endpoint', subjectKey, subscriberId, type, accountId, target)}`;
}
