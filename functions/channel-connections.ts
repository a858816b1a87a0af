import * as z from 'zod/mini';
import { createConnection, replaceCredential } from '../lib/connection/bring-credential.ts';
import { type Connection, connectionSchema } from '../lib/connection/connection.ts';
import { type ConnectionTokenDeps, connectionToken, tokenResources } from '../lib/connection/connection-token.ts';
import { type DisconnectDeps, disconnect } from '../lib/connection/disconnect.ts';
import { connectionNotFound, findConnection } from '../lib/connection/find-connection.ts';
import { type ListChannelsDeps, listChannels } from '../lib/connection/list-channels.ts';
import { showConnection, showConnections, workspaceOf } from '../lib/connection/shown-connection.ts';
import { composeTokens, type TokenParts } from '../lib/connection/token-deps.ts';
import { type VerifyDeps, verifyConnection } from '../lib/connection/verify-connection.ts';
import { connectionModes } from '../lib/flow/flow.ts';
import { partsOnAws } from '../lib/flow/parts-on-aws.ts';
import { type ApiDeps, createApiHandler, identifierSchema, textSchema, validated } from '../lib/http/api.ts';
import { onLambda } from '../lib/http/lambda.ts';
import { allOf, integrationIdOf } from '../lib/http/list-filters.ts';
import { limitSchema, listQuerySchema, listRows, parseListQuery } from '../lib/http/list-route.ts';
import type { HttpHandler } from '../lib/http/types.ts';
import { providerIds } from '../lib/integration/integration.ts';
import { listTeamsChannels } from '../lib/providers/msteams/list-channels.ts';
import { listSlackChannels } from '../lib/providers/slack/list-channels.ts';
import type { Database } from '../lib/store/database.ts';
import { dynamoApiKeyStore } from '../lib/store/environment-store.ts';
import { dynamoIdempotencyStore } from '../lib/store/idempotency-store.ts';
import { listOf, listOrderOf } from '../lib/store/keys.ts';
import type { ListSource } from '../lib/store/list.ts';

export const listQuery = listQuerySchema({
  subscriberId: z.optional(z.string()),
  connectionMode: z.optional(z.enum(connectionModes)),
  channel: z.optional(z.literal('chat', 'must be "chat"')),
  providerId: z.optional(z.enum(providerIds)),
  integrationIdentifier: z.optional(z.string()),
  missingScopes: z.optional(z.literal('true', 'must be "true"')),
});

const tokenText = z.string().check(z.minLength(1, 'must not be empty'), z.maxLength(16_384));
const isoTime = z.optional(z.iso.datetime({ offset: true, error: 'must be an ISO time' }));

const credential = {
  workspace: z.strictObject({ id: textSchema, name: z.optional(textSchema), botUserId: z.optional(textSchema) }),
  auth: z.strictObject({
    accessToken: tokenText,
    refreshToken: z.optional(tokenText),
    expiresAt: isoTime,
    // Of the contract: Slack's refresh tokens do not expire by a time of their own.
    refreshTokenExpiresAt: isoTime,
  }),
} as const;

export const createBody = z.strictObject({
  integrationIdentifier: z.string().check(z.minLength(1, 'must not be empty'), z.maxLength(1024)),
  identifier: z.optional(identifierSchema),
  subscriberId: z.optional(textSchema),
  context: z.optional(z.unknown()),
  connectionMode: z.optional(z.enum(connectionModes)),
  ...credential,
});
export const updateBody = z.strictObject(credential);

export const tokenBody = z.strictObject({
  minTtlSeconds: z._default(
    z.int().check(z.minimum(0, 'must be at least 0'), z.maximum(1_800, 'must be at most 1800')),
    300,
  ),
  resource: z.optional(z.enum(tokenResources)),
});

