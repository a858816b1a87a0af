import middy from '@middy/core';
import { loadConfig } from '../lib/config.ts';
import { slackPartsOnAws } from '../lib/connection/slack-parts-on-aws.ts';
import { findInstallable } from '../lib/flow/begin-install.ts';
import { parseHandle } from '../lib/flow/handle.ts';
import { receiveSlackCallback, type SlackCallbackDeps, slackAnswerOf } from '../lib/flow/slack-callback.ts';
import { composeSlackCallback } from '../lib/flow/slack-callback-deps.ts';
import { acceptStateless } from '../lib/flow/stateless-install.ts';
import { requestLog } from '../lib/http/api.ts';
import { flowCookies } from '../lib/http/flow-cookie.ts';
import { answerCallback, malformedCallbackPage, unknownErrorPage } from '../lib/http/flow-pages.ts';
import { noInstallPage, startedElsewherePage } from '../lib/http/install-page.ts';
import { onLambda } from '../lib/http/lambda.ts';
import { redirectTo } from '../lib/http/page.ts';
import { pageErrors } from '../lib/http/page-errors.ts';
import { readProviderRedirect } from '../lib/http/provider-redirect.ts';
import type { HttpEvent, HttpHandler, HttpResult } from '../lib/http/types.ts';

const pathOfIntegration = '/v1/integrations/chat/oauth/callback/slack/{integrationId}';

/** Slack's redirect after Allow or Cancel, also of an install that was started at Slack and brings no state. */
export function createHandler(deps: SlackCallbackDeps & { readonly publicUrl: string }): HttpHandler {
  const cookies = flowCookies(deps);
  const pipeline = middy<HttpEvent, HttpResult>()
    .use(pageErrors(deps.log))
    .handler(async (event) => {
      const redirect = readProviderRedirect(event.rawQueryString);
      const answer = redirect && slackAnswerOf(redirect);
      if (!answer) return malformedCallbackPage();
      const named = event.routeKey === `GET ${pathOfIntegration}`;
      const integrationId = named ? (event.pathParameters?.['integrationId'] ?? '') : undefined;
      if (redirect.state === undefined) {
        if ('error' in answer) return unknownErrorPage();
        return integrationId === undefined ? malformedCallbackPage() : stateless(event, integrationId, answer.code);
      }
      const handle = parseHandle(redirect.state);
      if (!handle) return answerCallback({ kind: 'unknown' });
      const log = requestLog(deps.log, event);
      const cookie = cookies.read(event, handle.flowId);
      const outcome = await receiveSlackCallback({ ...deps, log }, handle, answer, cookie, integrationId);
      return cookies.keep(answerCallback(outcome), 'flow' in outcome ? outcome.flow : undefined, cookie);
    });
  async function stateless(event: HttpEvent, integrationId: string, code: string): Promise<HttpResult> {
    const log = requestLog(deps.log, event);
    const installable = await findInstallable({ ...deps, log }, integrationId);
    if (!installable) return noInstallPage();
    const { stateless: set = 'restart' } = installable.integration.configurations;
    if (set === 'reject') return startedElsewherePage(installable.integration);
    if (set === 'restart') return redirectTo(`${deps.publicUrl}/v1/integrations/${integrationId}/slack/install`);
    return answerCallback(await acceptStateless({ ...deps, log }, installable, code));
  }
  return (event, context) => pipeline(event, context);
}

export const handler = onLambda(() => {
  const config = loadConfig(['CONNECTIONS_TABLE', 'FLOWS_TABLE', 'VAULT_KEY_ARN', 'PUBLIC_URL', 'SLACK_BASE_URL']);
  return createHandler({ ...composeSlackCallback(slackPartsOnAws(config)), publicUrl: config.PUBLIC_URL });
});
