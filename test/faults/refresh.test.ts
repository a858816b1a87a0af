import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createFileKeyWrapper, generateWrappingKey } from '../../infra/local/file-key-wrapper.ts';
import { type Fork, forkScript } from '../bench/fork.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { tokenTools } from '../support/tokens.ts';
import type { Orders, Question, TokenAnswer } from './processes/ask-for-tokens.ts';

/** `ROUNDS=1000 npx vitest run test/faults/refresh.test.ts` takes some minutes. */
const rounds = Number(process.env['ROUNDS'] ?? 5);
const roundMilliseconds = 2_000;

const callers = 64;
const hour = 3_600_000;
/** Longer than a lease. */
const leaseIsOver = 11_000;
/** Longer than Slack takes a refresh token again. */
const graceIsOver = 60_000;

const wrappingKey = generateWrappingKey();
let service: TestService;
let tools: ReturnType<typeof tokenTools>;
const instances: Fork[] = [];

beforeAll(async () => {
  service = await startTestService({ keyWrapper: createFileKeyWrapper(wrappingKey) });
  tools = tokenTools(service);
  instances.push(...(await Promise.all([startProcess(), startProcess(), startProcess()])));
});

afterEach(() => service.slack.behave());

afterAll(async () => {
  await Promise.all(instances.map((instance) => instance.close()));
  await service.close();
});

async function startProcess(): Promise<Fork> {
  const { db, slack } = service;
  const orders: Orders = { endpoint: db.endpoint, tables: db.tables, wrappingKey, slackBaseUrl: slack.url };
  const instance = forkScript(new URL('processes/ask-for-tokens.ts', import.meta.url), {
    ORDERS: JSON.stringify(orders),
  });
  await instance.receive();
  return instance;
}

/** A connection whose token has just expired, and what asks processes for it. */
async function setup() {
  const environment = await tools.connected();
  await letExpire(environment);
  const askFrom = (instance: Fork, count: number) => {
    const answered = instance.receive<TokenAnswer[]>();
    const { apiKey } = environment;
    instance.send({ apiKey, callers: count, skew: service.now() - Date.now() } satisfies Question);
    return answered;
  };
  /** All callers at once, spread over the processes. */
  const askAll = async (asked: readonly Fork[] = instances) => {
    const share = (index: number) => Math.floor((callers + index) / asked.length);
    return (await Promise.all(asked.map((instance, index) => askFrom(instance, share(index))))).flat();
  };
  return { environment, askFrom, askAll };
}

/** Moves the clock of all to the moment at which the stored token expires. */
async function letExpire(environment: TestEnvironment): Promise<void> {
  const { tokenExpiresAt = 0 } = await tools.grantOf(environment);
  service.advance(tokenExpiresAt * 1000 - service.now());
}

const different = (answers: readonly TokenAnswer[], name: keyof TokenAnswer) => [
  ...new Set(answers.map((answer) => answer[name])),
];

