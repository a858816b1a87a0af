import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFileKeyWrapper, generateWrappingKey } from '../../../infra/local/file-key-wrapper.ts';
import { randomObjectId } from '../../../lib/crypto.ts';
import { type Grant, grantIdOf, type Token } from '../../../lib/grant/grant.ts';
import {
  freshToken,
  type Need,
  type RefreshAnswer,
  type RefreshDeps,
  type RefreshRequest,
} from '../../../lib/grant/refresh-grant.ts';
import { openToken, sealToken } from '../../../lib/grant/token-vault.ts';
import type { Integration } from '../../../lib/integration/integration.ts';
import { sealCredentials } from '../../../lib/integration/secrets.ts';
import { dynamoConnectionStore } from '../../../lib/store/connection-store.ts';
import { dynamoGrantStore } from '../../../lib/store/grant-store.ts';
import { dynamoIntegrationStore } from '../../../lib/store/integration-store.ts';
import { createVault } from '../../../lib/vault/vault.ts';
import { aGrant, anIntegration, builtAt, isoTime } from '../../support/builders.ts';
import { type TestDatabase, testDatabase } from '../../support/embedded-store.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await testDatabase();
});

afterAll(() => db.close());

const graceMilliseconds = 30_000;
const silentLog = { info: () => {}, warn: () => {}, error: () => {} };

interface Options {
  /** Seconds that the access token lasts from `builtAt` on. @default 0 */
  readonly lasts?: number;
  /** @default true */
  readonly rotates?: boolean;
}

/** A grant, a clock that only waiting moves, and a provider whose refresh tokens work once, and a little longer. */
async function setup({ lasts = 0, rotates = true }: Options = {}) {
  const environmentId = randomObjectId();
  const keyWrapper = createFileKeyWrapper(generateWrappingKey());
  const { wrapped } = await keyWrapper.generateDataKey(environmentId);
  const clock = { now: builtAt };
  const now = () => clock.now;
  const vault = createVault({ keyWrapper, now, wrappedDataKey: async () => wrapped });
  const grants = dynamoGrantStore(db);

  const place = { environmentId, integrationId: '0000000000000000000000a1' };
  const credentials = { clientId: '1000.1000', secretKey: 'secret' };
  const integration = anIntegration({ ...place, ...(await sealCredentials(vault, place, credentials)) });

  const { grantId, account } = aGrant();
  /** What an exchange at this moment gives. */
  async function approve(accessToken: string, lastsSeconds: number) {
    const expiresAt = clock.now / 1000 + lastsSeconds;
    const token: Token = { accessToken, expiresAt, ...(rotates && { refreshToken: `refresh of ${accessToken}` }) };
    const sealed = await sealToken(vault, environmentId, grantId, token, `flow.${accessToken}`);
    const at = { asOf: clock.now, flowId: `flow ${accessToken}`, tokenExpiresAt: expiresAt };
    await grants.putIfNewer(aGrant({ environmentId, ...sealed, ...at }), clock.now);
  }
  await approve('access-0', lasts);

  const requests: RefreshRequest[] = [];
  const usedAt = new Map<string, number>();
  let issued = 0;
  const rotate = ({ refreshToken: sent }: RefreshRequest): RefreshAnswer => {
    const used = usedAt.get(sent) ?? clock.now;
    if (clock.now - used > graceMilliseconds) return { kind: 'refused', error: 'invalid_refresh_token' };
    usedAt.set(sent, used);
    issued += 1;
    return {
      kind: 'refreshed',
      accessToken: `access-${issued}`,
      refreshToken: `refresh-${issued}`,
      expiresInSeconds: 43_200,
      scopes: undefined,
      accountId: account.id,
      appId: 'A0APP',
    };
  };
  const provider = { answer: async (request: RefreshRequest): Promise<RefreshAnswer> => rotate(request) };
  const deps: RefreshDeps = {
    grants,
    integrations: { ...dynamoIntegrationStore(db), get: async () => integration },
    vault,
    log: silentLog,
    now,
    wait: async (milliseconds) => {
      clock.now += milliseconds;
    },
    connections: dynamoConnectionStore(db),
    endAtProvider: async () => ({ confirmed: true }),
    async refreshToken(request) {
      requests.push(request);
      return provider.answer(request);
    },
  };
  const stored = async () => (await grants.get(environmentId, grantId)) as Grant;
  return {
    deps,
    clock,
    approve,
    grants,
    integration,
    provider,
    requests,
    rotate,
    stored,
    openStored: async () => openToken(vault, await stored()),
    async ask(need: Need = { minTtlSeconds: 300 }, of: Integration = integration) {
      return freshToken({ ...deps, integrations: { ...deps.integrations, get: async () => of } }, await stored(), need);
    },
  };
}

