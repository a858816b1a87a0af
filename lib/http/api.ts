import middy from '@middy/core';
import * as z from 'zod/mini';
import type { Permission } from '../environment/api-key.ts';
import { type AuthenticateDeps, authenticate, type Caller, requirePermission } from '../environment/authenticate.ts';
import { ChatConnectError, validationError } from '../errors.ts';
import { type Answer, firstKept, type IdempotencyDeps, idempotent } from '../idempotency/idempotent.ts';
import type { Log } from '../log.ts';
import { echoIdempotencyKey, idempotencyKeyOf } from './idempotency-key.ts';
import { jsonBody } from './json-body.ts';
import { jsonErrors } from './json-errors.ts';
import type { HttpEvent, HttpHandler, HttpResult } from './types.ts';

export interface ApiCall {
  readonly caller: Caller;
  /** The parsed JSON body; undefined when there is none. */
  readonly body: unknown;
  readonly pathParameters: Record<string, string | undefined>;
  /** As sent: API Gateway joins repeated parameters by commas, which their values may hold too. */
  readonly rawQuery: URLSearchParams;
  readonly log: Log;
}

interface RouteOf<Given extends Answer> {
  /** The caller's key needs one of these. */
  readonly permissions: readonly Permission[];
  act(call: ApiCall): Promise<Given>;
}

/** What a POST or PATCH does with the header `idempotency-key`. */
export type ApiRoute =
  /** Runs once per key; its answer is kept for a day. */
  | (RouteOf<Answer> & { readonly idempotency?: undefined })
  /** May run again; the first answer is given to all as long as it is usable (epoch milliseconds). */
  | (RouteOf<Answer & { readonly usableUntil: number }> & { readonly idempotency: 'first answer' })
  | (RouteOf<Answer> & { readonly idempotency: 'ignored' });

export interface ApiDeps extends AuthenticateDeps {
  /** Left out where every route ignores the header. */
  readonly idempotency?: IdempotencyDeps;
  readonly log: Log;
}

/** The pipeline of every API route: error mapper, parse, authenticate, then the route that the event names. */
export function createApiHandler(deps: ApiDeps, routes: Record<string, ApiRoute>): HttpHandler {
  const pipeline = middy<HttpEvent, HttpResult>()
    .use(echoIdempotencyKey((routeKey) => routes[routeKey]?.idempotency !== 'ignored'))
    .use(jsonErrors(deps.log))
    .handler(async (event) => {
      const route = routes[event.routeKey];
      if (!route)
        throw new ChatConnectError('not_found', `Cannot ${event.requestContext.http.method} ${event.rawPath}`);
      const body = jsonBody(event);
      const caller = await authenticate(deps, event.headers['authorization']);
      requirePermission(caller, route.permissions);
      const call: ApiCall = {
        caller,
        body,
        pathParameters: event.pathParameters ?? {},
        rawQuery: new URLSearchParams(event.rawQueryString),
        log: requestLog(deps.log, event, caller),
      };
      const answer = await actOnce(deps.idempotency, event, call, route);
      return {
        statusCode: answer.statusCode,
        ...(answer.isReplay && { headers: { 'idempotency-replay': 'true' } }),
        ...(answer.body !== undefined && { body: JSON.stringify(answer.body) }),
      };
    });
  return (event, context) => pipeline(event, context);
}

async function actOnce(
  deps: IdempotencyDeps | undefined,
  event: HttpEvent,
  call: ApiCall,
  route: ApiRoute,
): Promise<Answer & { readonly isReplay?: boolean }> {
  const key = route.idempotency === 'ignored' ? undefined : idempotencyKeyOf(event);
  if (key === undefined) return route.act(call);
  if (!deps) throw new TypeError(`${event.routeKey} has nowhere to keep its answers`);
  const { caller, body, log } = call;
  const request = { caller, method: event.requestContext.http.method, path: event.rawPath, key, body, log };
  return route.idempotency === 'first answer'
    ? firstKept(deps, request, () => route.act(call))
    : idempotent(deps, request, () => route.act(call));
}

/** Every line of a request names it, its route and who calls. */
export function requestLog(log: Log, event: HttpEvent, caller?: Caller): Log {
  const own = {
    requestId: event.requestContext.requestId,
    route: event.routeKey,
    ...(caller && { environmentId: caller.environmentId, apiKeyId: caller.keyId }),
  };
  return {
    info: (message, fields) => log.info(message, { ...own, ...fields }),
    warn: (message, fields) => log.warn(message, { ...own, ...fields }),
    error: (message, fields) => log.error(message, { ...own, ...fields }),
  };
}

/**
 * Checks a value against its schema.
 * @throws ChatConnectError `validation_failed` that names every field that is wrong
 */
export function validated<Schema extends z.ZodMiniType>(
  schema: Schema,
  value: unknown,
  part: 'body' | 'query' = 'body',
): z.output<Schema> {
  if (part === 'body' && value === undefined) throw validationError(['body: a JSON body is required']);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw validationError(parsed.error.issues.map((issue) => `${issue.path.join('.') || part}: ${issue.message}`));
}

/** An id or name that a caller gives, and that stands in a path later. */
export const identifierSchema = z.string().check(
  z.minLength(1, 'must not be empty'),
  z.maxLength(1024, 'must have at most 1024 characters'),
  z.refine(isPlainText, 'must not contain control characters'),
  // API Gateway decodes a path twice, so a percent sign does not survive in one either.
  z.regex(/^[^/?%]*$/, 'must not contain /, ? or %'),
  // Clients resolve these away.
  z.regex(/^(?!\.{1,2}$)/, 'must not be . or ..'),
);

/** Free text of a caller's, such as a subscriber id. */
export const textSchema = z
  .string()
  .check(
    z.minLength(1, 'must not be empty'),
    z.maxLength(1024, 'must have at most 1024 characters'),
    z.refine(isPlainText, 'must not contain control characters'),
  );

function isPlainText(text: string): boolean {
  return !/\p{Cc}/u.test(text);
}
