import * as z from 'zod/mini';
import { createBody, updateBody } from '../../functions/integrations.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import { configurationsSchema, credentialsSchema, providerIds } from '../../lib/integration/integration.ts';
import { nullable } from '../../lib/integration/request-schemas.ts';
import { type Example, exampleTime, type Operations } from './operation.ts';
import { dataOf, described, named, time } from './schemas.ts';

const credentials = named(
  'Credentials',
  described(credentialsSchema, {
    clientId: 'The client id of the app. Required.',
    secretKey: 'The client secret. Required, unless `configurations.clientAuth` is another one.',
    previousSecretKey: 'Slack: the client secret before `secretKey`. Tried when Slack refuses that one in a refresh.',
    signingSecret: 'Kept for later. Not used yet.',
    certificate: 'Teams: PEM text of a certificate and its unencrypted RSA key, for `clientAuth: certificate`.',
    applicationId: 'Slack: the app id. An approval for any other app is refused.',
    tenantId: 'Of the contract. Not used: people sign in at their own tenant.',
    redirectUrl: 'Where browsers go when a flow is over, unless its request has a `returnUrl`.',
    hmac: 'Whether requests for OAuth URLs need a `contextHash`.',
  }),
  {
    description:
      'What an app proves itself with. Secrets are stored encrypted; nothing of this is ever answered. Keys of the SDK for other providers are ignored.',
  },
);

const settings = {
  binding:
    'Who may finish a flow: whoever opens the link, the browser in which Continue was pressed, or that browser once your backend has confirmed it. Default: `direct`.',
  stateless:
    'Slack: what becomes of installs that start at Slack and come to `…/callback/slack/{integrationId}` without a state: sent to the install page, taken as they are, or refused. Default: `restart`.',
  accountChange: 'Whether a reconnect may move a connection to another workspace or tenant. Default: `allow`.',
  revoke:
    'What becomes of a token that nobody needs any more: it is ended, the app is removed from the workspace, or nothing. Default: `token`.',
  scopes: 'Slack: bot scopes of requests that name none.',
  userScopes:
    'Slack: user scopes of requests that name none. Default: `identity.basic`. With `openid`, a link is Sign in with Slack.',
  installUserScopes:
    'Slack: user scopes that requests to connect which name none, and the install page, ask for beside the bot’s. Default: none.',
  allowedScopes: 'Slack: what a request may ask for at most. Default: anything.',
  requiredScopes:
    'Slack: bot scopes that every connection is to have by now. Those that lack some show `missingScopes`, and requests that name no scopes ask for these, too. Within `allowedScopes`. Default: none.',
  returnUrls: 'What the `returnUrl` of a request may equal.',
  productName: 'What pages call your product. Default: the name of the integration.',
  logoUrl: 'An https image for the start page.',
  tenantProof: 'Teams: whose sign-in proves a tenant. Default: `member`.',
  requiredRoles: 'Teams: application permissions that a tenant must have granted before its connection is active.',
  installBot: 'Teams: whether the Teams app is installed for people who are linked. Default: `false`.',
  botAuthority:
    'Teams: the tenant that gives the bot’s tokens, or `botframework.com`. Default: `credentials.tenantId`, else `botframework.com`.',
  teamsManifestId: 'Teams: `id` in the manifest of the Teams app. Default: the client id.',
  clientAuth: 'Teams: how the app proves itself to Entra. Default: `secret`.',
};
const configurations = named('Configurations', described(configurationsSchema, settings), {
  description: 'Settings of an integration. Keys of the SDK for other providers are ignored.',
});
const configurationsChange = named(
  'ConfigurationsChange',
  described(z.strictObject(nullable(configurationsSchema.shape)), settings),
  { description: 'Settings to merge into those that the integration has. Null removes one.' },
);

const common = {
  name: 'For people. Default: `Slack` or `MS Teams`.',
  _environmentId: 'The environment of the API key; no other one is possible.',
  active: 'Whether it is listed among the active ones. Default: `false`.',
  check: 'Has no effect.',
  conditions: 'Has no effect.',
};

/** The handlers also take, and leave out, what the SDK has for other providers. */
const createRequest = described(z.extend(createBody, { credentials, configurations: z.optional(configurations) }), {
  ...common,
  providerId: 'Whose app it is.',
  channel: 'Always `chat`.',
  identifier: 'What requests name it by. Default: made from the name.',
  credentials: 'What the app proves itself with.',
  configurations: 'Settings.',
  kind: 'Has no effect.',
});
const updateRequest = described(
  z.extend(updateBody, { credentials: z.optional(credentials), configurations: z.optional(configurationsChange) }),
  {
    ...common,
    name: 'For people.',
    identifier: 'Cannot be changed; the same one may be repeated.',
    active: 'Whether it is listed among the active ones.',
    credentials: 'In place of all that are kept. Another `clientId` only while there are no connections.',
    configurations: 'What to change of the settings.',
  },
);

