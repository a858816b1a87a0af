import * as z from 'zod/mini';
import { createBody } from '../../functions/integrations.ts';
import { configurationsSchema, credentialsSchema, providerIds } from '../../lib/integration/integration.ts';
import { type Example, exampleTime, type Operations } from './operation.ts';
import { dataOf, described, named, time } from './schemas.ts';

named(
  'Credentials',
  described(credentialsSchema, {
    clientId: 'The client id of the app. Required.',
    secretKey: 'The client secret. Required, unless `configurations.clientAuth` is another one.',
    previousSecretKey: 'Kept for later. Not used yet.',
    signingSecret: 'Kept for later. Not used yet.',
    certificate: 'Teams: PEM text of a certificate and its unencrypted RSA key, for `clientAuth: certificate`.',
    applicationId: 'Slack: the app id. An approval for any other app is refused.',
    tenantId: 'Of the contract. Not used: people sign in at their own tenant.',
    redirectUrl: 'Where browsers go when a flow is over, unless its request has a `returnUrl`.',
    hmac: 'Whether requests for OAuth URLs need a `contextHash`.',
  }),
  { description: 'What an app proves itself with. Secrets are stored encrypted; nothing of this is ever answered.' },
);

named(
  'Configurations',
  described(configurationsSchema, {
    binding: 'Who may finish a flow. Only `direct` so far.',
    accountChange: 'Whether a reconnect may move a connection to another workspace or tenant. Default: `allow`.',
    scopes: 'Slack: bot scopes of requests that name none.',
    userScopes: 'Slack: user scopes of requests that name none. Default: `identity.basic`.',
    allowedScopes: 'Slack: what a request may ask for at most. Default: anything.',
    returnUrls: 'What the `returnUrl` of a request may equal.',
    productName: 'What pages call your product. Default: the name of the integration.',
    tenantProof: 'Teams: whose sign-in proves a tenant. Default: `member`.',
    requiredRoles: 'Teams: application permissions that a tenant must have granted before its connection is active.',
    installBot: 'Teams: whether the Teams app is installed for people who are linked. Default: `false`.',
    teamsManifestId: 'Teams: `id` in the manifest of the Teams app. Default: the client id.',
    clientAuth: 'Teams: how the app proves itself to Entra. Default: `secret`.',
  }),
  { description: 'Settings of an integration.' },
);

described(createBody, {
  providerId: 'Whose app it is.',
  channel: 'Always `chat`.',
  name: 'For people. Default: `Slack` or `MS Teams`.',
  identifier: 'What requests name it by. Default: made from the name.',
  _environmentId: 'The environment of the API key; no other one is possible.',
  credentials: 'What the app proves itself with. Required.',
  configurations: 'Settings.',
  active: 'Shown again, and has no effect. Default: `false`.',
  check: 'Has no effect.',
  kind: 'Has no effect.',
  conditions: 'Has no effect.',
});

const shape = {
  _id: z.string(),
  _environmentId: z.string(),
  _organizationId: z.string(),
  name: z.string(),
  identifier: z.string(),
  providerId: z.enum(providerIds),
  channel: z.literal('chat'),
  configurations: configurationsSchema,
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
  active: 'As given. Has no effect.',
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

function shown(body: { identifier: string; name?: string; providerId: string; configurations?: object }) {
  return {
    _id: '65a4fb2e8c1d4e0007b3c9d1',
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

export const integrationOperations: Operations = {
  'POST /v1/integrations': {
    operationId: 'createIntegration',
    summary: 'Store an app',
    permissions: ['manage'],
    idempotency: 'once',
    body: createBody,
    answers: { 201: { description: 'The integration, without its credentials.', content: dataOf(integration) } },
    errors: ['conflict', 'unsupported_binding'],
    examples: {
      slack: created('A Slack app', slackBody),
      teams: created('An Entra app', teamsBody),
      hmac: created('A Slack app whose requests need a context hash', hmacBody),
      taken: {
        summary: 'The identifier is taken',
        after: ['createIntegration.slack'],
        body: slackBody,
        answer: { error: 'conflict', message: 'Integration with identifier already exists' },
      },
      binding: {
        summary: 'A binding that is not supported',
        body: { ...slackBody, configurations: { binding: 'browser' } },
        answer: {
          error: 'unsupported_binding',
          message: 'The binding "browser" is not supported yet. Use "direct".',
        },
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
};
