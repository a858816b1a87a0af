import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import * as publishEvents from '../../functions/publish-events.ts';
import * as sweep from '../../functions/sweep.ts';
import { type ApiServer, startApiServer } from '../../infra/local/api-server.ts';
import { localClientConfig } from '../../infra/local/embedded-dynamodb.ts';
import { createFileKeyWrapper, generateWrappingKey } from '../../infra/local/file-key-wrapper.ts';
import type { Issued } from '../../infra/local/issued.ts';
import { composeHandlers, withoutAws } from '../../infra/local/local-service.ts';
import { startPretendMicrosoft } from '../../infra/local/pretend-microsoft/server.ts';
import type { PretendSlackApp } from '../../infra/local/pretend-slack/apps.ts';
import { startPretendSlack } from '../../infra/local/pretend-slack/server.ts';
import { createTableStream } from '../../infra/local/table-stream.ts';
import { type FunctionName, fallbackFunction, routes } from '../../infra/routes.ts';
import { generateApiKey, hashApiKey, type Permission, permissions } from '../../lib/environment/api-key.ts';
import { createEnvironment } from '../../lib/environment/create-environment.ts';
import type { Event } from '../../lib/events/event.ts';
import type { EventBus } from '../../lib/events/event-bus.ts';
import type { LostConnections } from '../../lib/events/lost-connections.ts';
import type { StreamRecord } from '../../lib/events/row-change.ts';
import type { Configurations, Credentials } from '../../lib/integration/integration.ts';
import type { Log } from '../../lib/log.ts';
import type { AwsAssertion } from '../../lib/providers/msteams/aws-assertion.ts';
import type { IsFederated } from '../../lib/providers/msteams/federated-clients.ts';
import { slackRedirectUri } from '../../lib/providers/slack/authorization-url.ts';
import { documentClient } from '../../lib/store/aws-database.ts';
import { dynamoApiKeyStore, dynamoEnvironmentStore } from '../../lib/store/environment-store.ts';
import type { KeyWrapper } from '../../lib/vault/key-wrapper.ts';
import { asDeployed } from './as-deployed.ts';
import { type TestDatabase, testDatabase } from './embedded-store.ts';
import { leaksIn, type Place, rowsOf, secretsInRequest, secretsOfFlows } from './leaks.ts';

interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body of a JSON answer; tests say what they expect of it. */
  // biome-ignore lint/suspicious/noExplicitAny: asserting is the tests' way of checking the shape
  readonly json: any;
}

/** An environment with a key of every permission and one Slack integration called `slack`. */
export interface TestEnvironment {
  readonly environmentId: string;
  readonly apiKey: string;
  readonly slackApp: PretendSlackApp;
}

export type TestService = Awaited<ReturnType<typeof startTestService>>;

let apps = 0;

