import * as z from 'zod/mini';
import {
  type Channel,
  type ChannelPage,
  type ChannelRequest,
  callMilliseconds,
  channelsUnavailable,
  isPassing,
  nameMatcher,
  noChannels,
  rateLimited,
  readPosition,
} from '../../endpoint/channel.ts';
import { ChatConnectError, validationError } from '../../errors.ts';
import { reauthorization } from '../../grant/refresh-errors.ts';
import { isTransient, readAnswer, type SlackAnswer } from './slack-answer.ts';
import { callSlack, type Fetch, SlackCallError, type SlackResponse } from './slack-http.ts';

export interface SlackChannelsDeps {
  readonly slackBaseUrl: string;
  readonly fetch: Fetch;
}

export interface SlackChannelRequest extends ChannelRequest {
  /** The workspace; an org-wide token has to name one. */
  readonly teamId: string | undefined;
}

/** Asked for apart, because Slack refuses what is asked for together when one scope is missing. */
const listings = {
  public: { method: 'conversations.list', type: 'public_channel', scope: 'channels:read' },
  private: { method: 'users.conversations', type: 'private_channel', scope: 'groups:read' },
} as const;
type Kind = keyof typeof listings;

const placeSchema = z.tuple([z.enum(['public', 'private']), z.string(), z.int().check(z.minimum(0))]);
/** Whose next page, by Slack's cursor, and how much of it was read before. */
type Place = z.infer<typeof placeSchema>;

/** Slack recommends no more. Archived channels count, although they are left out, so pages come shorter. */
const pageSize = 200;
/** Slack allows as few as 20 calls a minute for all who use the app in a workspace. */
const maxCalls = 5;

const channelSchema = z.looseObject({
  id: z.string().check(z.regex(/^[A-Z0-9]{1,64}$/)),
  name: z.nullish(z.string()),
  is_private: z.nullish(z.boolean()),
  is_archived: z.nullish(z.boolean()),
  is_im: z.nullish(z.boolean()),
  is_mpim: z.nullish(z.boolean()),
});
type SlackChannel = z.infer<typeof channelSchema>;

const pageSchema = z.looseObject({
  ok: z.literal(true),
  channels: z.array(channelSchema),
  response_metadata: z.nullish(z.looseObject({ next_cursor: z.nullish(z.string().check(z.maxLength(900))) })),
});
const oneSchema = z.looseObject({ ok: z.literal(true), channel: channelSchema });

/** Without a person there is nobody whose private channels could be listed. */
const kindsOf = ({ personId }: ChannelRequest): readonly Kind[] =>
  personId === undefined ? ['public'] : ['public', 'private'];

/**
 * The channels of a workspace that a message can go to: its public ones, and the private ones that both the person and
 * the bot are in, as far as the scopes reach.
 * @throws ChatConnectError `missing_scope` when none of them does, `reauthorization_required`, `rate_limited`,
 *   `channels_unavailable`, `validation_failed` for a workspace that an org-wide token is not for, or a cursor too old
 */
export async function listSlackChannels(deps: SlackChannelsDeps, request: SlackChannelRequest): Promise<ChannelPage> {
  const channelId = channelIdIn(request.query);
  if (channelId !== undefined) return findChannel(deps, request, channelId);
  const kinds = kindsOf(request);
  const isNamed = nameMatcher(request.query);
  const { lacking, ...page } = await collect(deps, request, kinds, ({ name }) => isNamed(name));
  if (lacking.length === kinds.length) throw missingScope(kinds);
  return page;
}

async function findChannel(
  deps: SlackChannelsDeps,
  request: SlackChannelRequest,
  channelId: string,
): Promise<ChannelPage> {
  const shown = await call(deps, request, 'conversations.info', { channel: channelId }, oneSchema);
  if (shown.kind === 'refused' && shown.error === 'channel_not_found') return noChannels;
  if (shown.kind === 'refused' && shown.error !== 'missing_scope') throw refusalOf(shown.error, request);
  const channel = shown.kind === 'granted' ? shown.answer.channel : undefined;
  if (channel?.is_private === false) {
    if (!mayHave(request, 'public')) throw missingScope(['public']);
    return { channels: rowOf('public', channel), position: undefined };
  }
  const found =
    request.personId === undefined
      ? undefined
      : await collect(deps, { ...request, limit: 1, position: undefined }, ['private'], ({ id }) => id === channelId);
  if (!channel && (!found || found.lacking.length > 0)) throw missingScope(kindsOf(request));
  return { channels: found?.channels ?? [], position: undefined };
}

/** Reads pages until there are enough rows, or enough calls. @returns also the kinds whose scope is missing */
async function collect(
  deps: SlackChannelsDeps,
  request: SlackChannelRequest,
  kinds: readonly Kind[],
  isWanted: (channel: Channel) => boolean,
): Promise<ChannelPage & { lacking: readonly Kind[] }> {
  const channels: Channel[] = [];
  const lacking: Kind[] = [];
  let place = placeOf(request.position, kinds);
  for (let calls = 0; place && channels.length < request.limit && calls < maxCalls; calls += 1) {
    const [kind, cursor, skipped]: Place = place;
    let page: SlackPage | 'lacking';
    try {
      page = await readPage(deps, request, kind, cursor);
    } catch (error) {
      // What was read before is worth an answer; the trouble is for whoever goes on.
      if (calls > lacking.length && isPassing(error)) break;
      throw error;
    }
    if (page === 'lacking') lacking.push(kind);
    const { rows, next } = page === 'lacking' ? noRows : page;
    let read = skipped;
    for (; read < rows.length && channels.length < request.limit; read += 1) {
      channels.push(...rowOf(kind, rows[read]).filter(isWanted));
    }
    const nextKind = kinds[kinds.indexOf(kind) + 1];
    if (read < rows.length) place = [kind, cursor, read];
    else if (next) place = [kind, next, 0];
    else place = nextKind && [nextKind, '', 0];
  }
  return { channels, lacking, position: place && JSON.stringify(place) };
}

