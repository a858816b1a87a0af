import { forkScript } from './fork.ts';
import { atLeast, median, quantile, rounded, type Table } from './report.ts';

/** Many short rounds: whatever else runs on the machine then meets both alike. */
const work = { urls: 100, rounds: 61, warmUpRounds: 15 };

/** How much CPU a URL takes, beside the usual way of making one. */
export async function measureUrls(): Promise<Table> {
  const dynamodb = forkScript(new URL('processes/embedded-dynamodb.ts', import.meta.url));
  try {
    const { endpoint } = await dynamodb.receive<{ endpoint: string }>();
    const makers = forkScript(new URL('processes/url-makers.ts', import.meta.url), {
      AWS_ENDPOINT_URL_DYNAMODB: endpoint,
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    });
    try {
      makers.send(work);
      const { pairs, error } = await makers.receive<{ pairs?: { ours: number; theirs: number }[]; error?: string }>();
      if (!pairs) throw new Error(error);
      return tableOf(pairs);
    } finally {
      await makers.close();
    }
  } finally {
    await dynamodb.close();
  }
}

function tableOf(pairs: readonly { ours: number; theirs: number }[]): Table {
  const perSecond = (microseconds: number[]) => rounded(1_000_000 / median(microseconds));
  const ratios = pairs.map(({ ours, theirs }) => theirs / ours);
  const ratio = rounded(median(ratios), 2);
  return {
    title: 'URLs per second of CPU, from the event of API Gateway to the result',
    rows: [
      {
        handler: 'generate-oauth-url',
        'URLs per CPU second': perSecond(pairs.map(({ ours }) => ours)),
        ratio: `${ratio} (${rounded(quantile(ratios, 0.25), 2)} to ${rounded(quantile(ratios, 0.75), 2)})`,
        ...atLeast(1, ratio),
      },
      {
        handler: 'InstallProvider behind serverless-http',
        'URLs per CPU second': perSecond(pairs.map(({ theirs }) => theirs)),
        ratio: 1,
        goal: '',
        reached: '',
      },
    ],
    notes: [
      `${work.rounds} alternating rounds of ${work.urls} URLs, one at a time, in one process; DynamoDB runs in another.`,
      'Ours authenticates, validates and logs; the other only reads the body and writes the state.',
    ],
  };
}
