import { randomUUID } from 'node:crypto';
import type middy from '@middy/core';
import { ChatConnectError } from '../errors.ts';
import { errorFields, type Log } from '../log.ts';
import { VaultError } from '../vault/vault-error.ts';
import type { HttpEvent, HttpResult } from './types.ts';

const contentType = { 'content-type': 'application/json; charset=utf-8' } as const;
const commonHeaders = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const;

/** Gives every answer its headers, and every failure the body that the contract's clients parse. */
export function jsonErrors(log: Log): middy.MiddlewareObj<HttpEvent, HttpResult> {
  return {
    after: function jsonErrorsAfter({ event, response }) {
      if (!response) return;
      response.headers = {
        // A 204 has no body that could be of a type.
        ...(response.body !== undefined && contentType),
        ...commonHeaders,
        'x-request-id': event.requestContext.requestId,
        ...response.headers,
      };
    },
    onError: function jsonErrorsOnError(request) {
      const { event } = request;
      const error = isPassing(request.error) ? unavailable(log, event, request.error) : request.error;
      request.response = {
        ...failureOf(log, event, error),
        headers: {
          ...contentType,
          ...commonHeaders,
          'x-request-id': event.requestContext.requestId,
          ...retryAfterOf(error),
        },
      };
    },
  };
}

function unavailable(log: Log, event: HttpEvent, cause: unknown): ChatConnectError {
  log.error('a service of AWS is in trouble', {
    requestId: event.requestContext.requestId,
    route: event.routeKey,
    ...errorFields(cause),
  });
  return new ChatConnectError('unavailable', 'The service cannot answer right now. Please try again.', {
    cause,
    retryAfterSeconds: 1,
  });
}

/** Trouble of AWS that passes: the caller had better try again. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof VaultError) return error.code === 'key_unavailable';
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  return passingErrors.has(error.name) || (status !== undefined && status >= 500);
}

const passingErrors = new Set([
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'ThrottlingException',
  'TimeoutError',
  'NetworkingError',
]);

function failureOf(log: Log, event: HttpEvent, error: unknown): { statusCode: number; body: string } {
  const line = { requestId: event.requestContext.requestId, route: event.routeKey };
  if (error instanceof ChatConnectError) {
    log.info('request refused', { ...line, statusCode: error.status, code: error.code });
    const { message, code, reason, errors } = error;
    return bodyOf(event, error.status, { message, error: code, reason, errors });
  }
  const errorId = randomUUID();
  log.error('request failed', { ...line, errorId, ...errorFields(error) });
  return bodyOf(event, 500, {
    message: 'Internal server error, contact support and provide them with the errorId',
    error: 'internal_error',
    errorId,
  });
}

function bodyOf(event: HttpEvent, statusCode: number, fields: Record<string, unknown>) {
  // The query is left out: it can hold codes and states.
  const common = { statusCode, timestamp: new Date().toISOString(), path: event.rawPath };
  return { statusCode, body: JSON.stringify({ ...common, ...fields }) };
}

function retryAfterOf(error: unknown): Record<string, string> {
  const seconds = error instanceof ChatConnectError ? error.retryAfterSeconds : undefined;
  return seconds === undefined ? {} : { 'retry-after': String(seconds) };
}
