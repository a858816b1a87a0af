import * as z from 'zod/mini';
import { changeBody, createBody, listQuery } from '../../functions/channel-endpoints.ts';
import { givenTargetSchema } from '../../lib/endpoint/endpoint.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import { providerIds } from '../../lib/integration/integration.ts';
import { context } from './inputs.ts';
import { listAnswer, listQueryTexts, listRefused } from './lists.ts';
import { type Example, exampleTime, type Operations } from './operation.ts';
import { dataOf, described, named, time } from './schemas.ts';

described(listQuery, {
  ...listQueryTexts,
  subscriberId: 'Those of this subscriber.',
  connectionIdentifier: 'Those through this connection.',
});

const [givenSlackChannel, givenSlackUser, givenTeamsChannel, givenTeamsUser, givenWebhook] =
  givenTargetSchema._zod.def.options;
const withoutType = { type: true } as const;
const slackChannel = described(z.omit(givenSlackChannel, withoutType), { channelId: 'Of a channel in Slack.' });
const slackUser = described(z.omit(givenSlackUser, withoutType), { userId: 'Of a person in Slack.' });
const teamsChannel = described(z.omit(givenTeamsChannel, withoutType), {
  teamId: 'Of a team.',
  channelId: 'Of a channel of that team.',
});
const teamsUser = described(z.omit(givenTeamsUser, withoutType), {
  userId: 'The object id of a person.',
  tenantId: 'Of the person.',
});
const webhook = described(z.omit(givenWebhook, withoutType), {
  url: 'https, on a public host. Whoever knows it can post. Check the address that it resolves to before you do.',
  channel: 'The name of the channel that it posts to.',
});

const target = named('EndpointTarget', z.union([slackChannel, slackUser, teamsChannel, teamsUser, webhook]), {
  description: 'What an endpoint points at: exactly the keys of its type.',
});

const createRequest = described(z.extend(createBody, { endpoint: target, context: z.optional(context) }), {
  integrationIdentifier: 'Which integration.',
  subscriberId: 'Whose messages go there. Any id is known.',
  type: 'What it points at. Slack integrations take `slack_…`, Teams ones `ms_teams_…`, both take `webhook`.',
  endpoint: 'What it points at, with exactly the keys of its type.',
  identifier: 'A name of your choice. Not `chendp_` and 64 hex digits. Default: a random one.',
  connectionIdentifier: 'A connection of the same integration. The endpoint goes with it.',
  context: 'Whom it is for besides the subscriber.',
  createSubscriberIfMissing: 'Has no effect.',
});
const changeRequest = described(z.extend(changeBody, { endpoint: target }), {
  endpoint: 'Another target of the same type.',
});

const shape = {
  identifier: z.string(),
  channel: z.literal('chat'),
  providerId: z.enum(providerIds),
  integrationIdentifier: z.string(),
  connectionIdentifier: z.nullable(z.string()),
  subscriberId: z.string(),
  contextKeys: z.array(z.string()),
  createdAt: time,
  updatedAt: time,
};
const texts = {
  identifier: 'As given, else random. Of a flow’s: derived from what it pointed at first.',
  channel: 'Always `chat`.',
  providerId: 'Where messages go.',
  integrationIdentifier: 'The integration that it belongs to.',
  connectionIdentifier: 'The connection that it goes through; null for none.',
  subscriberId: 'Whose messages go there.',
  contextKeys: 'Its context as sorted `type:id`.',
  type: 'What it points at.',
  endpoint: 'What it points at.',
  createdAt: 'When it was made.',
  updatedAt: 'When it was changed last.',
};

function endpointOf<Type extends string, Payload extends z.ZodMiniType>(id: string, type: Type, payload: Payload) {
  return named(id, described(z.object({ ...shape, type: z.literal(type), endpoint: payload }), texts));
}

