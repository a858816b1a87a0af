import middy from '@middy/core';
import { loadConfig } from '../lib/config.ts';
import { parseHandle } from '../lib/flow/handle.ts';
import { receiveTeamsCallback, type TeamsCallbackDeps, teamsAnswerOf } from '../lib/flow/teams-callback.ts';
import { composeTeamsCallback } from '../lib/flow/teams-callback-deps.ts';
import { requestLog } from '../lib/http/api.ts';
import { flowCookies } from '../lib/http/flow-cookie.ts';
import { answerCallback, malformedCallbackPage, unknownErrorPage } from '../lib/http/flow-pages.ts';
import { lambdaLog, onLambda } from '../lib/http/lambda.ts';
import { pageErrors } from '../lib/http/page-errors.ts';
import { readProviderRedirect } from '../lib/http/provider-redirect.ts';
import type { HttpEvent, HttpHandler, HttpResult } from '../lib/http/types.ts';
import { awsAssertion } from '../lib/providers/msteams/aws-assertion.ts';
import { federatedClients } from '../lib/providers/msteams/federated-clients.ts';
import { awsDatabase } from '../lib/store/aws-database.ts';
import { awsKeyWrapper } from '../lib/vault/aws-key-wrapper.ts';

/** Microsoft's redirects: after the consent, and after the sign-in. */
export function createHandler(deps: TeamsCallbackDeps & { readonly publicUrl: string }): HttpHandler {
  const cookies = flowCookies(deps);
  const pipeline = middy<HttpEvent, HttpResult>()
    .use(pageErrors(deps.log))
    .handler(async (event) => {
      const redirect = readProviderRedirect(event.rawQueryString);
      const answer = redirect && teamsAnswerOf(redirect);
      if (!redirect || !answer) return malformedCallbackPage();
      if (redirect.state === undefined) {
        return redirect.error === undefined ? malformedCallbackPage() : unknownErrorPage();
      }
      const handle = parseHandle(redirect.state);
      if (!handle) return answerCallback({ kind: 'unknown' });
      const log = requestLog(deps.log, event);
      const cookie = cookies.read(event, handle.flowId);
      const outcome = await receiveTeamsCallback({ ...deps, log }, handle, redirect, answer, cookie);
      return cookies.keep(answerCallback(outcome), 'flow' in outcome ? outcome.flow : undefined, cookie);
    });
  return (event, context) => pipeline(event, context);
}

export const handler = onLambda(() => {
  const config = loadConfig([
    'CONNECTIONS_TABLE',
    'FLOWS_TABLE',
    'VAULT_KEY_ARN',
    'PUBLIC_URL',
    'MICROSOFT_LOGIN_BASE_URL',
    'MICROSOFT_GRAPH_BASE_URL',
    'FEDERATED_CLIENTS',
  ]);
  const log = lambdaLog();
  const deps = composeTeamsCallback({
    db: awsDatabase(config),
    keyWrapper: awsKeyWrapper(config),
    microsoftLoginBaseUrl: config.MICROSOFT_LOGIN_BASE_URL,
    microsoftGraphBaseUrl: config.MICROSOFT_GRAPH_BASE_URL,
    awsAssertion: awsAssertion({ log }),
    isFederated: federatedClients(config.FEDERATED_CLIENTS),
    log,
  });
  return createHandler({ ...deps, publicUrl: config.PUBLIC_URL });
});
