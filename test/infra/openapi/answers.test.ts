import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ScanCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiServer, startApiServer } from '../../../infra/local/api-server.ts';
import { localClientConfig } from '../../../infra/local/embedded-dynamodb.ts';
import { composeHandlers } from '../../../infra/local/local-service.ts';
import { errorSchemaOf, errorsOf } from '../../../infra/openapi/errors.ts';
import type { Operation } from '../../../infra/openapi/operation.ts';
import { fallbackFunction, routes } from '../../../infra/routes.ts';
import { endpointTypes } from '../../../lib/endpoint/endpoint.ts';
import { permissions } from '../../../lib/environment/api-key.ts';
import { type ErrorCode, errorStatuses } from '../../../lib/errors.ts';
import { documentClient } from '../../../lib/store/aws-database.ts';
import { changeConfigurations } from '../../support/change-integrations.ts';
import { type Answer, startTestService, type TestEnvironment, type TestService } from '../../support/service.ts';
import { connect, createTeams } from '../../support/teams.ts';
import { exampleEnvironment, operations, registerExampleApps } from './run-examples.ts';
import { checkerOf, document, documentedAnswer } from './written-schemas.ts';

let service: TestService;
let environment: TestEnvironment;
const broken = new Map<ErrorCode, ApiServer>();

beforeAll(async () => {
  service = await startTestService();
  registerExampleApps(service);
  environment = await service.createTestEnvironment();
  broken.set('unavailable', await startBroken({ name: 'ThrottlingException' }));
  broken.set('internal_error', await startBroken({ name: 'TypeError' }));
});

afterAll(async () => {
  for (const server of broken.values()) await server.close();
  await service.close();
});

/** The service's functions, for which DynamoDB fails. */
function startBroken(failure: { name: string }): Promise<ApiServer> {
  const client = documentClient(new DynamoDBClient(localClientConfig(service.db.endpoint)));
  client.middlewareStack.add(() => () => Promise.reject(Object.assign(new Error('broken'), failure)), {
    step: 'initialize',
  });
  const { keyWrapper, log, slack, microsoft } = service;
  return startApiServer({
    port: 0,
    routes,
    fallbackFunction,
    handlers: (publicUrl) =>
      composeHandlers({
        ...{ db: { client, tables: service.db.tables }, keyWrapper, log, publicUrl, flowTtlSeconds: 300 },
        slackBaseUrl: slack.url,
        microsoftLoginBaseUrl: microsoft.url,
        microsoftGraphBaseUrl: microsoft.graphUrl,
      }),
  });
}

const apiOperations = operations.filter(([, operation]) => operation.permissions.length > 0);

/** A request to the route that gets as far as its headers and body let it. */
function send(
  routeKey: string,
  {
    headers = {},
    body,
    search = '',
    url = '',
  }: { headers?: object; body?: string; search?: string; url?: string } = {},
): Promise<Answer> {
  const [method = '', template = ''] = routeKey.split(' ');
  return service.request(method, `${url || service.url}${template.replace(/\{\w+\}/g, 'unknown')}${search}`, {
    headers: {
      authorization: `ApiKey ${environment.apiKey}`,
      'content-type': 'application/json',
      ...headers,
    },
    ...(body !== undefined && { body }),
  });
}

type Provocation = (routeKey: string, operation: Operation) => Promise<Answer>;

