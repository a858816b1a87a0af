import { describe, expect, it } from 'vitest';
import { randomObjectId, randomToken } from '../../lib/crypto.ts';
import { type Answer, firstKept, type IdempotentRequest, idempotent } from '../../lib/idempotency/idempotent.ts';
import type { Database } from '../../lib/store/database.ts';
import { dynamoIdempotencyStore, type IdempotencyStore } from '../../lib/store/idempotency-store.ts';
import { builtAt } from '../support/builders.ts';

const leaseMilliseconds = 60_000;
const day = 24 * 60 * 60_000;
const inProgress = expect.objectContaining({ code: 'idempotency_in_progress' });
const made = (name: string): Answer => ({ statusCode: 201, body: { data: { name } } });

export function describeIdempotency(database: () => Database): void {
  function setup() {
    let now = builtAt;
    const environmentId = randomObjectId();
    const warnings: string[] = [];
    const log = { info: () => {}, error: () => {}, warn: (message: string) => void warnings.push(message) };
    const caller = { environmentId, keyId: 'key-1', permissions: [], presentedKey: `canary-${randomToken(8)}` };
    const request: IdempotentRequest = { caller, method: 'POST', path: '/v1/things', key: 'k', body: { a: 1 }, log };
    const store = dynamoIdempotencyStore(database());
    return {
      request,
      warnings,
      store,
      moveClock(milliseconds: number) {
        now += milliseconds;
      },
      run: (act: () => Promise<Answer>, over: Partial<IdempotencyStore> = {}) =>
        idempotent({ store: { ...store, ...over }, now: () => now }, request, act),
      keepFirst: (name: string, usableUntil: number) =>
        firstKept({ store, now: () => now }, request, async () => ({ ...made(name), usableUntil })),
    };
  }

  describe('idempotent', () => {
    it('runs one of 50 requests at once, and gives the others its answer or tells them to wait', async () => {
      const { run } = setup();
      let runs = 0;
      const act = async () => {
        runs += 1;
        return made('one');
      };

      const results = await Promise.allSettled(Array.from({ length: 50 }, () => run(act)));

      expect(runs).toBe(1);
      for (const result of results) {
        if (result.status === 'fulfilled') expect(result.value).toMatchObject(made('one'));
        else expect(result.reason).toEqual(inProgress);
      }
    });

    it('hands a crashed request on when its lease is over, and not before', async () => {
      const { run, moveClock } = setup();
      const crash = () => Promise.reject(new Error('the process ended'));
      // What a process that ends cannot do either.
      await expect(run(crash, { release: crash })).rejects.toThrow('the process ended');

      moveClock(leaseMilliseconds - 1);
      await expect(run(async () => made('too early'))).rejects.toEqual(inProgress);
      moveClock(1);

      expect(await run(async () => made('second'))).toMatchObject(made('second'));
    });

    it('lets a request that was overtaken neither replace nor remove the record of the one that overtook it', async () => {
      const { run, moveClock } = setup();
      for (const end of ['answers', 'fails'] as const) {
        moveClock(2 * day);
        const slow = run(async () => {
          moveClock(leaseMilliseconds);
          await run(async () => made('overtaker'));
          if (end === 'fails') throw new Error('slow and failed');
          return made('slow');
        });

        await slow.catch(() => {});

        expect(await run(async () => made('third'))).toEqual({ ...made('overtaker'), isReplay: true });
      }
    });

    it('answers although its answer cannot be kept, and says so in the log', async () => {
      const { run, warnings } = setup();

      const answer = await run(async () => made('done'), { finish: () => Promise.reject(new Error('throttled')) });

      expect(answer).toEqual({ ...made('done'), isReplay: false });
      expect(warnings).toHaveLength(1);
    });

    it('replays an answer for a day', async () => {
      const { run, moveClock } = setup();
      await run(async () => made('first'));

      moveClock(day - 1);
      expect(await run(async () => made('second'))).toEqual({ ...made('first'), isReplay: true });
      moveClock(1);

      expect(await run(async () => made('second'))).toEqual({ ...made('second'), isReplay: false });
    });

    it('keeps an answer without a body', async () => {
      const { run } = setup();
      await run(async () => ({ statusCode: 204, body: undefined }));

      const replayed = await run(async () => made('never'));

      expect(replayed).toEqual({ statusCode: 204, body: undefined, isReplay: true });
    });

    it('opens an answer for the API key that got it only', async () => {
      const { run, request, store } = setup();
      await run(async () => made('first'));
      const stranger = { ...request, caller: { ...request.caller, presentedKey: 'canary-other-key' } };

      const attempt = idempotent({ store, now: () => builtAt }, stranger, async () => made('second'));

      // Not even whether the bodies are the same can be told without the key.
      await expect(attempt).rejects.toMatchObject({ code: 'idempotency_key_reused' });
    });
  });

  describe('firstKept', () => {
    it('gives all of 50 requests at once the answer of one', async () => {
      const { keepFirst } = setup();

      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, index) => keepFirst(`url-${index}`, builtAt + 300_000)),
      );

      expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
      expect(answers.filter(({ isReplay }) => !isReplay)).toHaveLength(1);
    });

    it('keeps an answer until it is of no use', async () => {
      const { keepFirst, moveClock } = setup();
      await keepFirst('first', builtAt + 300_000);

      moveClock(299_999);
      expect(await keepFirst('second', builtAt + 600_000)).toMatchObject(made('first'));
      moveClock(1);

      expect(await keepFirst('second', builtAt + 600_000)).toMatchObject({ ...made('second'), isReplay: false });
    });
  });
}
