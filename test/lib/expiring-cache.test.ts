import { describe, expect, it } from 'vitest';
import { expiringCache } from '../../lib/expiring-cache.ts';

function setup<Value>(load: (key: string, turn: number) => Promise<Value>) {
  let now = 0;
  const loaded: string[] = [];
  const cached = expiringCache({ milliseconds: 1_000, now: () => now }, (key) => {
    loaded.push(key);
    return load(key, loaded.length);
  });
  return {
    cached,
    loaded,
    moveClock(milliseconds: number) {
      now += milliseconds;
    },
  };
}

describe('expiringCache', () => {
  it('loads a key once and remembers what it gave', async () => {
    const { cached, loaded } = setup(async (key, turn) => `${key}${turn}`);

    expect([await cached('a'), await cached('a'), await cached('b')]).toEqual(['a1', 'a1', 'b2']);
    expect(loaded).toEqual(['a', 'b']);
  });

  it('lets all who ask at once share one load', async () => {
    let finish = (_: string) => {};
    const { cached, loaded } = setup(() => new Promise<string>((resolve) => (finish = resolve)));

    const asked = Array.from({ length: 10 }, () => cached('a'));
    finish('value');

    expect(await Promise.all(asked)).toEqual(Array.from({ length: 10 }, () => 'value'));
    expect(loaded).toEqual(['a']);
  });

  it.each([
    ['remembers a value up to its time', 999, 'value-1'],
    ['loads a value anew when its time is over', 1_000, 'value-2'],
  ])('%s', async (_, milliseconds, value) => {
    const { cached, moveClock } = setup(async (_key, turn) => `value-${turn}`);
    await cached('a');

    moveClock(milliseconds);

    expect(await cached('a')).toBe(value);
  });

  it('does not prolong a value by handing it out', async () => {
    const { cached, moveClock } = setup(async (_, turn) => turn);
    await cached('a');

    moveClock(600);
    await cached('a');
    moveClock(600);

    expect(await cached('a')).toBe(2);
  });

  it('gives a failure to all who wait for it, and does not remember it', async () => {
    const { cached, loaded } = setup(async (_, turn) => {
      if (turn === 1) throw new Error('not now');
      return 'value';
    });

    const outcomes = await Promise.allSettled([cached('a'), cached('a')]);

    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await cached('a')).toBe('value');
    expect(loaded).toHaveLength(2);
  });

  it('does not remember that there was nothing', async () => {
    const { cached } = setup(async (_, turn) => (turn === 1 ? undefined : 'value'));

    expect([await cached('a'), await cached('a')]).toEqual([undefined, 'value']);
  });

  it('remembers other values that count as false', async () => {
    const { cached, loaded } = setup(async () => null);

    await cached('a');
    await cached('a');

    expect(loaded).toEqual(['a']);
  });

  it('keeps a newer value when an older load fails late', async () => {
    const failures: ((error: Error) => void)[] = [];
    const { cached, loaded, moveClock } = setup((_, turn) =>
      turn === 1 ? new Promise<string>((_resolve, reject) => failures.push(reject)) : Promise.resolve('newer'),
    );
    const late = cached('a').catch((error: Error) => error.message);
    moveClock(1_000);
    await cached('a');

    failures[0]?.(new Error('too late'));

    expect(await late).toBe('too late');
    expect(await cached('a')).toBe('newer');
    expect(loaded).toHaveLength(2);
  });

  it('remembers a thousand keys, and forgets the oldest for one more', async () => {
    const { cached, loaded } = setup(async (key) => key);
    for (let index = 0; index < 1_000; index += 1) await cached(`key-${index}`);
    await cached('key-0');
    const full = loaded.length;

    await cached('one-more');
    await cached('key-1');
    const afterOneMore = loaded.length;
    await cached('key-0');

    expect([full, afterOneMore, loaded.length]).toEqual([1_000, 1_001, 1_002]);
  });
});
