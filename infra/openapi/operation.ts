import type * as z from 'zod/mini';
import type { Permission } from '../../lib/environment/api-key.ts';
import { type ErrorCode, errorStatuses } from '../../lib/errors.ts';

/** By route key, such as `GET /health`. */
export type Operations = Readonly<Record<string, Operation>>;

/** What the document says of a route. What every route of its kind answers, such as 401, is added to it. */
export interface Operation {
  /** Generated clients name their methods after it. */
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly deprecated?: boolean;
  /** The caller's key needs one of these. None at all: the route is public. */
  readonly permissions: readonly Permission[];
  /** Path parameter to what it means. */
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: z.ZodMiniObject;
  /** Request header to what it means. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: z.ZodMiniObject;
  /** Whether a request may come without. @default false */
  readonly isBodyOptional?: boolean;
  /** What an idempotency key does: run the request once, or give the first answer to all. None: nothing. */
  readonly idempotency?: 'once' | 'first answer';
  /** By status. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** The failures that are this route's own. Each has an example. */
  readonly errors?: readonly ErrorCode[];
  /**
   * The same, but it takes more than requests to bring them about: others at the right moment, a provider in trouble, or
   * its signature.
   */
  readonly raceErrors?: readonly ErrorCode[];
  readonly examples?: Readonly<Record<string, Example>>;
}

interface Answer {
  readonly description: string;
  /** Response header to what it means. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Schema of the JSON body, or `page` for HTML. None when there is no body. */
  readonly content?: z.ZodMiniType | 'page';
}

/** A request, and what it is answered but for times, ids and states. */
export interface Example {
  readonly summary: string;
  /** Examples that come before, each as `operationId.name`. Where one's answer is an OAuth URL, a person has approved there. */
  readonly after?: readonly string[];
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly answer: Success | Failure;
}

interface Success {
  readonly status: number;
  readonly body?: unknown;
}

interface Failure {
  readonly error: ErrorCode;
  readonly message: string;
  readonly reason?: string;
  readonly errors?: unknown;
}

/** The time at which all examples happen. */
export const exampleTime = '2026-01-15T09:30:00.000Z';

/** The whole answer of an example. */
export function answerOf(routeKey: string, { path = {}, answer }: Example): Success {
  if ('status' in answer) return answer;
  const { error, ...others } = answer;
  const status = errorStatuses[error];
  const [, template = ''] = routeKey.split(' ');
  const common = { statusCode: status, timestamp: exampleTime, path: fill(template, path) };
  return { status, body: { ...common, error, ...others } };
}

/** Puts values into a path template. */
export function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
}
