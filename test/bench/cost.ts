import { performance } from 'node:perf_hooks';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { meterCapacity } from './capacity.ts';
import { eventOf } from './http-event.ts';
import { type Instance, newInstance } from './instance.ts';
import { rounded, type Table } from './report.ts';

/** The same work each time: the units do not vary, the milliseconds are a mean. */
const repetitions = 50;
const hour = 60 * 60 * 1000;
/** By then, every grant that was proven before is checked. */
const aDayLater = 26 * hour;
const daysOfMonth = 30;
const idleConnections = 20;

/** What the things that a deployment does all day take of DynamoDB and Lambda. */
export async function measureCost(): Promise<Table> {
  const [service, idleService] = [await startTestService(), await startTestService()];
  try {
    return {
      title: 'What 1,000 of each take, in functions that are warm',
      rows: [...(await measureCalls(service)), ...(await measureSweep(idleService))],
      notes: [
        'The provider is asked about an idle connection once a day.',
        'Write units: of the tables + of their indexes. Read units: 4 KB read consistently are 1, a look into an index is 0.5.',
        "Function milliseconds are this machine's, with DynamoDB and Slack beside it; what a provider takes is among them.",
      ],
    };
  } finally {
    await Promise.all([service.close(), idleService.close()]);
  }
}

interface Spent {
  readonly writes: number;
  readonly indexWrites: number;
  readonly reads: number;
  readonly milliseconds: number;
}

function rowOf(what: string, { writes, indexWrites, reads, milliseconds }: Spent, scale: number) {
  return {
    what,
    'write units': `${rounded(writes * scale)} + ${rounded(indexWrites * scale)}`,
    'read units': rounded(reads * scale),
    'function milliseconds': rounded(milliseconds * scale),
  };
}

async function measureCalls(service: TestService) {
  const instance = newInstance(service);
  const capacity = meterCapacity(instance.client, service.db.endpoint, service.db.tables);
  const environment = await service.createTestEnvironment({ app: { tokenRotation: true } });
  await connect(service, instance, environment, 'the-first');

  const row = async (what: string, work: (index: number) => Promise<number>) => {
    capacity.reset();
    let milliseconds = 0;
    for (let index = 0; index < repetitions; index += 1) milliseconds += await work(index);
    const { writes, indexWrites, reads } = capacity;
    return rowOf(what, { writes, indexWrites, reads, milliseconds }, 1_000 / repetitions);
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
      service.advance(12 * hour);
      return token();
    }),
  ];
}

/** Of rows that the sweep reads anyway, and of the daily check of what nobody uses. */
async function measureSweep(service: TestService) {
  const instance = newInstance(service);
  const capacity = meterCapacity(instance.client, service.db.endpoint, service.db.tables);
  const run = async (): Promise<Spent> => {
    capacity.reset();
    const { milliseconds } = await timed(instance.sweep);
    const { writes, indexWrites, reads } = capacity;
    return { writes, indexWrites, reads, milliseconds };
  };
  // Each has an app, and so a grant, of its own.
  for (let index = 0; index < idleConnections; index += 1) {
    await connect(service, instance, await service.createTestEnvironment(), 'idle');
  }
  await run();
  const empty = await run();
  service.advance(aDayLater);
  const full = await run();
  const checks: Spent = {
    writes: full.writes - empty.writes,
    indexWrites: full.indexWrites - empty.indexWrites,
    reads: full.reads - empty.reads,
    milliseconds: full.milliseconds - empty.milliseconds,
  };
  return [
    rowOf('idle connections, for a month', checks, (1_000 / idleConnections) * daysOfMonth),
    rowOf('sweeps that find nothing (43,200 a month)', empty, 1_000),
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