const accessOf = (result: { token?: Token }) => result.token?.accessToken;
const unavailable = (error = 'internal_error', mayBeSpent = true): RefreshAnswer => ({
  kind: 'unavailable',
  error,
  mayBeSpent,
});

/** The lease of a refresh that somebody else has begun. */
const lease = { owner: 'somebody-else', until: builtAt + 10_000, sentToken: 'of another token' };

describe('a token that is asked for', () => {
  it.each([
    ['lasts as long as is needed', 300, 300, 'access-0'],
    ['lasts a second less', 299, 300, 'access-1'],
    ['lasts for a second, and no more is needed', 1, 0, 'access-0'],
    ['has just expired', 0, 0, 'access-1'],
    ['expired long ago', -1_000_000, 1_800, 'access-1'],
  ])('that %s', async (_, lasts, minTtlSeconds, expected) => {
    const { ask, requests } = await setup({ lasts });

    expect(accessOf((await ask({ minTtlSeconds })) as { token?: Token })).toBe(expected);
    expect(requests).toHaveLength(expected === 'access-0' ? 0 : 1);
  });

  it('is refreshed on demand, however long it lasts', async () => {
    const { ask } = await setup({ lasts: 40_000 });

    expect(await ask({ force: true })).toMatchObject({ token: { accessToken: 'access-1' }, tookTime: true });
  });

  it('is not given when it has expired and cannot be refreshed', async () => {
    const { ask, stored, requests } = await setup({ rotates: false });

    expect(await ask()).toMatchObject({ kind: 'reauthorization_required' });
    expect(await stored()).toMatchObject({ status: 'reauthorization_required', statusReason: 'token_expired' });
    expect(requests).toEqual([]);
  });

  it('is given for as long as it lasts when it cannot be refreshed', async () => {
    const { ask } = await setup({ lasts: 5, rotates: false });

    expect(await ask()).toMatchObject({ kind: 'token', token: { accessToken: 'access-0' } });
  });

  it.each(['bad_client_secret', 'invalid_client_id'])(
    'is tried again after %s only when the integration has changed',
    async (error) => {
      const { ask, provider, requests, rotate, integration, clock } = await setup();
      provider.answer = async () => ({ kind: 'refused', error });
      const refused = await ask();
      const again = await ask();
      provider.answer = async (request) => rotate(request);
      clock.now += 60_000;

      const changed = await ask(undefined, { ...integration, updatedAt: isoTime(30_000) });

      expect([refused.kind, again.kind, changed.kind]).toEqual([
        'reauthorization_required',
        'reauthorization_required',
        'token',
      ]);
      expect(requests).toHaveLength(2);
    },
  );

  it('is not asked for once the integration is gone', async () => {
    const { deps, stored, requests } = await setup();
    const gone = { ...deps, integrations: { ...deps.integrations, get: async () => undefined } };

    expect(await freshToken(gone, await stored(), { minTtlSeconds: 300 })).toEqual({ kind: 'ended' });
    expect(requests).toEqual([]);
  });

  it('keeps the refresh token when the provider gives no other', async () => {
    const { ask, provider, rotate, openStored } = await setup();
    provider.answer = async (request) => ({ ...rotate(request), refreshToken: undefined }) as RefreshAnswer;

    await ask();

    expect(await openStored()).toMatchObject({ accessToken: 'access-1', refreshToken: 'refresh of access-0' });
  });
});

