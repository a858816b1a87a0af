import { performance } from 'node:perf_hooks';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { meterCapacity } from './capacity.ts';
import { eventOf } from './http-event.ts';
import { type Instance, newInstance } from './instance.ts';
import { rounded, type Table } from './report.ts';

/** The same work each time: the units do not vary, the milliseconds are a mean. */
const repetitions = 50;
const halfADay = 12 * 60 * 60 * 1000;

/** What the things that a deployment does all day take of DynamoDB and Lambda. */
export async function measureCost(): Promise<Table> {
  const service = await startTestService();
  try {
    return {
      title: 'What 1,000 of each take, in functions that are warm',
      rows: await measure(service),
      notes: [
        'Write units: of the tables + of their indexes. Read units: 4 KB read consistently are 1, a look into an index is 0.5.',
        "Function milliseconds are this machine's, with DynamoDB and Slack beside it; what a provider takes is among them.",
      ],
    };
  } finally {
    await service.close();
  }
}

async function measure(service: TestService) {
  const instance = newInstance(service);
  const capacity = meterCapacity(instance.client, service.db.endpoint, service.db.tables);
  const environment = await service.createTestEnvironment({ app: { tokenRotation: true } });
  await connect(service, instance, environment, 'the-first');

  const row = async (what: string, work: (index: number) => Promise<number>) => {
    capacity.reset();
    let milliseconds = 0;
    for (let index = 0; index < repetitions; index += 1) milliseconds += await work(index);
    const scale = 1_000 / repetitions;
    return {
      what,
      'write units': `${rounded(capacity.writes * scale)} + ${rounded(capacity.indexWrites * scale)}`,
      'read units': rounded(capacity.reads * scale),
      'function milliseconds': rounded(milliseconds * scale),
    };
  };
  const token = async () => {
    const route = 'POST /v1/channel-connections/{identifier}/token';
    const event = eventOf(route, { apiKey: environment.apiKey, pathParameters: { identifier: 'the-first' } });
    return (await timed(() => instance.call('channel-connections', event))).milliseconds;
  };
  return [
    await row('connects: a URL, its callback, a connection with an identifier and one endpoint', (index) =>
      connect(service, instance, environment, `connection-${index}`),
    ),
    await row('tokens', token),
    await row('tokens that have to be refreshed', () => {
      service.advance(halfADay);
      return token();
    }),
  ];
}

/** @returns milliseconds in our functions */
async function connect(
  service: TestService,
  instance: Instance,
  { apiKey }: TestEnvironment,
  identifier: string,
): Promise<number> {
  const body = {
    integrationIdentifier: 'slack',
    subscriberId: identifier,
    connectionIdentifier: identifier,
    autoLinkUser: true,
  };
  const asked = eventOf('POST /v1/integrations/channel-connections/oauth', { apiKey, body });
  const url = await timed(() => instance.call('generate-oauth-url', asked));
  const { search } = new URL(await service.approve(JSON.parse(url.result.body ?? '').data.url));
  const redirect = eventOf('GET /v1/integrations/chat/oauth/callback/slack', { query: search.slice(1) });
  const callback = await timed(() => instance.call('slack-callback', redirect));
  return url.milliseconds + callback.milliseconds;
}

async function timed<Result>(work: () => Promise<Result>) {
  const begunAt = performance.now();
  const result = await work();
  return { result, milliseconds: performance.now() - begunAt };
}
