import * as z from 'zod/mini';
import { connectionStatuses } from '../connection/connection-status.ts';
import { endpointTypes } from '../endpoint/endpoint.ts';
import { providerIds } from '../integration/integration.ts';

/** What rules of EventBridge match as `source`. */
export const eventSource = 'chat-connect';

/** Goes up when consumers have to change; new fields may come at any time. */
export const eventVersion = 1;

/** Fields of a connection that an event may name as changed. `credential`: a new approval, or a token brought anew. */
export const changeableFields = [
  'identifier',
  'workspace',
  'status',
  'statusReason',
  'scopes',
  'metadata',
  'credential',
] as const;
export type ChangeableField = (typeof changeableFields)[number];

const status = z.enum(connectionStatuses);
const statusReason = z.optional(z.string());
const workspaceSchema = z.object({ id: z.string(), name: z.optional(z.string()) });
const whose = {
  identifier: z.string(),
  integrationIdentifier: z.string(),
  providerId: z.enum(providerIds),
  subscriberId: z.nullable(z.string()),
  contextKeys: z.array(z.string()),
} as const;
const connection = { ...whose, workspace: workspaceSchema, scopes: z.array(z.string()) } as const;
const endpoint = {
  ...whose,
  type: z.enum(endpointTypes),
  connectionIdentifier: z.nullable(z.string()),
} as const;

/** What each event says. It is all that an event can say: whatever else is given is left out. */
export const eventData = {
  'connection.created': z.object({ ...connection, status, statusReason }),
  'connection.updated': z.object({
    ...connection,
    status,
    statusReason,
    changed: z.array(z.enum(changeableFields)),
    previousWorkspace: z.optional(workspaceSchema),
  }),
  'connection.deleted': z.object({ ...connection, statusReason }),
  'connection.reauthorization_required': z.object({ ...connection, status, statusReason }),
  'connection.recovered': z.object({ ...connection, status }),
  'endpoint.created': z.object(endpoint),
  'endpoint.deleted': z.object(endpoint),
} as const;
export type EventType = keyof typeof eventData;
export type EventData<Type extends EventType> = z.infer<(typeof eventData)[Type]>;

function eventOf<Type extends EventType>(type: Type) {
  return z.object({
    version: z.literal(eventVersion),
    id: z.string(),
    type: z.literal(type),
    time: z.iso.datetime(),
    environmentId: z.string(),
    data: eventData[type],
  });
}

/** The detail of an event on the bus. */
export const eventSchema = z.discriminatedUnion('type', [
  eventOf('connection.created'),
  eventOf('connection.updated'),
  eventOf('connection.deleted'),
  eventOf('connection.reauthorization_required'),
  eventOf('connection.recovered'),
  eventOf('endpoint.created'),
  eventOf('endpoint.deleted'),
]);
export type Event = z.infer<typeof eventSchema>;
