import type { ServerResponse } from 'node:http';
import type { HttpResult } from '../../lib/http/types.ts';
import { hopByHopHeaders } from './hop-by-hop-headers.ts';

export interface Outgoing {
  readonly statusCode: number;
  readonly headers: ReadonlyMap<string, string | string[]>;
  readonly body: Buffer;
}

/** All that a caller learns of a function that failed. */
export const internalServerError = jsonAnswer(500, { message: 'Internal Server Error' });

export function jsonAnswer(statusCode: number, value: unknown): Outgoing {
  return {
    statusCode,
    headers: new Map([['content-type', 'application/json']]),
    body: Buffer.from(JSON.stringify(value) ?? 'null'),
  };
}

/** Reads a function's result as API Gateway does. */
export function toOutgoing(returned: HttpResult): Outgoing {
  // Lambda hands results on as JSON, so what JSON drops never reaches API Gateway.
  const result = JSON.parse(JSON.stringify(returned) ?? 'null') as HttpResult | null;
  if (typeof result !== 'object' || result === null || result.statusCode === undefined) return jsonAnswer(200, result);

  const { statusCode } = result;
  if (!Number.isInteger(statusCode) || statusCode < 200 || statusCode > 599) return internalServerError;
  const headers = new Map<string, string | string[]>();
  for (const [name, value] of Object.entries(result.headers ?? {})) headers.set(name.toLowerCase(), String(value));
  const cookies = [headers.get('set-cookie') ?? [], result.cookies ?? []].flat();
  if (cookies.length > 0) headers.set('set-cookie', cookies);
  if (result.body && !headers.has('content-type')) headers.set('content-type', 'text/plain;charset=UTF-8');
  return { statusCode, headers, body: Buffer.from(result.body ?? '', result.isBase64Encoded ? 'base64' : 'utf8') };
}

/** Sends the answer, or a bare 500 where HTTP does not allow it; gives the status back. */
export function send(response: ServerResponse, outgoing: Outgoing, requestId: string): number {
  try {
    for (const [name, value] of outgoing.headers) {
      if (!hopByHopHeaders.has(name) && name !== 'content-length') response.setHeader(name, value);
    }
  } catch {
    // A header that HTTP does not allow.
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    return send(response, internalServerError, requestId);
  }
  response.statusCode = outgoing.statusCode;
  response.setHeader('apigw-requestid', requestId);
  const hasBody = outgoing.statusCode !== 204 && outgoing.statusCode !== 304;
  if (hasBody) response.setHeader('content-length', outgoing.body.length);
  response.end(hasBody ? outgoing.body : undefined);
  return outgoing.statusCode;
}