describe('64 callers at the moment of expiry', () => {
  /** Real time passes while they wait for a provider that answers once each of them has begun. */
  async function together(lasts: number, answer?: RefreshAnswer) {
    const { deps, stored, provider, requests, rotate } = await setup({ lasts });
    const read = await stored();
    const waiting = new Set<number>();
    const everybodyWaits = Promise.withResolvers<void>();
    provider.answer = async (request) => {
      await everybodyWaits.promise;
      return answer ?? rotate(request);
    };
    const results = await Promise.all(
      Array.from({ length: 64 }, (_, index) => {
        const wait = async () => {
          waiting.add(index);
          if (waiting.size === 63) everybodyWaits.resolve();
          await new Promise((resolve) => setTimeout(resolve, 50));
        };
        return freshToken({ ...deps, wait }, read, { minTtlSeconds: 300 });
      }),
    );
    return { results, requests };
  }

  it('get the token of one refresh', async () => {
    const { results, requests } = await together(0);

    expect(requests).toHaveLength(1);
    expect(new Set(results.map((result) => accessOf(result as { token?: Token })))).toEqual(new Set(['access-1']));
  });

  it('make the failure of one call theirs', async () => {
    const { results, requests } = await together(0, unavailable());

    expect(requests).toHaveLength(1);
    for (const result of results) expect(result).toMatchObject({ kind: 'unavailable', error: 'internal_error' });
  });

  it('make the refusal of one call theirs', async () => {
    const { results, requests } = await together(0, { kind: 'refused', error: 'token_revoked' });

    expect(requests).toHaveLength(1);
    for (const result of results) expect(result.kind).toBe('reauthorization_required');
  });

  it('get the token that is still good when the call fails', async () => {
    const { results, requests } = await together(30, unavailable());

    expect(requests).toHaveLength(1);
    expect(new Set(results.map((result) => accessOf(result as { token?: Token })))).toEqual(new Set(['access-0']));
  });
});

describe('while somebody else refreshes', () => {
  it('a token that lasts a minute is given at once', async () => {
    const { ask, grants, stored, clock, requests } = await setup({ lasts: 60 });
    await grants.takeRefresh(await stored(), lease, builtAt);

    expect(await ask()).toMatchObject({ kind: 'token', token: { accessToken: 'access-0' }, tookTime: false });
    expect(clock.now).toBe(builtAt);
    expect(requests).toEqual([]);
  });

  it('one that lasts less is given when waiting was in vain', async () => {
    const { ask, grants, stored, clock, requests } = await setup({ lasts: 59 });
    await grants.takeRefresh(await stored(), lease, builtAt);

    expect(await ask()).toMatchObject({ kind: 'token', token: { accessToken: 'access-0' }, tookTime: true });
    expect(clock.now).toBeGreaterThan(builtAt);
    expect(requests).toEqual([]);
  });

  it.each<[string, Need]>([
    ['an expired one', { minTtlSeconds: 0 }],
    ['one that has to be another', { force: true }],
  ])('%s is never given', async (_, need) => {
    const { ask, grants, stored, requests } = await setup({ lasts: 'force' in need ? 40_000 : 0 });
    await grants.takeRefresh(await stored(), lease, builtAt);

    expect(await ask(need)).toEqual({ kind: 'in_progress' });
    expect(requests).toEqual([]);
  });

  it('whoever waits goes on when the lease runs out', async () => {
    const { ask, grants, stored, requests } = await setup();
    await grants.takeRefresh(await stored(), { ...lease, until: builtAt + 3_000 }, builtAt);

    expect(await ask()).toMatchObject({ token: { accessToken: 'access-1' } });
    expect(requests).toHaveLength(1);
  });
});

