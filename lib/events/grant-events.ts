import { type Connection, mainGrantIdOf } from '../connection/connection.ts';
import { statusByGrant } from '../connection/connection-status.ts';
import type { Grant } from '../grant/grant.ts';
import { errorFields, type Log } from '../log.ts';
import type { ConnectionStore } from '../store/connection-store.ts';
import { UnreadableRowError } from '../store/database.ts';
import type { GrantStore, Reference } from '../store/grant-store.ts';
import { shownInEvents } from './connection-events.ts';
import type { ChangeableField, Event } from './event.ts';
import type { LostConnections } from './lost-connections.ts';
import { makeEvent, type Occurrence } from './make-event.ts';
import type { RowChange } from './row-change.ts';

export interface GrantEventsDeps {
  readonly connections: Pick<ConnectionStore, 'get'>;
  readonly grants: Pick<GrantStore, 'references'>;
  readonly log: Log;
}

/** References, and then their connections, that are read at once. */
const atOnce = 50;

/**
 * What a write of a grant's row means to the connections whose token it is: they stand and fall with it, without a write
 * of their own. A connection that came to the grant by this very change, or since, was not hit by it.
 */
export async function grantEvents(
  deps: GrantEventsDeps,
  { before, after, at }: RowChange & { kind: 'grant' },
): Promise<{ events: Event[]; lost?: LostConnections }> {
  // What is new has no connections yet.
  if (!before) return { events: [] };
  const was = statusByGrant(before);
  const is = statusByGrant(after);
  const changed = (['status', 'statusReason'] as const).filter((field) => was[field] !== is[field]);
  if (changed.length === 0 || (was.status === 'active' && is.status === 'active')) return { events: [] };
  const { environmentId, integrationId, grantId, version } = after ?? before;
  // Clocks differ, and an exchange is stored after a verdict that was asked for later: what happened later says so.
  const time = after ? Math.max(timeOf(after), timeOf(before) + 1) : at;
  const { status, statusReason } = is;
  const isHit = hitBy(after, at);
  const events: Event[] = [];
  for await (const connection of connectionsOf(deps, after ?? before, isHit)) {
    const cause = [grantId, version, time, status, statusReason, connection.subjectKey];
    const data = { ...shownInEvents(connection), status, statusReason };
    events.push(tell({ was: was.status, is: status, changed }, { environmentId, cause, time, data }));
  }
  const isLoss = was.status === 'active' && events.length > 0;
  return {
    events,
    ...(isLoss && { lost: { environmentId, integrationId, connections: events.length, reason: statusReason } }),
  };
}

function timeOf({ asOf, verifiedAt = 0 }: Grant): number {
  return Math.max(asOf, verifiedAt);
}

/** By a new token everybody who was there before its exchange; by an end everybody who was there when it came. */
function hitBy(after: Grant | undefined, at: number): (reference: Reference) => boolean {
  if (after?.status === 'active') return ({ since = 0 }) => since < timeOf(after);
  const endedAt = after?.status === 'revoked' ? after.asOf : after ? timeOf(after) : at;
  return ({ since = 0 }) => since <= endedAt;
}

function tell(
  { was, is, changed }: { was: string; is: string; changed: ChangeableField[] },
  occurrence: Occurrence<'connection.created'>,
): Event {
  if (is === 'active') return makeEvent('connection.recovered', occurrence);
  if (was === 'active') return makeEvent('connection.reauthorization_required', occurrence);
  return makeEvent('connection.updated', { ...occurrence, data: { ...occurrence.data, changed } });
}

/** Living connections whose token is the grant's. */
async function* connectionsOf(
  deps: GrantEventsDeps,
  { environmentId, grantId }: Grant,
  isHit: (reference: Reference) => boolean,
): AsyncGenerator<Connection> {
  for (let after: string | undefined; ; ) {
    const references = await deps.grants.references(environmentId, grantId, after, atOnce);
    const hit = references.filter(isHit);
    const connections = await Promise.all(hit.map(({ subjectKey }) => readable(deps, environmentId, subjectKey)));
    // What is deleted, or is still pending, names no grant.
    for (const connection of connections) if (connection && mainGrantIdOf(connection) === grantId) yield connection;
    after = references.at(-1)?.subjectKey;
    if (after === undefined) return;
  }
}

/** One connection that cannot be read does not silence the others. */
async function readable(
  { connections, log }: GrantEventsDeps,
  environmentId: string,
  subjectKey: string,
): Promise<Connection | undefined> {
  try {
    return await connections.get(environmentId, subjectKey);
  } catch (error) {
    if (!(error instanceof UnreadableRowError)) throw error;
    log.error('no event for a connection that cannot be read', {
      environmentId,
      connectionKey: subjectKey,
      ...errorFields(error),
    });
    return undefined;
  }
}
