import { setTimeout as delay } from 'node:timers/promises';
import { jsonReply, type Reply, RulesInForce } from '../pretend-provider.ts';

/**
 * How a call goes wrong. Slack has done the work, so the code is spent or the token rotated, in `slow`, `drop_after`,
 * `malformed` and `huge`; nothing has happened in the others.
 */
export const misbehaviourKinds = {
  slow: 'answer after 10 seconds',
  http_500: 'answer with HTTP 500',
  rate_limited: 'answer with HTTP 429, Retry-After',
  drop_after: 'do it, then drop the connection',
  drop_before: 'drop the connection',
  malformed: 'answer with half of the JSON',
  huge: 'answer with 10 MB',
  ok_false: 'answer with an error of Slack',
  html: 'answer with an HTML page',
} as const;

export type MisbehaviourKind = keyof typeof misbehaviourKinds;

export interface Misbehaviour {
  kind: MisbehaviourKind;
  /** Of `slow`. @default 10000 */
  milliseconds?: number;
  /** Of `rate_limited`. @default 1 */
  retryAfterSeconds?: number;
  /** Of `ok_false`. @default internal_error */
  error?: string;
}

export interface MisbehaviourRule extends Misbehaviour {
  /** An API method such as `oauth.v2.access`. @default every method */
  method?: string;
  /** @default until cleared */
  times?: number;
}

export const misbehaviourRules = () =>
  new RulesInForce<MisbehaviourRule, string>(({ method }, called) => method === undefined || method === called);

/** Undefined means: no answer, destroy the socket. */
export async function misbehave(
  { kind, milliseconds = 10_000, retryAfterSeconds = 1, error = 'internal_error' }: Misbehaviour,
  act: () => Record<string, unknown>,
  signal: AbortSignal,
): Promise<Reply | undefined> {
  switch (kind) {
    case 'slow': {
      const answer = act();
      await delay(milliseconds, undefined, { signal });
      return jsonReply(answer);
    }
    case 'http_500':
      return { status: 500, headers: { 'content-type': 'text/plain' }, body: 'Internal Server Error' };
    case 'rate_limited':
      return jsonReply({ ok: false, error: 'ratelimited' }, 429, { 'retry-after': String(retryAfterSeconds) });
    case 'drop_after':
      act();
      return undefined;
    case 'drop_before':
      return undefined;
    case 'malformed': {
      const reply = jsonReply(act());
      return { ...reply, body: reply.body.slice(0, reply.body.length / 2) };
    }
    case 'huge':
      return jsonReply({ ...act(), padding: 'x'.repeat(10 * 1024 * 1024) });
    case 'ok_false':
      return jsonReply({ ok: false, error });
    case 'html':
      return {
        status: 200,
        headers: { 'content-type': 'text/html' },
        body: '<!doctype html><title>Maintenance</title>',
      };
  }
}