/** What makes any route fail with a code that is not its own. */
const provocations: Partial<Record<ErrorCode, Provocation>> = {
  unauthorized: (routeKey) => send(routeKey, { headers: { authorization: 'Bearer abc' } }),
  forbidden: async (routeKey) => {
    const apiKey = await service.createApiKey(environment.environmentId, []);
    return send(routeKey, { headers: { authorization: `ApiKey ${apiKey}` } });
  },
  malformed_json: (routeKey) => send(routeKey, { body: '{"a":' }),
  unsupported_media_type: (routeKey) => send(routeKey, { headers: { 'content-type': 'text/plain' }, body: '{}' }),
  body_too_large: (routeKey) => send(routeKey, { body: JSON.stringify({ a: 'x'.repeat(256 * 1024) }) }),
  validation_failed: (routeKey, { body }) =>
    body ? send(routeKey, { body: '{"unknown":1}' }) : send(routeKey, { search: '?unknown=1' }),
  unavailable: (routeKey) => send(routeKey, { url: broken.get('unavailable')?.url ?? '' }),
  internal_error: (routeKey) => send(routeKey, { url: broken.get('internal_error')?.url ?? '' }),
  idempotency_key_too_long: (routeKey) =>
    send(routeKey, { headers: { 'idempotency-key': 'k'.repeat(256) }, body: '{}' }),
  idempotency_key_reused: async (_routeKey, operation) => {
    const { again } = await doneWithKey(operation);
    // A URL is made before anybody looks whether there is one, so the other body has to be right as well.
    return again((body) =>
      operation.idempotency === 'once' ? {} : Object.fromEntries(Object.entries(body).reverse()),
    );
  },
  idempotency_in_progress: async (_routeKey, operation) => {
    const { environmentId, again } = await doneWithKey(operation);
    await forgetAnswer(environmentId);
    return again((body) => body);
  },
};

/** Runs the route's first example under an idempotency key. */
async function doneWithKey({ operationId, examples = {} }: Operation) {
  const [[name, example] = []] = Object.entries(examples);
  const headers = { 'idempotency-key': 'key' };
  const { environmentId, prepare, send } = await exampleEnvironment(service);
  await prepare(`${operationId}.${name}`);
  expect((await send(`${operationId}.${name}`, { headers })).status).toBeLessThan(300);
  const again = (change: (body: object) => object) =>
    send(`${operationId}.${name}`, { headers, body: change((example?.body ?? {}) as object) });
  return { environmentId, again };
}

/** As long as a record has no answer, its request runs. */
async function forgetAnswer(environmentId: string): Promise<void> {
  const TableName = service.db.tables.flows;
  const { Items = [] } = await service.db.client.send(new ScanCommand({ TableName }));
  const { pk, sk } = Items.find((row) => String(row['pk']).startsWith(`IDEM#${environmentId}#`)) ?? {};
  await service.db.client.send(
    new UpdateCommand({
      TableName,
      Key: { pk, sk },
      UpdateExpression: 'REMOVE #a',
      ExpressionAttributeNames: { '#a': 'answer' },
    }),
  );
}

