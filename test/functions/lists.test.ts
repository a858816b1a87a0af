import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contextSetOf } from '../../lib/context/context.ts';
import { dynamoConnectionStore } from '../../lib/store/connection-store.ts';
import { dynamoEndpointStore } from '../../lib/store/endpoint-store.ts';
import { aConnection, anEndpoint, isoTime } from '../support/builders.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { createTeams, type TeamsEnvironment } from '../support/teams.ts';

/** What lists filter by, of a row and of its place in time. */
interface Listed {
  readonly identifier: string;
  readonly providerId: 'slack' | 'msteams';
  readonly subscriberId?: string | undefined;
  readonly contextKeys: readonly string[];
  readonly connectionIdentifier?: string | undefined;
}

interface Query {
  readonly subscriberId?: string | undefined;
  readonly connectionMode?: 'subscriber' | 'shared' | undefined;
  readonly channel?: 'chat' | undefined;
  readonly providerId?: string | undefined;
  readonly integrationIdentifier?: string | undefined;
  readonly connectionIdentifier?: string | undefined;
  readonly contextKeys?: readonly string[] | undefined;
}

const five = ['a:1', 'b:2', 'c:3', 'd:4', 'e:5'];
const contextSets = [[], ['tenant:acme'], ['tenant:other'], ['app:jira', 'tenant:acme'], ['app2:x', 'app:x'], five];
const providers = ['slack', 'msteams'] as const;

let service: TestService;
let environment: TeamsEnvironment;
/** Oldest first. */
const connections: Listed[] = [];
const endpoints: Listed[] = [];

beforeAll(async () => {
  service = await startTestService();
  environment = await createTeams(service);
  const { environmentId } = environment;
  const { data } = (await service.api(environment.apiKey, 'GET', '/v1/integrations')).json;
  const integrationIds = new Map<string, string>();
  for (const { identifier, _id } of data) integrationIds.set(identifier, _id);
  let at = 0;
  for (const contextKeys of contextSets.map(contextSetOf)) {
    for (const providerId of providers) {
      for (const subscriberId of ['ann', 'bob', undefined]) {
        const integrationId = integrationIds.get(providerId) ?? '';
        const of = { environmentId, integrationId, integrationIdentifier: providerId, providerId, contextKeys };
        const connection = aConnection({ ...of, subscriberId, createdAt: isoTime(at) });
        await dynamoConnectionStore(service.db).put(connection, undefined);
        connections.push(connection);
        if (subscriberId !== undefined) {
          const { identifier: connectionIdentifier, subjectKey: connectionKey } = connection;
          const through = at % 4 === 0 ? {} : { connectionIdentifier, connectionKey };
          const endpoint = anEndpoint({ ...of, subscriberId, ...through, createdAt: isoTime(at) });
          await dynamoEndpointStore(service.db).create(endpoint);
          endpoints.push(endpoint);
        }
        at += 1;
      }
    }
  }
});

afterAll(() => service.close());

const sameSet = (left: readonly string[], right: readonly string[]) =>
  JSON.stringify([...new Set(left)].sort()) === JSON.stringify([...new Set(right)].sort());

function matchesAll(row: Listed, query: Query): boolean {
  return (
    (query.providerId === undefined || row.providerId === query.providerId) &&
    (query.integrationIdentifier === undefined || row.providerId === query.integrationIdentifier) &&
    (query.contextKeys === undefined || sameSet(row.contextKeys, query.contextKeys)) &&
    (query.connectionIdentifier === undefined || row.connectionIdentifier === query.connectionIdentifier)
  );
}

function isListedConnection(row: Listed, query: Query): boolean {
  const { subscriberId, connectionMode, contextKeys = [] } = query;
  const isOwn = row.subscriberId === subscriberId && connectionMode !== 'shared';
  const isShared =
    row.subscriberId === undefined && sameSet(row.contextKeys, contextKeys) && connectionMode !== 'subscriber';
  return matchesAll(row, query) && (subscriberId === undefined || isOwn || isShared);
}

