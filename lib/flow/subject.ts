import type { Subject } from '../connection/connection.ts';
import type { Flow } from './flow.ts';

/** Whom the flow's connection is for. A shared one has no subscriber, also when the request named one. */
export function subjectOf(
  flow: Pick<Flow, 'integrationId' | 'subscriberId' | 'connectionMode' | 'contextKeys'>,
): Subject {
  return {
    integrationId: flow.integrationId,
    subscriberId: flow.connectionMode === 'shared' ? undefined : flow.subscriberId,
    contextKeys: flow.contextKeys,
  };
}
