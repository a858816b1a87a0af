import middy from '@middy/core';
import { loadConfig } from '../lib/config.ts';
import { slackPartsOnAws } from '../lib/connection/slack-parts-on-aws.ts';
import { composeStores, type StoreParts } from '../lib/connection/stores.ts';
import { type ReceiveEventDeps, receiveEvent } from '../lib/grant/receive-event.ts';
import { requestLog } from '../lib/http/api.ts';
import { type AuthenticateSlackDeps, authenticateSlack } from '../lib/http/authenticate-slack.ts';
import { jsonBody } from '../lib/http/json-body.ts';
import { jsonErrors } from '../lib/http/json-errors.ts';
import { onLambda } from '../lib/http/lambda.ts';
import type { HttpEvent, HttpHandler, HttpResult } from '../lib/http/types.ts';
import { readSlackRequest } from '../lib/providers/slack/slack-event.ts';
import type { Fetch } from '../lib/providers/slack/slack-http.ts';
import { testSlackToken } from '../lib/providers/slack/test-token.ts';
import { dynamoSeenEventStore } from '../lib/store/seen-event-store.ts';

export type SlackEventsDeps = AuthenticateSlackDeps & ReceiveEventDeps;

/** Slack waits 3 s for an answer. */
const testMilliseconds = 1_500;

/** What Slack tells of an app's installs. No API key: Slack's signature comes before anything else. */
export function createHandler(deps: SlackEventsDeps): HttpHandler {
  const pipeline = middy<HttpEvent, HttpResult>()
    .use(jsonErrors(deps.log))
    .handler(async (event) => {
      const log = requestLog(deps.log, event);
      const integration = await authenticateSlack({ ...deps, log }, event);
      const { environmentId, integrationId } = integration;
      const request = readSlackRequest(jsonBody(event));
      if (request.kind === 'event') await receiveEvent({ ...deps, log }, integration, request.event);
      else log.info('request of Slack answered', { environmentId, integrationId, kind: request.kind });
      const answer = request.kind === 'verification' ? { challenge: request.challenge } : {};
      return { statusCode: 200, body: JSON.stringify(answer) };
    });
  return (event, context) => pipeline(event, context);
}

export interface SlackEventsParts extends StoreParts {
  readonly slackBaseUrl: string;
  readonly fetch?: Fetch;
}

export function compose(parts: SlackEventsParts): SlackEventsDeps {
  const { db, slackBaseUrl, fetch = globalThis.fetch } = parts;
  return {
    ...composeStores(parts),
    seenEvents: dynamoSeenEventStore(db),
    testToken: (token) => testSlackToken(fetch, slackBaseUrl, token, testMilliseconds),
  };
}

export const handler = onLambda(() => {
  const config = loadConfig(['CONNECTIONS_TABLE', 'FLOWS_TABLE', 'VAULT_KEY_ARN', 'SLACK_BASE_URL']);
  return createHandler(compose(slackPartsOnAws(config)));
});
