import middy from '@middy/core';
import { loadConfig } from '../lib/config.ts';
import { parseHandle } from '../lib/flow/handle.ts';
import { receiveSlackCallback, type SlackCallbackDeps, slackAnswerOf } from '../lib/flow/slack-callback.ts';
import { composeSlackCallback } from '../lib/flow/slack-callback-deps.ts';
import { requestLog } from '../lib/http/api.ts';
import { flowCookies } from '../lib/http/flow-cookie.ts';
import { answerCallback, malformedCallbackPage, unknownErrorPage } from '../lib/http/flow-pages.ts';
import { lambdaLog, onLambda } from '../lib/http/lambda.ts';
import { pageErrors } from '../lib/http/page-errors.ts';
import { readProviderRedirect } from '../lib/http/provider-redirect.ts';
import type { HttpEvent, HttpHandler, HttpResult } from '../lib/http/types.ts';
import { awsDatabase } from '../lib/store/aws-database.ts';
import { awsKeyWrapper } from '../lib/vault/aws-key-wrapper.ts';

/** Slack's redirect after Allow or Cancel. */
export function createHandler(deps: SlackCallbackDeps & { readonly publicUrl: string }): HttpHandler {
  const cookies = flowCookies(deps);
  const pipeline = middy<HttpEvent, HttpResult>()
    .use(pageErrors(deps.log))
    .handler(async (event) => {
      const redirect = readProviderRedirect(event.rawQueryString);
      const answer = redirect && slackAnswerOf(redirect);
      if (!answer) return malformedCallbackPage();
      if (redirect.state === undefined) return 'error' in answer ? unknownErrorPage() : malformedCallbackPage();
      const handle = parseHandle(redirect.state);
      if (!handle) return answerCallback({ kind: 'unknown' });
      const log = requestLog(deps.log, event);
      const cookie = cookies.read(event, handle.flowId);
      const outcome = await receiveSlackCallback({ ...deps, log }, handle, answer, cookie);
      return cookies.keep(answerCallback(outcome), 'flow' in outcome ? outcome.flow : undefined, cookie);
    });
  return (event, context) => pipeline(event, context);
}

export const handler = onLambda(() => {
  const config = loadConfig(['CONNECTIONS_TABLE', 'FLOWS_TABLE', 'VAULT_KEY_ARN', 'PUBLIC_URL', 'SLACK_BASE_URL']);
  const deps = composeSlackCallback({
    db: awsDatabase(config),
    keyWrapper: awsKeyWrapper(config),
    slackBaseUrl: config.SLACK_BASE_URL,
    log: lambdaLog(),
  });
  return createHandler({ ...deps, publicUrl: config.PUBLIC_URL });
});