describe('a call that failed', () => {
  it('gives its lease back, and the next call is made within two seconds', async () => {
    const { ask, provider, rotate, clock, requests } = await setup();
    provider.answer = async () => unavailable();
    const failed = await ask();
    provider.answer = async (request) => rotate(request);

    const next = await ask();

    expect(failed).toMatchObject({ kind: 'unavailable', error: 'internal_error' });
    expect(next).toMatchObject({ token: { accessToken: 'access-1' } });
    expect(clock.now - builtAt).toBeLessThanOrEqual(2_000);
    expect(requests).toHaveLength(2);
  });

  it('is not repeated before the provider allows it', async () => {
    const { ask, provider, clock, requests } = await setup();
    provider.answer = async () => ({
      kind: 'unavailable',
      error: 'ratelimited',
      httpStatus: 429,
      retryAfterSeconds: 30,
      mayBeSpent: false,
    });
    await ask();
    clock.now += 10_000;

    const early = await ask();
    clock.now += 20_000;
    await ask();

    expect(early).toEqual({ kind: 'unavailable', error: 'ratelimited', httpStatus: 429, retryAfterSeconds: 20 });
    expect(requests).toHaveLength(2);
  });

  it.each([
    ['no_answer', true, 'refresh_response_lost'],
    ['internal_error', true, 'refresh_response_lost'],
    ['ratelimited', false, 'invalid_refresh_token'],
  ])('as %s is remembered while the token may be spent', async (error, mayBeSpent, reason) => {
    const { ask, provider, stored } = await setup();
    provider.answer = async () => unavailable(error, mayBeSpent);
    await ask();
    provider.answer = async () => ({ kind: 'refused', error: 'invalid_refresh_token' });

    expect(await ask()).toMatchObject({ kind: 'reauthorization_required' });
    expect(await stored()).toMatchObject({ statusReason: reason });
  });

  it('stays remembered over one that says nothing', async () => {
    const { ask, provider, stored } = await setup();
    for (const answer of [unavailable('no_answer'), unavailable('ratelimited', false)]) {
      provider.answer = async () => answer;
      await ask();
    }
    provider.answer = async () => ({ kind: 'refused', error: 'invalid_refresh_token' });
    await ask();

    expect(await stored()).toMatchObject({ statusReason: 'refresh_response_lost' });
  });
});

describe('a holder that is stopped between its lease and its call', () => {
  it('has only what is left of its time', async () => {
    const { ask, deps, clock, requests } = await setup();
    const takeRefresh = deps.grants.takeRefresh;
    Object.assign(deps, {
      grants: {
        ...deps.grants,
        async takeRefresh(...given: Parameters<typeof takeRefresh>) {
          const taken = await takeRefresh(...given);
          clock.now += 5_000;
          return taken;
        },
      },
    });

    await ask();

    expect(requests.map(({ timeoutMilliseconds }) => timeoutMilliseconds)).toEqual([3_000]);
  });
});

describe('a grant of a person that is let go while it is refreshed', () => {
  it('ends with its new token, and leaves the app installed', async () => {
    const { deps, grants, integration, provider, rotate } = await setup();
    const { environmentId, integrationId } = integration;
    const { account } = aGrant();
    const grantId = grantIdOf(integrationId, account.id, 'U0ANN');
    const token = { accessToken: 'access', refreshToken: 'refresh', expiresAt: builtAt / 1000 };
    const sealed = await sealToken(deps.vault, environmentId, grantId, token, 'flow');
    await grants.putIfNewer(aGrant({ environmentId, integrationId, grantId, userId: 'U0ANN', ...sealed }), builtAt);
    const read = (await grants.get(environmentId, grantId)) as Grant;
    provider.answer = async (request) => {
      await grants.erase(read, { asOf: builtAt + 1, flowId: 'a disconnect' });
      return rotate(request);
    };
    const ends: unknown[] = [];
    const endAtProvider: RefreshDeps['endAtProvider'] = async (_, ended, how) => {
      ends.push([ended, how]);
      return { confirmed: true };
    };
    const uninstalling = { ...integration, configurations: { revoke: 'uninstall' as const } };

    const integrations = { ...deps.integrations, get: async () => uninstalling };

    const result = await freshToken({ ...deps, endAtProvider, integrations }, read, { force: true });

    expect(result).toEqual({ kind: 'ended' });
    expect(ends).toEqual([['access-1', 'token']]);
  });
});

