import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { HttpEvent } from '../../lib/http/types.ts';
import { hopByHopHeaders } from './hop-by-hop-headers.ts';
import type { MatchedRoute } from './match-route.ts';

/** API Gateway's limit for a payload of an HTTP API. */
const MAX_PAYLOAD_BYTES = 10 * 1024 * 1024;
/** An answer sent while the client still writes is often lost, so what is too large is read on, within reason. */
const MAX_DRAINED_BYTES = 10 * MAX_PAYLOAD_BYTES;

/** A request that API Gateway would hand on. */
export interface Received {
  readonly request: IncomingMessage;
  readonly method: string;
  readonly path: string;
  readonly rawQueryString: string;
  readonly query: Record<string, string> | undefined;
  readonly body: Buffer;
}

/** What API Gateway says itself, before any function. */
export interface Refusal {
  readonly statusCode: 400 | 413;
  readonly message: string;
}

/** Reads the request, as far as API Gateway would. */
export async function receive(request: IncomingMessage): Promise<Received | { refusal: Refusal }> {
  const body = await readBody(request);
  if (!body) return { refusal: { statusCode: 413, message: 'Request Entity Too Large' } };
  const target = request.url ?? '/';
  const mark = target.indexOf('?');
  const rawQueryString = mark === -1 ? '' : target.slice(mark + 1);
  try {
    return {
      request,
      method: request.method ?? 'GET',
      path: decodePath(mark === -1 ? target : target.slice(0, mark)),
      rawQueryString,
      query: parseQuery(rawQueryString),
      body,
    };
  } catch (error) {
    if (error instanceof URIError) return { refusal: { statusCode: 400, message: 'Bad Request' } };
    throw error;
  }
}

/**
 * An HTTP API matches and hands on the decoded path: an encoded slash separates segments like any other, and an
 * encoded question mark ends the path.
 */
function decodePath(encoded: string): string {
  if (!encoded.startsWith('/')) throw new URIError('a request target begins with a slash');
  const [path = '/'] = decodeURIComponent(encoded).split('?', 1);
  return path;
}

function parseQuery(rawQueryString: string): Record<string, string> | undefined {
  const values = new Map<string, string[]>();
  for (const pair of rawQueryString.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decodeQueryPart(equals === -1 ? pair : pair.slice(0, equals));
    const value = equals === -1 ? '' : decodeQueryPart(pair.slice(equals + 1));
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return values.size === 0 ? undefined : joined(values);
}

function decodeQueryPart(encoded: string): string {
  return decodeURIComponent(encoded.replaceAll('+', ' '));
}

/** Undefined when there is more than API Gateway takes. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= MAX_PAYLOAD_BYTES) chunks.push(chunk);
    else chunks.length = 0;
    if (bytes > MAX_DRAINED_BYTES) break;
  }
  return bytes > MAX_PAYLOAD_BYTES ? undefined : Buffer.concat(chunks);
}

/** The event that API Gateway makes of a request, payload format 2.0. */
export function toEvent(received: Received, route: MatchedRoute | undefined, publicUrl: string | undefined): HttpEvent {
  const { request, body } = received;
  const publicAddress = publicUrl === undefined ? undefined : new URL(publicUrl);
  const headers = readHeaders(request);
  const cookies = headers.get('cookie')?.flatMap(splitCookies);
  headers.delete('cookie');
  for (const name of hopByHopHeaders) headers.delete(name);
  if (body.length > 0) headers.set('content-length', [String(body.length)]);

  const sourceIp = request.socket.remoteAddress ?? '127.0.0.1';
  headers.set('x-forwarded-for', [...(headers.get('x-forwarded-for') ?? []), sourceIp]);
  headers.set('x-forwarded-proto', [publicAddress?.protocol.slice(0, -1) ?? 'http']);
  headers.set('x-forwarded-port', [publicAddress?.port || String(request.socket.localPort)]);

  const isText = isTextual(headers.get('content-type')?.join(','));
  const routeKey = route?.routeKey ?? '$default';
  const domainName = publicAddress?.hostname ?? 'localhost';
  const now = new Date();
  const hasParameters = route !== undefined && Object.keys(route.pathParameters).length > 0;
  return {
    version: '2.0',
    routeKey,
    rawPath: received.path,
    rawQueryString: received.rawQueryString,
    ...(cookies ? { cookies } : {}),
    headers: joined(headers),
    ...(received.query ? { queryStringParameters: received.query } : {}),
    requestContext: {
      accountId: '000000000000',
      apiId: 'local',
      domainName,
      domainPrefix: domainName.split('.', 1)[0] ?? domainName,
      http: {
        method: received.method,
        path: received.path,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp,
        userAgent: headers.get('user-agent')?.join(',') ?? '',
      },
      requestId: newRequestId(),
      routeKey,
      stage: '$default',
      time: commonLogTime(now),
      timeEpoch: now.getTime(),
    },
    ...(hasParameters ? { pathParameters: route.pathParameters } : {}),
    ...(body.length > 0 ? { body: body.toString(isText ? 'utf8' : 'base64') } : {}),
    isBase64Encoded: body.length > 0 && !isText,
  };
}

function readHeaders(request: IncomingMessage): Map<string, string[]> {
  const headers = new Map<string, string[]>();
  for (let index = 0; index + 1 < request.rawHeaders.length; index += 2) {
    const name = (request.rawHeaders[index] as string).toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), request.rawHeaders[index + 1] as string]);
  }
  return headers;
}

function splitCookies(header: string): string[] {
  return header
    .split(';')
    .map((cookie) => cookie.trim())
    .filter((cookie) => cookie !== '');
}

function joined(values: ReadonlyMap<string, readonly string[]>): Record<string, string> {
  return Object.fromEntries([...values].map(([name, list]) => [name, list.join(',')]));
}

const textualTypes = new Set([
  'application/ecmascript',
  'application/javascript',
  'application/json',
  'application/x-www-form-urlencoded',
  'application/xml',
]);

function isTextual(contentType: string | undefined): boolean {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return type.startsWith('text/') || textualTypes.has(type);
}

/** `10/Jul/2026:19:19:05 +0000` */
function commonLogTime(date: Date): string {
  const [, day, month, year, time] = date.toUTCString().split(' ');
  return `${day}/${month}/${year}:${time} +0000`;
}

/** Looks like API Gateway's. */
export function newRequestId(): string {
  return randomBytes(11).toString('base64');
}
