import { hashOf } from '../crypto.ts';
import { UnreadableRowError } from '../store/database.ts';
import { type Event, type EventData, type EventType, eventSchema, eventVersion } from './event.ts';

export interface Occurrence<Type extends EventType> {
  readonly environmentId: string;
  /** What tells this change of the thing from every other one; the same when the change is seen again. */
  readonly cause: readonly unknown[];
  /** Epoch milliseconds, or ISO time. */
  readonly time: number | string;
  readonly data: EventData<Type>;
}

/**
 * An event of exactly the fields that its schema names.
 * @throws UnreadableRowError when the row holds what no event can say
 */
export function makeEvent<Type extends EventType>(
  type: Type,
  { environmentId, cause, time, data }: Occurrence<Type>,
): Event {
  const parsed = eventSchema.safeParse({
    version: eventVersion,
    id: hashOf('event', type, environmentId, cause),
    type,
    time: isoOf(time),
    environmentId,
    data,
  });
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
  throw new UnreadableRowError(`a row cannot be told of: ${fields}`);
}

/** Nothing for a time that no calendar has. */
function isoOf(time: number | string): string | undefined {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
