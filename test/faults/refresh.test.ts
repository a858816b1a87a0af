import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createFileKeyWrapper, generateWrappingKey } from '../../infra/local/file-key-wrapper.ts';
import { type Fork, forkScript } from '../bench/fork.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { tokenTools } from '../support/tokens.ts';
import type { Orders, TokenAnswer } from './processes/ask-for-tokens.ts';

const wrappingKey = generateWrappingKey();
let service: TestService;
let tools: ReturnType<typeof tokenTools>;
const instances: Fork[] = [];

beforeAll(async () => {
  service = await startTestService({ keyWrapper: createFileKeyWrapper(wrappingKey) });
  tools = tokenTools(service);
});

afterAll(async () => {
  await Promise.all(instances.map((instance) => instance.close()));
  await service.close();
});

/** Three processes that know a connection whose token has just expired. */
async function setup() {
  const environment = await tools.connected();
  const { expiresAt = 0 } = await tools.tokenOf(environment);
  service.advance(expiresAt * 1000 - service.now());
  const orders: Orders = {
    endpoint: service.db.endpoint,
    tables: service.db.tables,
    wrappingKey,
    slackBaseUrl: service.slack.url,
    skew: service.now() - Date.now(),
    apiKey: environment.apiKey,
    identifier: 'mine',
  };
  const script = new URL('processes/ask-for-tokens.ts', import.meta.url);
  const started = [1, 2, 3].map(() => forkScript(script, { ORDERS: JSON.stringify(orders) }));
  instances.push(...started);
  await Promise.all(started.map((instance) => instance.receive()));
  return { environment, started };
}

function askFrom(instance: Fork, callers: number): Promise<TokenAnswer[]> {
  const answered = instance.receive<TokenAnswer[]>();
  instance.send({ callers });
  return answered;
}

describe('three processes that are asked for a token that has just expired', () => {
  it('by 64 callers refresh it once', async () => {
    const { environment, started } = await setup();

    const answers = await Promise.all(started.map((instance, index) => askFrom(instance, index === 0 ? 22 : 21)));

    expect(answers.flat()).toHaveLength(64);
    expect(answers.flat().filter(({ status }) => status !== 200)).toEqual([]);
    expect(new Set(answers.flat().map(({ accessToken }) => accessToken)).size).toBe(1);
    expect(tools.sent(environment)).toHaveLength(1);
  });

  it('go on when the one that refreshes is killed', async () => {
    const { environment, started } = await setup();
    const [victim, ...others] = started as [Fork, Fork, Fork];
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'slow', milliseconds: 60_000, times: 1 });
    askFrom(victim, 1).catch(() => {});
    await vi.waitUntil(() => tools.sent(environment).length === 1, { timeout: 10_000 });
    await victim.kill();

    // Slack has rotated, and the lease of the dead holds for 10 s.
    const during = (await Promise.all(others.map((instance) => askFrom(instance, 10)))).flat();
    await vi.waitUntil(async () => ((await tools.grantOf(environment)).refresh?.until ?? 0) <= service.now(), {
      timeout: 15_000,
    });
    const after = (await Promise.all(others.map((instance) => askFrom(instance, 10)))).flat();

    // Nobody is kept waiting for all of it, unless the machine is slow.
    expect(during.filter(({ status }) => status !== 503 && status !== 200)).toEqual([]);
    expect(after.filter(({ status }) => status !== 200)).toEqual([]);
    expect(new Set(after.map(({ accessToken }) => accessToken)).size).toBe(1);
    expect(tools.sent(environment)).toHaveLength(2);
    expect(await tools.worksAtSlack(after[0]?.accessToken ?? '')).toBe(true);
  }, 60_000);
});
