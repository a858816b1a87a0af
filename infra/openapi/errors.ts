import { readFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { type ErrorCode, errorStatuses } from '../../lib/errors.ts';
import type { Operation } from './operation.ts';
import { described, named, time } from './schemas.ts';

export const errorCodes = Object.keys(errorStatuses) as ErrorCode[];

const errorCode = named('ErrorCode', z.enum(errorCodes), {
  description: 'What is wrong, for programs. It does not change.',
});

const shape = {
  statusCode: z.int().check(z.minimum(400), z.maximum(599)),
  timestamp: time,
  path: z.string(),
  message: z.string(),
  error: errorCode,
  reason: z.optional(z.string()),
};
const texts = {
  statusCode: 'The HTTP status.',
  timestamp: 'When it failed.',
  path: 'The path of the request, without its query.',
  message: 'What is wrong, for people. It may change.',
  error: 'What is wrong, for programs. It does not change.',
  reason: 'What `error` leaves open: the provider’s own code, or one of docs/errors.md.',
};

const plain = named('Error', described(z.object(shape), texts));
const fieldErrors = described(z.object({ messages: z.array(z.string()), value: z.optional(z.unknown()) }), {
  messages: 'Each names the field that it is about.',
  value: 'Always `No Value Recorded`: values are not repeated.',
});
const invalid = named(
  'ValidationError',
  described(z.object({ ...shape, errors: z.record(z.string(), fieldErrors) }), {
    ...texts,
    errors: 'What is wrong with the request, by field or under `general`.',
  }),
);
const internal = named(
  'InternalError',
  described(z.object({ ...shape, errorId: z.uuid() }), { ...texts, errorId: 'Finds the line in the log.' }),
);

/** The body of every failure with this status. */
export function errorSchemaOf(status: number): z.ZodMiniObject {
  return status === 422 ? invalid : status === 500 ? internal : plain;
}

/** Every code that a route can answer: its own, and those of its kind. */
export function errorsOf({
  permissions,
  query,
  body,
  idempotency,
  errors = [],
  raceErrors = [],
}: Operation): ErrorCode[] {
  if (permissions.length === 0) return [...errors, ...raceErrors];
  const possible = new Set<ErrorCode>([
    ...(['unauthorized', 'forbidden', 'internal_error', 'unavailable'] as const),
    ...(body ? (['malformed_json', 'body_too_large', 'unsupported_media_type'] as const) : []),
    ...(body || query ? (['validation_failed'] as const) : []),
    ...(idempotency ? (['idempotency_key_too_long', 'idempotency_key_reused'] as const) : []),
    ...(idempotency === 'once' ? (['idempotency_in_progress'] as const) : []),
    ...errors,
    ...raceErrors,
  ]);
  return errorCodes.filter((code) => possible.has(code));
}

/** Code to its explanation in docs/errors.md, which explains all of them. */
export function readExplanations(): ReadonlyMap<ErrorCode, string> {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const [, ofTheApi = ''] = page.split(/^## /m);
  const explained = new Map<string, string>();
  for (const [, codes = '', text = ''] of ofTheApi.matchAll(/^\| \d{3} \| (.+?) \| (.+) \|$/gm)) {
    for (const [, code = ''] of codes.matchAll(/`(\w+)`/g)) explained.set(code, text);
  }
  return new Map(
    errorCodes.map((code) => {
      const text = explained.get(code);
      if (text === undefined) throw new Error(`docs/errors.md does not explain ${code}`);
      return [code, text];
    }),
  );
}
