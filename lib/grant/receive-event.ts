import { hashOf } from '../crypto.ts';
import type { Integration } from '../integration/integration.ts';
import type { SeenEventStore } from '../store/seen-event-store.ts';
import { type EndGrantsDeps, type Ending, type EndingEvent, endGrants } from './end-grants.ts';

export interface ReceiveEventDeps extends EndGrantsDeps {
  readonly seenEvents: SeenEventStore;
}

export interface ReceivedEvent extends Omit<EndingEvent, 'ending'> {
  readonly id: string;
  readonly type: string;
  /** Undefined: the event ends nothing. */
  readonly ending: Ending | undefined;
}

/**
 * Does what an event of the provider asks for, once. It counts as seen only after that: whoever dies before leaves it to
 * the provider, who sends it again.
 */
export async function receiveEvent(
  deps: ReceiveEventDeps,
  integration: Integration,
  event: ReceivedEvent,
): Promise<void> {
  const { environmentId, integrationId, credentials } = integration;
  const { id, type, appId, ending } = event;
  const line = { environmentId, integrationId, eventType: type, eventId: id };
  if (!ending) return deps.log.info('event ignored', line);
  if (appId !== (credentials.applicationId ?? appId)) return deps.log.warn('event of another app ignored', line);
  const eventHash = hashOf('event', integrationId, id);
  if (await deps.seenEvents.has(environmentId, eventHash)) return deps.log.info('event was seen before', line);
  const grantsEnded = await endGrants(deps, integration, { ...event, ending });
  await deps.seenEvents.add(environmentId, eventHash, deps.now());
  deps.log.info('event done', { ...line, grantsEnded });
}
