import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { localClientConfig } from '../../../infra/local/embedded-dynamodb.ts';
import { createFileKeyWrapper } from '../../../infra/local/file-key-wrapper.ts';
import { createContext } from '../../../infra/local/lambda-context.ts';
import { composeHandlers } from '../../../infra/local/local-service.ts';
import type { HttpEvent } from '../../../lib/http/types.ts';
import { documentClient } from '../../../lib/store/aws-database.ts';
import type { TableNames } from '../../../lib/store/tables.ts';

/** Where the instance finds everything. */
export interface Orders {
  readonly endpoint: string;
  readonly tables: TableNames;
  readonly wrappingKey: string;
  readonly slackBaseUrl: string;
}

/** For the token of a connection called `mine`. */
export interface Question {
  readonly apiKey: string;
  readonly callers: number;
  /** How far the instance's clock is ahead of the machine's. */
  readonly skew: number;
}

export interface TokenAnswer {
  readonly status: number | undefined;
  /** Of an error: its reason, else its code. */
  readonly reason?: string;
  readonly accessToken?: string;
  /** ISO time. */
  readonly expiresAt?: string;
}

const orders = JSON.parse(process.env['ORDERS'] ?? '') as Orders;
const nowhere = 'http://localhost:1';
let skew = 0;
const handlers = composeHandlers({
  db: { client: documentClient(new DynamoDBClient(localClientConfig(orders.endpoint))), tables: orders.tables },
  keyWrapper: createFileKeyWrapper(orders.wrappingKey),
  slackBaseUrl: orders.slackBaseUrl,
  microsoftLoginBaseUrl: nowhere,
  microsoftGraphBaseUrl: nowhere,
  publicUrl: nowhere,
  flowTtlSeconds: 300,
  log: { info: () => {}, warn: () => {}, error: () => {} },
  now: () => Date.now() + skew,
});

const path = '/v1/channel-connections/{identifier}/token';

async function ask(apiKey: string): Promise<TokenAnswer> {
  const event = {
    version: '2.0',
    routeKey: `POST ${path}`,
    rawPath: path,
    rawQueryString: '',
    pathParameters: { identifier: 'mine' },
    headers: { authorization: `ApiKey ${apiKey}` },
    isBase64Encoded: false,
    requestContext: { requestId: 'test', http: { method: 'POST', path } },
  } as unknown as HttpEvent;
  const context = createContext('channel-connections');
  const { statusCode, body = '{}' } = await handlers['channel-connections'](event, context);
  const { data, reason, error } = JSON.parse(body);
  return { status: statusCode, reason: reason ?? error, accessToken: data?.accessToken, expiresAt: data?.expiresAt };
}

process.on('message', async (question: Question) => {
  skew = question.skew;
  const answers = Array.from({ length: question.callers }, () => ask(question.apiKey));
  process.send?.(await Promise.all(answers));
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
