import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import * as sweep from '../../functions/sweep.ts';
import { localClientConfig } from '../../infra/local/embedded-dynamodb.ts';
import { createContext } from '../../infra/local/lambda-context.ts';
import { composeHandlers, withoutAws } from '../../infra/local/local-service.ts';
import { routeMatcher } from '../../infra/local/match-route.ts';
import { type HttpFunctionName, routes } from '../../infra/routes.ts';
import { parseHandle } from '../../lib/flow/handle.ts';
import type { HttpEvent, HttpResult } from '../../lib/http/types.ts';
import { documentClient } from '../../lib/store/aws-database.ts';
import { injectFaults } from './faults.ts';
import type { TestEnvironment, TestService } from './service.ts';

/** A command on its way to DynamoDB, as the SDK's middleware sees it. */
export interface Command {
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever part of an input it waits for
  readonly input: any;
}

/** Another instance of a service's functions, with a client of its own that can be made to fail and to stop. */
export function startInstance(
  service: TestService,
  options: {
    fetch?: typeof fetch;
    maxAttempts?: number;
    publicUrl?: string;
    /** Calls to providers count as commands. */
    countsCalls?: boolean;
  } = {},
) {
  const client = documentClient(
    new DynamoDBClient({ ...localClientConfig(service.db.endpoint), maxAttempts: options.maxAttempts ?? 1 }),
  );
  const faults = injectFaults(client);
  const { fetch: send = options.countsCalls ? fetch : undefined } = options;
  const parts = {
    db: { client, tables: service.db.tables },
    keyWrapper: service.keyWrapper,
    slackBaseUrl: service.slack.url,
    microsoftLoginBaseUrl: service.microsoft.url,
    microsoftGraphBaseUrl: service.microsoft.graphUrl,
    publicUrl: options.publicUrl ?? service.url,
    flowTtlSeconds: 300,
    log: service.log,
    now: service.now,
    ...(send && { fetch: options.countsCalls ? faults.around(send) : send }),
  };
  const handlers = composeHandlers(parts);
  const awsAssertion = withoutAws(service.log);
  const call = async (name: HttpFunctionName, event: HttpEvent): Promise<HttpResult> => {
    const result = await handlers[name](event, createContext(name));
    const { statusCode: status = 200, headers = {}, cookies = [], body: text = '' } = result;
    const isJson = String(headers['content-type']).startsWith('application/json');
    service.observe(event.rawPath, { status, isJson, headers: JSON.stringify([headers, cookies]), text });
    return result;
  };
  return {
    faults,
    hit: (callback: string, cookies: string[] = []): Promise<HttpResult> => {
      const name = callback.includes('/callback/msteams') ? 'msteams-callback' : 'slack-callback';
      return call(name, { ...eventOf('GET', callback), cookies });
    },
    /** A call of the API. */
    api: (apiKey: string, method: string, path: string, body?: unknown): Promise<HttpResult> => {
      const route = matchRoute(method, path);
      if (!route) throw new Error(`no route for ${method} ${path}`);
      const headers = { authorization: `ApiKey ${apiKey}`, 'content-type': 'application/json' };
      const event = {
        ...eventOf(method, path),
        ...route,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      };
      return call(route.function, event);
    },
    /** A request of Slack's. */
    slackEvents: (path: string, request: Pick<HttpEvent, 'headers' | 'body' | 'isBase64Encoded'>) =>
      call('slack-events', { ...eventOf('POST', path), ...matchRoute('POST', path), ...request }),
    visit: (startUrl: string): Promise<HttpResult> => call('start', startEvent('GET', startUrl)),
    press: (startUrl: string, headers: Record<string, string>): Promise<HttpResult> =>
      call('start', { ...startEvent('POST', startUrl), headers }),
    confirm: (apiKey: string, body: object): Promise<HttpResult> => call('confirm-flow', confirmEvent(apiKey, body)),
    /** One run of the schedule. */
    sweep: sweep.createHandler(sweep.compose({ ...parts, awsAssertion, isFederated: () => true })),
    /** Does something just before the first command that is looked for is sent. */
    before(matches: (command: Command) => boolean, act: () => Promise<unknown>) {
      let acted = false;
      client.middlewareStack.add(
        (next, context) => async (args) => {
          if (!acted && matches({ name: context.commandName ?? '', input: args.input })) {
            acted = true;
            await act();
          }
          return next(args);
        },
        { step: 'initialize', name: 'before', override: true },
      );
    },
    /** Does something just before every command that is looked for is sent. */
    beforeEach(matches: (command: Command) => boolean, act: () => Promise<unknown>) {
      client.middlewareStack.add(
        (next, context) => async (args) => {
          if (matches({ name: context.commandName ?? '', input: args.input })) await act();
          return next(args);
        },
        { step: 'initialize', name: 'beforeEach', override: true },
      );
    },
    /** Loses the answer of the first command that is looked for, below the SDK's own retries. */
    loseAnswer(matches: (command: Command) => boolean) {
      let lost = false;
      client.middlewareStack.add(
        (next, context) => async (args) => {
          const result = await next(args);
          if (lost || !matches({ name: context.commandName ?? '', input: args.input })) return result;
          lost = true;
          throw Object.assign(new Error('socket hang up'), { name: 'TimeoutError', code: 'ECONNRESET' });
        },
        { step: 'deserialize', name: 'loseAnswer', override: true },
      );
    },
  };
}

/** Deletes a connection in a process that ends when it is hidden, and before anything of it is gone. */
export function dieAfterTombstone(
  service: TestService,
  { apiKey }: TestEnvironment,
  identifier = 'mine',
): Promise<HttpResult> {
  const dying = startInstance(service);
  let isHidden = false;
  dying.before(
    ({ name, input }) => {
      const wasHidden = isHidden;
      isHidden ||= name === 'PutItemCommand' && input.Item.deletedAt !== undefined;
      return wasHidden;
    },
    async () => dying.faults.killAt(1),
  );
  return dying.api(apiKey, 'DELETE', `/v1/channel-connections/${identifier}`);
}

const matchRoute = routeMatcher(routes);

function startEvent(method: string, startUrl: string): HttpEvent {
  const ticket = new URL(startUrl).pathname.split('/').at(-1) ?? '';
  return { ...eventOf(method, startUrl), routeKey: `${method} /connect/{ticket}`, pathParameters: { ticket } };
}

function confirmEvent(apiKey: string, body: object): HttpEvent {
  return {
    ...eventOf('POST', 'http://localhost/v1/integrations/chat/oauth/confirm'),
    headers: { authorization: `ApiKey ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
}

function eventOf(method: string, address: string): HttpEvent {
  const url = new URL(address, 'http://localhost');
  return {
    version: '2.0',
    routeKey: `${method} ${url.pathname}`,
    rawPath: url.pathname,
    rawQueryString: url.search.slice(1),
    headers: {},
    isBase64Encoded: false,
    requestContext: { requestId: 'test', http: { method, path: url.pathname } },
  } as HttpEvent;
}

/** The state in the address of a callback. */
export function handleOf(callback: string) {
  const handle = parseHandle(new URL(callback).searchParams.get('state') ?? '');
  if (!handle) throw new Error('no state');
  return handle;
}
