import * as z from 'zod/mini';
import { loadConfig } from '../lib/config.ts';
import { expiringCache } from '../lib/expiring-cache.ts';
import { connectionModes, flowModes } from '../lib/flow/flow.ts';
import { type IssueFlowDeps, issueFlow, type OauthUrlRequest } from '../lib/flow/issue-flow.ts';
import {
  type ApiCall,
  type ApiDeps,
  type ApiRoute,
  createApiHandler,
  identifierSchema,
  textSchema,
  validated,
} from '../lib/http/api.ts';
import { lambdaLog, onLambda } from '../lib/http/lambda.ts';
import type { HttpHandler } from '../lib/http/types.ts';
import { bindings, scopeSchema } from '../lib/integration/integration.ts';
import { isSlackTeamId } from '../lib/providers/slack/authorization-url.ts';
import { awsDatabase } from '../lib/store/aws-database.ts';
import type { Database } from '../lib/store/database.ts';
import { dynamoApiKeyStore } from '../lib/store/environment-store.ts';
import { dynamoFlowStore } from '../lib/store/flow-store.ts';
import { dynamoIdempotencyStore } from '../lib/store/idempotency-store.ts';
import { dynamoIntegrationStore } from '../lib/store/integration-store.ts';

const scopes = z.optional(z.array(scopeSchema).check(z.maxLength(100)));

const maxMetadataBytes = 1024;
const metadata = z
  .string()
  .check(z.refine((text) => Buffer.byteLength(text) <= maxMetadataBytes, 'must have at most 1024 bytes in UTF-8'));

const common = {
  integrationIdentifier: z
    .string('Integration identifier is required')
    .check(z.minLength(1, 'Integration identifier is required'), z.maxLength(1024)),
  subscriberId: z.optional(textSchema),
  connectionIdentifier: z.optional(identifierSchema),
  context: z.optional(z.unknown()),
  returnUrl: z.optional(z.string()),
  binding: z.optional(z.enum(bindings)),
  teamId: z.optional(z.string().check(z.refine(isSlackTeamId, 'must be the id of a Slack workspace or enterprise'))),
};
const connect = {
  scope: scopes,
  connectionMode: z.optional(z.enum(connectionModes)),
  autoLinkUser: z.optional(z.boolean()),
  installUserScopes: scopes,
  metadata: z.optional(metadata),
};
const contextHash = z.optional(z.string());

export const chatOauthBody = z.strictObject({
  ...common,
  ...connect,
  userScope: scopes,
  mode: z.optional(z.enum(flowModes)),
});
export const connectBody = z.strictObject({ ...common, ...connect, contextHash });
export const linkUserBody = z.strictObject({ ...common, subscriberId: textSchema, contextHash, userScope: scopes });
const { integrationIdentifier, context } = common;
export const linkBody = z.strictObject({ integrationIdentifier, subscriberId: textSchema, context, contextHash });

export interface GenerateOauthUrlDeps extends ApiDeps, IssueFlowDeps {}

/** The ways of asking for an OAuth URL. */
export function createHandler(deps: GenerateOauthUrlDeps): HttpHandler {
  const route = (requestOf: (call: ApiCall) => OauthUrlRequest, statusCode = 201): ApiRoute => ({
    permissions: ['connect'],
    idempotency: 'first answer',
    async act(call) {
      const issued = await issueFlow(deps, call.caller, requestOf(call));
      call.log.info('flow issued');
      return { statusCode, body: { data: issued }, usableUntil: Date.parse(issued.expiresAt) };
    },
  });
  return createApiHandler(deps, {
    'POST /v1/integrations/chat/oauth': route(({ body }) => {
      const { mode = 'connect', ...request } = validated(chatOauthBody, body);
      return { mode, ...request, withoutContextHash: true };
    }),
    'POST /v1/integrations/channel-connections/oauth': route(({ body }) => ({
      ...validated(connectBody, body),
      mode: 'connect',
    })),
    'POST /v1/integrations/channel-endpoints/oauth': route(({ body }) => ({
      ...validated(linkUserBody, body),
      mode: 'link_user',
    })),
    'POST /v1/integrations/channel-endpoints/link': route(
      ({ body }) => ({ ...validated(linkBody, body), mode: 'link_user' }),
      200,
    ),
  });
}

/** A key or an integration that changed keeps its old form in a warm function for this time at most. */
const cacheMilliseconds = 30_000;

export interface GenerateOauthUrlParts {
  readonly db: Database;
  readonly slackBaseUrl: string;
  readonly microsoftLoginBaseUrl: string;
  readonly publicUrl: string;
  readonly flowTtlSeconds: number;
  readonly log: ApiDeps['log'];
  readonly now?: () => number;
}

/** Puts the function together so that a warm one makes a URL with one write and no read. */
export function compose({ db, now = Date.now, ...parts }: GenerateOauthUrlParts): GenerateOauthUrlDeps {
  const cache = { milliseconds: cacheMilliseconds, now };
  const integrations = dynamoIntegrationStore(db);
  const cachedIntegration = expiringCache(cache, (key: string) => {
    const [environmentId = '', identifier = ''] = JSON.parse(key) as string[];
    return integrations.find(environmentId, identifier);
  });
  return {
    ...parts,
    now,
    flows: dynamoFlowStore(db),
    idempotency: { store: dynamoIdempotencyStore(db), now },
    findApiKey: expiringCache(cache, dynamoApiKeyStore(db).find),
    findIntegration: (environmentId, identifier) => cachedIntegration(JSON.stringify([environmentId, identifier])),
  };
}

export const handler = onLambda(() => {
  const config = loadConfig([
    'CONNECTIONS_TABLE',
    'FLOWS_TABLE',
    'PUBLIC_URL',
    'SLACK_BASE_URL',
    'MICROSOFT_LOGIN_BASE_URL',
    'FLOW_TTL_SECONDS',
  ]);
  return createHandler(
    compose({
      db: awsDatabase(config),
      slackBaseUrl: config.SLACK_BASE_URL,
      microsoftLoginBaseUrl: config.MICROSOFT_LOGIN_BASE_URL,
      publicUrl: config.PUBLIC_URL,
      flowTtlSeconds: config.FLOW_TTL_SECONDS,
      log: lambdaLog(),
    }),
  );
});
