import { derivedId, isEqual, sign } from './tokens.ts';

/** Slack's form, and recognisable after a restart as tokens are. @see https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks */
export function webhookPath(accountId: string, appId: string, channelId: string): string {
  const webhook = `${accountId}/${derivedId('B', appId, accountId)}`;
  return `/services/${webhook}/${channelId}${sign(`${webhook}/${channelId}`)}`;
}

/** The channel that a webhook posts to, or undefined if it was not handed out by a pretend Slack. */
export function readWebhookPath(path: string): { accountId: string; channelId: string } | undefined {
  const [, webhook, accountId, channelId, signature] =
    /^\/services\/((\w+)\/\w+)\/(\w+)([0-9a-f]{32})$/.exec(path) ?? [];
  const isOurs = accountId && channelId && signature && isEqual(sign(`${webhook}/${channelId}`), signature);
  return isOurs ? { accountId, channelId } : undefined;
}
