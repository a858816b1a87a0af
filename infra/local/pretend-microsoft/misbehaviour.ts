import { setTimeout as delay } from 'node:timers/promises';
import { jsonReply, type Reply, RulesInForce } from '../pretend-provider.ts';
import { EntraError, entraErrorBody, GraphError, graphErrorBody } from './errors.ts';

/** How a call goes wrong. Microsoft has done the work in `slow`, `drop_after` and `malformed`; nothing has happened in the others. */
export const misbehaviourKinds = {
  slow: 'answer after 10 seconds',
  http_503: 'answer with HTTP 503, Retry-After',
  http_500: 'answer with HTTP 500',
  rate_limited: 'answer with HTTP 429, Retry-After',
  drop_before: 'drop the connection',
  drop_after: 'do it, then drop the connection',
  malformed: 'answer with half of the JSON',
} as const;

export type MisbehaviourKind = keyof typeof misbehaviourKinds;

/** `consent` and `sign_in` are the pages, `metadata` the discovery documents. */
export type CallKind = 'consent' | 'sign_in' | 'token' | 'keys' | 'metadata' | 'graph';

/** What a rule can name: of the call itself, and of a token request. */
export interface CallDescription {
  readonly kind: CallKind;
  readonly grantType?: string;
  readonly clientId?: string;
}

export interface MisbehaviourRule {
  kind: MisbehaviourKind;
  /** @default every call */
  on?: CallKind;
  /** @default every grant type, and calls without */
  grantType?: string;
  /** @default every client, and calls without */
  clientId?: string;
  /** @default until cleared */
  times?: number;
  /** Of `slow`. @default 10000 */
  milliseconds?: number;
  /** Of `http_503` and `rate_limited`. @default 1 */
  retryAfterSeconds?: number;
}

export const misbehaviourRules = () =>
  new RulesInForce<MisbehaviourRule, CallDescription>(
    ({ on, grantType, clientId }, call) =>
      (on === undefined || on === call.kind) &&
      (grantType === undefined || grantType === call.grantType) &&
      (clientId === undefined || clientId === call.clientId),
  );

/** Undefined means: no answer, destroy the socket. */
export async function misbehave(
  { kind, milliseconds = 10_000, retryAfterSeconds = 1 }: MisbehaviourRule,
  call: CallDescription,
  act: () => Promise<Reply>,
  { now, signal }: { now: () => number; signal: AbortSignal },
): Promise<Reply | undefined> {
  const retryAfter = { 'retry-after': String(retryAfterSeconds) };
  const isGraph = call.kind === 'graph';
  switch (kind) {
    case 'slow': {
      const reply = await act();
      await delay(milliseconds, undefined, { signal });
      return reply;
    }
    case 'http_503': {
      const body = isGraph
        ? graphErrorBody(new GraphError(503, 'serviceNotAvailable', 'The service is unavailable.'), now())
        : entraErrorBody(new EntraError(90033, 'A transient error has occurred. Please try again.'), now());
      return jsonReply(body, 503, retryAfter);
    }
    case 'rate_limited': {
      const body = isGraph
        ? graphErrorBody(new GraphError(429, 'TooManyRequests', 'Too many requests.'), now())
        : entraErrorBody(new EntraError(90055, 'The server is busy handling other requests.'), now());
      return jsonReply(body, 429, retryAfter);
    }
    case 'http_500':
      return { status: 500, headers: { 'content-type': 'text/plain' }, body: 'Internal Server Error' };
    case 'drop_before':
      return undefined;
    case 'drop_after':
      await act();
      return undefined;
    case 'malformed': {
      const reply = await act();
      return { ...reply, body: reply.body.slice(0, reply.body.length / 2) };
    }
  }
}
