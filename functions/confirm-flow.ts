import * as z from 'zod/mini';
import { showConnection } from '../lib/connection/shown-connection.ts';
import { composeStores } from '../lib/connection/stores.ts';
import { shownEndpoint } from '../lib/endpoint/shown-endpoint.ts';
import { type ConfirmFlowDeps, confirmFlow } from '../lib/flow/confirm-flow.ts';
import { connectionIdentifierOf, type Flow } from '../lib/flow/flow.ts';
import { partsOnAws } from '../lib/flow/parts-on-aws.ts';
import { composeResume, type ResumeParts } from '../lib/flow/resume-flow-deps.ts';
import { type ApiDeps, createApiHandler, textSchema, validated } from '../lib/http/api.ts';
import { onLambda } from '../lib/http/lambda.ts';
import type { HttpHandler } from '../lib/http/types.ts';
import type { ConnectionStore } from '../lib/store/connection-store.ts';
import type { EndpointStore } from '../lib/store/endpoint-store.ts';
import { dynamoApiKeyStore } from '../lib/store/environment-store.ts';
import { dynamoFlowStore } from '../lib/store/flow-store.ts';
import type { Vault } from '../lib/vault/vault.ts';

export const confirmBody = z.strictObject({
  handle: z.string().check(z.maxLength(1024)),
  subscriberId: z.optional(textSchema),
  context: z.optional(z.unknown()),
});

export interface ConfirmDeps extends ApiDeps, ConfirmFlowDeps {
  readonly connections: Pick<ConnectionStore, 'find' | 'standingsOf'>;
  readonly endpoints: Pick<EndpointStore, 'find'>;
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
  const { db } = parts;
  const stores = composeStores(parts);
  return {
    ...stores,
    ...composeResume(parts, stores),
    flows: dynamoFlowStore(db),
    findApiKey: dynamoApiKeyStore(db).find,
  };
}

export const handler = onLambda(() => createHandler(compose(partsOnAws())));
