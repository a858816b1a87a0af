import * as z from 'zod/mini';
import { listQuery } from '../../functions/channel-endpoints.ts';
import { providerIds } from '../../lib/integration/integration.ts';
import { listAnswer, listQueryTexts, listRefused } from './lists.ts';
import { exampleTime, type Operations } from './operation.ts';
import { dataOf, described, named, time } from './schemas.ts';

described(listQuery, {
  ...listQueryTexts,
  subscriberId: 'Those of this subscriber.',
  connectionIdentifier: 'Those through this connection.',
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
  identifier: 'Derived from what it points at.',
  channel: 'Always `chat`.',
  providerId: 'Where messages go.',
  integrationIdentifier: 'The integration that it belongs to.',
  connectionIdentifier: 'The connection that it goes through; null for none.',
  subscriberId: 'Whose messages go there.',
  contextKeys: 'Its context as sorted `type:id`.',
  type: 'What it points at.',
  endpoint: 'What it points at, with exactly the keys of its type.',
  createdAt: 'When it was made.',
  updatedAt: 'When it was changed last.',
};

const endpointTypes = [
  named(
    'SlackUserEndpoint',
    described(
      z.object({
        ...shape,
        type: z.literal('slack_user'),
        endpoint: described(z.object({ userId: z.string() }), { userId: 'Of a person in Slack.' }),
      }),
      texts,
    ),
  ),
  named(
    'TeamsUserEndpoint',
    described(
      z.object({
        ...shape,
        type: z.literal('ms_teams_user'),
        endpoint: described(z.object({ userId: z.string(), tenantId: z.string() }), {
          userId: 'The object id of a person in the tenant.',
          tenantId: 'Of the person.',
        }),
      }),
      texts,
    ),
  ),
  named(
    'WebhookEndpoint',
    described(
      z.object({
        ...shape,
        type: z.literal('webhook'),
        endpoint: described(z.object({ url: z.url(), channel: z.optional(z.string()) }), {
          url: 'Whoever knows it can post.',
          channel: 'The channel that it posts to, by name.',
        }),
      }),
      texts,
    ),
  ),
] as const;

const endpoint = named('ChannelEndpoint', z.discriminatedUnion('type', endpointTypes));

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
      unknown: {
        summary: 'No such endpoint',
        path: { identifier: 'chendp_unknown' },
        answer: {
          error: 'endpoint_not_found',
          message: "Channel endpoint with identifier 'chendp_unknown' not found",
        },
      },
    },
  },
};
