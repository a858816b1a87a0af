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
import { ChatConnectError } from '../../errors.ts';
import { reauthorization } from '../../grant/refresh-errors.ts';
import { NoAnswerError } from './fetch-whole.ts';
import { callGraph, type GraphAnswer, type GraphDeps } from './graph.ts';
import { isGuid } from './tenant.ts';

/** Application permissions that listing takes; the least that Graph accepts. */
const listingRoles = ['Team.ReadBasic.All', 'Channel.ReadBasic.All'] as const;

export interface TeamsChannelRequest extends ChannelRequest {
  readonly tenantId: string;
}

/** Of one list of Graph's. No person is in more than 1,000 teams, and no team has more channels. */
const maxPages = 10;
/** Teams whose channels are read side by side, and in all for one request. */
const batchSize = 4;
const maxTeams = 20;

const teamSchema = z.looseObject({ id: z.string().check(z.refine(isGuid)), displayName: z.nullish(z.string()) });
type Team = z.infer<typeof teamSchema>;
const channelSchema = z.looseObject({
  id: z.string().check(z.regex(/^[^\p{Cc}]{1,1024}$/u)),
  displayName: z.nullish(z.string()),
  membershipType: z.nullish(z.string()),
});

/** A team, and the first of its channels that was not read. */
const placeSchema = z.tuple([z.string(), z.int().check(z.minimum(0))]);

/**
 * The standard channels of the teams that a person has joined: an app's own token would see every team of the tenant.
 * Teams come in the order of their ids, each with its channels in Graph's.
 * @throws ChatConnectError `linked_person_missing`, `missing_roles`, `reauthorization_required`, `rate_limited`,
 *   `channels_unavailable`
 */
export async function listTeamsChannels(deps: GraphDeps, request: TeamsChannelRequest): Promise<ChannelPage> {
  const { personId = '', query, position, limit } = request;
  const joined = isGuid(personId)
    ? await readAll(deps, request, `/users/${personId}/joinedTeams`, teamSchema)
    : undefined;
  if (!joined) throw personMissing();
  const teams = joined.toSorted((left, right) => (left.id < right.id ? -1 : 1));
  const link = linkIn(query);
  if (link) {
    const team = [request.tenantId, null].includes(link.tenantId)
      ? teams.find(({ id }) => id === link.teamId)
      : undefined;
    const channels = team ? await channelsOf(deps, request, team) : [];
    return { channels: channels.filter(({ id }) => id === link.channelId), position: undefined };
  }
  const place = position === undefined ? firstPlace : readPosition(position, placeSchema);
  if (!place) return noChannels;
  const [fromId, skipped] = place;
  const isNamed = nameMatcher(query);
  const left = teams.filter(({ id }) => id >= fromId);
  const found: Channel[] = [];
  let at = 0;
  for (; at < Math.min(left.length, maxTeams); at += batchSize) {
    const batch = left.slice(at, at + batchSize);
    let lists: Channel[][];
    try {
      lists = await Promise.all(batch.map((team) => channelsOf(deps, request, team)));
    } catch (error) {
      // What was read before is worth an answer; the trouble is for whoever goes on.
      if (at > 0 && isPassing(error)) break;
      throw error;
    }
    const rows = lists.flatMap((channels) => channels.map((channel, index) => ({ channel, index })));
    const unread = rows.filter(({ channel, index }) => channel.teamId !== fromId || index >= skipped);
    for (const [index, { channel }] of unread.entries()) {
      if (isNamed(channel.name)) found.push(channel);
      if (found.length < limit) continue;
      const next = unread[index + 1];
      if (next) return { channels: found, position: positionOf(next.channel.teamId, next.index) };
      at += batchSize;
      return { channels: found, position: positionOf(left[at]?.id) };
    }
  }
  return { channels: found, position: positionOf(left[at]?.id) };
}

const firstPlace = ['', 0] as const;

function positionOf(teamId: string | undefined, index = 0): string | undefined {
  return teamId === undefined ? undefined : JSON.stringify([teamId, index]);
}

