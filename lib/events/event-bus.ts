import type { Event } from './event.ts';

export interface EventBus {
  /**
   * Sends events in their order.
   * @returns how many were taken before the first one that was not; later ones may have been taken too
   */
  publish(events: readonly Event[]): Promise<number>;
}
