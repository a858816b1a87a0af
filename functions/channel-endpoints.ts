import * as z from 'zod/mini';
import { loadConfig } from '../lib/config.ts';
import { type Endpoint, endpointSchema, endpointTypes } from '../lib/endpoint/endpoint.ts';
import {
  changeEndpoint,
  createEndpoint,
  deleteEndpoint,
  endpointNotFound,
  type ManageEndpointsDeps,
} from '../lib/endpoint/manage-endpoints.ts';
import { shownEndpoint } from '../lib/endpoint/shown-endpoint.ts';
import { type ApiDeps, createApiHandler, identifierSchema, textSchema, validated } from '../lib/http/api.ts';
import { lambdaLog, onLambda } from '../lib/http/lambda.ts';
import { allOf, integrationIdOf } from '../lib/http/list-filters.ts';
import { listQuerySchema, listRows, parseListQuery } from '../lib/http/list-route.ts';
import type { HttpHandler } from '../lib/http/types.ts';
import { providerIds } from '../lib/integration/integration.ts';
import { awsDatabase } from '../lib/store/aws-database.ts';
import { dynamoConnectionStore } from '../lib/store/connection-store.ts';
import type { Database } from '../lib/store/database.ts';
import { dynamoEndpointStore, endpointOrderOf } from '../lib/store/endpoint-store.ts';
import { dynamoApiKeyStore } from '../lib/store/environment-store.ts';
import { dynamoIdempotencyStore } from '../lib/store/idempotency-store.ts';
import { dynamoIntegrationStore } from '../lib/store/integration-store.ts';
import { listOf } from '../lib/store/keys.ts';
import type { ListSource } from '../lib/store/list.ts';
import { awsKeyWrapper } from '../lib/vault/aws-key-wrapper.ts';
import { environmentVault } from '../lib/vault/environment-vault.ts';
import type { KeyWrapper } from '../lib/vault/key-wrapper.ts';

export const listQuery = listQuerySchema({
  subscriberId: z.optional(z.string()),
  channel: z.optional(z.literal('chat', 'must be "chat"')),
  providerId: z.optional(z.enum(providerIds)),
  integrationIdentifier: z.optional(z.string()),
  connectionIdentifier: z.optional(z.string()),
});

export const createBody = z.strictObject({
  integrationIdentifier: z.string().check(z.minLength(1, 'must not be empty'), z.maxLength(1024)),
  subscriberId: textSchema,
  type: z.enum(endpointTypes, `must be one of ${endpointTypes.join(', ')}`),
  endpoint: z.optional(z.unknown()),
  identifier: z.optional(identifierSchema),
  connectionIdentifier: z.optional(z.string()),
  context: z.optional(z.unknown()),
  // Of the contract: any subscriber is known here.
  createSubscriberIfMissing: z.optional(z.boolean()),
});

export const changeBody = z.strictObject({ endpoint: z.record(z.string(), z.unknown()) });

export interface ChannelEndpointsDeps extends ApiDeps, ManageEndpointsDeps {
  readonly db: Database;
}

/** Where messages to subscribers go. */
export function createHandler(deps: ChannelEndpointsDeps): HttpHandler {
  return createApiHandler(deps, {
    'GET /v1/channel-endpoints': {
      permissions: ['connect', 'manage'],
      async act({ caller: { environmentId }, rawQuery }) {
        const { paging, filters } = parseListQuery(rawQuery, listQuery);
        const query = { ...filters, ...(await idsOf(deps, environmentId, filters)) };
        const page = await listRows(deps.db, endpointSchema, {
          paging,
          sources: [sourceOf(environmentId, query)],
          filter: ['EP', environmentId, query],
          matches: remainingFilter(query),
          orderOf: endpointOrderOf,
        });
        const data = await Promise.all(page.data.map((endpoint) => shownEndpoint(deps.vault, endpoint)));
        return { statusCode: 200, body: { ...page, data } };
      },
    },
    'POST /v1/channel-endpoints': {
      permissions: ['manage'],
      async act({ caller, body, log }) {
        const endpoint = await createEndpoint(deps, caller.environmentId, validated(createBody, body));
        log.info('endpoint created', { integrationId: endpoint.integrationId, type: endpoint.target.type });
        return { statusCode: 201, body: { data: await shownEndpoint(deps.vault, endpoint) } };
      },
    },
    'GET /v1/channel-endpoints/{identifier}': {
      permissions: ['connect', 'manage'],
      async act({ caller, pathParameters }) {
        const identifier = pathParameters['identifier'] ?? '';
        const endpoint = await deps.endpoints.find(caller.environmentId, identifier);
        if (!endpoint) throw endpointNotFound(caller.environmentId, identifier);
        return { statusCode: 200, body: { data: await shownEndpoint(deps.vault, endpoint) } };
      },
    },
    'PATCH /v1/channel-endpoints/{identifier}': {
      permissions: ['manage'],
      async act({ caller, pathParameters, body, log }) {
        const { endpoint: payload } = validated(changeBody, body);
        const identifier = pathParameters['identifier'] ?? '';
        const endpoint = await changeEndpoint(deps, caller.environmentId, identifier, payload);
        log.info('endpoint changed', { integrationId: endpoint.integrationId, type: endpoint.target.type });
        return { statusCode: 200, body: { data: await shownEndpoint(deps.vault, endpoint) } };
      },
    },
    'DELETE /v1/channel-endpoints/{identifier}': {
      permissions: ['manage'],
      async act({ caller, pathParameters, log }) {
        const endpoint = await deleteEndpoint(deps, caller.environmentId, pathParameters['identifier'] ?? '');
        log.info('endpoint deleted', { integrationId: endpoint.integrationId, type: endpoint.target.type });
        return { statusCode: 204, body: undefined };
      },
    },
  });
}