describe('any interleaving of callers, pauses, failures and approvals', () => {
  type Step = 'goes on' | 'pauses' | 'is lost' | 'fails' | 'is overtaken';
  const step = fc.constantFrom<Step>('goes on', 'pauses', 'is lost', 'fails', 'is overtaken');

  it('never goes back to an older token, and ends with one that works or a reason', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(step, { maxLength: 8 }),
        fc.integer({ min: 2, max: 4 }),
        async (scheduler, steps, callers) => {
          const { deps, clock, stored, rotate, openStored, requests, approve } = await setup();
          const script = [...steps];
          /** What stores a token must have begun after what stored the one before: leases and approvals, in order. */
          const leases = new Map<string, number>();
          let beginnings = 0;
          let newest = 0;
          const scheduled: RefreshDeps = {
            ...deps,
            // Time passes for all, by as little as makes no lease run out by itself.
            wait: scheduler.scheduleFunction(async () => {
              clock.now += 10;
            }),
            refreshToken: scheduler.scheduleFunction(async (request: RefreshRequest) => {
              requests.push(request);
              const next = script.shift() ?? 'goes on';
              if (next === 'fails') return unavailable('ratelimited', false);
              const answer = rotate(request);
              if (next === 'pauses') clock.now += 11_000;
              if (next === 'is overtaken') {
                clock.now += 1;
                await approve(`approved-${requests.length}`, 43_200);
                beginnings += 1;
                newest = beginnings;
              }
              return next === 'is lost' ? unavailable('no_answer') : answer;
            }),
            grants: {
              ...deps.grants,
              get: scheduler.scheduleFunction(deps.grants.get),
              async takeRefresh(grant, taken, now) {
                const won = await deps.grants.takeRefresh(grant, taken, now);
                if (won) {
                  beginnings += 1;
                  leases.set(taken.owner, beginnings);
                }
                return won;
              },
              keepRefreshed: scheduler.scheduleFunction(async (read, owner, refreshed) => {
                const kept = await deps.grants.keepRefreshed(read, owner, refreshed);
                if (kept) {
                  expect(leases.get(owner)).toBeGreaterThanOrEqual(newest);
                  newest = leases.get(owner) ?? 0;
                }
                return kept;
              }),
            },
          };
          const read = await stored();
          const results = await scheduler.waitFor(
            Promise.all(Array.from({ length: callers }, () => freshToken(scheduled, read, { minTtlSeconds: 300 }))),
          );

          for (const result of results) {
            expect(accessOf(result as { token?: Token })).not.toBe('access-0');
          }
          const disturbed = steps.slice(0, requests.length).some((each) => each !== 'goes on');
          if (!disturbed) expect(requests).toHaveLength(1);

          clock.now += 11_000;
          const last = await freshToken(deps, await stored(), { minTtlSeconds: 300 });
          if (last.kind === 'token') {
            expect(await openStored()).toMatchObject({ accessToken: last.token.accessToken });
          } else {
            expect(await stored()).toMatchObject({
              status: 'reauthorization_required',
              statusReason: 'refresh_response_lost',
            });
          }
        },
      ),
      { numRuns: 150 },
    );
  }, 120_000);
});
