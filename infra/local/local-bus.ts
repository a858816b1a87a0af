import type { Event } from '../../lib/events/event.ts';
import type { EventBus } from '../../lib/events/event-bus.ts';
import type { Log } from '../../lib/log.ts';

const kept = 100;

/** The bus of this machine: says each event in the log and keeps the latest ones. */
export function createLocalBus(log: Log): EventBus & { latest(): readonly Event[] } {
  const events: Event[] = [];
  return {
    async publish(published) {
      for (const event of published) log.info(`event ${event.type}`, { detail: JSON.stringify(event) });
      events.push(...published);
      events.splice(0, events.length - kept);
      return published.length;
    },
    /** The newest first. */
    latest: () => events.toReversed(),
  };
}
