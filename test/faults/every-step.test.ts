import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { atEveryStep, type Ending, everyEnding } from '../support/every-step.ts';
import { dieAfterTombstone } from '../support/instance.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { expectSettled, expectUsable, letSweepFinish } from '../support/settled.ts';
import { globex, tokenTools } from '../support/tokens.ts';

let service: TestService;
let tools: ReturnType<typeof tokenTools>;

// One each, since what is left is looked for in whole tables.
beforeEach(async () => {
  service = await startTestService();
  tools = tokenTools(service);
});

afterEach(() => service.close());

const collection = '/v1/channel-connections';
const hour = 3_600_000;
const leaseIsOver = 11_000;
const graceIsOver = 60_000;

const call = (environment: TestEnvironment, method: string, path: string) =>
  service.api(environment.apiKey, method, `${collection}/${path}`);

/** What the connection says of itself is so: its token works at Slack, or cannot be had for the reason that it gives. */
async function expectTruth(environment: TestEnvironment, identifier = 'mine'): Promise<string> {
  const asked = await call(environment, 'POST', `${identifier}/token`);
  const { status, statusReason } = await tools.shown(environment, identifier);
  if (status === 'active') {
    expect(asked.status).toBe(200);
    expect(await tools.worksAtSlack(asked.json.data.accessToken)).toBe(true);
    return status;
  }
  expect(asked.json).toMatchObject({ statusCode: 409, error: 'reauthorization_required', reason: statusReason });
  return statusReason;
}

describe.each(everyEnding)('a process that %s any step of a refresh', (ending) => {
  it.each([
    ['while Slack takes the old refresh token', 13 * hour, leaseIsOver, ['active']],
    ['afterwards', 13 * hour, graceIsOver, ['active', 'refresh_response_lost']],
    ['of a token that still lasts', 12 * hour - 100_000, leaseIsOver, ['active']],
  ])('leaves a grant that works or says why not: %s', async (_, age, later, expected) => {
    const seen = new Set<string>();

    const steps = await atEveryStep(service, ending, async (arm) => {
      const environment = await tools.connected();
      service.advance(age);
      await arm()
        .api(environment.apiKey, 'POST', `${collection}/mine/token`)
        .catch(() => undefined);
      service.advance(later);
      await service.sweep();

      seen.add(await expectTruth(environment));
      service.advance(hour);
      seen.add(await expectTruth(environment));
      expect(tools.sent(environment).length).toBeLessThanOrEqual(2);
    });

    // API key, identifier, connection, grant, data key, integration, lease, Slack, store, and the connection again.
    expect(steps).toBeGreaterThanOrEqual(10);
    for (const each of seen) expect(expected).toContain(each);
  });
});

interface World {
  readonly configurations?: { revoke: 'uninstall' };
  /** Of somebody else in the same workspace; beside a living one there is one more, in another workspace. */
  readonly other?: 'living' | 'deleted';
}

const uninstalling: World = { configurations: { revoke: 'uninstall' } };
const first: World = { other: 'living' };
const second: World = { other: 'deleted' };

/** A connection `mine`, its token, and how often Slack is asked to end one from now on. */
async function build(world: World) {
  const { other, ...options } = world;
  const environment = await service.createTestEnvironment(options);
  await service.connect(environment, { connectionIdentifier: 'mine', autoLinkUser: true });
  if (other !== undefined) {
    await service.connect(environment, { subscriberId: 'bob', connectionIdentifier: 'bobs', autoLinkUser: true });
  }
  if (other === 'deleted') await call(environment, 'DELETE', 'bobs');
  if (other === 'living') {
    const elsewhere = { workspaceId: globex.id };
    await service.connect(environment, { subscriberId: 'carl', connectionIdentifier: 'carls' }, elsewhere);
  }
  const { accessToken } = await tools.tokenOf(environment);
  const before = service.slack.calls.length;
  const ofApp = `-${environment.slackApp.appId}-`;
  const isRevocation = ({ method, authorization }: (typeof service.slack.calls)[0]) =>
    ['auth.revoke', 'apps.uninstall'].includes(method) && authorization?.includes(ofApp);
  const revocations = () => service.slack.calls.slice(before).filter(isRevocation).length;
  return { world, environment, accessToken, revocations };
}

/** Either all of the connection is there, or none of it. */
async function isThere(environment: TestEnvironment): Promise<boolean> {
  await expectUsable(service, environment);
  const { status } = await call(environment, 'GET', 'mine');
  if (status === 200) {
    expect(await expectTruth(environment)).toBe('active');
    expect(await service.endpoints(environment, '&subscriberId=subscriber-1')).toHaveLength(1);
    return true;
  }
  expect(status).toBe(404);
  expect((await call(environment, 'POST', 'mine/token')).status).toBe(404);
  return false;
}