interface Filters {
  readonly subscriberId?: string | undefined;
  readonly providerId?: string | undefined;
  readonly contextKeys?: readonly string[] | undefined;
  /** null: what was named does not exist. */
  readonly integrationId?: string | null | undefined;
  readonly connectionKey?: string | null | undefined;
}

async function idsOf(
  deps: ChannelEndpointsDeps,
  environmentId: string,
  named: { integrationIdentifier?: string | undefined; connectionIdentifier?: string | undefined },
): Promise<Pick<Filters, 'integrationId' | 'connectionKey'>> {
  const { integrationIdentifier, connectionIdentifier } = named;
  return {
    integrationId: await integrationIdOf(deps, environmentId, integrationIdentifier),
    connectionKey:
      connectionIdentifier === undefined
        ? undefined
        : ((await deps.connections.find(environmentId, connectionIdentifier))?.subjectKey ?? null),
  };
}

/** The narrowest index: a connection has few endpoints, a subscriber too. */
function sourceOf(environmentId: string, filters: Filters): ListSource {
  const { connectionKey, subscriberId, contextKeys, integrationId } = filters;
  if (connectionKey !== undefined) {
    return { index: 'byConnection', partition: listOf.throughConnection(environmentId, connectionKey ?? '-') };
  }
  if (subscriberId !== undefined) {
    return { index: 'bySubscriber', partition: listOf.ofSubscriber('EP', environmentId, subscriberId) };
  }
  if (contextKeys) return { index: 'byContexts', partition: listOf.withContexts('EP', environmentId, contextKeys) };
  if (integrationId !== undefined) {
    return { index: 'byIntegration', partition: listOf.ofIntegration('EP', environmentId, integrationId ?? '-') };
  }
  return { index: 'byEnvironment', partition: listOf.inEnvironment('EP', environmentId) };
}

/** Every filter but the one that the index answers; undefined when none is left. */
function remainingFilter(filters: Filters): ((endpoint: Endpoint) => boolean) | undefined {
  const { connectionKey, subscriberId, contextKeys, integrationId, providerId } = filters;
  const wanted = contextKeys && JSON.stringify(contextKeys);
  // In the order in which sourceOf chooses.
  const tests = [
    connectionKey !== undefined && ((endpoint: Endpoint) => endpoint.connectionKey === connectionKey),
    subscriberId !== undefined && ((endpoint: Endpoint) => endpoint.subscriberId === subscriberId),
    wanted !== undefined && ((endpoint: Endpoint) => JSON.stringify(endpoint.contextKeys) === wanted),
    integrationId !== undefined && ((endpoint: Endpoint) => endpoint.integrationId === integrationId),
  ]
    .filter((test) => test !== false)
    .slice(1);
  if (providerId !== undefined) tests.push((endpoint) => endpoint.providerId === providerId);
  return allOf(tests);
}

export interface ChannelEndpointsParts {
  readonly db: Database;
  readonly keyWrapper: KeyWrapper;
  readonly log: ApiDeps['log'];
  readonly now?: () => number;
}

export function compose({ db, keyWrapper, log, now = Date.now }: ChannelEndpointsParts): ChannelEndpointsDeps {
  return {
    db,
    log,
    idempotency: { store: dynamoIdempotencyStore(db), now },
    now,
    findApiKey: dynamoApiKeyStore(db).find,
    endpoints: dynamoEndpointStore(db),
    connections: dynamoConnectionStore(db),
    integrations: dynamoIntegrationStore(db),
    vault: environmentVault({ db, keyWrapper, now }),
  };
}

export const handler = onLambda(() => {
  const config = loadConfig(['CONNECTIONS_TABLE', 'FLOWS_TABLE', 'VAULT_KEY_ARN']);
  return createHandler(compose({ db: awsDatabase(config), keyWrapper: awsKeyWrapper(config), log: lambdaLog() }));
});
