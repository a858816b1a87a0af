import { setTimeout as wait } from 'node:timers/promises';
import type { InstallationQuery } from '@slack/oauth';
import * as z from 'zod/mini';
import { loadConfig } from '../lib/config.ts';
import { composeDisconnect, type DisconnectParts } from '../lib/connection/disconnect-deps.ts';
import { slackPartsOnAws } from '../lib/connection/slack-parts-on-aws.ts';
import { ChatConnectError, validationError } from '../lib/errors.ts';
import { type ApiDeps, createApiHandler, textSchema, validated } from '../lib/http/api.ts';
import { onLambda } from '../lib/http/lambda.ts';
import type { HttpHandler } from '../lib/http/types.ts';
import { refreshSlackToken } from '../lib/providers/slack/refresh-token.ts';
import { type AuthorizeDeps, authorize } from '../lib/slack-stores/authorize.ts';
import { dynamoApiKeyStore } from '../lib/store/environment-store.ts';
import type { IntegrationStore } from '../lib/store/integration-store.ts';

const id = z.nullish(textSchema);

/** Slack's `InstallationQuery`; events of Slack's have null where there is nothing. */
export const authorizeBody = z.strictObject({
  teamId: id,
  enterpriseId: id,
  userId: id,
  conversationId: id,
  isEnterpriseInstall: z.optional(z.boolean()),
});

export interface SlackAuthorizeDeps extends ApiDeps, AuthorizeDeps {
  readonly integrations: IntegrationStore;
}

/** `InstallProvider.authorize` as a call. */
export function createHandler(deps: SlackAuthorizeDeps): HttpHandler {
  return createApiHandler(deps, {
    'POST /v1/integrations/{integrationIdentifier}/slack/authorize': {
      permissions: ['tokens'],
      idempotency: 'ignored',
      async act({ caller: { environmentId }, pathParameters, body, log }) {
        const query = queryOf(validated(authorizeBody, body));
        const identifier = pathParameters['integrationIdentifier'] ?? '';
        const integration = await deps.integrations.find(environmentId, identifier);
        if (integration?.providerId !== 'slack') {
          throw new ChatConnectError(
            'integration_not_found',
            `Integration not found: ${identifier} in environment ${environmentId}`,
          );
        }
        const data = await authorize({ ...deps, log }, integration, query);
        return { statusCode: 200, body: { data } };
      },
    },
  });
}

function queryOf(given: z.infer<typeof authorizeBody>): InstallationQuery<boolean> {
  const { isEnterpriseInstall = false } = given;
  const [teamId, enterpriseId, userId] = [given.teamId, given.enterpriseId, given.userId].map(
    (each) => each ?? undefined,
  );
  if ((isEnterpriseInstall ? enterpriseId : (teamId ?? enterpriseId)) !== undefined) {
    return { teamId, enterpriseId, userId, isEnterpriseInstall };
  }
  throw validationError([isEnterpriseInstall ? 'enterpriseId: is required' : 'teamId: is required']);
}

export function compose(parts: DisconnectParts): SlackAuthorizeDeps {
  const { db, slackBaseUrl, fetch = globalThis.fetch } = parts;
  return {
    ...composeDisconnect(parts),
    // Never from a cache: a revoked key gets no token.
    findApiKey: dynamoApiKeyStore(db).find,
    wait: (milliseconds) => wait(milliseconds),
    refreshToken: (request) => refreshSlackToken(fetch, slackBaseUrl, request),
  };
}

export const handler = onLambda(() => {
  const config = loadConfig(['CONNECTIONS_TABLE', 'VAULT_KEY_ARN', 'SLACK_BASE_URL']);
  return createHandler(compose(slackPartsOnAws(config)));
});
