import * as z from 'zod/mini';
import { ChatConnectError } from '../../errors.ts';
import type { Ending } from '../../grant/end-grants.ts';

/** Slack's ids and names of events stand in keys and logs. */
const word = z.string().check(z.regex(/^[\w.:-]{1,100}$/));
const install = {
  team_id: z.nullish(word),
  enterprise_id: z.nullish(word),
  is_enterprise_install: z.nullish(z.boolean()),
} as const;

export const slackAuthorization = z.object(install);
export const slackInnerEvent = z.looseObject({ type: word });

/**
 * What Slack sends to an events URL, as far as this service reads it.
 * @see https://docs.slack.dev/apis/events-api
 */
export const slackEventBody = z.object({
  type: word,
  challenge: z.optional(z.string().check(z.maxLength(1_000))),
  event_id: z.optional(word),
  event_time: z.optional(z.int().check(z.minimum(0))),
  api_app_id: z.optional(word),
  ...install,
  authorizations: z.nullish(z.array(slackAuthorization)),
  event: z.optional(slackInnerEvent),
});

const verificationSchema = z.required(slackEventBody, { challenge: true });
const callbackSchema = z.required(slackEventBody, { event_id: true, event_time: true, api_app_id: true, event: true });
type Callback = z.infer<typeof callbackSchema>;

const words = z.nullish(z.array(word));
const tokensRevokedSchema = z.object({ tokens: z.object({ oauth: words, bot: words }) });
const teamAccessRevokedSchema = z.object({ team_ids: z.array(word) });
const uninstalledTeamSchema = z.object({ app_id: word, team_id: word });

export interface SlackEvent {
  readonly id: string;
  readonly type: string;
  /** Epoch seconds. */
  readonly time: number;
  readonly appId: string;
  /** What it says that Slack has ended; undefined: nothing. */
  readonly ending: Ending | undefined;
}

export type SlackRequest =
  | { readonly kind: 'verification'; readonly challenge: string }
  | { readonly kind: 'event'; readonly event: SlackEvent }
  /** Nothing that this service knows. */
  | { readonly kind: 'other' };

/** @throws ChatConnectError `event_invalid`, which names fields and no values */
export function readSlackRequest(body: unknown): SlackRequest {
  const { type } = parse(slackEventBody, body);
  if (type === 'url_verification')
    return { kind: 'verification', challenge: parse(verificationSchema, body).challenge };
  if (type !== 'event_callback') return { kind: 'other' };
  const callback = parse(callbackSchema, body);
  const { event_id: id, event_time: time, api_app_id: appId, event } = callback;
  return { kind: 'event', event: { id, type: event.type, time, appId, ending: endingOf(callback) } };
}

function endingOf(callback: Callback): Ending | undefined {
  const { event } = callback;
  switch (event.type) {
    case 'app_uninstalled':
      return { reason: 'app_uninstalled', accountIds: accountIdsOf(callback) };
    case 'tokens_revoked': {
      const { bot, oauth } = parse(tokensRevokedSchema, event).tokens;
      const holders = { bots: bot ?? [], people: oauth ?? [] };
      return { reason: 'token_revoked', accountIds: accountIdsOf(callback), holders };
    }
    case 'team_access_revoked':
      return { reason: 'team_access_revoked', accountIds: parse(teamAccessRevokedSchema, event).team_ids };
    case 'app_uninstalled_team': {
      // Organisations are told of other apps, too.
      const { app_id: appId, team_id: teamId } = parse(uninstalledTeamSchema, event);
      return appId === callback.api_app_id ? { reason: 'app_uninstalled', accountIds: [teamId] } : undefined;
    }
    default:
      return undefined;
  }
}

/** The account of the install that an event is about: the enterprise when that is org-wide, else the workspace. */
function accountIdsOf(callback: Callback): string[] {
  const { team_id: teamId, enterprise_id: enterpriseId, authorizations } = callback;
  const isOrgWide = authorizations?.[0]?.is_enterprise_install ?? callback.is_enterprise_install ?? false;
  const accountId = isOrgWide ? (enterpriseId ?? authorizations?.[0]?.enterprise_id) : (teamId ?? enterpriseId);
  return accountId == null ? [] : [accountId];
}

function parse<Schema extends z.ZodMiniType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) => issue.path.join('.') || 'body');
  throw new ChatConnectError('event_invalid', `Not an event of Slack's: ${[...new Set(fields)].join(', ')}.`);
}
