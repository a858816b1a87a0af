import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { paginateScan } from '@aws-sdk/lib-dynamodb';
import * as channelConnections from '../../functions/channel-connections.ts';
import * as channelEndpoints from '../../functions/channel-endpoints.ts';
import * as confirmFlow from '../../functions/confirm-flow.ts';
import * as generateOauthUrl from '../../functions/generate-oauth-url.ts';
import * as integrations from '../../functions/integrations.ts';
import * as meta from '../../functions/meta.ts';
import * as msteamsCallback from '../../functions/msteams-callback.ts';
import * as publishEvents from '../../functions/publish-events.ts';
import * as slackAuthorize from '../../functions/slack-authorize.ts';
import * as slackCallback from '../../functions/slack-callback.ts';
import * as slackEvents from '../../functions/slack-events.ts';
import * as start from '../../functions/start.ts';
import * as sweep from '../../functions/sweep.ts';
import type { EventBus } from '../../lib/events/event-bus.ts';
import { FlowFailure } from '../../lib/flow/flow-failure.ts';
import { composeSlackCallback } from '../../lib/flow/slack-callback-deps.ts';
import { composeTeamsCallback } from '../../lib/flow/teams-callback-deps.ts';
import { errorFields, type Log } from '../../lib/log.ts';
import { teamsRedirectUri } from '../../lib/providers/msteams/authorization-url.ts';
import type { AwsAssertion } from '../../lib/providers/msteams/aws-assertion.ts';
import type { IsFederated } from '../../lib/providers/msteams/federated-clients.ts';
import { slackRedirectUri } from '../../lib/providers/slack/authorization-url.ts';
import { documentClient } from '../../lib/store/aws-database.ts';
import type { Database } from '../../lib/store/database.ts';
import type { KeyWrapper } from '../../lib/vault/key-wrapper.ts';
import { readOpenApi } from '../openapi/document.ts';
import { fallbackFunction, type HttpFunctionName, routes } from '../routes.ts';
import { type Handlers, startApiServer } from './api-server.ts';
import { createTables, localTables } from './create-tables.ts';
import { openDataFolder } from './data-folder.ts';
import { localClientConfig, startEmbeddedDynamoDb } from './embedded-dynamodb.ts';
import { createFileKeyWrapper, generateWrappingKey } from './file-key-wrapper.ts';
import { createLocalBus } from './local-bus.ts';
import type { LocalConfig } from './local-config.ts';
import { ensureLocalEnvironment, pretendEntraApp, pretendSlackApp } from './local-environment.ts';
import { confirmationUrl } from './playground/forms.ts';
import { createPlayground } from './playground/playground.ts';
import { startPretendMicrosoft } from './pretend-microsoft/server.ts';
import { startPretendSlack } from './pretend-slack/server.ts';
import { createTableStream } from './table-stream.ts';

export interface LocalService {
  readonly url: string;
  readonly apiKey: string;
  readonly environmentId: string;
  readonly slackBaseUrl: string;
  readonly microsoftLoginBaseUrl: string;
  readonly pretendMicrosoftUrl: string | undefined;
  /** The stand-in that this service started, unless it was told to use another or the real one. */
  readonly pretendSlackUrl: string | undefined;
  readonly dynamodbEndpoint: string;
  close(): Promise<void>;
}

/** DYNAMODB_ENDPOINT leads nowhere. */
export class DatabaseUnreachableError extends Error {
  override readonly name = 'DatabaseUnreachableError';

  constructor(endpoint: string, options?: ErrorOptions) {
    super(
      `Nothing answers at DYNAMODB_ENDPOINT ${endpoint}. ` +
        'Start DynamoDB Local there, or leave the variable out for the embedded DynamoDB.',
      options,
    );
  }
}

