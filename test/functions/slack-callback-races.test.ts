import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashSecret } from '../../lib/flow/handle.ts';
import { grantIdOf } from '../../lib/grant/grant.ts';
import { dynamoFlowStore } from '../../lib/store/flow-store.ts';
import { dynamoGrantStore } from '../../lib/store/grant-store.ts';
import { handleOf, startInstance } from '../support/instance.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

const otherInstance = () => startInstance(service);

async function newCallback(body: Record<string, unknown> = {}) {
  const environment = await service.createTestEnvironment();
  const callback = await service.approve(await service.connectUrl(environment, body));
  return { environment, callback };
}

/** What must hold whatever happened: a visible connection has a readable grant that it refers to. */
async function expectConsistent(environment: TestEnvironment) {
  const grants = dynamoGrantStore(service.db);
  const [integration] = (await service.api(environment.apiKey, 'GET', '/v1/integrations')).json.data;
  for (const connection of await service.connections(environment)) {
    const grantId = grantIdOf(integration._id, connection.workspace.id);
    expect(await grants.get(environment.environmentId, grantId)).toMatchObject({ status: 'active' });
    expect(await grants.references(environment.environmentId, grantId)).not.toEqual([]);
  }
}

describe('500 callbacks with one state', () => {
  it('make one exchange, and each gets a page', async () => {
    const { environment, callback } = await newCallback();
    const before = service.slack.count('oauth.v2.access');

    const pages = await Promise.all(Array.from({ length: 500 }, () => service.request('GET', callback)));

    expect(service.slack.count('oauth.v2.access') - before).toBe(1);
    expect(pages.every((page) => page.headers.get('content-type')?.startsWith('text/html'))).toBe(true);
    expect(pages.filter((page) => page.status !== 200 && page.status !== 202)).toEqual([]);
    expect(await service.connections(environment)).toHaveLength(1);
    await expectConsistent(environment);
  });

  it('of which half have another code: those learn nothing, whoever wins', async () => {
    const { environment, callback } = await newCallback();
    const forged = new URL(callback);
    forged.searchParams.set('code', 'forged');
    const before = service.slack.count('oauth.v2.access');

    const pages = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => ({
        forged: index % 2 === 1,
        page: await service.request('GET', index % 2 === 1 ? forged.href : callback),
      })),
    );

    expect(service.slack.count('oauth.v2.access') - before).toBe(1);
    const connected = (await service.connections(environment)).length === 1;
    for (const { forged: isForged, page } of pages) {
      if (isForged && connected) expect(page.text).not.toMatch(/Acme|subscriber-1/);
      expect(page.status).toBeLessThan(503);
    }
  });
});

describe('a process that ends', () => {
  const commandsOfAConnect = 14;

  it.each(Array.from({ length: commandsOfAConnect }, (_, index) => index + 1))(
    'before DynamoDB command %d leaves a flow that the next hit finishes or ends, with one exchange at most',
    async (k) => {
      const { environment, callback } = await newCallback({ connectionIdentifier: 'mine', autoLinkUser: true });
      const before = service.slack.count('oauth.v2.access');
      const dying = otherInstance();
      dying.faults.killAt(k);

      await dying.hit(callback).catch(() => undefined);
      await expectConsistent(environment);
      service.advance(11_000);
      const page = await service.request('GET', callback);

      expect(service.slack.count('oauth.v2.access') - before).toBeLessThanOrEqual(1);
      await expectConsistent(environment);
      const connected = await service.connections(environment);
      if (page.status === 200) {
        expect(connected).toMatchObject([{ identifier: 'mine' }]);
        expect(await service.endpoints(environment)).toHaveLength(1);
      } else {
        // The one window that cannot be closed: Slack has answered, and the answer was not kept.
        expect(page.status).toBe(502);
        expect(page.text).toContain('exchange_outcome_unknown');
        expect(connected).toEqual([]);
      }
    },
  );

  it('after the exchange was sealed is finished by the next hit, without a second exchange', async () => {
    const { environment, callback } = await newCallback();
    const before = service.slack.count('oauth.v2.access');
    const dying = otherInstance();
    // Flow, integration, data key, redeem, seal; everything behind them writes rows.
    dying.faults.killAt(6);
    await dying.hit(callback).catch(() => undefined);
    const left = await dynamoFlowStore(service.db).get(handleOf(callback).flowId);

    const page = await service.request('GET', callback);

    expect(left?.status).toBe('EXCHANGED');
    expect(page.status).toBe(200);
    expect(service.slack.count('oauth.v2.access') - before).toBe(1);
    expect(await service.connections(environment)).toHaveLength(1);
  });
});

describe('an answer of DynamoDB that is lost after the write took effect', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])('at command %d loses nothing', async (k) => {
    const { environment, callback } = await newCallback({ connectionIdentifier: 'mine', autoLinkUser: true });
    const before = service.slack.count('oauth.v2.access');
    const unlucky = otherInstance();
    unlucky.faults.failAfter(k);

    await unlucky.hit(callback);
    service.advance(11_000);
    await service.request('GET', callback);

    expect(service.slack.count('oauth.v2.access') - before).toBeLessThanOrEqual(1);
    await expectConsistent(environment);
  });
});

