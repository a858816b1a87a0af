import { type EventBridgeClient, PutEventsCommand, type PutEventsRequestEntry } from '@aws-sdk/client-eventbridge';
import { errorFields, type Log } from '../log.ts';
import { type Event, eventSource } from './event.ts';
import type { EventBus } from './event-bus.ts';

/** Limits of one call. Some regions take more bytes than this. */
const maxEntries = 10;
const maxBytes = 256_000;

export interface EventBridgeDeps {
  readonly client: Pick<EventBridgeClient, 'send'>;
  readonly busName: string;
  readonly log: Log;
}

/** Publishes on a bus of EventBridge. */
export function eventBridgeBus(deps: EventBridgeDeps): EventBus {
  return {
    async publish(events) {
      let taken = 0;
      for (const batch of batchesOf(events.map((event) => entryOf(event, deps.busName)))) {
        const ofBatch = await put(deps, batch);
        taken += ofBatch;
        if (ofBatch < batch.length) break;
      }
      return taken;
    },
  };
}

function entryOf(event: Event, busName: string) {
  return {
    EventBusName: busName,
    Source: eventSource,
    DetailType: event.type,
    Time: new Date(event.time),
    Detail: JSON.stringify(event),
  } satisfies PutEventsRequestEntry;
}

type Entry = ReturnType<typeof entryOf>;

function batchesOf(entries: readonly Entry[]): Entry[][] {
  const batches: Entry[][] = [];
  let bytes = 0;
  for (const entry of entries) {
    const size = sizeOf(entry);
    const last = batches.at(-1);
    if (last && last.length < maxEntries && bytes + size <= maxBytes) {
      last.push(entry);
      bytes += size;
    } else {
      batches.push([entry]);
      bytes = size;
    }
  }
  return batches;
}

/** As EventBridge counts it: 14 bytes for the time. */
function sizeOf({ Source, DetailType, Detail }: Entry): number {
  return 14 + Buffer.byteLength(Source) + Buffer.byteLength(DetailType) + Buffer.byteLength(Detail);
}

/** @returns how many entries were taken before the first one that was not */
async function put({ client, log }: EventBridgeDeps, batch: Entry[]): Promise<number> {
  try {
    const { FailedEntryCount, Entries = [] } = await client.send(new PutEventsCommand({ Entries: batch }));
    if (!FailedEntryCount) return batch.length;
    const first = Entries.findIndex(({ ErrorCode }) => ErrorCode !== undefined);
    log.error('events were not taken', { failed: FailedEntryCount, code: Entries[first]?.ErrorCode });
    return Math.max(first, 0);
  } catch (error) {
    log.error('events were not taken', errorFields(error));
    return 0;
  }
}
