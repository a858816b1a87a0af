import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { InvalidStateError } from '@slack/oauth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashOf } from '../../lib/crypto.ts';
import { dynamoSlackStateStore } from '../../lib/store/slack-state-store.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { storesOf } from '../support/slack-stores.ts';

const installOptions = {
  scopes: ['chat:write', 'users:read'],
  userScopes: 'search:read',
  teamId: 'T0ONE',
  redirectUri: 'https://bolt.example/slack/oauth_redirect',
  metadata: 'canary-metadata',
};

let service: TestService;
let environment: TestEnvironment;

beforeAll(async () => {
  service = await startTestService();
  environment = await service.createTestEnvironment();
});

afterAll(() => service.close());

const issuedAt = new Date();
const secondsLater = (seconds: number) => new Date(issuedAt.getTime() + seconds * 1000);

async function setup(expirationSeconds?: number) {
  const { states } = await storesOf(service, environment, expirationSeconds ? { expirationSeconds } : {});
  return { states, state: await states.generateStateParam(installOptions, issuedAt) };
}

describe('stateStore', () => {
  it('gives back what the install was begun with', async () => {
    const { states, state } = await setup();

    expect(await states.verifyStateParam(secondsLater(1), state)).toEqual(installOptions);
  });

  it('makes states that go through a cookie and a URL as they are', async () => {
    const { states, state } = await setup();

    expect(state).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(await states.generateStateParam(installOptions, issuedAt)).not.toBe(state);
  });

  it('takes a state once', async () => {
    const { states, state } = await setup();
    await states.verifyStateParam(secondsLater(1), state);

    await expect(states.verifyStateParam(secondsLater(1), state)).rejects.toThrow(InvalidStateError);
  });

  it('takes a state once, however many come with it at once', async () => {
    const { states, state } = await setup();
    const { states: ofAnotherProcess } = await storesOf(service, environment);

    const results = await Promise.allSettled(
      Array.from({ length: 200 }, (_, index) =>
        (index % 2 ? states : ofAnotherProcess).verifyStateParam(secondsLater(1), state),
      ),
    );

    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    expect(reasons.every((reason) => reason instanceof InvalidStateError)).toBe(true);
  });

  it.each<[string, number | undefined, number, boolean]>([
    ['takes a state within ten minutes', undefined, 599, true],
    ['refuses it from then on', undefined, 600, false],
    ['refuses it after a quarter of an hour', undefined, 900, false],
    ['takes a state within the time that is set', 60, 59, true],
    ['refuses it after that', 60, 60, false],
  ])('%s', async (_, expirationSeconds, seconds, valid) => {
    const { states, state } = await setup(expirationSeconds);

    const verified = states.verifyStateParam(secondsLater(seconds), state);

    if (valid) expect(await verified).toEqual(installOptions);
    else await expect(verified).rejects.toMatchObject({ code: 'slack_oauth_invalid_state' });
  });

  it.each([
    ['unknown', 'x'.repeat(43)],
    ['empty', ''],
    ['no state at all', '../victim'],
    ['too long', 'x'.repeat(5_000)],
  ])('refuses one that is %s', async (_, state) => {
    const { states } = await setup();

    await expect(states.verifyStateParam(secondsLater(1), state)).rejects.toThrow(InvalidStateError);
  });

  it('refuses another environment’s and another integration’s state, and does not spend it', async () => {
    const { states, state } = await setup();
    const other = await service.createTestEnvironment();
    const created = await service.api(environment.apiKey, 'POST', '/v1/integrations', {
      providerId: 'slack',
      identifier: 'other',
      credentials: { clientId: '9.9', secretKey: 'canary' },
    });
    const { states: ofEnvironment } = await storesOf(service, other);
    const { states: ofIntegration } = await storesOf(service, environment, { integrationId: created.json.data._id });

    await expect(ofEnvironment.verifyStateParam(secondsLater(1), state)).rejects.toThrow(InvalidStateError);
    await expect(ofIntegration.verifyStateParam(secondsLater(1), state)).rejects.toThrow(InvalidStateError);

    expect(await states.verifyStateParam(secondsLater(1), state)).toEqual(installOptions);
  });

  it('keeps neither the state nor what it was made with where a reader of the table sees them', async () => {
    const { state } = await setup();

    const { Items = [] } = await service.db.client.send(new ScanCommand({ TableName: service.db.tables.flows }));

    const dump = JSON.stringify(Items);
    expect(dump).not.toContain(state);
    expect(dump).not.toContain('canary-metadata');
    for (const row of Items) {
      expect(row).toMatchObject({ schemaVersion: 1, expiresAt: expect.any(Number) });
      expect(row['pk']).toMatch(/^S#[0-9a-f]{24}#/);
    }
  });
});

describe('dynamoSlackStateStore', () => {
  it('gives a state again to the attempt that took it, whose answer may have been lost', async () => {
    const states = dynamoSlackStateStore(service.db);
    const stateHash = hashOf('state');
    await states.put(environment.environmentId, stateHash, { installOptions: 'sealed', usableUntil: 10 });
    const take = (attempt: string) => states.take(environment.environmentId, stateHash, { attempt, now: 9 });

    expect(await take('first')).toBeDefined();
    expect(await take('first')).toBeDefined();
    expect(await take('second')).toBeUndefined();
  });
});