const shape = {
  _id: z.string(),
  _environmentId: z.string(),
  _organizationId: z.string(),
  name: z.string(),
  identifier: z.string(),
  providerId: z.enum(providerIds),
  channel: z.literal('chat'),
  configurations,
  active: z.boolean(),
  deleted: z.literal(false),
  primary: z.literal(false),
  createdAt: time,
  updatedAt: time,
};
const texts = {
  _id: 'Made by the service. Never changes.',
  _environmentId: 'The environment that it belongs to.',
  _organizationId: 'The same.',
  name: 'For people.',
  identifier: 'What requests name it by.',
  providerId: 'Whose app it is.',
  channel: 'Always `chat`.',
  configurations: 'Settings, as given.',
  active: 'Whether it is listed among the active ones.',
  deleted: 'Always `false`.',
  primary: 'Always `false`.',
  createdAt: 'When it was created.',
  updatedAt: 'When it was changed last.',
};

const integration = named('Integration', described(z.object(shape), texts));
const listedIntegration = named(
  'ListedIntegration',
  described(z.object({ ...shape, credentials: z.strictObject({}) }), { ...texts, credentials: 'Always empty.' }),
);

const scopes = ['chat:write', 'channels:read'];

const slackBody = {
  providerId: 'slack',
  channel: 'chat',
  identifier: 'slack',
  name: 'Slack',
  credentials: { clientId: '1234567890.1234567890', secretKey: 'your-client-secret' },
  configurations: {
    scopes,
    allowedScopes: [...scopes, 'incoming-webhook', 'identity.basic'],
    returnUrls: ['https://product.example/settings'],
    productName: 'Your Product',
  },
} as const;

const teamsBody = {
  providerId: 'msteams',
  channel: 'chat',
  identifier: 'msteams',
  name: 'MS Teams',
  credentials: { clientId: '6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b', secretKey: 'your-client-secret' },
  configurations: { requiredRoles: ['Team.ReadBasic.All'], productName: 'Your Product' },
} as const;

const hmacBody = {
  providerId: 'slack',
  identifier: 'slack-hmac',
  credentials: { ...slackBody.credentials, hmac: true },
} as const;

const confirmBody = {
  providerId: 'slack',
  identifier: 'slack-confirm',
  credentials: slackBody.credentials,
  configurations: { binding: 'confirm', scopes, returnUrls: slackBody.configurations.returnUrls },
} as const;

const slackId = '65a4fb2e8c1d4e0007b3c9d1';

function shown(body: { identifier: string; name?: string; providerId: string; configurations?: object }) {
  return {
    _id: slackId,
    _environmentId: '65a4fa9b8c1d4e0007b3c9c0',
    _organizationId: '65a4fa9b8c1d4e0007b3c9c0',
    name: body.name ?? 'Slack',
    identifier: body.identifier,
    providerId: body.providerId,
    channel: 'chat',
    configurations: body.configurations ?? {},
    active: false,
    deleted: false,
    primary: false,
    createdAt: exampleTime,
    updatedAt: exampleTime,
  };
}

function created(summary: string, body: Parameters<typeof shown>[0]): Example {
  return { summary, body, answer: { status: 201, body: { data: shown(body) } } };
}

const { returnUrls: _, ...settled } = slackBody.configurations;
const requiring = {
  allowedScopes: [...slackBody.configurations.allowedScopes, 'users:read'],
  requiredScopes: ['users:read'],
};

function updates(summary: string, body: object, changed: object): Example {
  return {
    summary,
    after: ['createIntegration.slack'],
    path: { integrationId: slackId },
    body,
    answer: { status: 200, body: { data: { ...shown(slackBody), ...changed } } },
  };
}

function refuses(summary: string, body: object, error: ErrorCode, message: string): Example {
  return {
    summary,
    after: ['createIntegration.slack'],
    path: { integrationId: slackId },
    body,
    answer: { error, message },
  };
}

