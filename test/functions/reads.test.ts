import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';

let service: TestService;
let environment: TestEnvironment;

beforeAll(async () => {
  service = await startTestService();
  environment = await service.createTestEnvironment();
  const context = { tenant: 'acme' };
  await service.connect(environment, { subscriberId: 'ann', autoLinkUser: true });
  await service.connect(environment, { subscriberId: 'ann', context, scope: ['chat:write', 'incoming-webhook'] });
  await service.connect(environment, { subscriberId: 'bob' });
  await service.connect(environment, { subscriberId: undefined, connectionMode: 'shared', context });
  await service.connect(environment, { subscriberId: undefined, context: { tenant: 'other' } });
});

afterAll(() => service.close());

const list = (query: string) => service.api(environment.apiKey, 'GET', `/v1/channel-connections?${query}`);

describe('GET /v1/channel-connections', () => {
  it.each([
    ['', 5],
    ['subscriberId=ann', 2],
    ['subscriberId=ann&contextKeys=tenant%3Aacme', 2],
    ['subscriberId=ann&contextKeys=tenant%3Aacme&connectionMode=subscriber', 1],
    ['subscriberId=ann&contextKeys=tenant%3Aacme&connectionMode=shared', 1],
    ['subscriberId=nobody', 0],
    ['contextKeys=', 2],
    ['contextKeys=tenant%3Aacme', 2],
    ['integrationIdentifier=slack', 5],
    ['integrationIdentifier=slack&subscriberId=bob', 1],
    ['integrationIdentifier=nope', 0],
    ['integrationIdentifier=nope&subscriberId=bob', 0],
    ['providerId=slack&channel=chat', 5],
    ['providerId=msteams', 0],
  ])('?%s finds %d', async (query, count) => {
    const answer = await list(query);

    expect(answer.status).toBe(200);
    expect(answer.json.data).toHaveLength(count);
    expect(answer.json).toMatchObject({ totalCount: count, totalCountCapped: false, next: null, previous: null });
  });

  it('pages forth and back, newest first unless asked otherwise', async () => {
    const all = (await list('limit=100')).json.data.map((row: { identifier: string }) => row.identifier);

    const first = await list('limit=2');
    const second = await list(`limit=2&after=${first.json.next}`);
    const third = await list(`limit=2&after=${second.json.next}`);
    const back = await list(`limit=2&before=${second.json.previous}`);
    const oldest = await list('limit=1&orderDirection=ASC');

    const ids = (answer: typeof first) => answer.json.data.map((row: { identifier: string }) => row.identifier);
    expect([...ids(first), ...ids(second), ...ids(third)]).toEqual(all);
    expect(third.json.next).toBeNull();
    expect(ids(back)).toEqual(ids(first));
    expect(back.json.previous).toBeNull();
    expect(ids(oldest)).toEqual(all.slice(-1));
  });

  it.each([
    ['limit=0', 422],
    ['limit=101', 422],
    ['limit=ten', 422],
    ['orderDirection=UP', 422],
    ['subscriber=ann', 422],
    ['providerId=email', 422],
    ['after=a&before=b', 400],
    ['orderBy=updatedAt', 400],
  ])('?%s answers %d', async (query, status) => {
    const answer = await list(query);

    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({ statusCode: status, path: '/v1/channel-connections' });
  });

  it.each(['garbage', 'eyJhIjoxfQ', Buffer.from('["x","y"]').toString('base64url')])(
    'answers the unknown cursor %s with an empty page',
    async (cursor) => {
      const answer = await list(`after=${cursor}`);

      expect(answer.json).toEqual({ data: [], next: null, previous: null, totalCount: 0, totalCountCapped: false });
    },
  );

  it('does not take a cursor of another filter', async () => {
    const { next } = (await list('limit=1')).json;

    expect((await list(`limit=1&subscriberId=ann&after=${next}`)).json.data).toEqual([]);
  });
});

describe('GET /v1/channel-connections/{identifier}', () => {
  it('answers 404 with the contract’s message for what does not exist', async () => {
    const answer = await service.api(environment.apiKey, 'GET', '/v1/channel-connections/nope');

    expect(answer.status).toBe(404);
    expect(answer.json).toMatchObject({
      message: "Channel connection with identifier 'nope' not found",
      error: 'connection_not_found',
    });
  });
});

describe('GET /v1/channel-endpoints', () => {
  it.each([
    ['', 2],
    ['subscriberId=ann', 2],
    ['subscriberId=bob', 0],
    ['contextKeys=', 1],
    ['contextKeys=tenant%3Aacme&subscriberId=ann', 1],
    ['integrationIdentifier=slack', 2],
    ['connectionIdentifier=nope', 0],
    ['providerId=msteams', 0],
  ])('?%s finds %d', async (query, count) => {
    const answer = await service.api(environment.apiKey, 'GET', `/v1/channel-endpoints?${query}`);

    expect(answer.json.data).toHaveLength(count);
    expect(answer.json.totalCount).toBe(count);
  });

  it('filters by connection, under its identifier', async () => {
    const [own] = (await list('subscriberId=ann&contextKeys=tenant%3Aacme&connectionMode=subscriber')).json.data;

    const answer = await service.api(
      environment.apiKey,
      'GET',
      `/v1/channel-endpoints?connectionIdentifier=${own.identifier}`,
    );

    expect(answer.json.data).toMatchObject([{ type: 'webhook', connectionIdentifier: own.identifier }]);
  });

  it('gets one by its identifier, with exactly the keys of its type', async () => {
    const { data } = (await service.api(environment.apiKey, 'GET', '/v1/channel-endpoints?contextKeys=')).json;

    const answer = await service.api(environment.apiKey, 'GET', `/v1/channel-endpoints/${data[0].identifier}`);

    expect(answer.json.data).toEqual(data[0]);
    expect(Object.keys(answer.json.data.endpoint)).toEqual(['userId']);
  });
});