describe('a failure', () => {
  const failures = apiOperations.flatMap(([routeKey, operation]) =>
    errorsOf(operation)
      .filter((code) => ![...(operation.errors ?? []), ...(operation.raceErrors ?? [])].includes(code))
      .map((code) => [routeKey, code, operation] as const),
  );

  it.each(failures)('of %s with %s is answered as documented', async (routeKey, code, operation) => {
    const answer = await provocations[code]?.(routeKey, operation);

    expect(answer?.json).toMatchObject({ error: code });
    const status = errorStatuses[code];
    const { headers = {}, content } = documentedAnswer(routeKey, status);
    expect(answer?.status).toBe(status);
    expect(answer?.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(checkerOf(content['application/json'].schema).safeParse(answer?.json).error).toBeUndefined();
    // Parsing drops what the schema does not know.
    expect(errorSchemaOf(status).parse(answer?.json)).toEqual(answer?.json);
    if (answer?.headers.has('retry-after')) expect(headers).toHaveProperty('Retry-After');
  });
});

describe('a caller who is not known', () => {
  const path = '/v1/integrations';

  it.each([
    ['no header', undefined],
    ['an empty one', ''],
    ['a key without its scheme', 'cc_unknown'],
    ['another scheme', 'Bearer cc_unknown'],
    ['a scheme without a key', 'ApiKey'],
    ['an unknown key', 'ApiKey cc_unknown'],
  ])('is refused with %s', async (_what, authorization) => {
    const answer = await service.request('GET', path, {
      headers: authorization === undefined ? {} : { authorization },
    });

    expect(answer.status).toBe(401);
    expect(answer.json).toStrictEqual({
      statusCode: 401,
      timestamp: expect.any(String),
      path,
      message: expect.not.stringContaining('cc_unknown'),
      error: 'unauthorized',
    });
  });
});

describe.each(apiOperations)('%s', (routeKey, operation) => {
  it.each(permissions)('asks for the documented permissions, of a key with %s', async (permission) => {
    const apiKey = await service.createApiKey(environment.environmentId, [permission]);

    const answer = await send(routeKey, { headers: { authorization: `ApiKey ${apiKey}` } });

    expect(answer.json.error !== 'forbidden').toBe(operation.permissions.includes(permission));
  });

  it('honours an idempotency key only where the document says so', async () => {
    const answer = await send(routeKey, { headers: { 'idempotency-key': 'key' } });

    const alwaysFails = Object.keys(operation.answers).length === 0;
    expect(answer.headers.has('idempotency-key')).toBe(operation.idempotency !== undefined || alwaysFails);
  });
});

describe('the rows of lists', () => {
  it('have the documented fields, each of them somewhere, and no other', async () => {
    const teams = await createTeams(service, { requiredRoles: ['Team.ReadBasic.All', 'Nobody.Has.This'] });
    await connect(service, teams, { connectionIdentifier: 'pending' });
    await service.connect(teams, { scope: ['chat:write', 'incoming-webhook'], autoLinkUser: true, metadata: 'gold' });
    await changeConfigurations(service, teams, { requiredScopes: ['users:read'] });
    const linking = await createTeams(service);
    await connect(service, linking, { autoLinkUser: true, connectionIdentifier: 'verified' });
    await service.api(linking.apiKey, 'POST', '/v1/channel-connections/verified/verify');
    const made = [
      { integrationIdentifier: 'slack', type: 'slack_channel', endpoint: { channelId: 'C0GENACME0001' } },
      {
        integrationIdentifier: 'msteams',
        type: 'ms_teams_channel',
        endpoint: { teamId: 'team', channelId: 'channel' },
      },
    ];
    for (const body of made) {
      await service.api(linking.apiKey, 'POST', '/v1/channel-endpoints', { ...body, subscriberId: 'subscriber-1' });
    }

    const connections = [...(await service.connections(teams)), ...(await service.connections(linking))];
    const endpoints = [...(await service.endpoints(teams)), ...(await service.endpoints(linking))];

    const rows = { ChannelConnection: connections, Workspace: connections.map((row) => row.workspace) };
    for (const [name, found] of Object.entries(rows)) {
      const { schemas } = document.components;
      const seen = new Set(found.flatMap((row) => Object.keys(row)));
      expect([...seen].sort()).toEqual(Object.keys(schemas[name].properties).sort());
      for (const row of found) expect(checkerOf(schemas[name]).safeParse(row).error).toBeUndefined();
    }
    for (const row of endpoints) {
      const known = document.components.schemas;
      const schema = Object.values<typeof known>(known).find((each) => each.properties?.type?.const === row.type);
      expect(Object.keys(row).sort()).toEqual(Object.keys(schema.properties).sort());
      expect(Object.keys(row.endpoint).sort()).toEqual(Object.keys(schema.properties.endpoint.properties).sort());
      expect(checkerOf(schema).safeParse(row).error).toBeUndefined();
    }
    expect(new Set(endpoints.map((row) => row.type))).toEqual(new Set(endpointTypes));
  });
});

describe('a page', () => {
  const pages = operations.map(([routeKey]) => routeKey).filter((routeKey) => /callback|connect\//.test(routeKey));

  it.each(pages)('of %s has a documented status', async (routeKey) => {
    const answer = await send(routeKey, { search: '?state=unknown&code=x' });

    expect(documentedAnswer(routeKey, answer.status).content).toHaveProperty('text/html');
    expect(answer.headers.get('content-type')).toMatch(/^text\/html/);
  });
});
