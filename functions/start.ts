import middy from '@middy/core';
import { loadConfig } from '../lib/config.ts';
import { beginInstall, findInstallable, type InstallDeps } from '../lib/flow/begin-install.ts';
import { parseHandle } from '../lib/flow/handle.ts';
import { beginFlow, openTicket, type StartFlowDeps } from '../lib/flow/start-flow.ts';
import { requestLog } from '../lib/http/api.ts';
import { flowCookies } from '../lib/http/flow-cookie.ts';
import { answerCallback, withdrawnPage } from '../lib/http/flow-pages.ts';
import { installPage, isPrefetch, noInstallPage, readInstallQuery } from '../lib/http/install-page.ts';
import { lambdaLog, onLambda } from '../lib/http/lambda.ts';
import { isFromOwnPage } from '../lib/http/own-form.ts';
import { redirectTo } from '../lib/http/page.ts';
import { pageErrors } from '../lib/http/page-errors.ts';
import { foreignFormPage, startPage } from '../lib/http/start-page.ts';
import type { HttpEvent, HttpHandler, HttpResult } from '../lib/http/types.ts';
import { awsDatabase } from '../lib/store/aws-database.ts';
import type { Database } from '../lib/store/database.ts';
import { dynamoFlowStore } from '../lib/store/flow-store.ts';
import { dynamoIntegrationStore } from '../lib/store/integration-store.ts';

export type StartDeps = StartFlowDeps & InstallDeps;

const installPath = '/v1/integrations/{integrationId}/slack/install';

/** The pages on which a flow that is bound to a browser begins, and their buttons: start page and install page. */
export function createHandler(deps: StartDeps): HttpHandler {
  const cookies = flowCookies(deps);
  const pipeline = middy<HttpEvent, HttpResult>()
    .use(pageErrors(deps.log))
    .handler(async (event) => {
      const isContinue = event.routeKey.startsWith('POST ');
      if (isContinue && !isFromOwnPage(event, deps.publicUrl)) return foreignFormPage();
      if (event.routeKey.endsWith(` ${installPath}`)) return install(event, isContinue);
      const ticket = parseHandle(event.pathParameters?.['ticket'] ?? '');
      if (!ticket) return answerCallback({ kind: 'unknown' });
      const log = requestLog(deps.log, event);
      const opened = await (isContinue ? beginFlow({ ...deps, log }, ticket) : openTicket(deps, ticket));
      if (opened.kind === 'begun') return cookies.keep(redirectTo(opened.location), opened.flow, opened.cookie);
      if (opened.kind === 'offered') return startPage(opened.flow, opened.integration);
      if (opened.kind === 'withdrawn') return withdrawnPage(opened.flow, opened.failure, opened.integration);
      return answerCallback(opened);
    });
  async function install(event: HttpEvent, isPressed: boolean): Promise<HttpResult> {
    const log = requestLog(deps.log, event);
    const installable = await findInstallable({ ...deps, log }, event.pathParameters?.['integrationId'] ?? '');
    if (!installable) return noInstallPage();
    const { isDirect, teamId } = readInstallQuery(event.rawQueryString);
    if (!isPressed && (!isDirect || isPrefetch(event))) return installPage(installable.integration);
    const begun = await beginInstall({ ...deps, log }, installable, teamId);
    return cookies.keep(redirectTo(begun.location), begun.flow, begun.cookie);
  }
  return (event, context) => pipeline(event, context);
}

export interface StartParts {
  readonly db: Database;
  readonly slackBaseUrl: string;
  readonly microsoftLoginBaseUrl: string;
  readonly publicUrl: string;
  readonly log: StartDeps['log'];
  readonly now?: () => number;
}

export function compose({ db, now = Date.now, ...parts }: StartParts): StartDeps {
  return { ...parts, now, flows: dynamoFlowStore(db), integrations: dynamoIntegrationStore(db) };
}

export const handler = onLambda(() => {
  const config = loadConfig([
    'CONNECTIONS_TABLE',
    'FLOWS_TABLE',
    'PUBLIC_URL',
    'SLACK_BASE_URL',
    'MICROSOFT_LOGIN_BASE_URL',
  ]);
  return createHandler(
    compose({
      db: awsDatabase(config),
      slackBaseUrl: config.SLACK_BASE_URL,
      microsoftLoginBaseUrl: config.MICROSOFT_LOGIN_BASE_URL,
      publicUrl: config.PUBLIC_URL,
      log: lambdaLog(),
    }),
  );
});
