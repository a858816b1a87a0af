import type { Pending } from './flow.ts';

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

/** A tenant that never knew the app is not waited for longer: somebody else's consent must not answer for this one. */
const giveUpOnUnknownApp = 10 * minute;
const giveUp = 24 * hour;

/**
 * When a pending flow is tried again: 5, 15 and 45 seconds after the sign-in, each minute to 10 minutes, then each hour.
 * All times are epoch milliseconds.
 * @returns undefined when it is given up
 */
export function nextTryAt({ since, reason }: Pick<Pending, 'since' | 'reason'>, now: number): number | undefined {
  const elapsed = now - since;
  if (elapsed >= (reason === 'app_not_in_tenant' ? giveUpOnUnknownApp : giveUp)) return undefined;
  const early = [5 * second, 15 * second, 45 * second].find((offset) => offset > elapsed);
  if (early !== undefined) return since + early;
  const step = elapsed < giveUpOnUnknownApp ? minute : hour;
  return since + (Math.floor(elapsed / step) + 1) * step;
}