/** Those that a bot can write to once the app is in the team. None for a team that is gone. */
async function channelsOf(deps: GraphDeps, request: TeamsChannelRequest, team: Team): Promise<Channel[]> {
  const path = `/teams/${team.id}/channels?$select=id,displayName,membershipType`;
  const rows = (await readAll(deps, request, path, channelSchema)) ?? [];
  return rows
    .filter(({ membershipType }) => membershipType === 'standard')
    .map(({ id, displayName }) => ({
      id,
      name: `${team.displayName ?? team.id} / ${displayName ?? id}`,
      type: 'team_channel',
      teamId: team.id,
    }));
}

/** All pages of a list. @returns undefined when what it is of does not exist */
async function readAll<Row>(
  deps: GraphDeps,
  request: TeamsChannelRequest,
  path: string,
  row: z.ZodMiniType<Row>,
): Promise<Row[] | undefined> {
  const pageSchema = z.looseObject({ value: z.array(row), '@odata.nextLink': z.nullish(z.string()) });
  const rows: Row[] = [];
  let next: string | undefined = path;
  for (let pages = 0; next !== undefined && pages < maxPages; pages += 1) {
    const answer = await call(deps, request, next);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw refusalOf(answer, request);
    const page = pageSchema.safeParse(answer.json).data;
    if (!page) throw channelsUnavailable('unreadable_answer', 1);
    rows.push(...page.value);
    next = pathOf(deps, page['@odata.nextLink']);
  }
  return rows;
}

/** The token goes to Graph alone, whatever an answer says. */
function pathOf({ graphBaseUrl }: GraphDeps, nextLink: string | null | undefined): string | undefined {
  if (!nextLink) return undefined;
  const root = `${graphBaseUrl}/v1.0`;
  if (!nextLink.startsWith(`${root}/`)) throw channelsUnavailable('unreadable_answer', 1);
  return nextLink.slice(root.length);
}

async function call(deps: GraphDeps, request: TeamsChannelRequest, path: string): Promise<GraphAnswer> {
  const { accessToken } = request;
  try {
    return await callGraph(deps, { path, accessToken, timeoutMilliseconds: callMilliseconds(request) });
  } catch (error) {
    if (error instanceof NoAnswerError) throw channelsUnavailable('no_answer', 1);
    throw error;
  }
}

function refusalOf(
  { status, error, retryAfterSeconds }: GraphAnswer,
  { scopes }: TeamsChannelRequest,
): ChatConnectError {
  if (status === 429) return rateLimited(retryAfterSeconds);
  if (status >= 500) return channelsUnavailable('provider_unavailable', retryAfterSeconds ?? 1);
  if (status === 401) return reauthorization('token_refused');
  const lacking = listingRoles.filter((role) => !scopes.includes(role));
  if (status === 403 && lacking.length > 0) return missingRoles(lacking);
  return channelsUnavailable(error?.code ?? 'provider_refused');
}

function missingRoles(lacking: readonly string[]): ChatConnectError {
  const message =
    `Listing channels takes the application permissions ${listingRoles.join(' and ')}. ` +
    `Missing: ${lacking.join(', ')}. An administrator of the tenant has to approve the app again.`;
  return new ChatConnectError('missing_roles', message, { reason: lacking.join(',') });
}

function personMissing(): ChatConnectError {
  const message = 'Channels are listed as a person sees them, and nobody who connected or linked themselves is known.';
  return new ChatConnectError('linked_person_missing', message);
}

const teamsHost = /^teams\.(microsoft\.com|microsoft\.us|cloud\.microsoft)$/;

/** What Teams gives for "Get link to channel" and for "Copy link" of a message. */
function linkIn(query: string): { channelId: string; teamId: string | null; tenantId: string | null } | undefined {
  const { hostname, pathname = '', searchParams } = URL.parse(query) ?? {};
  const [, encodedId] = /^\/l\/(?:channel|message)\/([^/]+)/.exec(pathname) ?? [];
  if (!searchParams || encodedId === undefined || !teamsHost.test(hostname ?? '')) return undefined;
  try {
    const channelId = decodeURIComponent(encodedId);
    return { channelId, teamId: searchParams.get('groupId'), tenantId: searchParams.get('tenantId') };
  } catch {
    return undefined;
  }
}