export const channelsQuery = z.strictObject({
  query: z._default(z.string().check(z.maxLength(1024, 'must have at most 1024 characters')), ''),
  teamId: z.optional(z.string().check(z.regex(/^T[A-Z0-9]{1,63}$/, 'must be the id of a Slack workspace'))),
  limit: limitSchema,
  cursor: z.optional(z.string()),
});

export interface ChannelConnectionsDeps
  extends ApiDeps,
    DisconnectDeps,
    VerifyDeps,
    ConnectionTokenDeps,
    ListChannelsDeps {
  readonly db: Database;
}

/** What is connected, always without its tokens. */
export function createHandler(deps: ChannelConnectionsDeps): HttpHandler {
  return createApiHandler(deps, {
    'GET /v1/channel-connections': {
      permissions: ['connect', 'manage'],
      async act({ caller: { environmentId }, rawQuery }) {
        const { paging, filters } = parseListQuery(rawQuery, listQuery);
        const integrationId = await integrationIdOf(deps, environmentId, filters.integrationIdentifier);
        const query = { ...filters, integrationId };
        const page = await listRows(deps.db, connectionSchema, {
          paging,
          sources: sourcesOf(environmentId, query),
          filter: ['CONN', environmentId, query],
          matches: remainingFilter(query),
          orderOf: ({ createdAt, subjectKey }) => listOrderOf(createdAt, subjectKey),
        });
        const shown = await showConnections(deps, environmentId, page.data);
        // What an integration requires is in no index, and changes under its connections: a page is filtered, not the list.
        const data = filters.missingScopes ? shown.filter(({ missingScopes }) => missingScopes) : shown;
        return { statusCode: 200, body: { ...page, data } };
      },
    },
    'GET /v1/channel-connections/{identifier}': {
      permissions: ['connect', 'manage'],
      async act({ caller, pathParameters }) {
        const connection = await findConnection(deps, caller.environmentId, pathParameters['identifier']);
        return { statusCode: 200, body: { data: await showConnection(deps, connection) } };
      },
    },
    'POST /v1/channel-connections': {
      permissions: ['manage'],
      async act({ caller, body, log }) {
        const request = validated(createBody, body);
        const connection = await createConnection({ ...deps, log }, caller.environmentId, request);
        log.info('connection created', logFields(connection));
        return { statusCode: 201, body: { data: await showConnection(deps, connection) } };
      },
    },
    'PATCH /v1/channel-connections/{identifier}': {
      permissions: ['manage'],
      async act({ caller, pathParameters, body, log }) {
        const brought = validated(updateBody, body);
        const identifier = pathParameters['identifier'] ?? '';
        const connection = await replaceCredential({ ...deps, log }, caller.environmentId, identifier, brought);
        log.info('connection updated', logFields(connection));
        return { statusCode: 200, body: { data: await showConnection(deps, connection) } };
      },
    },
    'DELETE /v1/channel-connections/{identifier}': {
      permissions: ['manage'],
      async act({ caller, pathParameters, log }) {
        const identifier = pathParameters['identifier'];
        const connection = await findConnection(deps, caller.environmentId, identifier);
        if (!(await disconnect({ ...deps, log }, connection))) throw connectionNotFound(identifier);
        log.info('connection deleted', logFields(connection));
        return { statusCode: 204, body: undefined };
      },
    },
    'POST /v1/channel-connections/{identifier}/token': {
      permissions: ['tokens'],
      idempotency: 'ignored',
      async act({ caller, pathParameters, body, log }) {
        const request = validated(tokenBody, body ?? {});
        const identifier = pathParameters['identifier'];
        const { connection, token } = await connectionToken(
          { ...deps, log },
          caller.environmentId,
          identifier,
          request,
        );
        const expiresAt = token.expiresAt === undefined ? null : new Date(token.expiresAt).toISOString();
        return { statusCode: 200, body: { data: { ...token, expiresAt, workspace: workspaceOf(connection) } } };
      },
    },
    'POST /v1/channel-connections/{identifier}/verify': {
      permissions: ['manage'],
      idempotency: 'ignored',
      async act({ caller, pathParameters, log }) {
        const identifier = pathParameters['identifier'];
        const connection = await verifyConnection({ ...deps, log }, caller.environmentId, identifier);
        return { statusCode: 200, body: { data: await showConnection(deps, connection) } };
      },
    },
    'GET /v1/channel-connections/{identifier}/channels': {
      permissions: ['connect', 'manage'],
      async act({ caller, pathParameters, rawQuery, log }) {
        const { query, cursor, limit, teamId } = validated(channelsQuery, Object.fromEntries(rawQuery), 'query');
        const { connection, channels, next } = await listChannels(
          { ...deps, log },
          caller.environmentId,
          pathParameters['identifier'],
          { query, cursor, limit, teamId },
        );
        log.info('channels listed', { ...logFields(connection), count: channels.length });
        return { statusCode: 200, body: { data: channels, next } };
      },
    },
  });
}