describe('a hit with the right state and another code', () => {
  it.each(['ISSUED', 'REDEEMING', 'EXCHANGED', 'COMPLETED', 'FAILED'] as const)(
    'in a flow that is %s gets a neutral page and changes nothing',
    async (status) => {
      const { environment, callback } = await newCallback();
      const flows = dynamoFlowStore(service.db);
      const { flowId, secret } = handleOf(callback);
      const wrong = new URL(callback);
      wrong.searchParams.set('code', 'of-somebody-else');
      if (status === 'REDEEMING') {
        const conditions = { stage: 'authorize', secretHash: hashSecret(secret), providerId: 'slack' } as const;
        await flows.redeem(
          flowId,
          { ...conditions, now: service.now() },
          {
            attempt: 'other',
            answerHash: 'hash of another code',
            leaseUntil: service.now() + 10_000,
            expiresAt: 9e9,
            dueAt: new Date(service.now() + 15_000).toISOString(),
          },
        );
      }
      if (status === 'EXCHANGED') {
        service.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });
        await service.request('GET', callback);
        service.slack.behave();
      }
      if (status === 'COMPLETED') await service.request('GET', callback);
      if (status === 'FAILED') {
        service.slack.misbehave({ method: 'oauth.v2.access', kind: 'http_500', times: 1 });
        await service.request('GET', callback);
        service.slack.behave();
      }
      const row = await flows.get(flowId);
      expect(row?.status).toBe(status);
      const before = service.slack.calls.length;

      const page = await service.request('GET', wrong.href);

      expect(page.status).toBe(400);
      expect(page.text).not.toMatch(/Acme|subscriber-1|Reference: exchange/);
      if (status === 'ISSUED') {
        // A code nobody was given: Slack refuses it, and the flow is over as after any refusal.
        expect(page.text).toContain('invalid_code');
      } else {
        expect(await flows.get(flowId)).toEqual(row);
        expect(service.slack.calls.length).toBe(before);
      }
      expect(await service.connections(environment)).toHaveLength(status === 'COMPLETED' ? 1 : 0);
    },
  );
});

describe('writers that come late', () => {
  it('cannot go back to an older workspace: the newer approval stays', async () => {
    const environment = await service.createTestEnvironment();
    const first = await service.approve(await service.connectUrl(environment));
    const second = await service.approve(await service.connectUrl(environment), { workspaceId: 'T0GLOBEX01' });
    service.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });
    await service.request('GET', first);
    service.slack.behave();
    service.advance(1_000);
    await service.request('GET', second);

    const late = await service.request('GET', first);

    expect(late.status).toBe(200);
    expect(await service.connections(environment)).toMatchObject([{ workspace: { id: 'T0GLOBEX01' } }]);
    await expectConsistent(environment);
  });

  it('lower the life of a rotating token by the time that it lay sealed', async () => {
    const environment = await service.createTestEnvironment({ app: { tokenRotation: true } });
    const callback = await service.approve(await service.connectUrl(environment));
    service.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });
    await service.request('GET', callback);
    service.slack.behave();
    const [integration] = (await service.api(environment.apiKey, 'GET', '/v1/integrations')).json.data;
    const exchangedAt = Date.now();

    await service.request('GET', callback);

    const grantId = grantIdOf(integration._id, 'T0ACME0001');
    const grant = await dynamoGrantStore(service.db).get(environment.environmentId, grantId);
    expect(grant?.tokenExpiresAt).toBeLessThanOrEqual(Math.ceil(exchangedAt / 1000) + 43_200);
    expect(grant?.tokenExpiresAt).toBeGreaterThan(Math.ceil(exchangedAt / 1000) + 43_000);
  });
});

describe('any interleaving of hits, failures and time', () => {
  it('exchanges a state once at most, and never shows half a connection', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('hit' as const), killAt: fc.integer({ min: 1, max: 16 }) }),
      fc.record({ kind: fc.constant('together' as const), hits: fc.integer({ min: 2, max: 4 }) }),
      fc.record({ kind: fc.constant('forged' as const) }),
      fc.record({ kind: fc.constant('cancel' as const) }),
      fc.record({ kind: fc.constant('wait' as const), milliseconds: fc.constantFrom(500, 11_000, 300_000, 700_000) }),
      fc.record({ kind: fc.constant('trouble' as const), method: fc.constantFrom('oauth.v2.access', 'auth.test') }),
    );

    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        const { environment, callback } = await newCallback({ autoLinkUser: true });
        const before = service.slack.count('oauth.v2.access');
        const forged = new URL(callback);
        forged.searchParams.set('code', 'forged');
        const cancelled = new URL(callback);
        cancelled.searchParams.set('error', 'access_denied');
        for (const each of steps) {
          if (each.kind === 'wait') service.advance(each.milliseconds);
          if (each.kind === 'trouble') service.slack.misbehave({ method: each.method, kind: 'http_500', times: 1 });
          if (each.kind === 'forged') await otherInstance().hit(forged.href);
          if (each.kind === 'cancel') await otherInstance().hit(cancelled.href);
          if (each.kind === 'together') {
            await Promise.all(Array.from({ length: each.hits }, () => otherInstance().hit(callback)));
          }
          if (each.kind === 'hit') {
            const instance = otherInstance();
            instance.faults.killAt(each.killAt);
            await instance.hit(callback).catch(() => undefined);
          }
          await expectConsistent(environment);
        }
        service.slack.behave();

        const exchanges = service.slack.count('oauth.v2.access') - before;
        expect(exchanges).toBeLessThanOrEqual(1);
        expect((await service.connections(environment)).length).toBeLessThanOrEqual(exchanges);
      }),
      { numRuns: 60 },
    );
  }, 120_000);
});
