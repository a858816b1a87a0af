import type { HttpFunctionName } from '../../infra/routes.ts';
import { derivedIdentifier } from '../../lib/connection/connection.ts';
import { hashOf } from '../../lib/crypto.ts';
import { dynamoConnectionStore } from '../../lib/store/connection-store.ts';
import type { Database } from '../../lib/store/database.ts';
import { dynamoEndpointStore } from '../../lib/store/endpoint-store.ts';
import { aConnection, anEndpoint, isoTime } from '../support/builders.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { type Capacity, meterCapacity } from './capacity.ts';
import { eventOf } from './http-event.ts';
import { type Instance, newInstance } from './instance.ts';
import { atMost, rounded, type Table } from './report.ts';

const shortList = 1_000;
const tolerance = 0.1;
const pagesRead = 10;
const seedingAtOnce = 50;

const subscriberId = 'subscriber-1';
const contextKeys = ['project:1'];

const lists: readonly { readonly of: HttpFunctionName; readonly filter: string }[] = [
  { of: 'channel-connections', filter: '' },
  { of: 'channel-connections', filter: `subscriberId=${subscriberId}` },
  { of: 'channel-connections', filter: 'integrationIdentifier=slack' },
  { of: 'channel-connections', filter: 'contextKeys=project:1' },
  { of: 'channel-endpoints', filter: '' },
  { of: 'channel-endpoints', filter: `subscriberId=${subscriberId}` },
  { of: 'channel-endpoints', filter: 'integrationIdentifier=slack' },
  { of: 'channel-endpoints', filter: 'contextKeys=project:1' },
  { of: 'channel-endpoints', filter: `connectionIdentifier=${derivedIdentifier(subjectKey(0))}` },
];

/** Whether a page of a list costs the same however long the list is. Every row is in every list. */
export async function measureLists({ rows: longList }: { readonly rows: number }): Promise<Table> {
  const service = await startTestService();
  try {
    const short = await seed(service, shortList);
    const long = await seed(service, longList);
    const instance = newInstance(service);
    const capacity = meterCapacity(instance.client, service.db.endpoint, service.db.tables);
    const rows: Record<string, string | number>[] = [];
    for (const list of lists) {
      const small = await readPages(instance, capacity, list, short);
      const large = await readPages(instance, capacity, list, long);
      const ratio = rounded(Math.max(small.dearest, large.dearest) / small.first, 2);
      rows.push({
        list: `${list.of} ${list.filter.slice(0, 40) || '(no filter)'}`,
        [`first of ${shortList}`]: small.first,
        [`mean of ${shortList}`]: rounded(small.mean, 1),
        [`dearest of ${shortList}`]: small.dearest,
        [`first of ${longList}`]: large.first,
        [`mean of ${longList}`]: rounded(large.mean, 1),
        [`dearest of ${longList}`]: large.dearest,
        ratio,
        ...atMost(1 + tolerance, ratio),
      });
    }
    return {
      title: `Read units that a page of 10 consumes, in a list of ${shortList} rows and in one of ${longList}`,
      rows,
      notes: [
        `The first ${pagesRead} pages in both directions; the ratio is that of the dearest page to the first of the shorter list.`,
        "Everything that the call reads: caller's key, what the filter names, index, rows and count.",
      ],
    };
  } finally {
    await service.close();
  }
}

async function readPages(
  instance: Instance,
  capacity: Capacity,
  { of, filter }: (typeof lists)[number],
  { apiKey }: TestEnvironment,
) {
  const costs: number[] = [];
  for (const direction of ['DESC', 'ASC']) {
    let after = '';
    for (let page = 0; page < pagesRead; page += 1) {
      const query = [filter, `orderDirection=${direction}`, after].filter((part) => part !== '').join('&');
      capacity.reset();
      const { body = '' } = await instance.call(of, eventOf(`GET /v1/${of}`, { apiKey, query }));
      const { data, next } = JSON.parse(body) as { data: unknown[]; next: string };
      if (data.length !== 10 || capacity.reads === 0) throw new Error(`${of} ${query}: not a metered page of 10`);
      costs.push(capacity.reads);
      after = `after=${next}`;
    }
  }
  return { first: costs[0] ?? Number.NaN, dearest: Math.max(...costs), mean: mean(costs) };
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
}

/** An environment with so many connections and endpoints, all in the same lists. */
async function seed(service: TestService, rows: number): Promise<TestEnvironment> {
  const environment = await service.createTestEnvironment();
  const { environmentId, apiKey } = environment;
  const [integration] = (await service.api(apiKey, 'GET', '/v1/integrations')).json.data;
  const given = { environmentId, integrationId: integration._id as string, subscriberId, contextKeys };
  for (let start = 0; start < rows; start += seedingAtOnce) {
    const count = Math.min(seedingAtOnce, rows - start);
    await Promise.all(Array.from({ length: count }, (_, index) => putRows(service.db, given, start + index)));
  }
  return environment;
}

async function putRows(
  db: Database,
  given: { environmentId: string; integrationId: string; subscriberId: string; contextKeys: string[] },
  index: number,
): Promise<void> {
  const connectionKey = subjectKey(0);
  const createdAt = isoTime(index);
  await Promise.all([
    dynamoConnectionStore(db).put(aConnection({ ...given, subjectKey: subjectKey(index), createdAt }), undefined),
    dynamoEndpointStore(db).putIfNewer(
      anEndpoint({
        ...given,
        createdAt,
        identifier: `chendp_${hashOf(index)}`,
        connectionKey,
        connectionIdentifier: derivedIdentifier(connectionKey),
      }),
    ),
  ]);
}

function subjectKey(index: number): string {
  return hashOf('bench', index);
}