export const integrationOperations: Operations = {
  'POST /v1/integrations': {
    operationId: 'createIntegration',
    summary: 'Store an app',
    permissions: ['manage'],
    idempotency: 'once',
    body: createRequest,
    answers: { 201: { description: 'The integration, without its credentials.', content: dataOf(integration) } },
    errors: ['conflict'],
    examples: {
      slack: created('A Slack app', slackBody),
      teams: created('An Entra app', teamsBody),
      hmac: created('A Slack app whose requests need a context hash', hmacBody),
      confirm: created('A Slack app whose connections your backend confirms', confirmBody),
      taken: {
        summary: 'The identifier is taken',
        after: ['createIntegration.slack'],
        body: slackBody,
        answer: { error: 'conflict', message: 'Integration with identifier already exists' },
      },
      incomplete: {
        summary: 'No client secret',
        body: { providerId: 'slack', credentials: { clientId: '1234567890.1234567890' } },
        answer: {
          error: 'validation_failed',
          message: 'Validation Error',
          errors: { general: { messages: ['credentials.secretKey: is required'], value: 'No Value Recorded' } },
        },
      },
    },
  },
  'GET /v1/integrations': {
    operationId: 'listIntegrations',
    summary: 'List all apps',
    permissions: ['connect', 'manage'],
    answers: {
      200: { description: 'All integrations of the environment.', content: dataOf(z.array(listedIntegration)) },
    },
    examples: {
      all: {
        summary: 'One integration',
        after: ['createIntegration.slack'],
        answer: { status: 200, body: { data: [{ ...shown(slackBody), credentials: {} }] } },
      },
    },
  },
  'GET /v1/integrations/active': {
    operationId: 'listActiveIntegrations',
    summary: 'List the active apps',
    permissions: ['connect', 'manage'],
    answers: { 200: { description: 'The integrations that are active.', content: dataOf(z.array(listedIntegration)) } },
    examples: {
      none: {
        summary: 'The only integration is not active',
        after: ['createIntegration.slack'],
        answer: { status: 200, body: { data: [] } },
      },
    },
  },
  'PUT /v1/integrations/{integrationId}': {
    operationId: 'updateIntegration',
    summary: 'Change an app',
    description: 'Open OAuth URLs go on with the new credentials. Of several changes at the same time, none is lost.',
    permissions: ['manage'],
    path: { integrationId: '`_id` of the integration.' },
    body: updateRequest,
    answers: { 200: { description: 'The integration, without its credentials.', content: dataOf(integration) } },
    errors: ['integration_not_found', 'no_properties', 'identifier_immutable', 'client_id_in_use'],
    raceErrors: ['conflict'],
    examples: {
      activate: updates('Make it active', { active: true }, { active: true }),
      settings: updates(
        'Change one setting and remove another',
        { configurations: { productName: 'Your New Product', returnUrls: null } },
        { configurations: { ...settled, productName: 'Your New Product' } },
      ),
      requireScopes: {
        ...updates(
          'A scope that every connection is to have from now on',
          { configurations: requiring },
          { configurations: { ...slackBody.configurations, ...requiring } },
        ),
        after: ['generateConnectOAuthUrl.slack'],
      },
      secret: updates(
        'A new client secret',
        { credentials: { ...slackBody.credentials, secretKey: 'your-new-client-secret' } },
        {},
      ),
      nothing: refuses('Nothing to change', {}, 'no_properties', 'No properties found for update'),
      identifier: refuses(
        'Another identifier',
        { identifier: 'slack-2' },
        'identifier_immutable',
        'The identifier of an integration cannot be changed.',
      ),
      otherApp: {
        ...refuses(
          'The credentials of another app, while there are connections',
          { credentials: { ...slackBody.credentials, clientId: '1234567890.2345678901' } },
          'client_id_in_use',
          'credentials.clientId cannot be changed while the integration has connections: they are of the app that it names. Delete them first, or create another integration.',
        ),
        after: ['generateConnectOAuthUrl.slack'],
      },
      unknown: {
        summary: 'No such integration',
        path: { integrationId: '65a4fb2e8c1d4e0007b3c9ff' },
        body: { active: true },
        answer: { error: 'integration_not_found', message: 'Entity with id 65a4fb2e8c1d4e0007b3c9ff not found' },
      },
    },
  },
  'DELETE /v1/integrations/{integrationId}': {
    operationId: 'deleteIntegration',
    summary: 'Delete an app',
    description:
      'Its connections and endpoints go with it, and its tokens are revoked as when a connection is deleted. Open OAuth URLs stop. The identifier is free at once. Where there is much, a part goes after the answer.',
    permissions: ['manage'],
    path: { integrationId: '`_id` of the integration.' },
    answers: { 200: { description: 'The integrations that remain.', content: dataOf(z.array(listedIntegration)) } },
    errors: ['integration_not_found'],
    examples: {
      last: {
        summary: 'The only integration',
        after: ['createIntegration.slack'],
        path: { integrationId: slackId },
        answer: { status: 200, body: { data: [] } },
      },
      unknown: {
        summary: 'No such integration',
        path: { integrationId: '65a4fb2e8c1d4e0007b3c9ff' },
        answer: { error: 'integration_not_found', message: 'Entity with id 65a4fb2e8c1d4e0007b3c9ff not found' },
      },
    },
  },
  'POST /v1/integrations/{integrationId}/set-primary': {
    operationId: 'setPrimaryIntegration',
    summary: 'Of the contract',
    description: 'Always refused: chat has no primary integration.',
    permissions: ['manage'],
    path: { integrationId: '`_id` of the integration.' },
    answers: {},
    errors: ['primary_unsupported', 'integration_not_found', 'validation_failed'],
    examples: {
      chat: {
        summary: 'Any integration',
        after: ['createIntegration.slack'],
        path: { integrationId: slackId },
        answer: { error: 'primary_unsupported', message: 'Channel chat does not support primary' },
      },
      unknown: {
        summary: 'No such integration',
        path: { integrationId: '65a4fb2e8c1d4e0007b3c9ff' },
        answer: {
          error: 'integration_not_found',
          message: 'Integration with id 65a4fb2e8c1d4e0007b3c9ff not found',
        },
      },
      malformed: {
        summary: 'Not an id',
        path: { integrationId: 'slack' },
        answer: {
          error: 'validation_failed',
          message: 'Validation Error',
          errors: {
            integrationId: { messages: ['integrationId must be a mongodb id'], value: 'No Value Recorded' },
          },
        },
      },
    },
  },
};
