import { injectFaults } from '../support/faults.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { eventOf } from './http-event.ts';
import { newInstance } from './instance.ts';
import { atMost, both, noGoal, type Table } from './report.ts';

/** How many commands to DynamoDB a warm instance sends for what it is asked most. */
export async function measureDynamodb(): Promise<Table> {
  const service = await startTestService();
  try {
    return {
      title: 'DynamoDB commands of one call, in an instance that has served the environment before',
      rows: await count(service),
      notes: [
        'Callbacks and tokens open the data key of their environment: 1 more read per instance when it is cold.',
        "Routes but the one for URLs read the caller's API key each time: that read is among those shown.",
      ],
    };
  } finally {
    await service.close();
  }
}

async function count(service: TestService) {
  const { apiKey } = await service.createTestEnvironment();
  const instance = newInstance(service);
  const commands = injectFaults(instance.client);

  const makeUrl = async (
    subscriberId: string,
    request: Record<string, unknown> = {},
    headers: { idempotencyKey?: string } = {},
  ): Promise<string> => {
    const body = { integrationIdentifier: 'slack', subscriberId, ...request };
    const event = eventOf('POST /v1/integrations/channel-connections/oauth', { apiKey, body, ...headers });
    const { body: answer = '' } = await instance.call('generate-oauth-url', event);
    return JSON.parse(answer).data.url as string;
  };
  const follow = (callback: string) => {
    const { search } = new URL(callback);
    const event = eventOf('GET /v1/integrations/chat/oauth/callback/slack', { query: search.slice(1) });
    return instance.call('slack-callback', event);
  };
  const getConnection = (identifier: string) =>
    instance.call(
      'channel-connections',
      eventOf('GET /v1/channel-connections/{identifier}', { apiKey, pathParameters: { identifier } }),
    );
  const getToken = (identifier: string) =>
    instance.call(
      'channel-connections',
      eventOf('POST /v1/channel-connections/{identifier}/token', { apiKey, pathParameters: { identifier } }),
    );
  const counted = async <Result>(work: () => Promise<Result>) => {
    commands.reset();
    const result = await work();
    return { result, cost: { writes: commands.writes, reads: commands.reads } };
  };

  await follow(await service.approve(await makeUrl('the-first')));
  const whole = { connectionIdentifier: 'mine', autoLinkUser: true };
  const url = await counted(() => makeUrl('ann', whole));
  const idempotentUrl = await counted(() => makeUrl('ann', whole, { idempotencyKey: 'once' }));
  const callback = await service.approve(url.result);
  const connect = await counted(() => follow(callback));
  const reload = await counted(() => follow(callback));
  const plainCallback = await service.approve(await makeUrl('bob'));
  const plainConnect = await counted(() => follow(plainCallback));
  const given = await counted(() => getConnection('mine'));
  const connections = JSON.parse(await listConnections()) as { subscriberId: string; identifier: string }[];
  const bobs = connections.find(({ subscriberId }) => subscriberId === 'bob')?.identifier ?? '';
  const derived = await counted(() => getConnection(bobs));

  // The first one finds the data key cold.
  await getToken(bobs);
  const token = await counted(() => getToken(bobs));
  const namedToken = await counted(() => getToken('mine'));

  async function listConnections(): Promise<string> {
    const event = eventOf('GET /v1/channel-connections', { apiKey });
    return JSON.stringify(JSON.parse((await instance.call('channel-connections', event)).body ?? '').data);
  }

  return [
    { call: 'making a URL', ...url.cost, ...both(atMost(1, url.cost.writes), atMost(0, url.cost.reads)) },
    {
      call: 'making a URL with an idempotency key',
      ...idempotentUrl.cost,
      ...both(atMost(2, idempotentUrl.cost.writes), atMost(0, idempotentUrl.cost.reads)),
    },
    {
      call: 'callback of a first connect, given identifier, 1 endpoint',
      ...connect.cost,
      ...both(atMost(8, connect.cost.writes), atMost(5, connect.cost.reads)),
    },
    { call: 'callback of a first connect, derived identifier, no endpoint', ...plainConnect.cost, ...noGoal },
    {
      call: 'a token that is fresh, by the derived identifier',
      ...token.cost,
      ...both(atMost(0, token.cost.writes), atMost(3, token.cost.reads)),
    },
    {
      call: 'a token that is fresh, by the given identifier',
      ...namedToken.cost,
      ...both(atMost(0, namedToken.cost.writes), atMost(4, namedToken.cost.reads)),
    },
    { call: 'reload of the outcome page', ...reload.cost, ...noGoal },
    { call: 'getting a connection by its derived identifier', ...derived.cost, ...noGoal },
    { call: 'getting a connection by its given identifier', ...given.cost, ...noGoal },
  ];
}