function isListedEndpoint(row: Listed, query: Query): boolean {
  return matchesAll(row, query) && (query.subscriberId === undefined || row.subscriberId === query.subscriberId);
}

function queryString({ contextKeys, ...query }: Query & Record<string, unknown>): string {
  const text = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) text.append(name, String(value));
  for (const key of contextKeys?.length === 0 ? [''] : (contextKeys ?? [])) text.append('contextKeys', key);
  return text.toString();
}

const optionally = <Value>(...values: Value[]) => fc.option(fc.constantFrom(...values), { nil: undefined });
/** In any order, and some of them twice. */
const contextKeys = fc
  .constantFrom(...contextSets, ['nope:1'])
  .chain((keys) =>
    fc
      .tuple(fc.shuffledSubarray(keys, { minLength: keys.length }), fc.subarray(keys))
      .map(([shuffled, again]) => [...shuffled, ...again]),
  );
const common = {
  subscriberId: optionally('ann', 'bob', 'nobody'),
  channel: optionally('chat' as const),
  providerId: optionally<string>(...providers),
  integrationIdentifier: optionally<string>(...providers, 'nope'),
  contextKeys: fc.option(contextKeys, { nil: undefined }),
};

describe.each([
  {
    path: '/v1/channel-connections',
    rows: connections,
    isListed: isListedConnection,
    queries: fc.record<Query>({ ...common, connectionMode: optionally('subscriber' as const, 'shared' as const) }),
  },
  {
    path: '/v1/channel-endpoints',
    rows: endpoints,
    isListed: isListedEndpoint,
    queries: fc.record({ ...common, through: optionally(0, 1, 2, 3) }).map(({ through, ...query }): Query => {
      const named = through === undefined ? undefined : (endpoints[through]?.connectionIdentifier ?? 'nope');
      return { ...query, connectionIdentifier: named };
    }),
  },
])('GET $path', ({ path, rows, isListed, queries }) => {
  const list = (query: string) => service.api(environment.apiKey, 'GET', `${path}?${query}`);
  const ids = (answer: Awaited<ReturnType<typeof list>>) =>
    answer.json.data.map(({ identifier }: Listed) => identifier) as string[];

  it('finds with any combination of filters what they say, page by page, forth and back', async () => {
    const orders = fc.constantFrom('ASC' as const, 'DESC' as const);

    await fc.assert(
      fc.asyncProperty(queries, fc.integer({ min: 1, max: 20 }), orders, async (query, limit, orderDirection) => {
        const wanted = rows.filter((row) => isListed(row, query)).map(({ identifier }) => identifier);
        if (orderDirection === 'DESC') wanted.reverse();
        const page = (cursor: object) => list(queryString({ ...query, limit, orderDirection, ...cursor }));
        const pages: string[][] = [];
        let answer = await page({});
        expect(answer.json).toMatchObject({ previous: null, totalCount: wanted.length, totalCountCapped: false });
        for (;;) {
          pages.push(ids(answer));
          expect(answer.json.data.length).toBeLessThanOrEqual(limit);
          if (answer.json.next === null) break;
          answer = await page({ after: answer.json.next });
        }
        expect(pages.flat()).toEqual(wanted);

        const last = pages.pop() ?? [];
        const back: string[][] = [last];
        while (answer.json.previous !== null) {
          answer = await page({ before: answer.json.previous });
          back.unshift(ids(answer));
        }
        expect(back.flat()).toEqual(wanted);
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it.each([
    ['', rows],
    ['contextKeys=', []],
    ['contextKeys=tenant%3Aacme&contextKeys=app%3Ajira', ['app:jira', 'tenant:acme']],
    ['contextKeys=tenant%3Aacme&contextKeys=app%3Ajira&contextKeys=app%3Ajira', ['app:jira', 'tenant:acme']],
    ['contextKeys=app%3Ajira%2Ctenant%3Aacme', 'nothing'],
    ['contextKeys=app%3Ajira', 'nothing'],
    ['contextKeys=tenant%3Aacme&contextKeys=tenant%3Aother', 'nothing'],
    [five.map((key) => `contextKeys=${key}`).join('&'), five],
  ])('takes contexts as a whole set: ?%s', async (query, set) => {
    const answer = await list(`limit=100&${query}`);

    const isOfSet = ({ contextKeys }: Listed) =>
      set === rows || (Array.isArray(set) && sameSet(contextKeys, set as string[]));
    expect(ids(answer).toReversed()).toEqual(rows.filter(isOfSet).map(({ identifier }) => identifier));
  });

  it('gives ten rows unless told otherwise, a hundred at most, and takes includeCursor without a meaning', async () => {
    expect(ids(await list(''))).toHaveLength(10);
    expect(ids(await list('limit=100&includeCursor=true'))).toHaveLength(rows.length);
    expect(ids(await list('limit=1&includeCursor=false'))).toHaveLength(1);
    const { next } = (await list('limit=2')).json;
    expect(ids(await list(`limit=2&includeCursor=true&after=${next}`))).toEqual(
      ids(await list(`limit=2&after=${next}`)),
    );
  });

  it.each([
    ['limit=0', 422, 'validation_failed'],
    ['limit=101', 422, 'validation_failed'],
    ['limit=1.5', 422, 'validation_failed'],
    ['includeCursor=yes', 422, 'validation_failed'],
    ['channel=email', 422, 'validation_failed'],
    ['providerId=discord', 422, 'validation_failed'],
    ['connectionStatus=active', 422, 'validation_failed'],
    ['orderBy=updatedAt', 400, 'unsupported_order'],
    ['after=a&before=b', 400, 'cursors_conflict'],
  ])('answers ?%s with %d', async (query, status, error) => {
    const answer = await list(query);

    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({ error, path });
    if (error === 'cursors_conflict') {
      expect(answer.json.message).toBe('Cannot specify both "before" and "after" cursors at the same time.');
    }
  });

  it('answers a cursor of another filter, order of contexts aside, or of another environment with an empty page', async () => {
    const empty = { data: [], next: null, previous: null, totalCount: 0, totalCountCapped: false };
    const other = await service.createTestEnvironment();
    const { next } = (await list('limit=1&contextKeys=app:jira&contextKeys=tenant:acme')).json;

    const same = await list(`contextKeys=tenant:acme&contextKeys=app:jira&after=${next}`);
    const filtered = await list(`contextKeys=tenant:acme&after=${next}`);
    const elsewhere = await service.api(
      other.apiKey,
      'GET',
      `${path}?contextKeys=app:jira&contextKeys=tenant:acme&after=${next}`,
    );

    expect(ids(same).length).toBeGreaterThan(0);
    expect([filtered.json, elsewhere.json]).toEqual([empty, empty]);
  });

  it('needs the permission connect or manage', async () => {
    const apiKey = await service.createApiKey(environment.environmentId, ['tokens']);

    expect((await service.api(apiKey, 'GET', path)).status).toBe(403);
  });
});

describe('totalCount', () => {
  it('stops at a hundred and says so', async () => {
    const own = await service.createTestEnvironment();
    const body = {
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
      type: 'slack_user',
      endpoint: { userId: 'U1' },
    };
    const count = async () => {
      const { totalCount, totalCountCapped } = (
        await service.api(own.apiKey, 'GET', '/v1/channel-endpoints?limit=1&subscriberId=ann&providerId=slack')
      ).json;
      return { totalCount, totalCountCapped };
    };
    const make = (many: number) =>
      Promise.all(Array.from({ length: many }, () => service.api(own.apiKey, 'POST', '/v1/channel-endpoints', body)));

    await make(50);
    await make(50);
    const hundred = await count();
    await make(1);

    expect(hundred).toEqual({ totalCount: 100, totalCountCapped: false });
    expect(await count()).toEqual({ totalCount: 100, totalCountCapped: true });
  });
});