function placeOf(position: string | undefined, kinds: readonly Kind[]): Place | undefined {
  if (position === undefined) return kinds[0] && [kinds[0], '', 0];
  const place = readPosition(position, placeSchema);
  return place && kinds.includes(place[0]) ? place : undefined;
}

interface SlackPage {
  readonly rows: readonly SlackChannel[];
  /** Slack's cursor; empty at the end. */
  readonly next: string;
}
const noRows: SlackPage = { rows: [], next: '' };

async function readPage(
  deps: SlackChannelsDeps,
  request: SlackChannelRequest,
  kind: Kind,
  cursor: string,
): Promise<SlackPage | 'lacking'> {
  if (!mayHave(request, kind)) return 'lacking';
  const { method, type } = listings[kind];
  const read = await call(
    deps,
    request,
    method,
    {
      types: type,
      exclude_archived: 'true',
      limit: String(pageSize),
      cursor,
      user: kind === 'private' ? request.personId : undefined,
      team_id: request.teamId,
    },
    pageSchema,
  );
  if (read.kind === 'granted') {
    return { rows: read.answer.channels, next: read.answer.response_metadata?.next_cursor ?? '' };
  }
  if (read.error === 'missing_scope') return 'lacking';
  // The person has left the workspace.
  if (read.error === 'user_not_found') return noRows;
  throw refusalOf(read.error, request);
}

/** What others approved for the same workspace, and the same token, is not this connection's. */
function mayHave({ scopes }: ChannelRequest, kind: Kind): boolean {
  return scopes.length === 0 || scopes.includes(listings[kind].scope);
}

/** None for what is of another kind than was asked for, or nothing that a message can go to. */
function rowOf(kind: Kind, channel: SlackChannel | undefined): Channel[] {
  if (!channel?.name || channel.is_archived || channel.is_im || channel.is_mpim) return [];
  if ((channel.is_private === false) !== (kind === 'public')) return [];
  return [{ id: channel.id, name: channel.name, type: listings[kind].type }];
}

/** One call, one try. @throws ChatConnectError without an answer of Slack's */
async function call<Answer>(
  deps: SlackChannelsDeps,
  request: SlackChannelRequest,
  method: string,
  parameters: Readonly<Record<string, string | undefined>>,
  schema: z.ZodMiniType<Answer>,
): Promise<Exclude<SlackAnswer<Answer>, { kind: 'unreadable' }>> {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => Boolean(entry[1]));
  const init = {
    method: 'POST',
    headers: { authorization: `Bearer ${request.accessToken}` },
    body: new URLSearchParams(given),
  };
  const { status, headers, body } = await send(deps, `${deps.slackBaseUrl}/api/${method}`, init, request);
  if (status === 429) {
    const retryAfter = headers.get('retry-after') ?? '';
    throw rateLimited(/^\d{1,9}$/.test(retryAfter) ? Number(retryAfter) : undefined);
  }
  const answer = readAnswer(status, body, schema);
  if (answer.kind === 'unreadable') throw channelsUnavailable('unreadable_answer', 1);
  return answer;
}

async function send(
  { fetch }: SlackChannelsDeps,
  url: string,
  init: RequestInit,
  request: ChannelRequest,
): Promise<SlackResponse> {
  try {
    return await callSlack(fetch, url, init, callMilliseconds(request));
  } catch (error) {
    if (error instanceof SlackCallError) throw channelsUnavailable('no_answer', 1);
    throw error;
  }
}

const deadToken = new Set(['invalid_auth', 'not_authed', 'account_inactive', 'token_revoked', 'token_expired']);

function refusalOf(error: string, { teamId }: SlackChannelRequest): ChatConnectError {
  if (error === 'ratelimited') return rateLimited();
  if (isTransient(error)) return channelsUnavailable(error, 1);
  if (deadToken.has(error)) return reauthorization(error);
  if (error === 'invalid_cursor') return validationError(['cursor: Slack does not know it any more, so begin again']);
  if (error === 'team_access_not_granted' && teamId !== undefined) {
    return validationError(['teamId: the connection is not for this workspace']);
  }
  return channelsUnavailable(error);
}

function missingScope(kinds: readonly Kind[]): ChatConnectError {
  const scopes = kinds.map((kind) => listings[kind].scope);
  const message = `The connection lacks the scope ${scopes.join(' or ')}: ask for it and connect again.`;
  return new ChatConnectError('missing_scope', message, { reason: scopes.join(',') });
}

/** Ids have a digit, in practice, and words in capitals do not. */
const idForm = /^[CG](?=[A-Z0-9]*\d)[A-Z0-9]{7,63}$/;

/** The id in a query that is one, or a link to a channel or to a message in one. */
function channelIdIn(query: string): string | undefined {
  if (idForm.test(query)) return query;
  const { hostname = '', pathname = '' } = URL.parse(query) ?? {};
  if (!/(^|\.)slack(-gov)?\.com$/.test(hostname)) return undefined;
  const [, id = ''] = /^\/(?:archives|client\/\w+)\/(\w+)/.exec(pathname) ?? [];
  return idForm.test(id) ? id : undefined;
}
