import { hashOf } from '../crypto.ts';
import { formatCursor, readCursor } from '../cursor.ts';
import type { Channel, ChannelPage } from '../endpoint/channel.ts';
import { ChatConnectError, type ErrorCode, validationError } from '../errors.ts';
import type { TeamsChannelRequest } from '../providers/msteams/list-channels.ts';
import type { SlackChannelRequest } from '../providers/slack/list-channels.ts';
import type { EndpointStore } from '../store/endpoint-store.ts';
import type { Connection } from './connection.ts';
import { type ConnectionTokenDeps, usableToken } from './connection-token.ts';
import { type VerifyDeps, verifyConnection } from './verify-connection.ts';

export interface ListChannelsDeps extends ConnectionTokenDeps, VerifyDeps {
  readonly endpoints: EndpointStore;
  listSlackChannels(request: SlackChannelRequest): Promise<ChannelPage>;
  listTeamsChannels(request: TeamsChannelRequest): Promise<ChannelPage>;
}

export interface ListChannelsRequest {
  readonly query: string;
  readonly cursor: string | undefined;
  readonly limit: number;
  readonly teamId: string | undefined;
}

/** All calls together, those for a token included. The function ends after 29 s, and Entra may be asked once more for 5. */
const wholeMilliseconds = 22_000;
/** The token is used at once. */
const minTtlSeconds = 60;

/**
 * Lists what an endpoint of a connection can point at, one page at a time. A cursor of another connection or query gives
 * an empty page.
 * @throws ChatConnectError as `connectionToken` and the provider's list do, and `validation_failed`
 */
export async function listChannels(
  deps: ListChannelsDeps,
  environmentId: string,
  identifier: string | undefined,
  given: ListChannelsRequest,
): Promise<{ connection: Connection; channels: readonly Channel[]; next: string | null }> {
  const until = Date.now() + wholeMilliseconds;
  const { connection, token } = await usableToken(deps, environmentId, identifier, { minTtlSeconds });
  const { subjectKey, account, providerId } = connection;
  const { limit, teamId, cursor } = given;
  requireTeam(connection, teamId);
  const personId = await personOf(deps, connection);
  const query = given.query.trim().replace(/^#/, '');
  const filterHash = hashOf('channels', environmentId, subjectKey, account.id, personId ?? null, teamId ?? null, query);
  const position = cursor === undefined ? undefined : readCursor(cursor, filterHash);
  if (cursor !== undefined && position === undefined) return { connection, channels: [], next: null };
  const ask = ({ accessToken, scopes }: typeof token) => {
    const request = { accessToken, scopes, personId, query, limit, position, until };
    return providerId === 'slack'
      ? deps.listSlackChannels({ ...request, teamId })
      : deps.listTeamsChannels({ ...request, tenantId: account.id });
  };
  const page = await ask(token).catch(async (error: unknown) => {
    if (!isAboutToken(error)) throw error;
    // Whoever looks at the connection is to see what was learnt here; what a refresh mends goes on.
    if (providerId === 'slack') await verifyConnection(deps, environmentId, identifier).catch(() => {});
    // A token that is remembered is of before what an administrator may have approved since, or taken away.
    const newest = await usableToken(deps, environmentId, identifier, {
      minTtlSeconds: providerId === 'slack' ? minTtlSeconds : Number.POSITIVE_INFINITY,
    });
    if (newest.token.accessToken === token.accessToken) throw error;
    return ask(newest.token);
  });
  const next = page.position === undefined ? null : formatCursor(page.position, filterHash);
  return { connection, channels: page.channels, next };
}

/** @throws ChatConnectError `validation_failed` */
function requireTeam({ account }: Connection, teamId: string | undefined): void {
  if (account.kind === 'enterprise' && teamId === undefined) {
    throw validationError(['teamId: is required, since the connection is for a whole enterprise']);
  }
  if (account.kind !== 'enterprise' && teamId !== undefined) {
    throw validationError(['teamId: is for connections of a whole Slack enterprise']);
  }
}

const aboutToken: readonly ErrorCode[] = ['missing_roles', 'reauthorization_required'];

function isAboutToken(error: unknown): boolean {
  return error instanceof ChatConnectError && aboutToken.includes(error.code);
}

/**
 * Through whose eyes channels are listed: the person who approved, else, for a Teams connection of a caller's, the
 * subscriber as linked through it. Those who share a connection are not each other's eyes.
 */
async function personOf(deps: ListChannelsDeps, connection: Connection): Promise<string | undefined> {
  const { environmentId, subjectKey, providerId, approverId, subscriberId, account } = connection;
  if (approverId !== undefined || providerId === 'slack' || subscriberId === undefined) return approverId;
  const endpoints = await deps.endpoints.listThroughConnection(environmentId, subjectKey);
  for (const { target, subscriberId: whose } of endpoints) {
    if (target.type !== 'ms_teams_user' || whose !== subscriberId) continue;
    if ((target.tenantId ?? account.id) === account.id) return target.userId;
  }
  return undefined;
}
