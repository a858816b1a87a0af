import type middy from '@middy/core';
import { ChatConnectError } from '../errors.ts';
import type { HttpEvent, HttpResult } from './types.ts';

const maxLength = 255;

/**
 * The idempotency key of an event, for the methods that it means something for; an empty one is none.
 * @throws ChatConnectError `idempotency_key_too_long`
 */
export function idempotencyKeyOf(event: HttpEvent): string | undefined {
  const { method } = event.requestContext.http;
  const key = event.headers['idempotency-key'];
  if (!key || (method !== 'POST' && method !== 'PATCH')) return undefined;
  if (key.length > maxLength) {
    throw new ChatConnectError(
      'idempotency_key_too_long',
      `idempotencyKey "${key}" has exceeded the maximum allowed length of ${maxLength} characters`,
    );
  }
  return key;
}

/** Echoes the key on every answer of a route that honours it, but for callers who are not known. */
export function echoIdempotencyKey(
  isHonoured: (routeKey: string) => boolean,
): middy.MiddlewareObj<HttpEvent, HttpResult> {
  const echo = ({ event, response }: { event: HttpEvent; response: HttpResult | null | undefined }) => {
    const key = event.headers['idempotency-key'];
    const { method } = event.requestContext.http;
    if (!response || !key || key.length > maxLength || response.statusCode === 401) return;
    if (!isHonoured(event.routeKey) || (method !== 'POST' && method !== 'PATCH')) return;
    response.headers = { ...response.headers, 'idempotency-key': key };
  };
  return { after: echo, onError: echo };
}
