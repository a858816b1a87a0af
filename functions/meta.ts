import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import middy from '@middy/core';
import { sha256Hex } from '../lib/crypto.ts';
import { ChatConnectError } from '../lib/errors.ts';
import { jsonErrors } from '../lib/http/json-errors.ts';
import { lambdaLog, onLambda } from '../lib/http/lambda.ts';
import type { HttpEvent, HttpHandler, HttpResult } from '../lib/http/types.ts';
import type { Log } from '../lib/log.ts';

export interface MetaDeps {
  readonly log: Log;
  /** The OpenAPI document as JSON text, always the same; asked for when somebody wants to read it. */
  readOpenApi(): string;
}

/** Whether the service is up, what its API is, and the answer to every address that is none. */
export function createHandler(deps: MetaDeps): HttpHandler {
  const pipeline = middy<HttpEvent, HttpResult>()
    .use(jsonErrors(deps.log))
    .handler(async (event) => {
      if (event.routeKey === 'GET /health') return { statusCode: 200, body: JSON.stringify({ status: 'ok' }) };
      if (event.routeKey === 'GET /openapi.json') return openApiAnswer(event, deps.readOpenApi());
      throw new ChatConnectError('not_found', `Cannot ${event.requestContext.http.method} ${event.rawPath}`);
    });
  return (event, context) => pipeline(event, context);
}

/** A cache may keep it, and asks each time whether it is still the same. */
function openApiAnswer(event: HttpEvent, document: string): HttpResult {
  const etag = `"${sha256Hex(document)}"`;
  const headers = { etag, 'cache-control': 'no-cache' };
  const isKnown = event.headers['if-none-match']?.includes(etag) ?? false;
  return isKnown ? { statusCode: 304, headers } : { statusCode: 200, headers, body: document };
}

export const handler = onLambda(() =>
  // The bundle is CommonJS, and the document stands beside it.
  createHandler({ log: lambdaLog(), readOpenApi: () => readFileSync(join(__dirname, 'openapi.json'), 'utf8') }),
);
