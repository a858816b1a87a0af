import type * as z from 'zod/mini';
import { ChatConnectError } from '../errors.ts';

export const channelTypes = ['public_channel', 'private_channel', 'team_channel'] as const;

/** What an endpoint can point at: a channel of a Slack workspace, or of a team of a Microsoft tenant. */
export interface Channel {
  readonly id: string;
  readonly name: string;
  readonly type: (typeof channelTypes)[number];
  /** Of a `team_channel`. */
  readonly teamId?: string;
}

export interface ChannelPage {
  readonly channels: readonly Channel[];
  /** Where the next page begins; undefined at the end. Short pages go on, too. */
  readonly position: string | undefined;
}

/** What a provider is asked for channels with. */
export interface ChannelRequest {
  readonly accessToken: string;
  /** Scopes or roles that the token is known to have; none when nobody knows. */
  readonly scopes: readonly string[];
  /** Whose channels are listed, beside those that everybody sees. */
  readonly personId: string | undefined;
  /** Part of a name, or what names a channel itself. Empty for all. */
  readonly query: string;
  readonly limit: number;
  /** Of the page before. An unknown one gives an empty page. */
  readonly position: string | undefined;
  /** Epoch milliseconds, after which no call goes on. */
  readonly until: number;
}

export const noChannels: ChannelPage = { channels: [], position: undefined };

/** @returns undefined for a position that nobody gave out */
export function readPosition<Place>(position: string, schema: z.ZodMiniType<Place>): Place | undefined {
  try {
    return schema.safeParse(JSON.parse(position)).data;
  } catch {
    return undefined;
  }
}

export function nameMatcher(query: string): (name: string) => boolean {
  const wanted = query.toLowerCase();
  return (name) => name.toLowerCase().includes(wanted);
}

/** No single call takes longer, and none goes on after the request's time. */
export function callMilliseconds({ until }: Pick<ChannelRequest, 'until'>): number {
  return Math.max(1, Math.min(5_000, until - Date.now()));
}

/** The provider takes no more calls for now. */
export function rateLimited(retryAfterSeconds = 1): ChatConnectError {
  const message = 'The provider takes no more calls for now. Repeat the same request later.';
  return new ChatConnectError('rate_limited', message, { retryAfterSeconds });
}

/** @param retryAfterSeconds for trouble that passes */
export function channelsUnavailable(reason: string, retryAfterSeconds?: number): ChatConnectError {
  const message = `The provider does not tell the channels: ${reason}.`;
  return new ChatConnectError('channels_unavailable', message, { reason, retryAfterSeconds });
}

/** Whether the same request may well succeed later. */
export function isPassing(error: unknown): boolean {
  return error instanceof ChatConnectError && error.retryAfterSeconds !== undefined;
}
