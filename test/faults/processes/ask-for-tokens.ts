import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { localClientConfig } from '../../../infra/local/embedded-dynamodb.ts';
import { createFileKeyWrapper } from '../../../infra/local/file-key-wrapper.ts';
import { createContext } from '../../../infra/local/lambda-context.ts';
import { composeHandlers } from '../../../infra/local/local-service.ts';
import type { HttpEvent } from '../../../lib/http/types.ts';
import { documentClient } from '../../../lib/store/aws-database.ts';
import type { TableNames } from '../../../lib/store/tables.ts';

/** Where the instance finds everything, and whose token it asks for. */
export interface Orders {
  readonly endpoint: string;
  readonly tables: TableNames;
  readonly wrappingKey: string;
  readonly slackBaseUrl: string;
  /** How far the clock of all is ahead of the machine's. */
  readonly skew: number;
  readonly apiKey: string;
  readonly identifier: string;
}

export interface TokenAnswer {
  readonly status: number | undefined;
  readonly accessToken?: string;
}

const orders = JSON.parse(process.env['ORDERS'] ?? '') as Orders;
const nowhere = 'http://localhost:1';
const handlers = composeHandlers({
  db: { client: documentClient(new DynamoDBClient(localClientConfig(orders.endpoint))), tables: orders.tables },
  keyWrapper: createFileKeyWrapper(orders.wrappingKey),
  slackBaseUrl: orders.slackBaseUrl,
  microsoftLoginBaseUrl: nowhere,
  microsoftGraphBaseUrl: nowhere,
  publicUrl: nowhere,
  flowTtlSeconds: 300,
  log: { info: () => {}, warn: () => {}, error: () => {} },
  now: () => Date.now() + orders.skew,
});

const path = '/v1/channel-connections/{identifier}/token';
const event = {
  version: '2.0',
  routeKey: `POST ${path}`,
  rawPath: path,
  rawQueryString: '',
  pathParameters: { identifier: orders.identifier },
  headers: { authorization: `ApiKey ${orders.apiKey}` },
  isBase64Encoded: false,
  requestContext: { requestId: 'test', http: { method: 'POST', path } },
} as unknown as HttpEvent;

async function ask(): Promise<TokenAnswer> {
  const { statusCode, body = '{}' } = await handlers['channel-connections'](
    event,
    createContext('channel-connections'),
  );
  return { status: statusCode, accessToken: JSON.parse(body).data?.accessToken };
}

process.on('message', async ({ callers }: { callers: number }) => {
  process.send?.(await Promise.all(Array.from({ length: callers }, ask)));
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
