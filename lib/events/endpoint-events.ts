import type { Endpoint } from '../endpoint/endpoint.ts';
import { type EndpointRow, isLiving } from '../store/endpoint-store.ts';
import type { Event } from './event.ts';
import { makeEvent } from './make-event.ts';
import type { RowChange } from './row-change.ts';

/** What a write of an endpoint's row means to whoever sees the endpoint: one event, or none. */
export function endpointEvents({ before, after, at }: RowChange & { kind: 'endpoint' }): Event[] {
  const was = living(before);
  const is = living(after);
  if (!was && is) return [tell('endpoint.created', is, is.asOf, is.updatedAt)];
  // The tombstone does not hold what there was.
  if (was && !is) return [tell('endpoint.deleted', was, (after ?? was).asOf, deletedAtOf(after) ?? at)];
  return [];
}

function tell(
  type: 'endpoint.created' | 'endpoint.deleted',
  endpoint: Endpoint,
  asOf: number,
  time: number | string,
): Event {
  const { environmentId, identifier, integrationIdentifier, providerId, subscriberId, contextKeys } = endpoint;
  const { connectionIdentifier = null, target } = endpoint;
  const whose = { identifier, integrationIdentifier, providerId, subscriberId, contextKeys };
  const data = { ...whose, type: target.type, connectionIdentifier };
  return makeEvent(type, { environmentId, cause: [identifier, asOf], time, data });
}

function living(row: EndpointRow | undefined): Endpoint | undefined {
  return row && isLiving(row) ? row : undefined;
}

function deletedAtOf(row: EndpointRow | undefined): number | undefined {
  return row && 'deletedAt' in row ? row.deletedAt : undefined;
}
