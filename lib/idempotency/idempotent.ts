import { hkdfSync } from 'node:crypto';
import * as z from 'zod/mini';
import { constantTimeEqual, hashOf, hmacSha256Hex, randomToken } from '../crypto.ts';
import type { Caller } from '../environment/authenticate.ts';
import { ChatConnectError } from '../errors.ts';
import { errorFields, type Log } from '../log.ts';
import type { IdempotencyRecord, IdempotencyStore, RecordPlace } from '../store/idempotency-store.ts';
import { openUnder, sealUnder } from '../vault/sealing.ts';

export interface IdempotencyDeps {
  readonly store: IdempotencyStore;
  now(): number;
}

/** One request under an idempotency key, which means something for its API key, method and path only. */
export interface IdempotentRequest {
  readonly caller: Caller;
  readonly method: string;
  readonly path: string;
  readonly key: string;
  readonly body: unknown;
  readonly log: Log;
}

export interface Answer {
  readonly statusCode: number;
  readonly body: unknown;
}

export interface GivenAnswer extends Answer {
  /** Whether an earlier request was given it. */
  readonly isReplay: boolean;
}

/** Longer than any function runs; a request that is not over by then has crashed. */
const leaseMilliseconds = 60_000;
const replayMilliseconds = 24 * 60 * 60_000;

/**
 * Runs `act` for one of the requests with the same key and gives its answer to the others. Failures are not kept: a
 * repeat tries again.
 * @throws ChatConnectError `idempotency_key_reused` for another body, `idempotency_in_progress` while the first one runs
 */
export async function idempotent<Given extends Answer>(
  deps: IdempotencyDeps,
  request: IdempotentRequest,
  act: () => Promise<Given>,
): Promise<GivenAnswer> {
  const place = placeOf(request);
  const bodyHash = bodyHashOf(request);
  const attempt = randomToken(16);
  const now = deps.now();
  const leaseUntil = now + leaseMilliseconds;
  const claimed = await deps.store.claim(place, { attempt, bodyHash, leaseUntil, usableUntil: leaseUntil }, now);
  if (!claimed) return replay(request, bodyHash, await deps.store.get(place));
  let answer: Given;
  try {
    answer = await act();
  } catch (error) {
    await unlessInTrouble(request, () => deps.store.release(place, attempt));
    throw error;
  }
  // What was done is done: trouble in keeping the answer must not hide it.
  await unlessInTrouble(request, async () => {
    const usableUntil = deps.now() + replayMilliseconds;
    await deps.store.finish(place, attempt, { answer: await seal(request, answer), usableUntil });
  });
  return { ...answer, isReplay: false };
}

/**
 * The same for answers that are worth nothing until somebody uses them: every request may make one, the first one kept is
 * given to all, for as long as it is of use. Nobody waits, and a request costs one write more.
 */
export async function firstKept<Given extends Answer & { readonly usableUntil: number }>(
  deps: IdempotencyDeps,
  request: IdempotentRequest,
  act: () => Promise<Given>,
): Promise<GivenAnswer> {
  const { usableUntil, ...answer } = await act();
  const place = placeOf(request);
  const bodyHash = bodyHashOf(request);
  const record = { attempt: randomToken(16), bodyHash, answer: await seal(request, answer), usableUntil };
  if (await deps.store.claim(place, record, deps.now())) return { ...answer, isReplay: false };
  return replay(request, bodyHash, await deps.store.get(place));
}

async function replay(
  request: IdempotentRequest,
  bodyHash: string,
  record: IdempotencyRecord | undefined,
): Promise<GivenAnswer> {
  if (record && !constantTimeEqual(record.bodyHash, bodyHash)) {
    throw new ChatConnectError(
      'idempotency_key_reused',
      `Request with key "${request.key}" is being reused for a different body`,
      { errors: {} },
    );
  }
  // A record that has just gone was of a request that failed: a repeat finds out.
  if (record?.answer === undefined) {
    throw new ChatConnectError(
      'idempotency_in_progress',
      `Request with key "${request.key}" is currently being processed. Please retry after 1 second`,
      { retryAfterSeconds: 1 },
    );
  }
  return { ...(await open(request, record.answer)), isReplay: true };
}

function placeOf({ caller, method, path, key }: IdempotentRequest): RecordPlace {
  return { environmentId: caller.environmentId, recordId: hashOf(caller.keyId, method, path, key) };
}

/** Keyed: a body can hold a token, and a row that tells guesses at it apart would tell too much. */
function bodyHashOf({ caller, body }: IdempotentRequest): string {
  return hmacSha256Hex(caller.presentedKey, `idempotent body ${JSON.stringify(body) ?? ''}`);
}

/**
 * Answers are sealed under a key that comes from the presented API key, which stands nowhere: neither the tables nor the
 * vault's key can open them, and a function needs no way into the vault to keep one.
 */
function keyOf({ caller }: IdempotentRequest): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', caller.presentedKey, caller.environmentId, 'idempotent answers', 32));
}

function seal(request: IdempotentRequest, { statusCode, body }: Answer): Promise<string> {
  return sealUnder(keyOf(request), JSON.stringify({ statusCode, body }), placeOf(request).recordId);
}

const answerSchema = z.object({ statusCode: z.number(), body: z.optional(z.unknown()) });

async function open(request: IdempotentRequest, sealed: string): Promise<Answer> {
  const { statusCode, body } = answerSchema.parse(
    JSON.parse(await openUnder(keyOf(request), sealed, placeOf(request).recordId)),
  );
  return { statusCode, body };
}

async function unlessInTrouble(request: IdempotentRequest, write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    request.log.warn('an idempotency record could not be written', errorFields(error));
  }
}
