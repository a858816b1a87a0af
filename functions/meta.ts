import middy from '@middy/core';
import { ChatConnectError } from '../lib/errors.ts';
import { jsonErrors } from '../lib/http/json-errors.ts';
import { lambdaLog, onLambda } from '../lib/http/lambda.ts';
import type { HttpEvent, HttpHandler, HttpResult } from '../lib/http/types.ts';
import type { Log } from '../lib/log.ts';

/** Whether the service is up, and the answer to every address that is none. */
export function createHandler(deps: { readonly log: Log }): HttpHandler {
  const pipeline = middy<HttpEvent, HttpResult>()
    .use(jsonErrors(deps.log))
    .handler(async (event) => {
      if (event.routeKey === 'GET /health') return { statusCode: 200, body: JSON.stringify({ status: 'ok' }) };
      throw new ChatConnectError('not_found', `Cannot ${event.requestContext.http.method} ${event.rawPath}`);
    });
  return (event, context) => pipeline(event, context);
}

export const handler = onLambda(() => createHandler({ log: lambdaLog() }));
