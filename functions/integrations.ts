import * as z from 'zod/mini';
import { loadConfig } from '../lib/config.ts';
import type { DisconnectDeps } from '../lib/connection/disconnect.ts';
import { composeDisconnect, type DisconnectParts } from '../lib/connection/disconnect-deps.ts';
import { slackPartsOnAws } from '../lib/connection/slack-parts-on-aws.ts';
import type { Caller } from '../lib/environment/authenticate.ts';
import { ChatConnectError, validationError } from '../lib/errors.ts';
import { type ApiDeps, createApiHandler, identifierSchema, validated } from '../lib/http/api.ts';
import { onLambda } from '../lib/http/lambda.ts';
import type { HttpHandler } from '../lib/http/types.ts';
import { createIntegration } from '../lib/integration/create-integration.ts';
import { deleteIntegration } from '../lib/integration/delete-integration.ts';
import { type Integration, providerIds } from '../lib/integration/integration.ts';
import { configurationsChange, configurationsRequest, credentialsRequest } from '../lib/integration/request-schemas.ts';
import { updateIntegration } from '../lib/integration/update-integration.ts';
import { dynamoApiKeyStore } from '../lib/store/environment-store.ts';
import { dynamoIdempotencyStore } from '../lib/store/idempotency-store.ts';

/** Fields that a caller may give on creation and on update. */
const common = {
  name: z.optional(z.string().check(z.minLength(1), z.maxLength(200))),
  identifier: z.optional(identifierSchema),
  _environmentId: z.optional(z.string()),
  credentials: z.optional(credentialsRequest),
  active: z.optional(z.boolean()),
  // Of the contract; neither changes anything here.
  check: z.optional(z.boolean()),
  conditions: z.optional(z.array(z.unknown())),
};

export const createBody = z.strictObject({
  ...common,
  providerId: z.enum(providerIds, 'must be "slack" or "msteams"'),
  channel: z.optional(z.literal('chat', 'must be "chat"')),
  configurations: z.optional(configurationsRequest),
  // Of the contract, too.
  kind: z.optional(z.literal('delivery')),
});

export const updateBody = z.strictObject({ ...common, configurations: z.optional(configurationsChange) });

export interface IntegrationsDeps extends ApiDeps, DisconnectDeps {}

/** Apps of the providers that an environment connects with. */
export function createHandler(deps: IntegrationsDeps): HttpHandler {
  return createApiHandler(deps, {
    'POST /v1/integrations': {
      permissions: ['manage'],
      async act({ caller, body, log }) {
        const request = validated(createBody, body);
        requireOwnEnvironment(caller, request);
        if (!request.credentials) throw validationError(['credentials: is required']);
        const { credentials, ...rest } = request;
        const integration = await createIntegration(deps, caller.environmentId, { ...rest, credentials });
        log.info('integration created', { integrationId: integration.integrationId });
        return { statusCode: 201, body: { data: shown(integration) } };
      },
    },
    'GET /v1/integrations': {
      permissions: ['connect', 'manage'],
      act: async ({ caller }) => ({
        statusCode: 200,
        body: { data: listed(await deps.integrations.list(caller.environmentId)) },
      }),
    },
    'GET /v1/integrations/active': {
      permissions: ['connect', 'manage'],
      async act({ caller }) {
        const integrations = await deps.integrations.list(caller.environmentId);
        return { statusCode: 200, body: { data: listed(integrations.filter(({ active }) => active)) } };
      },
    },
    'PUT /v1/integrations/{integrationId}': {
      permissions: ['manage'],
      async act({ caller, body = {}, pathParameters, log }) {
        const { check: _, ...change } = validated(updateBody, body);
        requireOwnEnvironment(caller, change);
        const { integrationId = '' } = pathParameters;
        const integration = await updateIntegration(deps, caller.environmentId, integrationId, change);
        if (!integration) throw unknownEntity(integrationId);
        log.info('integration updated', { integrationId });
        return { statusCode: 200, body: { data: shown(integration) } };
      },
    },
    'DELETE /v1/integrations/{integrationId}': {
      permissions: ['manage'],
      async act({ caller: { environmentId }, pathParameters, log }) {
        const { integrationId = '' } = pathParameters;
        if (!(await deleteIntegration({ ...deps, log }, environmentId, integrationId))) {
          throw unknownEntity(integrationId);
        }
        log.info('integration deleted', { integrationId });
        return { statusCode: 200, body: { data: listed(await deps.integrations.list(environmentId)) } };
      },
    },
    'POST /v1/integrations/{integrationId}/set-primary': {
      permissions: ['manage'],
      async act({ caller, pathParameters }) {
        const { integrationId = '' } = pathParameters;
        if (!/^[0-9a-f]{24}$/i.test(integrationId)) {
          throw validationError(['integrationId must be a mongodb id'], 'integrationId');
        }
        if (await deps.integrations.get(integrationId, caller.environmentId)) {
          throw new ChatConnectError('primary_unsupported', 'Channel chat does not support primary');
        }
        throw new ChatConnectError('integration_not_found', `Integration with id ${integrationId} not found`);
      },
    },
  });
}

function requireOwnEnvironment(caller: Caller, request: { readonly _environmentId?: string | undefined }): void {
  if (request._environmentId === undefined || request._environmentId === caller.environmentId) return;
  throw new ChatConnectError(
    'forbidden',
    'API key authentication is scoped to a single environment and cannot target a different `_environmentId`.',
  );
}

function unknownEntity(integrationId: string): ChatConnectError {
  return new ChatConnectError('integration_not_found', `Entity with id ${integrationId} not found`);
}

/** A list has the field that its rows' secrets would be in, and nothing in it. */
function listed(integrations: readonly Integration[]) {
  return integrations.map((integration) => ({ ...shown(integration), credentials: {} }));
}

/** As the contract's clients read it. Credentials never leave the service. */
function shown(integration: Integration) {
  return {
    _id: integration.integrationId,
    _environmentId: integration.environmentId,
    _organizationId: integration.environmentId,
    name: integration.name,
    identifier: integration.identifier,
    providerId: integration.providerId,
    channel: 'chat',
    configurations: integration.configurations,
    active: integration.active,
    deleted: false,
    primary: false,
    createdAt: integration.createdAt,
    updatedAt: integration.updatedAt,
  };
}

export function compose(parts: DisconnectParts): IntegrationsDeps {
  const { db } = parts;
  const disconnecting = composeDisconnect(parts);
  const idempotency = { store: dynamoIdempotencyStore(db), now: disconnecting.now };
  return { ...disconnecting, idempotency, findApiKey: dynamoApiKeyStore(db).find };
}

export const handler = onLambda(() => {
  const config = loadConfig(['CONNECTIONS_TABLE', 'FLOWS_TABLE', 'VAULT_KEY_ARN', 'SLACK_BASE_URL']);
  return createHandler(compose(slackPartsOnAws(config)));
});