export const endpoint = named(
  'ChannelEndpoint',
  z.discriminatedUnion('type', [
    endpointOf('SlackChannelEndpoint', 'slack_channel', slackChannel),
    endpointOf('SlackUserEndpoint', 'slack_user', slackUser),
    endpointOf('TeamsChannelEndpoint', 'ms_teams_channel', teamsChannel),
    endpointOf('TeamsUserEndpoint', 'ms_teams_user', teamsUser),
    endpointOf('WebhookEndpoint', 'webhook', webhook),
  ]),
);

const bob = {
  identifier: 'chendp_5f0c6e1d7b3a49e28f6d0a1c4b7e93d25a8f1c3e6b9d07f2a4c5e8b1d3f60729',
  channel: 'chat',
  providerId: 'slack',
  integrationIdentifier: 'slack',
  connectionIdentifier: 'acme-slack',
  subscriberId: 'user-1',
  contextKeys: ['tenant:acme'],
  type: 'slack_user',
  endpoint: { userId: 'U0BOBACME0001' },
  createdAt: exampleTime,
  updatedAt: exampleTime,
};

const alertsBody = {
  integrationIdentifier: 'slack',
  connectionIdentifier: 'acme-slack',
  subscriberId: 'user-1',
  context: { tenant: 'acme' },
  identifier: 'acme-alerts',
  type: 'slack_channel',
  endpoint: { channelId: 'C0ALEACME0001' },
};
const alerts = {
  ...bob,
  identifier: 'acme-alerts',
  type: 'slack_channel',
  endpoint: alertsBody.endpoint,
};

const connected = ['generateConnectOAuthUrl.slack'];

function refuses(summary: string, change: object, error: ErrorCode, message: string): Example {
  return { summary, after: connected, body: { ...alertsBody, ...change }, answer: { error, message } };
}

const unknown: Example = {
  summary: 'No such endpoint',
  path: { identifier: 'acme-alarms' },
  answer: {
    error: 'endpoint_not_found',
    message: 'Channel endpoint with identifier "acme-alarms" not found in environment "65a4fa9b8c1d4e0007b3c9c0"',
  },
};

