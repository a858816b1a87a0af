import { startTestService } from '../support/service.ts';
import { median, rounded, type Table } from './report.ts';

const callbacks = 500;
const rounds = 3;

/** What many hits of one callback at once cost; a person who clicks twice, or a client that tries again. */
export async function measureRaces(): Promise<Table> {
  const service = await startTestService();
  try {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { subscriberId: 'the-first' });
    const exchanges: number[] = [];
    const times: number[] = [];
    const answers = new Map<number, number>();
    for (let round = 0; round < rounds; round += 1) {
      const url = await service.connectUrl(environment, { subscriberId: `subscriber-of-round-${round}` });
      const callback = await service.approve(url);
      const before = service.slack.count('oauth.v2.access');
      const startedAt = performance.now();
      const pages = await Promise.all(Array.from({ length: callbacks }, () => service.request('GET', callback)));
      times.push(performance.now() - startedAt);
      exchanges.push(service.slack.count('oauth.v2.access') - before);
      for (const { status } of pages) answers.set(status, (answers.get(status) ?? 0) + 1);
    }
    return {
      title: `${callbacks} callbacks with one state at once`,
      rows: [
        {
          race: `${callbacks} callbacks`,
          exchanges: exchanges.join(', '),
          goal: 'exactly 1 each',
          reached: exchanges.every((count) => count === 1) ? 'yes' : 'no',
          'ms until all are answered': rounded(median(times)),
          answers: [...answers].map(([status, count]) => `${count} x ${status}`).join(', '),
        },
      ],
      notes: [`${rounds} rounds; clients, functions, DynamoDB and Slack share one process.`],
    };
  } finally {
    await service.close();
  }
}
