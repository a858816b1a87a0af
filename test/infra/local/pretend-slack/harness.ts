import { onTestFinished } from 'vitest';
import type { PretendSlackApp } from '../../../../infra/local/pretend-slack/apps.ts';
import { type PretendSlackOptions, startPretendSlack } from '../../../../infra/local/pretend-slack/server.ts';

export const app: PretendSlackApp = {
  clientId: '111.222',
  clientSecret: 'local-secret',
  appId: 'A0LOCAL001',
  name: 'Courier',
  redirectUris: ['http://localhost:3000/callback'],
};

interface Tokens {
  access_token: string;
  refresh_token: string;
  expires_in: number;
}

/** Every field that a test reads; which of them an answer has is what the tests assert. */
interface Answer extends Tokens {
  id_token: string;
  ok: boolean;
  error?: string;
  scope: string;
  bot_user_id: string;
  team: { id: string; name: string };
  enterprise: { id: string; name: string } | null;
  is_enterprise_install: boolean;
  user_id: string;
  authed_user: Tokens & { id: string };
  incoming_webhook: { url: string; configuration_url: string };
  channels: { name: string }[];
  response_metadata: { next_cursor: string };
}

export async function answerOf(response: Response): Promise<Answer> {
  return (await response.json()) as Answer;
}

/** A pretend Slack with one app, and the steps of an install against it; it is closed when the test is over. */
export async function setup(options: PretendSlackOptions = {}) {
  const clock = { now: Date.parse('2026-01-01T00:00:00Z') };
  const slack = await startPretendSlack({ apps: [app], now: () => clock.now, ...options });
  onTestFinished(() => slack.close());

  /** Undefined leaves a parameter out. */
  function authorizeUrl(parameters: Record<string, string | undefined> = {}): string {
    const url = new URL('/oauth/v2/authorize', slack.url);
    const defaults = { client_id: app.clientId, redirect_uri: app.redirectUris[0], scope: 'chat:write', state: 's1' };
    for (const [name, value] of Object.entries({ ...defaults, ...parameters })) {
      if (value !== undefined) {
        url.searchParams.set(name, value);
      }
    }
    return url.href;
  }

  async function call(method: string, form: Record<string, string | undefined> = {}, authorization?: string) {
    const response = await fetch(`${slack.url}/api/${method}`, {
      method: 'POST',
      body: new URLSearchParams(
        Object.entries(form).filter((entry): entry is [string, string] => entry[1] !== undefined),
      ),
      headers: authorization ? { authorization } : {},
    });
    return answerOf(response);
  }

  function exchange(code: string | undefined, form: Record<string, string | undefined> = {}) {
    const { clientId: client_id, clientSecret: client_secret, redirectUris } = app;
    return call('oauth.v2.access', { client_id, client_secret, redirect_uri: redirectUris[0], code, ...form });
  }

  async function getCode(
    parameters: Record<string, string | undefined> = {},
    choice: Parameters<typeof slack.approve>[1] = {},
  ): Promise<string> {
    const location = await slack.approve(authorizeUrl(parameters), choice);
    return new URL(location).searchParams.get('code') ?? '';
  }

  async function install(
    parameters: Record<string, string | undefined> = {},
    choice: Parameters<typeof slack.approve>[1] = {},
  ) {
    return exchange(await getCode(parameters, choice));
  }

  const refresh = (refresh_token: string) => exchange(undefined, { grant_type: 'refresh_token', refresh_token });

  return { slack, clock, authorizeUrl, call, exchange, getCode, install, refresh };
}
