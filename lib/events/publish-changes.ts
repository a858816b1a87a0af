import { errorFields } from '../log.ts';
import { UnreadableRowError } from '../store/database.ts';
import { type ConnectionEventsDeps, connectionEvents } from './connection-events.ts';
import { endpointEvents } from './endpoint-events.ts';
import type { Event } from './event.ts';
import type { EventBus } from './event-bus.ts';
import { type GrantEventsDeps, grantEvents } from './grant-events.ts';
import type { LostConnections } from './lost-connections.ts';
import { rowChangeOf, type StreamRecord } from './row-change.ts';

export interface PublishDeps extends GrantEventsDeps {
  readonly grants: GrantEventsDeps['grants'] & ConnectionEventsDeps['grants'];
  readonly bus: EventBus;
  reportLost(lost: LostConnections): void;
}

interface Told {
  readonly events: readonly Event[];
  readonly lost?: LostConnections;
}

/** Writes that are looked at side by side; their events stay in order. */
const atOnce = 10;

/**
 * Publishes what a batch of writes means, in its order. An event's id is the same however often its write is seen.
 * @returns the sequence number of the first write that is to be seen again; undefined when none is
 */
export async function publishChanges(deps: PublishDeps, records: readonly StreamRecord[]): Promise<string | undefined> {
  const told: (Told | undefined)[] = [];
  for (let start = 0; start < records.length && !told.includes(undefined); start += atOnce) {
    const slice = records.slice(start, start + atOnce);
    told.push(...(await Promise.all(slice.map((record) => tellOrFail(deps, record)))));
  }
  const failed = told.indexOf(undefined);
  const ready = (failed === -1 ? told : told.slice(0, failed)).flatMap((each) => each ?? []);
  const events = ready.flatMap(({ events: ofRecord }, index) => ofRecord.map((event) => ({ event, index })));
  const taken = await deps.bus.publish(events.map(({ event }) => event));
  const again = events[taken]?.index ?? (failed === -1 ? undefined : failed);
  for (const { lost } of ready.slice(0, again)) if (lost) deps.reportLost(lost);
  return again === undefined ? undefined : records[again]?.dynamodb.SequenceNumber;
}

/** @returns undefined when what it takes could not be read just now */
async function tellOrFail(deps: PublishDeps, record: StreamRecord): Promise<Told | undefined> {
  const { pk, sk } = record.dynamodb.Keys;
  try {
    return await tell(deps, record);
  } catch (error) {
    const line = { row: `${pk.S} ${sk.S}`, ...errorFields(error) };
    // Nothing changes by seeing it again, and those behind it would wait.
    if (error instanceof UnreadableRowError) {
      deps.log.error('no event for a row that cannot be read', line);
      return { events: [] };
    }
    deps.log.error('a change has to be seen again', line);
    return undefined;
  }
}

async function tell(deps: PublishDeps, record: StreamRecord): Promise<Told> {
  const change = rowChangeOf(record);
  switch (change?.kind) {
    case 'connection':
      return { events: await connectionEvents(deps, change) };
    case 'grant':
      return grantEvents(deps, change);
    case 'endpoint':
      return { events: endpointEvents(change) };
    case undefined:
      return { events: [] };
  }
}
