import { describe, expect, it } from 'vitest';
import { appOnlyCache } from '../../../lib/grant/app-only-cache.ts';
import type { AppOnlyAnswer } from '../../../lib/grant/app-only-token.ts';

const hour = 3_600_000;

function setup() {
  const clock = { now: 0 };
  const cache = appOnlyCache({ now: () => clock.now });
  let asked = 0;
  const answers: AppOnlyAnswer[] = [];
  const ask = async (): Promise<AppOnlyAnswer> => {
    asked += 1;
    const accessToken = `token-${asked}`;
    await new Promise((resolve) => setImmediate(resolve));
    return answers.shift() ?? { kind: 'token', token: { accessToken, expiresAt: clock.now + hour, roles: [] } };
  };
  return {
    clock,
    answers,
    count: () => asked,
    get: async (key = 'tenant', minTtlSeconds = 0) => {
      const answer = await cache(key, minTtlSeconds, ask);
      return answer.kind === 'token' ? answer.token.accessToken : answer.kind;
    },
    cache,
  };
}

describe('appOnlyCache', () => {
  it('gives the same token until five minutes before it expires', async () => {
    const { get, clock } = setup();
    const first = await get();
    clock.now = hour - 300_000;
    const last = await get();
    clock.now += 1;

    expect([first, last, await get()]).toEqual(['token-1', 'token-1', 'token-2']);
  });

  it('gives no token that lasts for less than is asked for', async () => {
    const { get, clock } = setup();
    await get();
    clock.now = hour - 1_799_999;

    expect([await get('tenant', 1_799), await get('tenant', 1_800)]).toEqual(['token-1', 'token-2']);
  });

  it('asks once for all who ask at once, also for what is about to expire', async () => {
    const { get, clock, count } = setup();
    const first = await Promise.all(Array.from({ length: 64 }, () => get()));
    clock.now = hour;
    const second = await Promise.all(Array.from({ length: 64 }, () => get()));

    expect(new Set(first)).toEqual(new Set(['token-1']));
    expect(new Set(second)).toEqual(new Set(['token-2']));
    expect(count()).toBe(2);
  });

  it.each([{ kind: 'unavailable' }, { kind: 'refused', reason: 'roles_missing' }] as const)(
    'gives a failure to all who wait for it, and remembers none',
    async (failure) => {
      const { get, answers, count } = setup();
      answers.push(failure);

      const failed = await Promise.all(Array.from({ length: 8 }, () => get()));

      expect(new Set(failed)).toEqual(new Set([failure.kind]));
      expect(count()).toBe(1);
      expect(await get()).toBe('token-2');
    },
  );

  it('remembers no error', async () => {
    const { get, cache } = setup();

    await expect(cache('tenant', 0, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(await get()).toBe('token-1');
  });

  it('keeps what it remembers apart, and forgets the oldest of too much', async () => {
    const { get } = setup();
    const first = await get('tenant-0');
    for (let other = 1; other <= 999; other += 1) await get(`tenant-${other}`);
    const remembered = await get('tenant-0');
    await get('tenant-1000');

    expect([first, remembered, await get('tenant-0')]).toEqual(['token-1', 'token-1', 'token-1002']);
  });
});