/** The real handlers behind a real HTTP server, over an embedded DynamoDB and a pretend Slack; one clock for all. */
export async function startTestService(
  options: {
    flowTtlSeconds?: number;
    keyWrapper?: KeyWrapper;
    slackBaseUrl?: string;
    /** Where people and providers reach the service, when that is not the server's own address. */
    publicUrl?: string;
    /** Where the functions get tokens of their role; by default from nowhere, as on one machine. */
    isFederated?: IsFederated;
    awsAssertion?: (parts: { log: Log; now: () => number }) => AwsAssertion;
    /** Publishes what is written, for `events()`. */
    withEvents?: boolean;
  } = {},
) {
  const db = await testDatabase();
  let skew = 0;
  let frozenAt: number | undefined;
  const now = () => frozenAt ?? Date.now() + skew;
  const slack = await startPretendSlack({ now });
  const microsoft = await startPretendMicrosoft({ now });
  const keyWrapper = options.keyWrapper ?? createFileKeyWrapper(generateWrappingKey());
  const lines: LogLine[] = [];
  const log = recordingLog(lines);
  const secrets: Issued[] = [];
  /** Errors and pages, each once. */
  const refusals = new Set<string>();
  const places: Place[] = [
    ...rowsOf(db),
    { name: 'a log line', read: () => lines },
    { name: 'an error or a page', read: () => refusals },
  ];
  const isFederated = options.isFederated ?? (() => true);
  const awsAssertion = options.awsAssertion?.({ log, now }) ?? withoutAws(log);
  const stream = options.withEvents ? publishWrites(db, log) : undefined;
  places.push({ name: 'an event', read: () => stream?.published ?? [] });
  const databaseOf = (name: FunctionName) => {
    const database = asDeployed(db, name);
    stream?.watch(database.client);
    return database;
  };
  const server: ApiServer = await startApiServer({
    port: 0,
    routes,
    fallbackFunction,
    ...(options.publicUrl !== undefined && { publicUrl: options.publicUrl }),
    handlers: (url) =>
      composeHandlers(
        {
          db,
          keyWrapper,
          slackBaseUrl: options.slackBaseUrl ?? slack.url,
          microsoftLoginBaseUrl: microsoft.url,
          microsoftGraphBaseUrl: microsoft.graphUrl,
          publicUrl: options.publicUrl ?? url,
          flowTtlSeconds: options.flowTtlSeconds ?? 300,
          awsAssertion,
          isFederated,
          log,
          now,
        },
        databaseOf,
      ),
  });

  const publicUrl = options.publicUrl ?? server.url;

  async function request(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(path.startsWith('http') ? path : `${server.url}${path}`, {
      method,
      redirect: 'manual',
      ...init,
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false;
    observe(path, { status: response.status, isJson, headers: [...response.headers].join('\n'), text });
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson && text !== '' ? JSON.parse(text) : undefined,
    };
  }

  /** Remembers an answer: the secrets that it hands out, and what it says where it may hold none. */
  function observe(path: string, seen: { status: number; isJson: boolean; headers: string; text: string }): void {
    for (const text of [path, seen.headers, seen.text]) secrets.push(...secretsOfFlows(text));
    if (seen.status >= 400 || !seen.isJson) refusals.add(seen.text);
  }

  const api = (apiKey: string | undefined, method: string, path: string, body?: unknown) => {
    secrets.push(...secretsInRequest(body));
    return request(method, path, {
      headers: {
        ...(apiKey === undefined ? {} : { authorization: `ApiKey ${apiKey}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  };

  async function createApiKey(environmentId: string, granted: readonly Permission[] = permissions) {
    const { keyId, secret } = generateApiKey();
    secrets.push({ kind: 'API key', value: secret });
    await dynamoApiKeyStore(db).put({
      keyId,
      environmentId,
      keyHash: hashApiKey(secret),
      name: 'test',
      permissions: [...granted],
      createdAt: new Date().toISOString(),
    });
    return secret;
  }

  async function createTestEnvironment(
    integration: {
      credentials?: Partial<Credentials>;
      configurations?: Configurations;
      app?: Partial<PretendSlackApp>;
    } = {},
  ): Promise<TestEnvironment> {
    const { environmentId } = await createEnvironment(
      { environments: dynamoEnvironmentStore(db), keyWrapper, now },
      { name: 'test' },
    );
    const apiKey = await createApiKey(environmentId);
    apps += 1;
    const slackApp: PretendSlackApp = {
      clientId: `${apps}000.${apps}000`,
      clientSecret: `canary-client-secret-${apps}`,
      appId: `A0TEST${apps}`,
      redirectUris: [slackRedirectUri(publicUrl)],
      ...integration.app,
    };
    slack.registerApp(slackApp);
    const created = await api(apiKey, 'POST', '/v1/integrations', {
      providerId: 'slack',
      channel: 'chat',
      identifier: 'slack',
      name: 'Slack',
      credentials: { clientId: slackApp.clientId, secretKey: slackApp.clientSecret, ...integration.credentials },
      ...(integration.configurations && { configurations: integration.configurations }),
    });
    if (created.status !== 201) throw new Error(`integration not created: ${created.text}`);
    return { environmentId, apiKey, slackApp };
  }

  /** Asks for a connect URL. */
  async function connectUrl(environment: TestEnvironment, body: Record<string, unknown> = {}): Promise<string> {
    const answer = await api(environment.apiKey, 'POST', '/v1/integrations/channel-connections/oauth', {
      integrationIdentifier: 'slack',
      subscriberId: 'subscriber-1',
      ...body,
    });
    if (answer.status !== 201) throw new Error(`no URL: ${answer.text}`);
    return answer.json.data.url;
  }

  /** Asks for a link_user URL. */
  async function linkUrl(environment: TestEnvironment, body: Record<string, unknown> = {}): Promise<string> {
    const answer = await api(environment.apiKey, 'POST', '/v1/integrations/channel-endpoints/oauth', {
      integrationIdentifier: 'slack',
      subscriberId: 'subscriber-1',
      ...body,
    });
    if (answer.status !== 201) throw new Error(`no URL: ${answer.text}`);
    return answer.json.data.url;
  }

  return {
    db,
    slack,
    microsoft,
    keyWrapper,
    /** One run of the schedule. */
    sweep: sweep.createHandler(
      sweep.compose({
        db: databaseOf('sweep'),
        keyWrapper,
        slackBaseUrl: options.slackBaseUrl ?? slack.url,
        microsoftLoginBaseUrl: microsoft.url,
        awsAssertion,
        isFederated,
        microsoftGraphBaseUrl: microsoft.graphUrl,
        log,
        now,
      }),
    ),
    url: server.url,
    publicUrl,
    lines,
    log,
    now,
    /** Moves the service's clock. */
    advance(milliseconds: number) {
      skew += milliseconds;
    },
    /** Stops the service's clock at a time; without one it goes on. */
    freeze(at?: number) {
      frozenAt = at;
    },
    /** Where no secret may stand when the service is closed. */
    places,
    observe,
    request,
    api,
    createApiKey,
    createTestEnvironment,
    connectUrl,
    linkUrl,
    /** What a person does who opens a URL of ours and presses Allow or Cancel; gives the address of our callback. */
    approve: slack.approve,
    /** The same, and the browser follows to our callback. */
    async connect(environment: TestEnvironment, body: Record<string, unknown> = {}, choice = {}): Promise<Answer> {
      return request('GET', await slack.approve(await connectUrl(environment, body), choice));
    },
    async link(environment: TestEnvironment, body: Record<string, unknown> = {}, choice = {}): Promise<Answer> {
      return request('GET', await slack.approve(await linkUrl(environment, body), choice));
    },
    async connections(environment: TestEnvironment, query = ''): Promise<Answer['json'][]> {
      return (await api(environment.apiKey, 'GET', `/v1/channel-connections?limit=100${query}`)).json.data;
    },
    async endpoints(environment: TestEnvironment, query = ''): Promise<Answer['json'][]> {
      return (await api(environment.apiKey, 'GET', `/v1/channel-endpoints?limit=100${query}`)).json.data;
    },
    /** Everything published so far, in order. */
    async events(): Promise<readonly Event[]> {
      await stream?.drained();
      return stream?.published ?? [];
    },
    stream,
    /** @throws when a secret stands where none may */
    async close() {
      await stream?.drained();
      const leaks = await leaksIn(places, [...secrets, ...slack.issued, ...microsoft.issued]);
      await server.close();
      await stream?.close();
      await slack.close();
      await microsoft.close();
      await db.close();
      if (leaks.length > 0) throw new Error(`secrets have leaked:\n${leaks.join('\n')}`);
    },
  };
}

/** The function on the stream of what is written, and what came of it. */
function publishWrites(db: TestDatabase, log: Log) {
  const records: StreamRecord[] = [];
  const published: Event[] = [];
  const lost: LostConnections[] = [];
  const handlerFor = (bus: EventBus) =>
    publishEvents.createHandler(
      publishEvents.compose({
        db: asDeployed(db, 'publish-events'),
        bus,
        log,
        reportLost: (each) => lost.push(each),
      }),
    );
  const publish = handlerFor({
    async publish(events) {
      published.push(...events);
      return events.length;
    },
  });
  const stream = createTableStream({
    tableName: db.tables.connections,
    reader: documentClient(new DynamoDBClient(localClientConfig(db.endpoint))),
    handler: (batch) => {
      records.push(...(batch as { Records: StreamRecord[] }).Records);
      return publish(batch);
    },
    log,
  });
  stream.watch(db.client);
  return { ...stream, handlerFor, records, published, lost };
}

function recordingLog(lines: LogLine[]): Log {
  const record =
    (level: LogLine['level']) =>
    (message: string, fields: Record<string, unknown> = {}) => {
      lines.push({ level, message, fields });
    };
  return { info: record('info'), warn: record('warn'), error: record('error') };
}