function logFields({ integrationId, subjectKey }: Connection) {
  return { integrationId, connectionKey: subjectKey };
}

interface Filters {
  readonly subscriberId?: string | undefined;
  readonly connectionMode?: 'subscriber' | 'shared' | undefined;
  readonly providerId?: string | undefined;
  /** null: the integration that was named does not exist. */
  readonly integrationId?: string | null | undefined;
  readonly contextKeys?: readonly string[] | undefined;
}

/** The narrowest index. A subscriber sees their own connections and those shared in the context set that is given. */
function sourcesOf(environmentId: string, filters: Filters): ListSource[] {
  const { subscriberId, connectionMode, integrationId, contextKeys } = filters;
  if (subscriberId !== undefined) {
    const own = { index: 'bySubscriber', partition: listOf.ofSubscriber('CONN', environmentId, subscriberId) };
    const shared = { index: 'bySubscriber', partition: listOf.shared('CONN', environmentId, contextKeys ?? []) };
    return connectionMode === undefined ? [own, shared] : [connectionMode === 'shared' ? shared : own];
  }
  if (contextKeys) {
    return [{ index: 'byContexts', partition: listOf.withContexts('CONN', environmentId, contextKeys) }];
  }
  if (integrationId !== undefined) {
    return [{ index: 'byIntegration', partition: listOf.ofIntegration('CONN', environmentId, integrationId ?? '-') }];
  }
  return [{ index: 'byEnvironment', partition: listOf.inEnvironment('CONN', environmentId) }];
}

/** What the chosen index leaves unfiltered; undefined when that is nothing. */
function remainingFilter(filters: Filters): ((connection: Connection) => boolean) | undefined {
  const { subscriberId, providerId, integrationId, contextKeys } = filters;
  const tests: ((connection: Connection) => boolean)[] = [];
  if (providerId !== undefined) tests.push((connection) => connection.providerId === providerId);
  if (integrationId !== undefined && (subscriberId !== undefined || contextKeys)) {
    tests.push((connection) => connection.integrationId === integrationId);
  }
  if (contextKeys && subscriberId !== undefined) {
    const wanted = JSON.stringify(contextKeys);
    tests.push((connection) => JSON.stringify(connection.contextKeys) === wanted);
  }
  return allOf(tests);
}

export function compose(parts: TokenParts & { readonly microsoftGraphBaseUrl: string }): ChannelConnectionsDeps {
  const { db, slackBaseUrl, microsoftGraphBaseUrl: graphBaseUrl, fetch = globalThis.fetch } = parts;
  const verifying = composeTokens(parts);
  const idempotency = { store: dynamoIdempotencyStore(db), now: verifying.now };
  return {
    ...verifying,
    listSlackChannels: (request) => listSlackChannels({ slackBaseUrl, fetch }, request),
    listTeamsChannels: (request) => listTeamsChannels({ graphBaseUrl, fetch }, request),
    db,
    idempotency,
    findApiKey: dynamoApiKeyStore(db).find,
  };
}

export const handler = onLambda(() => createHandler(compose(partsOnAws())));
