import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import * as sweep from '../../functions/sweep.ts';
import { localClientConfig } from '../../infra/local/embedded-dynamodb.ts';
import { createContext } from '../../infra/local/lambda-context.ts';
import { composeHandlers, withoutAws } from '../../infra/local/local-service.ts';
import type { HttpFunctionName } from '../../infra/routes.ts';
import type { HttpEvent, HttpResult } from '../../lib/http/types.ts';
import { documentClient } from '../../lib/store/aws-database.ts';
import type { TestService } from '../support/service.ts';

export interface Instance {
  /** The one way of all its functions to DynamoDB. */
  readonly client: DynamoDBDocumentClient;
  /** Calls a function without HTTP between. @throws Error when it answers with an error */
  call(name: HttpFunctionName, event: HttpEvent): Promise<HttpResult>;
  /** One run of the schedule. */
  sweep(): Promise<unknown>;
}

/** New instances of the functions beside those that the service has, over the same tables, with caches of their own. */
export function newInstance(service: TestService): Instance {
  const client = documentClient(new DynamoDBClient(localClientConfig(service.db.endpoint)));
  const parts = {
    db: { client, tables: service.db.tables },
    keyWrapper: service.keyWrapper,
    slackBaseUrl: service.slack.url,
    microsoftLoginBaseUrl: service.microsoft.url,
    microsoftGraphBaseUrl: service.microsoft.graphUrl,
    publicUrl: service.url,
    flowTtlSeconds: 300,
    log: service.log,
    now: service.now,
  };
  const handlers = composeHandlers(parts);
  return {
    client,
    sweep: sweep.createHandler(
      sweep.compose({ ...parts, awsAssertion: withoutAws(service.log), isFederated: () => true }),
    ),
    async call(name, event) {
      const result = await handlers[name](event, createContext(name));
      if ((result.statusCode ?? 200) < 300) return result;
      throw new Error(`${event.routeKey} answered ${result.statusCode}: ${result.body?.slice(0, 500)}`);
    },
  };
}
