import { randomUUID } from 'node:crypto';
import type { HttpEvent } from '../../lib/http/types.ts';

/** A request as API Gateway hands it on, payload format 2.0. */
export function eventOf(
  routeKey: string,
  given: {
    readonly apiKey?: string;
    readonly idempotencyKey?: string;
    readonly body?: unknown;
    readonly query?: string;
    readonly pathParameters?: Record<string, string>;
  } = {},
): HttpEvent {
  const [method = '', template = ''] = routeKey.split(' ');
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => given.pathParameters?.[name] ?? '');
  const body = given.body === undefined ? undefined : JSON.stringify(given.body);
  const now = new Date();
  return {
    version: '2.0',
    routeKey,
    rawPath: path,
    rawQueryString: given.query ?? '',
    headers: {
      accept: '*/*',
      'accept-encoding': 'gzip, br',
      host: 'connect.example.com',
      'user-agent': 'bench',
      'x-amzn-trace-id': 'Root=1-6a000000-000000000000000000000000',
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-port': '443',
      'x-forwarded-proto': 'https',
      ...(given.apiKey === undefined ? {} : { authorization: `ApiKey ${given.apiKey}` }),
      ...(given.idempotencyKey === undefined ? {} : { 'idempotency-key': given.idempotencyKey }),
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
    },
    ...(given.query ? { queryStringParameters: Object.fromEntries(new URLSearchParams(given.query)) } : {}),
    ...(given.pathParameters ? { pathParameters: given.pathParameters } : {}),
    ...(body === undefined ? {} : { body }),
    requestContext: {
      accountId: '000000000000',
      apiId: 'bench',
      domainName: 'connect.example.com',
      domainPrefix: 'connect',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'bench' },
      requestId: randomUUID(),
      routeKey,
      stage: '$default',
      time: now.toUTCString(),
      timeEpoch: now.getTime(),
    },
    isBase64Encoded: false,
  };
}
