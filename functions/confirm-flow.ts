import * as z from 'zod/mini';
import { loadConfig } from '../lib/config.ts';
import { showConnection } from '../lib/connection/shown-connection.ts';
import { shownEndpoint } from '../lib/endpoint/shown-endpoint.ts';
import { type ConfirmFlowDeps, confirmFlow } from '../lib/flow/confirm-flow.ts';
import { connectionIdentifierOf, type Flow } from '../lib/flow/flow.ts';
import { composeResume, type ResumeParts } from '../lib/flow/resume-flow-deps.ts';
import { type ApiDeps, createApiHandler, textSchema, validated } from '../lib/http/api.ts';
import { lambdaLog, onLambda } from '../lib/http/lambda.ts';
import type { HttpHandler } from '../lib/http/types.ts';
import { awsAssertion } from '../lib/providers/msteams/aws-assertion.ts';
import { federatedClients } from '../lib/providers/msteams/federated-clients.ts';
import { awsDatabase } from '../lib/store/aws-database.ts';
import { type ConnectionStore, dynamoConnectionStore } from '../lib/store/connection-store.ts';
import { dynamoEndpointStore, type EndpointStore } from '../lib/store/endpoint-store.ts';
import { dynamoApiKeyStore } from '../lib/store/environment-store.ts';
import { dynamoFlowStore } from '../lib/store/flow-store.ts';
import { dynamoGrantStore, type GrantStore } from '../lib/store/grant-store.ts';
import { awsKeyWrapper } from '../lib/vault/aws-key-wrapper.ts';
import { environmentVault } from '../lib/vault/environment-vault.ts';
import type { Vault } from '../lib/vault/vault.ts';

export const confirmBody = z.strictObject({
  handle: z.string().check(z.maxLength(1024)),
  subscriberId: z.optional(textSchema),
  context: z.optional(z.unknown()),
});

export interface ConfirmDeps extends ApiDeps, ConfirmFlowDeps {
  readonly connections: Pick<ConnectionStore, 'find'>;
  readonly endpoints: Pick<EndpointStore, 'find'>;
  readonly grants: Pick<GrantStore, 'statesOf'>;
  readonly vault: Vault;
}

/** The product's backend says that the person who approved is the one who asked. */
export function createHandler(deps: ConfirmDeps): HttpHandler {
  return createApiHandler(deps, {
    'POST /v1/integrations/chat/oauth/confirm': {
      permissions: ['connect'],
      idempotency: 'ignored',
      async act({ caller, body, log }) {
        const flow = await confirmFlow({ ...deps, log }, caller.environmentId, validated(confirmBody, body));
        return { statusCode: 200, body: { data: await made(deps, flow) } };
      },
    },
  });
}

/** What the flow has made, as it is now. */
async function made(deps: ConfirmDeps, flow: Flow) {
  const { environmentId, outcome } = flow;
  const identifier = connectionIdentifierOf(flow);
  const connection = identifier === undefined ? undefined : await deps.connections.find(environmentId, identifier);
  const found = await Promise.all(
    (outcome?.endpointIdentifiers ?? []).map((each) => deps.endpoints.find(environmentId, each)),
  );
  const endpoints = found.filter((endpoint) => endpoint !== undefined);
  return {
    connection: connection && (await showConnection(deps, connection)),
    endpoints: await Promise.all(endpoints.map((endpoint) => shownEndpoint(deps.vault, endpoint))),
  };
}

export function compose(parts: ResumeParts): ConfirmDeps {
  const { db, log, keyWrapper, now = Date.now } = parts;
  return {
    flows: dynamoFlowStore(db),
    ...composeResume(parts),
    findApiKey: dynamoApiKeyStore(db).find,
    connections: dynamoConnectionStore(db),
    endpoints: dynamoEndpointStore(db),
    grants: dynamoGrantStore(db),
    vault: environmentVault({ db, keyWrapper, now }),
    log,
    now,
  };
}

export const handler = onLambda(() => {
  const config = loadConfig([
    'CONNECTIONS_TABLE',
    'FLOWS_TABLE',
    'VAULT_KEY_ARN',
    'SLACK_BASE_URL',
    'MICROSOFT_LOGIN_BASE_URL',
    'MICROSOFT_GRAPH_BASE_URL',
    'FEDERATED_CLIENTS',
  ]);
  const log = lambdaLog();
  return createHandler(
    compose({
      db: awsDatabase(config),
      keyWrapper: awsKeyWrapper(config),
      slackBaseUrl: config.SLACK_BASE_URL,
      microsoftLoginBaseUrl: config.MICROSOFT_LOGIN_BASE_URL,
      microsoftGraphBaseUrl: config.MICROSOFT_GRAPH_BASE_URL,
      awsAssertion: awsAssertion({ log }),
      isFederated: federatedClients(config.FEDERATED_CLIENTS),
      log,
    }),
  );
});