export const endpointOperations: Operations = {
  'GET /v1/channel-endpoints': {
    operationId: 'listChannelEndpoints',
    summary: 'List endpoints',
    permissions: ['connect', 'manage'],
    query: listQuery,
    answers: { 200: { description: 'One page.', content: listAnswer(endpoint) } },
    errors: ['cursors_conflict', 'unsupported_order'],
    examples: {
      ofConnection: {
        summary: 'Everybody who is linked to a connection',
        after: ['generateConnectOAuthUrl.slack'],
        query: { connectionIdentifier: 'acme-slack' },
        answer: {
          status: 200,
          body: { data: [bob], next: null, previous: null, totalCount: 1, totalCountCapped: false },
        },
      },
      ...listRefused,
    },
  },
  'GET /v1/channel-endpoints/{identifier}': {
    operationId: 'getChannelEndpoint',
    summary: 'Get an endpoint',
    permissions: ['connect', 'manage'],
    path: { identifier: 'The endpoint’s identifier.' },
    answers: { 200: { description: 'The endpoint.', content: dataOf(endpoint) } },
    errors: ['endpoint_not_found'],
    examples: {
      slackUser: {
        summary: 'A person in Slack',
        after: ['listChannelEndpoints.ofConnection'],
        path: { identifier: bob.identifier },
        answer: { status: 200, body: { data: bob } },
      },
      unknown,
    },
  },
  'POST /v1/channel-endpoints': {
    operationId: 'createChannelEndpoint',
    summary: 'Make an endpoint',
    description: 'Nobody proves what a caller says of a target; a flow does.',
    permissions: ['manage'],
    idempotency: 'once',
    body: createRequest,
    answers: { 201: { description: 'The endpoint.', content: dataOf(endpoint) } },
    errors: ['integration_not_found', 'connection_not_found', 'identifier_reserved', 'conflict'],
    examples: {
      slackChannel: {
        summary: 'A channel in Slack, through a connection',
        after: connected,
        body: alertsBody,
        answer: { status: 201, body: { data: alerts } },
      },
      webhook: {
        summary: 'A webhook in Teams, without a connection',
        after: ['createIntegration.teams'],
        body: {
          integrationIdentifier: 'msteams',
          subscriberId: 'user-1',
          identifier: 'contoso-alerts',
          type: 'webhook',
          endpoint: { url: 'https://hooks.contoso.com/alerts' },
        },
        answer: {
          status: 201,
          body: {
            data: {
              ...bob,
              identifier: 'contoso-alerts',
              providerId: 'msteams',
              integrationIdentifier: 'msteams',
              connectionIdentifier: null,
              contextKeys: [],
              type: 'webhook',
              endpoint: { url: 'https://hooks.contoso.com/alerts' },
            },
          },
        },
      },
      noIntegration: refuses(
        'No such integration',
        { integrationIdentifier: 'slck' },
        'integration_not_found',
        'Integration not found: slck',
      ),
      noConnection: refuses(
        'No such connection',
        { connectionIdentifier: 'acme-slck' },
        'connection_not_found',
        'Channel connection not found: acme-slck',
      ),
      reserved: refuses(
        'An identifier as flows give them',
        { identifier: `chendp_${'0'.repeat(64)}` },
        'identifier_reserved',
        'identifier has the form of a derived identifier, which flows give to the endpoints that they make.',
      ),
      taken: {
        ...refuses(
          'The identifier is taken',
          {},
          'conflict',
          'Channel endpoint with identifier "acme-alerts" already exists in environment "65a4fa9b8c1d4e0007b3c9c0"',
        ),
        after: ['createChannelEndpoint.slackChannel'],
      },
      mismatch: {
        summary: 'The keys of another type',
        after: connected,
        body: { ...alertsBody, endpoint: { userId: 'U0BOBACME0001' } },
        answer: {
          error: 'validation_failed',
          message: 'Validation Error',
          errors: {
            general: {
              messages: ['Endpoint must match the required format for type "slack_channel"'],
              value: 'No Value Recorded',
            },
          },
        },
      },
    },
  },
  'PATCH /v1/channel-endpoints/{identifier}': {
    operationId: 'updateChannelEndpoint',
    summary: 'Point an endpoint elsewhere',
    description: 'Also one that a flow made.',
    permissions: ['manage'],
    idempotency: 'once',
    path: { identifier: 'The endpoint’s identifier.' },
    body: changeRequest,
    answers: { 200: { description: 'The endpoint.', content: dataOf(endpoint) } },
    errors: ['endpoint_not_found', 'endpoint_format_mismatch'],
    examples: {
      channel: {
        summary: 'To another channel',
        after: ['createChannelEndpoint.slackChannel'],
        path: { identifier: 'acme-alerts' },
        body: { endpoint: { channelId: 'C0GENACME0001' } },
        answer: { status: 200, body: { data: { ...alerts, endpoint: { channelId: 'C0GENACME0001' } } } },
      },
      mismatch: {
        summary: 'To a target of another type',
        after: ['createChannelEndpoint.slackChannel'],
        path: { identifier: 'acme-alerts' },
        body: { endpoint: { userId: 'U0BOBACME0001' } },
        answer: {
          error: 'endpoint_format_mismatch',
          message: 'Endpoint must match the required format for type "slack_channel"',
        },
      },
      unknown: { ...unknown, body: { endpoint: { channelId: 'C0GENACME0001' } } },
    },
  },
  'DELETE /v1/channel-endpoints/{identifier}': {
    operationId: 'deleteChannelEndpoint',
    summary: 'Delete an endpoint',
    permissions: ['manage'],
    path: { identifier: 'The endpoint’s identifier.' },
    answers: { 204: { description: 'It is gone.' } },
    errors: ['endpoint_not_found'],
    examples: {
      channel: {
        summary: 'A channel in Slack',
        after: ['createChannelEndpoint.slackChannel'],
        path: { identifier: 'acme-alerts' },
        answer: { status: 204 },
      },
      unknown,
    },
  },
};