describe('three processes that are asked for a token at the moment at which it expires', () => {
  it(
    'by 64 callers refresh it once, each time',
    async () => {
      const { environment, askAll } = await setup();
      const begunAt = performance.now();
      let expired = 0;

      for (let round = 1; round <= rounds; round += 1) {
        await letExpire(environment);
        const asked = service.now();
        const answers = await askAll();

        expired += answers.filter(({ expiresAt = '' }) => !(Date.parse(expiresAt) > asked)).length;
        expect(answers).toHaveLength(callers);
        expect(different(answers, 'status')).toEqual([200]);
        expect(different(answers, 'accessToken')).toHaveLength(1);
        expect(await tools.worksAtSlack(answers[0]?.accessToken ?? '')).toBe(true);
        expect(tools.sent(environment)).toHaveLength(round);
      }

      expect(expired).toBe(0);
      const refreshes = tools.sent(environment).length;
      expect(new Set(tools.sent(environment)).size).toBe(refreshes);
      const seconds = Math.round((performance.now() - begunAt) / 1000);
      if (process.env['ROUNDS'] !== undefined) console.log({ rounds, callers, refreshes, expired, seconds });
    },
    60_000 + rounds * roundMilliseconds,
  );

  it('go on when the one that refreshes is killed', async () => {
    const { environment, askFrom, askAll } = await setup();
    const [victim, ...others] = instances as [Fork, Fork, Fork];
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'slow', milliseconds: 60_000, times: 1 });
    askFrom(victim, 1).catch(() => {});
    await vi.waitUntil(() => tools.sent(environment).length === 1, { timeout: 10_000 });
    await victim.kill();
    instances[0] = await startProcess();

    // Slack has rotated, and the lease of the dead still holds.
    const during = await askAll(others);
    service.advance(leaseIsOver);
    const after = await askAll(others);

    // Nobody is kept waiting for all of it, unless the machine is slow.
    expect(during.filter(({ status }) => status !== 503 && status !== 200)).toEqual([]);
    expect(different(after, 'status')).toEqual([200]);
    expect(different(after, 'accessToken')).toHaveLength(1);
    expect(tools.sent(environment)).toHaveLength(2);
    expect(await tools.worksAtSlack(after[0]?.accessToken ?? '')).toBe(true);
  }, 60_000);

  it('keep the newest token when one is stopped past its lease and goes on', async () => {
    const { environment, askFrom, askAll } = await setup();
    const [slow, ...others] = instances as [Fork, Fork, Fork];
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'slow', milliseconds: 1_000, times: 1 });
    const late = askFrom(slow, 1);
    await vi.waitUntil(() => tools.sent(environment).length === 1, { timeout: 10_000 });
    const goOn = slow.pause();

    service.advance(leaseIsOver);
    const during = await askAll(others);
    const stored = await tools.grantOf(environment);
    goOn();
    const [answer] = await late;

    expect(different(during, 'status')).toEqual([200]);
    expect(different(during, 'accessToken')).toEqual([answer?.accessToken]);
    expect(await tools.grantOf(environment)).toEqual(stored);
    expect(await tools.worksAtSlack(answer?.accessToken ?? '')).toBe(true);
    expect(tools.sent(environment)).toHaveLength(2);
  }, 60_000);
});

describe('an answer of Slack’s that is lost after Slack has rotated', () => {
  /** From one caller; the others would try again while Slack still takes the old refresh token. */
  async function loseAnswer() {
    const { environment, askFrom, askAll } = await setup();
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'drop_after', times: 1 });
    const [lost] = await askFrom(instances[0] as Fork, 1);
    expect(lost).toMatchObject({ status: 503, reason: 'token_refresh_pending' });
    return { environment, askAll };
  }

  it('is recognised by one further call, whoever asks', async () => {
    const { environment, askAll } = await loseAnswer();
    service.advance(graceIsOver);

    const after = await askAll();
    service.advance(hour);
    const later = await askAll();

    for (const answers of [after, later]) {
      expect(different(answers, 'status')).toEqual([409]);
      expect(different(answers, 'reason')).toEqual(['refresh_response_lost']);
    }
    expect(tools.sent(environment)).toHaveLength(2);
  });

  it('is made good by one further call while Slack takes the old refresh token', async () => {
    const { environment, askAll } = await loseAnswer();
    service.advance(leaseIsOver);

    const after = await askAll();

    expect(different(after, 'status')).toEqual([200]);
    expect(different(after, 'accessToken')).toHaveLength(1);
    expect(await tools.worksAtSlack(after[0]?.accessToken ?? '')).toBe(true);
    expect(new Set(tools.sent(environment)).size).toBe(1);
    expect(tools.sent(environment)).toHaveLength(2);
  });

  it('makes those who ask at that moment call once more at most', async () => {
    const { environment, askAll } = await setup();
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'drop_after', times: 1 });

    const during = await askAll();
    service.advance(leaseIsOver);
    const after = await askAll();

    expect(during.filter(({ status }) => status !== 503 && status !== 200)).toEqual([]);
    expect(different(after, 'status')).toEqual([200]);
    expect(tools.sent(environment)).toHaveLength(2);
  });
});
