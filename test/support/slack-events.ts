import { createHmac } from 'node:crypto';
import type { TestEnvironment, TestService } from './service.ts';
import { integrationIdOf } from './slack-stores.ts';
import { acme } from './tokens.ts';

export const signingSecret = 'canary-signing-secret';

/** The headers with which Slack sends a body. */
export function signed(body: string | Uint8Array, at: number, secret = signingSecret): Record<string, string> {
  const timestamp = String(Math.floor(at / 1000));
  const signature = createHmac('sha256', secret).update(`v0:${timestamp}:`).update(body).digest('hex');
  return {
    'content-type': 'application/json',
    'x-slack-request-timestamp': timestamp,
    'x-slack-signature': `v0=${signature}`,
  };
}

let events = 0;

/** Slack, as the app of an environment's integration sees it. */
export async function slackEvents(service: TestService, environment: TestEnvironment) {
  const path = `/v1/integrations/${await integrationIdOf(service, environment)}/slack/events`;

  /** What Slack would send of an event that happened at a time, by default now. */
  function envelope(event: object, other: object = {}, at = service.now()) {
    events += 1;
    return {
      token: 'canary-verification-token',
      team_id: acme.id,
      api_app_id: environment.slackApp.appId,
      event,
      type: 'event_callback',
      event_id: `Ev0TEST${events}`,
      event_time: Math.floor(at / 1000),
      ...other,
    };
  }

  return {
    path,
    envelope,
    uninstalled: (at?: number, other: object = {}) => envelope({ type: 'app_uninstalled' }, other, at),
    tokensRevoked: (tokens: { bot?: string[]; oauth?: string[] }, at?: number, other: object = {}) =>
      envelope({ type: 'tokens_revoked', tokens }, other, at),
    /** Sends a body that Slack has signed just now. */
    send(body: unknown, headers: Record<string, string> = {}) {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      return service.request('POST', path, { headers: { ...signed(text, service.now()), ...headers }, body: text });
    },
  };
}
