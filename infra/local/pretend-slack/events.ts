import { createHmac } from 'node:crypto';
import type { App } from './apps.ts';
import type { Account } from './directory.ts';
import type { Grant } from './grants.ts';
import { randomHex } from './tokens.ts';

/** An event that an app was told, and how it answered. */
export interface Delivery {
  readonly accountId: string;
  readonly type: string;
  /** Undefined when no answer came. */
  readonly status: number | undefined;
}

/**
 * Tells an app that it was uninstalled, at once and once: Slack promises no order, either.
 * @see https://docs.slack.dev/reference/events/app_uninstalled
 */
export async function sendUninstalled(
  app: App,
  account: Account,
  ended: readonly Grant[],
  now: number,
): Promise<Delivery[]> {
  const { events } = app;
  if (!events) return [];
  const idsOf = (isBot: boolean) => ended.filter((grant) => grant.isBot === isBot).map(({ holderId }) => holderId);
  const inner = [
    { type: 'tokens_revoked', tokens: { oauth: idsOf(false), bot: idsOf(true) } },
    { type: 'app_uninstalled' },
  ];
  return Promise.all(
    inner.map(async (event) => {
      const isOrgWide = account.team === null;
      const body = JSON.stringify({
        team_id: account.team?.id ?? null,
        enterprise_id: account.enterprise?.id ?? null,
        api_app_id: app.appId,
        event,
        type: 'event_callback',
        event_id: `Ev0${randomHex(5).toUpperCase()}`,
        event_time: Math.floor(now / 1000),
        authorizations: [],
        is_enterprise_install: isOrgWide,
      });
      return { accountId: account.id, type: event.type, status: await post(events, body, now) };
    }),
  );
}

/** @see https://docs.slack.dev/authentication/verifying-requests-from-slack */
async function post({ url, signingSecret }: NonNullable<App['events']>, body: string, now: number) {
  const timestamp = String(Math.floor(now / 1000));
  const signature = createHmac('sha256', signingSecret).update(`v0:${timestamp}:${body}`).digest('hex');
  const headers = {
    'content-type': 'application/json',
    'x-slack-request-timestamp': timestamp,
    'x-slack-signature': `v0=${signature}`,
  };
  try {
    const answer = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(3_000) });
    return answer.status;
  } catch {
    return undefined;
  }
}
