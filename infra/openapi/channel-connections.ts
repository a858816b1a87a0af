import * as z from 'zod/mini';
import { listQuery } from '../../functions/channel-connections.ts';
import { connectionSchema } from '../../lib/connection/connection.ts';
import { providerIds } from '../../lib/integration/integration.ts';
import { listAnswer, listQueryTexts, listRefused } from './lists.ts';
import { type Example, exampleTime, type Operations } from './operation.ts';
import { dataOf, described, named, time } from './schemas.ts';

described(listQuery, {
  ...listQueryTexts,
  subscriberId: 'Those of this subscriber, and the shared ones of the `contextKeys` that are given.',
  connectionMode: 'With `subscriberId`: only the subscriber’s own, or only the shared ones.',
});

const workspace = named(
  'Workspace',
  described(z.object({ id: z.string(), name: z.optional(z.string()), botUserId: z.optional(z.string()) }), {
    id: 'Of the Slack workspace, of the enterprise after an org-wide install, or of the Microsoft tenant.',
    name: 'As the provider calls it.',
    botUserId: 'Slack: the bot’s user id there.',
  }),
);

export const connection = named(
  'ChannelConnection',
  described(
    z.object({
      identifier: z.string(),
      channel: z.literal('chat'),
      providerId: z.enum(providerIds),
      integrationIdentifier: z.string(),
      subscriberId: z.nullable(z.string()),
      contextKeys: z.array(z.string()),
      workspace,
      auth: described(z.object({ accessToken: z.literal('hidden') }), {
        accessToken: 'Always `hidden`.',
      }),
      status: connectionSchema.shape.status,
      statusReason: connectionSchema.shape.statusReason,
      scopes: z.array(z.string()),
      createdAt: time,
      updatedAt: time,
    }),
    {
      identifier: 'As given in the request for the URL, else derived.',
      channel: 'Always `chat`.',
      providerId: 'Whose workspace or tenant it is.',
      integrationIdentifier: 'The integration that it was connected with.',
      subscriberId: 'Whose it is; null when it is shared.',
      contextKeys: 'Its context as sorted `type:id`.',
      workspace: 'What was connected.',
      auth: 'Of the contract. No token is ever shown.',
      status: '`pending`: approved, but the provider does not yet give what was approved.',
      statusReason: 'What a pending connection waits for.',
      scopes: 'Slack: what was asked for in its own flow and granted.',
      createdAt: 'When it was connected first.',
      updatedAt: 'When it was changed last.',
    },
  ),
);

export const acmeSlack = {
  identifier: 'acme-slack',
  channel: 'chat',
  providerId: 'slack',
  integrationIdentifier: 'slack',
  subscriberId: 'user-1',
  contextKeys: ['tenant:acme'],
  workspace: { id: 'T0ACME0001', name: 'Acme', botUserId: 'U01420E6622' },
  auth: { accessToken: 'hidden' },
  status: 'active',
  scopes: ['chat:write', 'channels:read'],
  createdAt: exampleTime,
  updatedAt: exampleTime,
};

const unknown: Example = {
  summary: 'No such connection',
  path: { identifier: 'acme-slck' },
  answer: { error: 'connection_not_found', message: "Channel connection with identifier 'acme-slck' not found" },
};

export const connectionOperations: Operations = {
  'GET /v1/channel-connections': {
    operationId: 'listChannelConnections',
    summary: 'List connections',
    permissions: ['connect', 'manage'],
    query: listQuery,
    answers: { 200: { description: 'One page.', content: listAnswer(connection) } },
    errors: ['cursors_conflict', 'unsupported_order'],
    examples: {
      ofSubscriber: {
        summary: 'All of a subscriber’s in one context',
        after: ['generateConnectOAuthUrl.slack'],
        query: { subscriberId: 'user-1', contextKeys: ['tenant:acme'] },
        answer: {
          status: 200,
          body: { data: [acmeSlack], next: null, previous: null, totalCount: 1, totalCountCapped: false },
        },
      },
      ...listRefused,
    },
  },
  'GET /v1/channel-connections/{identifier}': {
    operationId: 'getChannelConnection',
    summary: 'Get a connection',
    permissions: ['connect', 'manage'],
    path: { identifier: 'The connection’s identifier, given or derived.' },
    answers: { 200: { description: 'The connection.', content: dataOf(connection) } },
    errors: ['connection_not_found'],
    examples: {
      slack: {
        summary: 'A Slack workspace',
        after: ['generateConnectOAuthUrl.slack'],
        path: { identifier: 'acme-slack' },
        answer: { status: 200, body: { data: acmeSlack } },
      },
      teams: {
        summary: 'A Microsoft tenant',
        after: ['generateConnectOAuthUrl.teams'],
        path: { identifier: 'contoso-teams' },
        answer: {
          status: 200,
          body: {
            data: {
              ...acmeSlack,
              identifier: 'contoso-teams',
              providerId: 'msteams',
              integrationIdentifier: 'msteams',
              contextKeys: [],
              workspace: { id: 'c0270500-1a2b-4c3d-8e4f-00000000c0a1', name: 'contoso.example' },
              scopes: [],
            },
          },
        },
      },
      unknown,
    },
  },
  'DELETE /v1/channel-connections/{identifier}': {
    operationId: 'deleteChannelConnection',
    summary: 'Disconnect',
    description:
      'Its endpoints go with it. When nobody else needs the token, `configurations.revoke` says what becomes of it.',
    permissions: ['manage'],
    path: { identifier: 'The connection’s identifier, given or derived.' },
    answers: { 204: { description: 'It is gone.' } },
    errors: ['connection_not_found'],
    examples: {
      slack: {
        summary: 'A Slack workspace',
        after: ['generateConnectOAuthUrl.slack'],
        path: { identifier: 'acme-slack' },
        answer: { status: 204 },
      },
      unknown,
    },
  },
};
