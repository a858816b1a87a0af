import * as z from 'zod/mini';
import type { Account, Token } from '../../grant/grant.ts';

/** Longer texts than Slack gives would not fit into a row. */
const text = z.string().check(z.maxLength(4_096));
const named = z.object({ id: text.check(z.minLength(1)), name: z.nullish(text) });
const tenYearsInSeconds = 10 * 365 * 24 * 60 * 60;
const lifetime = z.nullish(z.int().check(z.minimum(0), z.maximum(tenYearsInSeconds)));

/**
 * A successful answer of `oauth.v2.access`, as far as this service relies on it.
 * @see https://docs.slack.dev/reference/methods/oauth.v2.access
 */
const accessAnswerSchema = z.looseObject({
  ok: z.literal(true),
  app_id: text,
  access_token: z.nullish(text),
  scope: z.nullish(z.string().check(z.maxLength(20_000))),
  bot_user_id: z.nullish(text),
  refresh_token: z.nullish(text),
  expires_in: lifetime,
  team: z.nullish(named),
  enterprise: z.nullish(named),
  is_enterprise_install: z.nullish(z.boolean()),
  authed_user: z.nullish(
    z.looseObject({
      id: z.nullish(text),
      access_token: z.nullish(text),
      scope: z.nullish(z.string().check(z.maxLength(20_000))),
      refresh_token: z.nullish(text),
      expires_in: lifetime,
    }),
  ),
  incoming_webhook: z.nullish(z.looseObject({ url: text, channel: z.nullish(text), channel_id: z.nullish(text) })),
});

export type SlackAccessAnswer = z.infer<typeof accessAnswerSchema>;

/**
 * A successful answer of `openid.connect.token`. Its id_token is looked for once the answer is sealed.
 * @see https://docs.slack.dev/reference/methods/openid.connect.token
 */
const signInAnswerSchema = z.looseObject({ ok: z.literal(true) });

export type SlackAnswer<Answer = SlackAccessAnswer> =
  | { readonly kind: 'granted'; readonly answer: Answer }
  /** Slack understood and said no: `error` is its code. */
  | { readonly kind: 'refused'; readonly error: string }
  /** Not an answer of Slack's: whether the code was spent is unknown. */
  | { readonly kind: 'unreadable' };

/** Sorts what `oauth.v2.access` gave. An answer for neither a workspace nor an enterprise is not one of Slack's. */
export function readAccessAnswer(status: number, body: string): SlackAnswer {
  const read = readAnswer(status, body, accessAnswerSchema);
  if (read.kind !== 'granted') return read;
  const account = read.answer.is_enterprise_install ? read.answer.enterprise : read.answer.team;
  return account ? read : { kind: 'unreadable' };
}

/** Sorts what `openid.connect.token` gave. */
export function readSignInAnswer(status: number, body: string): SlackAnswer<{ ok: true }> {
  return readAnswer(status, body, signInAnswerSchema);
}

/** Sorts what a method gave. @param schema of a success, which says `ok: true` */
export function readAnswer<Answer>(status: number, body: string, schema: z.ZodMiniType<Answer>): SlackAnswer<Answer> {
  if (status !== 200) return { kind: 'unreadable' };
  const answer = parseJson(body);
  const refusal = z.looseObject({ ok: z.literal(false), error: z.string() }).safeParse(answer);
  if (refusal.success) return { kind: 'refused', error: plainCode(refusal.data.error) };
  const granted = schema.safeParse(answer);
  return granted.success ? { kind: 'granted', answer: granted.data } : { kind: 'unreadable' };
}

/**
 * An answer as the library is to read it: it takes null for a value, and a missing `authed_user` for an object.
 * Lifetimes count from the exchange and the library adds them to the present, so a resumed answer has them shortened.
 */
export function answerForLibrary(body: string, elapsedMilliseconds = 0): string {
  const elapsed = Math.ceil(elapsedMilliseconds / 1000);
  const aged = (part: unknown): unknown =>
    isRecord(part) && typeof part['expires_in'] === 'number'
      ? { ...part, expires_in: Math.max(0, part['expires_in'] - elapsed) }
      : part;
  const answer = withoutNulls(JSON.parse(body)) as Record<string, unknown>;
  const team = answer['team'] ?? null;
  return JSON.stringify({ ...(aged(answer) as object), team, authed_user: aged(answer['authed_user'] ?? {}) });
}

/** Leaves out what is null, at any depth. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isRecord(value)) return value;
  const kept = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(kept.map(([key, member]) => [key, withoutNulls(member)]));
}

/** The tokens of an answer: that of the person who approved, and the bot's, as far as there are such. */
export function grantsOf(answer: SlackAccessAnswer): { account: Account; userId?: string; token: Token }[] {
  const { team, enterprise, is_enterprise_install: isOrgWide, authed_user: user } = answer;
  const named = isOrgWide ? enterprise : team;
  if (!named) return [];
  const { id, name } = named;
  const account: Account = { id, name: name ?? undefined, kind: isOrgWide ? 'enterprise' : 'workspace' };
  const person = user?.id && user.access_token ? [{ account, userId: user.id, token: tokenIn(user) }] : [];
  return answer.access_token ? [...person, { account, token: tokenIn(answer) }] : person;
}

function tokenIn(part: Pick<SlackAccessAnswer, 'access_token' | 'refresh_token'>): Token {
  return { accessToken: part.access_token ?? '', refreshToken: part.refresh_token ?? undefined };
}

/** What Slack says of itself, or of a workspace that it moves, and not of what it was asked; the rest is a refusal. */
export function isTransient(error: string): boolean {
  return transientErrors.has(error);
}

const transientErrors = new Set([
  'ratelimited',
  'internal_error',
  'fatal_error',
  'service_unavailable',
  'request_timeout',
  'team_added_to_org',
  'org_login_required',
]);

/** Slack's codes are words; anything else is not repeated in logs, pages or URLs. */
export function plainCode(code: string): string {
  return /^[a-z0-9_]{1,64}$/.test(code) ? code : 'unknown_error';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @returns undefined for what is not JSON */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
