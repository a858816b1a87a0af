import * as z from 'zod/mini';

const named = z.object({ id: z.string().check(z.minLength(1)), name: z.nullish(z.string()) });

/**
 * A successful answer of `oauth.v2.access`, as far as this service relies on it.
 * @see https://docs.slack.dev/reference/methods/oauth.v2.access
 */
const accessAnswerSchema = z.looseObject({
  ok: z.literal(true),
  app_id: z.string(),
  access_token: z.nullish(z.string()),
  scope: z.nullish(z.string()),
  bot_user_id: z.nullish(z.string()),
  refresh_token: z.nullish(z.string()),
  expires_in: z.nullish(z.number()),
  team: z.nullish(named),
  enterprise: z.nullish(named),
  is_enterprise_install: z.nullish(z.boolean()),
  authed_user: z.nullish(
    z.looseObject({
      id: z.nullish(z.string()),
      access_token: z.nullish(z.string()),
      expires_in: z.nullish(z.number()),
    }),
  ),
  incoming_webhook: z.nullish(z.looseObject({ url: z.string(), channel: z.nullish(z.string()) })),
});

export type SlackAccessAnswer = z.infer<typeof accessAnswerSchema>;

export type SlackAnswer =
  | { readonly kind: 'granted'; readonly answer: SlackAccessAnswer }
  /** Slack understood and said no: `error` is its code. */
  | { readonly kind: 'refused'; readonly error: string }
  /** Not an answer of Slack's: whether the code was spent is unknown. */
  | { readonly kind: 'unreadable' };

/** Sorts what `oauth.v2.access` gave. An answer for neither a workspace nor an enterprise is not one of Slack's. */
export function readAccessAnswer(status: number, body: string): SlackAnswer {
  if (status !== 200) return { kind: 'unreadable' };
  const answer = parseJson(body);
  const refusal = z.looseObject({ ok: z.literal(false), error: z.string() }).safeParse(answer);
  if (refusal.success) return { kind: 'refused', error: plainCode(refusal.data.error) };
  const granted = accessAnswerSchema.safeParse(answer);
  if (!granted.success) return { kind: 'unreadable' };
  const account = granted.data.is_enterprise_install ? granted.data.enterprise : granted.data.team;
  return account ? { kind: 'granted', answer: granted.data } : { kind: 'unreadable' };
}

/**
 * A sealed answer as it would read now: lifetimes count from the exchange, and the library adds them to the present.
 */
export function agedAnswer(body: string, elapsedMilliseconds: number): string {
  const elapsed = Math.ceil(elapsedMilliseconds / 1000);
  const aged = (part: unknown): unknown =>
    isRecord(part) && typeof part['expires_in'] === 'number'
      ? { ...part, expires_in: Math.max(0, part['expires_in'] - elapsed) }
      : part;
  const answer = aged(JSON.parse(body));
  return JSON.stringify(isRecord(answer) ? { ...answer, authed_user: aged(answer['authed_user']) } : answer);
}

/** Slack's codes are words; anything else is not repeated in logs, pages or URLs. */
export function plainCode(code: string): string {
  return /^[a-z0-9_]{1,64}$/.test(code) ? code : 'unknown_error';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
