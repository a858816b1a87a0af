import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, PutCommand } from '@aws-sdk/lib-dynamodb';
import { InstallProvider } from '@slack/oauth';
import serverlessHttp from 'serverless-http';
import { compose, createHandler } from '../../../functions/generate-oauth-url.ts';
import { createTables } from '../../../infra/local/create-tables.ts';
import { createContext } from '../../../infra/local/lambda-context.ts';
import { generateApiKey, hashApiKey } from '../../../lib/environment/api-key.ts';
import { lambdaLog } from '../../../lib/http/lambda.ts';
import type { HttpEvent } from '../../../lib/http/types.ts';
import { defaultBotScopes } from '../../../lib/providers/slack/authorization-url.ts';
import { awsDatabase } from '../../../lib/store/aws-database.ts';
import { dynamoApiKeyStore } from '../../../lib/store/environment-store.ts';
import { dynamoIntegrationStore } from '../../../lib/store/integration-store.ts';
import { anApiKey, anIntegration } from '../../support/builders.ts';
import { eventOf } from '../http-event.ts';

type Handler = (event: HttpEvent) => Promise<{ statusCode?: number; body?: string }>;

const publicUrl = 'https://connect.example.com';
const clientId = '1000.1000';
const routeKey = 'POST /v1/integrations/channel-connections/oauth';
const tables = { connections: 'connections', flows: 'flows' };

/** Ours, as it is deployed, but for the address of DynamoDB, which the SDK finds in the environment. */
async function ourHandler(): Promise<{ handler: Handler; apiKey: string }> {
  const db = awsDatabase({ CONNECTIONS_TABLE: tables.connections, FLOWS_TABLE: tables.flows });
  const { secret } = generateApiKey();
  await dynamoApiKeyStore(db).put(anApiKey({ keyHash: hashApiKey(secret) }));
  await dynamoIntegrationStore(db).create(anIntegration({ credentials: { clientId } }), Date.now());
  const deps = compose({
    db,
    slackBaseUrl: 'https://slack.com',
    microsoftLoginBaseUrl: 'https://login.microsoftonline.com',
    publicUrl,
    flowTtlSeconds: 300,
    log: lambdaLog(),
  });
  const handle = createHandler(deps);
  return { apiKey: secret, handler: (event) => handle(event, createContext('generate-oauth-url')) };
}

/** What one writes around InstallProvider: a state store of one PutItem. It knows no callers and checks nothing. */
function installProviderHandler(): Handler {
  const client = DynamoDBDocumentClient.from(new DynamoDBClient({}), {
    marshallOptions: { removeUndefinedValues: true },
  });
  const provider = new InstallProvider({
    clientId,
    clientSecret: 'secret',
    stateStore: {
      async generateStateParam(installOptions, now) {
        const state = randomUUID();
        const expiresAt = Math.ceil(now.getTime() / 1000) + 300;
        await client.send(
          new PutCommand({ TableName: tables.flows, Item: { pk: `S#${state}`, installOptions, expiresAt } }),
        );
        return state;
      },
      verifyStateParam: () => Promise.reject(new Error('nothing comes back here')),
    },
  });
  const answer = async (request: IncomingMessage & { body: Buffer }, response: ServerResponse) => {
    const { subscriberId } = JSON.parse(request.body.toString('utf8'));
    const url = await provider.generateInstallUrl({
      scopes: [...defaultBotScopes],
      metadata: JSON.stringify({ subscriberId }),
      redirectUri: `${publicUrl}/callback`,
    });
    response.writeHead(201, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ data: { url } }));
  };
  const handle = serverlessHttp(answer);
  return (event) => handle(event, createContext('generate-oauth-url'));
}

/** Microseconds of CPU, of all threads, per URL. */
async function measure(handler: Handler, events: readonly HttpEvent[]): Promise<number> {
  const before = process.cpuUsage();
  for (const event of events) {
    const { statusCode, body } = await handler(event);
    if (statusCode !== 201) throw new Error(`no URL but ${statusCode}: ${body}`);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / events.length;
}

async function run(urls: number, rounds: number, warmUpRounds: number) {
  const client = new DynamoDBClient({});
  await createTables(client, tables);
  const ours = await ourHandler();
  const theirs = installProviderHandler();
  // One subscriber each, as one request each.
  const events = () =>
    Array.from({ length: urls }, (_, index) =>
      eventOf(routeKey, {
        apiKey: ours.apiKey,
        body: { integrationIdentifier: 'slack', subscriberId: `subscriber-${index}` },
      }),
    );
  const pairs: { ours: number; theirs: number }[] = [];
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    const oursFirst = round % 2 === 0;
    const early = await measure(oursFirst ? ours.handler : theirs, events());
    const late = await measure(oursFirst ? theirs : ours.handler, events());
    if (round >= 0) pairs.push(oursFirst ? { ours: early, theirs: late } : { ours: late, theirs: early });
  }
  client.destroy();
  return pairs;
}

process.once('message', (message) => {
  const { urls, rounds, warmUpRounds } = message as { urls: number; rounds: number; warmUpRounds: number };
  run(urls, rounds, warmUpRounds).then(
    (pairs) => process.send?.({ pairs }, () => process.exit()),
    (error) => process.send?.({ error: String(error) }, () => process.exit(1)),
  );
});
process.once('disconnect', () => process.exit());