/** Runs the whole service on this machine: the deployed handlers over an embedded DynamoDB and a pretend Slack. */
export async function startLocalService(config: LocalConfig, log: Log): Promise<LocalService> {
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const closer of closers.reverse()) await closer();
  };
  try {
    const folder = await openDataFolder(config.CHAT_CONNECT_DATA_DIR);
    closers.push(() => folder.close());
    const dynamodbEndpoint = config.DYNAMODB_ENDPOINT ?? (await embedded(folder.databasePath, closers));
    const client = new DynamoDBClient(localClientConfig(dynamodbEndpoint));
    closers.push(async () => client.destroy());
    await createTables(client, localTables).catch((error: unknown) => {
      const isGivenOne = config.DYNAMODB_ENDPOINT !== undefined;
      throw isGivenOne && isUnreachable(error)
        ? new DatabaseUnreachableError(dynamodbEndpoint, { cause: error })
        : error;
    });
    const db: Database = { client: documentClient(client), tables: localTables };
    const bus = createLocalBus(log);
    closers.push(publishWrites(db, dynamodbEndpoint, bus, log));
    const keyWrapper = createFileKeyWrapper(await folder.readOrCreate('wrapping-key', generateWrappingKey));
    const pretendSlack = await pretend(config, closers);
    const pretendMicrosoft = await pretendedMicrosoft(config, closers);
    const microsoftLoginBaseUrl =
      pretendMicrosoft?.url ?? config.MICROSOFT_LOGIN_BASE_URL ?? 'https://login.microsoftonline.com';
    const microsoftGraphBaseUrl =
      pretendMicrosoft?.graphUrl ?? config.MICROSOFT_GRAPH_BASE_URL ?? 'https://graph.microsoft.com';
    const slackBaseUrl = pretendSlack?.url ?? config.SLACK_BASE_URL ?? 'https://slack.com';
    const ensured = Promise.withResolvers<Awaited<ReturnType<typeof ensureLocalEnvironment>>>();
    let playground: ReturnType<typeof createPlayground> | undefined;
    const server = await startApiServer({
      port: config.PORT,
      routes,
      fallbackFunction,
      ...(config.PUBLIC_URL === undefined ? {} : { publicUrl: config.PUBLIC_URL }),
      handlers: async (url) => {
        const publicUrl = config.PUBLIC_URL ?? url;
        pretendMicrosoft?.registerApp({ ...pretendEntraApp, redirectUris: [teamsRedirectUri(publicUrl)] });
        const environment = await ensureLocalEnvironment({
          db,
          keyWrapper,
          folder,
          apiKey: config.CHAT_CONNECT_API_KEY,
          signingSecret: config.CHAT_CONNECT_SIGNING_SECRET,
          withPretendApps: !config.real,
          returnUrl: confirmationUrl(publicUrl),
        });
        pretendSlack?.registerApp({
          ...pretendSlackApp,
          redirectUris: [slackRedirectUri(publicUrl)],
          events: {
            url: `${url}/v1/integrations/${environment.slackIntegrationId}/slack/events`,
            signingSecret: pretendSlackApp.signingSecret,
          },
        });
        ensured.resolve(environment);
        return composeHandlers({
          db,
          keyWrapper,
          slackBaseUrl,
          microsoftLoginBaseUrl,
          microsoftGraphBaseUrl,
          publicUrl,
          flowTtlSeconds: config.FLOW_TTL_SECONDS,
          log,
        });
      },
      extra: (request, response) => playground?.(request, response) ?? false,
      log: ({ requestId, functionName, routeKey, status, durationMilliseconds, error }) => {
        const line = { status, milliseconds: Math.round(durationMilliseconds), function: functionName, requestId };
        if (error === undefined) log.info(routeKey, line);
        else log.error(routeKey, { ...line, error: error instanceof Error ? error.message : 'unknown' });
      },
    });
    closers.push(() => server.close());
    const { environmentId, apiKey } = await ensured.promise;
    closers.push(
      tickEachSecond(
        sweep.createHandler(
          sweep.compose({
            db,
            keyWrapper,
            slackBaseUrl,
            microsoftLoginBaseUrl,
            microsoftGraphBaseUrl,
            awsAssertion: withoutAws(log),
            isFederated: () => true,
            log,
          }),
        ),
        log,
      ),
    );
    playground = createPlayground({
      publicUrl: config.PUBLIC_URL ?? server.url,
      apiKey,
      ...(pretendSlack && { pretendSlackUrl: pretendSlack.url }),
      ...(pretendMicrosoft && { pretendMicrosoftUrl: pretendMicrosoft.url }),
      callApi: apiCaller(server.url, apiKey),
      dumpRows: () => dumpRows(db),
      events: bus.latest,
    });
    await folder.advertise({ dynamodbEndpoint, apiUrl: server.url });
    return {
      url: server.url,
      apiKey,
      environmentId,
      slackBaseUrl,
      microsoftLoginBaseUrl,
      pretendMicrosoftUrl: pretendMicrosoft?.url,
      pretendSlackUrl: pretendSlack?.url,
      dynamodbEndpoint,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Hands what is written to the function that publishes it, as the table's stream does on AWS. @returns what ends that */
function publishWrites(db: Database, endpoint: string, bus: EventBus, log: Log): () => Promise<void> {
  // Another client, so that reading is not watched.
  const client = new DynamoDBClient(localClientConfig(endpoint));
  const reader: Database = { ...db, client: documentClient(client) };
  const stream = createTableStream({
    tableName: db.tables.connections,
    reader: reader.client,
    handler: publishEvents.createHandler(
      publishEvents.compose({
        db: reader,
        bus,
        log,
        reportLost: (lost) => log.warn('connections lost', { ...lost }),
      }),
    ),
    log,
  });
  stream.watch(db.client);
  return async () => {
    await stream.close();
    client.destroy();
  };
}

function isUnreachable(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT'].includes(code);
}

interface HandlerParts {
  readonly db: Database;
  readonly keyWrapper: KeyWrapper;
  readonly slackBaseUrl: string;
  readonly microsoftLoginBaseUrl: string;
  readonly microsoftGraphBaseUrl: string;
  readonly publicUrl: string;
  readonly flowTtlSeconds: number;
  /** @default - none: integrations of `clientAuth: aws` fail */
  readonly awsAssertion?: AwsAssertion;
  /** @default - every app: on one machine there is no role to prove it by */
  readonly isFederated?: IsFederated;
  readonly log: Log;
  /** Epoch milliseconds; the machine's clock unless a test moves it. */
  readonly now?: () => number;
  readonly fetch?: typeof fetch;
}

/** Every function, put together from the same parts; a test may give each its own way to the tables. */
export function composeHandlers(
  parts: HandlerParts,
  databaseOf: (name: HttpFunctionName) => Database = () => parts.db,
): Handlers {
  const { publicUrl, awsAssertion = withoutAws(parts.log), isFederated = () => true } = parts;
  const of = (name: HttpFunctionName) => ({ ...parts, awsAssertion, isFederated, db: databaseOf(name) });
  return {
    'generate-oauth-url': generateOauthUrl.createHandler(generateOauthUrl.compose(of('generate-oauth-url'))),
    start: start.createHandler(start.compose(of('start'))),
    'slack-callback': slackCallback.createHandler({ ...composeSlackCallback(of('slack-callback')), publicUrl }),
    'msteams-callback': msteamsCallback.createHandler({ ...composeTeamsCallback(of('msteams-callback')), publicUrl }),
    'slack-authorize': slackAuthorize.createHandler(slackAuthorize.compose(of('slack-authorize'))),
    'slack-events': slackEvents.createHandler(slackEvents.compose(of('slack-events'))),
    'confirm-flow': confirmFlow.createHandler(confirmFlow.compose(of('confirm-flow'))),
    integrations: integrations.createHandler(integrations.compose(of('integrations'))),
    'channel-connections': channelConnections.createHandler(channelConnections.compose(of('channel-connections'))),
    'channel-endpoints': channelEndpoints.createHandler(channelEndpoints.compose(of('channel-endpoints'))),
    meta: meta.createHandler({ ...parts, readOpenApi }),
  };
}

/** On one machine there is no role that Entra could trust. */
export function withoutAws(log: Log): AwsAssertion {
  return async () => {
    log.error('clientAuth "aws" works in a function on AWS only: here, give the integration a secret or a certificate');
    throw new FlowFailure('provider_misconfigured');
  };
}

async function embedded(path: string | undefined, closers: (() => Promise<void>)[]): Promise<string> {
  const dynamodb = await startEmbeddedDynamoDb(path === undefined ? {} : { path });
  closers.push(() => dynamodb.close());
  return dynamodb.endpoint;
}

async function pretend(config: LocalConfig, closers: (() => Promise<void>)[]) {
  if (config.real || config.SLACK_BASE_URL !== undefined) return undefined;
  const slack = await startPretendSlack({ anyClient: true });
  closers.push(() => slack.close());
  return slack;
}

async function pretendedMicrosoft(config: LocalConfig, closers: (() => Promise<void>)[]) {
  if (config.real || config.MICROSOFT_LOGIN_BASE_URL !== undefined) return undefined;
  const microsoft = await startPretendMicrosoft({ anyClient: true });
  closers.push(() => microsoft.close());
  return microsoft;
}

/** One run at a time, a second after the one before. */
function tickEachSecond(run: () => Promise<unknown>, log: Log): () => Promise<void> {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const tick = () => {
    running = run().then(
      () => schedule(),
      (error: unknown) => {
        if (stopped) return;
        log.error('the sweep failed', errorFields(error));
        schedule();
      },
    );
  };
  const schedule = () => {
    if (!stopped) timer = setTimeout(tick, 1_000);
  };
  schedule();
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await running;
  };
}

function apiCaller(url: string, apiKey: string) {
  return async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `ApiKey ${apiKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as unknown };
  };
}

async function dumpRows(db: Database) {
  const tables = Object.values(db.tables).map(async (table) => {
    const rows: Record<string, unknown>[] = [];
    for await (const page of paginateScan({ client: db.client }, { TableName: table }))
      rows.push(...(page.Items ?? []));
    return { table, rows };
  });
  return Promise.all(tables);
}
