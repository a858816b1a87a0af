import type { Pending } from './flow.ts';

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

/**
 * What somebody has to put right first is not waited for longer. It also keeps somebody else's consent from answering
 * for one that never came.
 */
const giveUpEarly = 10 * minute;
const giveUp = 24 * hour;

/** What is over by itself, or was approved and has not arrived. No reason means that nothing was tried yet. */
const passing: readonly Pending['reason'][] = [undefined, 'roles_missing', 'provider_unavailable'];

/**
 * When a pending flow is tried again: 5, 15 and 45 seconds after its beginning, each minute to 10 minutes, then each hour.
 * All times are epoch milliseconds.
 * @returns undefined when it is given up
 */
export function nextTryAt({ since, reason }: Pick<Pending, 'since' | 'reason'>, now: number): number | undefined {
  const elapsed = now - since;
  if (elapsed >= (passing.includes(reason) ? giveUp : giveUpEarly)) return undefined;
  const early = [5 * second, 15 * second, 45 * second].find((offset) => offset > elapsed);
  if (early !== undefined) return since + early;
  const step = elapsed < giveUpEarly ? minute : hour;
  return since + (Math.floor(elapsed / step) + 1) * step;
}
