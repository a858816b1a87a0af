import type { AppOnlyAnswer } from './app-only-token.ts';

export type AppOnlyCache = (
  key: string,
  minTtlSeconds: number,
  ask: () => Promise<AppOnlyAnswer>,
) => Promise<AppOnlyAnswer>;

/** Nobody gets a token that is about to expire, whatever they ask for. */
const leastSeconds = 300;
const maxEntries = 1_000;

/** Remembers app-only tokens until five minutes before they expire; of those who ask at once, one asks Entra. */
export function appOnlyCache({ now }: { now(): number }): AppOnlyCache {
  const entries = new Map<string, Promise<AppOnlyAnswer>>();
  return async (key, minTtlSeconds, ask) => {
    const milliseconds = Math.max(minTtlSeconds, leastSeconds) * 1000;
    for (let known = entries.get(key); known; known = entries.get(key)) {
      const answer = await known;
      if (answer.kind !== 'token' || answer.token.expiresAt - now() >= milliseconds) return answer;
      if (entries.get(key) === known) break;
    }
    const asked = ask();
    entries.delete(key);
    entries.set(key, asked);
    const forget = () => {
      if (entries.get(key) === asked) entries.delete(key);
    };
    // Whoever waits for it gets the refusal; whoever comes later asks again.
    asked.then((answer) => answer.kind !== 'token' && forget(), forget);
    const oldest = entries.keys().next();
    if (entries.size > maxEntries && !oldest.done) entries.delete(oldest.value);
    return asked;
  };
}