/** What is to be so once `mine` is deleted and the sweep has come. */
async function expectEnded({ world, environment, accessToken, revocations }: Awaited<ReturnType<typeof build>>) {
  await expectSettled(service, environment);
  expect((await call(environment, 'GET', 'mine')).status).toBe(404);
  expect(await service.endpoints(environment, '&subscriberId=subscriber-1')).toEqual([]);
  if (world.other === 'living') {
    expect(revocations()).toBe(0);
    for (const identifier of ['bobs', 'carls']) expect(await expectTruth(environment, identifier)).toBe('active');
    expect(await service.endpoints(environment)).toHaveLength(1);
  } else {
    expect(await tools.grantOf(environment)).toMatchObject({ status: 'revoked', token: '' });
    expect(await tools.worksAtSlack(accessToken)).toBe(false);
    // Asked once more when nobody heard the first answer.
    expect([1, 2]).toContain(revocations());
  }
}

describe('a process that', () => {
  it.each<[Ending, string, World]>([
    ['ends before', 'the only one in a workspace, with the app', uninstalling],
    ['ends before', 'the first of two in a workspace', first],
    ['ends before', 'the second of two in a workspace', second],
    ['loses the answer of', 'the first of two in a workspace', first],
    ['loses the answer of', 'the second of two in a workspace', second],
    ['repeats', 'the second of two in a workspace', second],
  ])('%s any step of a disconnect of %s leaves it, or hides and ends it', async (ending, _, world) => {
    const left = new Set<boolean>();
    const ends: Awaited<ReturnType<typeof build>>[] = [];

    const steps = await atEveryStep(service, ending, async (arm) => {
      const built = await build(world);
      ends.push(built);
      await arm()
        .api(built.environment.apiKey, 'DELETE', `${collection}/mine`)
        .catch(() => undefined);
      const there = await isThere(built.environment);
      left.add(there);
      if (there) expect((await call(built.environment, 'DELETE', 'mine')).status).toBe(204);
    });
    await letSweepFinish(service);

    for (const end of ends) await expectEnded(end);
    expect(steps).toBeGreaterThanOrEqual(12);
    expect(left).toEqual(new Set(ending === 'repeats' ? [false] : [true, false]));
    if (ending === 'repeats') expect(new Set(ends.map(({ revocations }) => revocations()))).toEqual(new Set([1]));
  });

  it.each<Ending>(['ends before', 'loses the answer of'])('%s any step of the sweep loses a minute', async (ending) => {
    await atEveryStep(service, ending, async (arm) => {
      const built = await build({});
      expect((await dieAfterTombstone(service, built.environment)).statusCode).toBe(204);
      service.advance(61_000);
      await arm()
        .sweep()
        .catch(() => undefined);

      await letSweepFinish(service);
      await expectEnded(built);
    });
  });
});

describe('a token request whose connection is deleted while Slack refreshes, in a process that', () => {
  it.each(everyEnding)('%s any step after it, leaves no token that works', async (ending) => {
    const ends: { environment: TestEnvironment; tokens: string[]; mayBeLost: boolean }[] = [];

    await atEveryStep(service, ending, async (arm) => {
      const environment = await tools.connected();
      const tokens = [(await tools.tokenOf(environment)).accessToken];
      service.advance(13 * hour);
      let deleted = false;
      const instance = arm(async (input, init) => {
        const response = await fetch(input, init);
        if (!String(input).endsWith('oauth.v2.access')) return response;
        tokens.push(((await response.clone().json()) as { access_token: string }).access_token);
        expect((await call(environment, 'DELETE', 'mine')).status).toBe(204);
        deleted = true;
        return response;
      });
      const stored = () => tools.grantOf(environment).then(({ version }) => version);
      const answer = await instance.api(environment.apiKey, 'POST', `${collection}/mine/token`).catch(() => undefined);

      if (deleted) expect(answer?.statusCode).not.toBe(200);
      else expect((await call(environment, 'DELETE', 'mine')).status).toBe(204);
      // Of what Slack gave to a process that kept nothing of it, nobody knows.
      ends.push({ environment, tokens, mayBeLost: (await stored()) === 1 });
    });
    await letSweepFinish(service);

    for (const { environment, tokens, mayBeLost } of ends) {
      await expectSettled(service, environment);
      expect(await tools.grantOf(environment)).toMatchObject({ status: 'revoked', token: '' });
      const living = await Promise.all(tokens.map((token) => tools.worksAtSlack(token)));
      expect(living[0]).toBe(false);
      if (!mayBeLost) expect(living).not.toContain(true);
    }
  });
});
