import * as z from 'zod/mini';
import { channelsQuery, createBody, listQuery, tokenBody, updateBody } from '../../functions/channel-connections.ts';
import { connectionStatuses } from '../../lib/connection/connection-status.ts';
import { channelTypes } from '../../lib/endpoint/channel.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import { providerIds } from '../../lib/integration/integration.ts';
import { context } from './inputs.ts';
import { listAnswer, listQueryTexts, listRefused } from './lists.ts';
import { type Example, exampleTime, type Operations } from './operation.ts';
import { dataOf, described, named, time } from './schemas.ts';

described(listQuery, {
  ...listQueryTexts,
  subscriberId: 'Those of this subscriber, and the shared ones of the `contextKeys` that are given.',
  connectionMode: 'With `subscriberId`: only the subscriber’s own, or only the shared ones.',
  missingScopes:
    'Slack: only those that lack some of the integration’s `requiredScopes`. Each page is filtered after it was read, so it may ' +
    'be short, or empty, and have a `next`; `totalCount` counts the others, too.',
});

const workspace = named(
  'Workspace',
  described(z.object({ id: z.string(), name: z.optional(z.string()), botUserId: z.optional(z.string()) }), {
    id: 'Of the Slack workspace, of the enterprise after an org-wide install, or of the Microsoft tenant.',
    name: 'As the provider calls it.',
    botUserId: 'Slack: the bot’s user id there.',
  }),
);

described(createBody.shape.workspace, {
  id: 'Of the Slack workspace or enterprise, or of the Microsoft tenant. Believed as it is said.',
  name: 'What people call it.',
  botUserId: 'Slack: the bot’s user id there.',
});
described(createBody.shape.auth, {
  accessToken: 'Stored sealed, and never shown again.',
  refreshToken: 'Slack, for an integration with `clientId` and `secretKey`: of an app with token rotation.',
  expiresAt: 'When the token expires. Default: with a `refreshToken` now, so that it is refreshed first; else never.',
  refreshTokenExpiresAt: 'Has no effect.',
});
const createRequest = described(z.extend(createBody, { context: z.optional(context) }), {
  integrationIdentifier: 'Which integration.',
  identifier: 'A name of your choice. Default: a derived one.',
  subscriberId: 'Whose it is. Any id is known.',
  context: 'Whom it is for besides the subscriber.',
  connectionMode: '`subscriber`: the subscriber’s. `shared`: the context’s. Default: of all that is given.',
  workspace: 'What is connected.',
  auth: 'What you connect it with.',
});
described(tokenBody, {
  minTtlSeconds: 'For how long the token has to last, 0 to 1800. One that lasts for less is refreshed.',
  resource:
    'Teams: what a token of the app is for, Graph in the tenant or the Bot Connector. Default: `graph`. ' +
    'Not for connections whose token a caller brought.',
});
described(updateBody, { workspace: 'What is connected from now on.', auth: 'What you connect it with.' });

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
      status: z.enum(connectionStatuses),
      statusReason: z.optional(z.string()),
      lastVerifiedAt: z.optional(time),
      scopes: z.array(z.string()),
      missingScopes: z.optional(z.array(z.string())),
      metadata: z.optional(z.string()),
      createdAt: time,
      updatedAt: time,
    }),
    {
      identifier: 'As given in the request, else derived.',
      channel: 'Always `chat`.',
      providerId: 'Whose workspace or tenant it is.',
      integrationIdentifier: 'The integration that it was connected with.',
      subscriberId: 'Whose it is; null when it is shared.',
      contextKeys: 'Its context as sorted `type:id`.',
      workspace: 'What was connected.',
      auth: 'Of the contract. No token is ever shown.',
      status:
        '`pending`: approved, but the provider does not yet give what was approved. ' +
        '`reauthorization_required`: the provider does not take its credential any more, so a person has to connect again. ' +
        '`revoked`: its grant was ended.',
      statusReason: 'What a pending connection waits for, or why a person has to connect again.',
      lastVerifiedAt: 'When the provider last accepted or refused its credential.',
      scopes: 'Slack: what was asked for in its own flow and granted.',
      missingScopes:
        'Slack: those of the integration’s `requiredScopes` that it lacks, if any. Connecting again asks for them.',
      metadata: 'Of the request for its OAuth URL.',
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

const broughtBody = {
  integrationIdentifier: 'slack',
  identifier: 'acme-own',
  subscriberId: 'user-2',
  workspace: { id: 'T0ACME0001', name: 'Acme' },
  auth: { accessToken: 'a token that you got elsewhere' },
};
const broughtForTeams = {
  ...broughtBody,
  integrationIdentifier: 'msteams',
  identifier: 'contoso-own',
  workspace: { id: 'c0270500-1a2b-4c3d-8e4f-00000000c0a1', name: 'Contoso' },
};
const brought = {
  ...acmeSlack,
  identifier: 'acme-own',
  subscriberId: 'user-2',
  contextKeys: [],
  workspace: broughtBody.workspace,
  scopes: [],
};

function refuses(summary: string, change: object, error: ErrorCode, message: string): Example {
  return {
    summary,
    after: ['createIntegration.slack'],
    body: { ...broughtBody, ...change },
    answer: { error, message },
  };
}

/** What Teams has no use for. */
const rotating = {
  body: {
    workspace: { id: 'c0270500-1a2b-4c3d-8e4f-00000000c0a1' },
    auth: { accessToken: 'a token', refreshToken: 'another token' },
  },
  answer: {
    error: 'rotation_unsupported',
    message: 'Token rotation is not supported for provider "msteams". Remove refreshToken from the connection auth.',
  },
} as const;

const unknown: Example = {
  summary: 'No such connection',
  path: { identifier: 'acme-slck' },
  answer: { error: 'connection_not_found', message: "Channel connection with identifier 'acme-slck' not found" },
};

const handedOut = described(
  z.object({
    accessToken: z.string(),
    tokenType: z.enum(['bot', 'user', 'Bearer']),
    expiresAt: z.nullable(time),
    scopes: z.array(z.string()),
    workspace,
  }),
  {
    accessToken: 'Send it as `Authorization: Bearer …`. Do not keep it: ask again.',
    tokenType: 'In the provider’s words: Slack’s `bot` or `user`, Microsoft’s `Bearer`.',
    expiresAt: 'Until when it works; null when it does not expire.',
    scopes: 'Slack: those of the connection. Teams: the application permissions that the tenant granted.',
    workspace: 'What it is for.',
  },
);

described(channelsQuery, {
  query: 'Part of a name, of a team’s too; or, for one channel, a link to it or its Slack id. Default: all.',
  teamId: 'Slack: which workspace. Required for a connection of an enterprise, and for no other.',
  limit: 'How many at most.',
  cursor: '`next` of the page before.',
});
const channel = named(
  'Channel',
  described(
    z.object({ id: z.string(), name: z.string(), type: z.enum(channelTypes), teamId: z.optional(z.string()) }),
    {
      id: '`channelId` of the endpoint.',
      name: 'What people call it; of a team’s channel, `team / channel`. Text of others: escape it.',
      type: 'Slack’s, for an endpoint `slack_channel`; or `team_channel`, for an endpoint `ms_teams_channel`.',
      teamId: 'Teams: `teamId` of the endpoint.',
    },
  ),
);
const channelList = described(z.object({ data: z.array(channel), next: z.nullable(z.string()) }), {
  data: 'The channels of this page. It can be short, or empty, and still have a `next`.',
  next: '`cursor` for the next page. Null on the last one.',
});

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
      withDrift: {
        summary: 'Those that have to be connected again for scopes that an integration has come to require',
        after: ['updateIntegration.requireScopes'],
        query: { missingScopes: 'true' },
        answer: {
          status: 200,
          body: {
            data: [{ ...acmeSlack, missingScopes: ['users:read'] }],
            next: null,
            previous: null,
            totalCount: 1,
            totalCountCapped: false,
          },
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
  'POST /v1/channel-connections': {
    operationId: 'createChannelConnection',
    summary: 'Connect with a token of your own',
    description: 'Nobody proves what a caller says of a workspace; a flow does.',
    permissions: ['manage'],
    idempotency: 'once',
    body: createRequest,
    answers: { 201: { description: 'The connection.', content: dataOf(connection) } },
    errors: [
      'integration_not_found',
      'subscriber_required',
      'context_required',
      'subscriber_or_context_required',
      'identifier_reserved',
      'rotation_unsupported',
      'connection_exists',
      'conflict',
    ],
    examples: {
      slack: {
        summary: 'A Slack workspace',
        after: ['createIntegration.slack'],
        body: broughtBody,
        answer: { status: 201, body: { data: brought } },
      },
      teams: {
        summary: 'A Microsoft tenant',
        after: ['createIntegration.teams'],
        body: broughtForTeams,
        answer: {
          status: 201,
          body: {
            data: {
              ...brought,
              identifier: 'contoso-own',
              providerId: 'msteams',
              integrationIdentifier: 'msteams',
              workspace: broughtForTeams.workspace,
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
      noSubscriber: refuses(
        'A subscriber’s connection without subscriber',
        { subscriberId: undefined, connectionMode: 'subscriber' },
        'subscriber_required',
        'subscriberId is required when connectionMode is "subscriber"',
      ),
      noContext: refuses(
        'A shared connection without context',
        { connectionMode: 'shared' },
        'context_required',
        'context is required when connectionMode is "shared"',
      ),
      nobody: refuses(
        'For nobody',
        { subscriberId: undefined },
        'subscriber_or_context_required',
        'Either subscriberId or context must be provided',
      ),
      reserved: refuses(
        'A derived identifier of somebody else',
        { identifier: `chconn-${'0'.repeat(64)}` },
        'identifier_reserved',
        'identifier has the form of a derived identifier, which belongs to another subscriber or context.',
      ),
      rotation: {
        summary: 'A refresh token for Teams',
        after: ['createIntegration.teams'],
        body: { ...broughtBody, ...rotating.body, integrationIdentifier: 'msteams' },
        answer: rotating.answer,
      },
      exists: {
        ...refuses(
          'The subscriber has one',
          {},
          'connection_exists',
          'A channel connection already exists for integration "slack" with subscriberId "user-2" and no context. Connection ID: acme-own',
        ),
        after: ['createChannelConnection.slack'],
      },
      taken: {
        ...refuses(
          'The identifier is taken',
          { subscriberId: 'user-3' },
          'conflict',
          'Channel connection with identifier "acme-own" already exists in environment "65a4fa9b8c1d4e0007b3c9c0"',
        ),
        after: ['createChannelConnection.slack'],
      },
    },
  },
  'PATCH /v1/channel-connections/{identifier}': {
    operationId: 'updateChannelConnection',
    summary: 'Replace workspace and token',
    description:
      'Also of a connection that a flow made: its token is let go, and with it, in another workspace, what flows linked.',
    permissions: ['manage'],
    idempotency: 'once',
    path: { identifier: 'The connection’s identifier, given or derived.' },
    body: updateBody,
    answers: { 200: { description: 'The connection.', content: dataOf(connection) } },
    errors: ['connection_not_found', 'rotation_unsupported'],
    examples: {
      slack: {
        summary: 'Another token, and a new name',
        after: ['createChannelConnection.slack'],
        path: { identifier: 'acme-own' },
        body: { workspace: { id: 'T0ACME0001', name: 'Acme Inc' }, auth: { accessToken: 'another token' } },
        answer: { status: 200, body: { data: { ...brought, workspace: { id: 'T0ACME0001', name: 'Acme Inc' } } } },
      },
      rotation: {
        summary: 'A refresh token for Teams',
        after: ['generateConnectOAuthUrl.teams'],
        path: { identifier: 'contoso-teams' },
        ...rotating,
      },
      unknown: {
        ...unknown,
        body: { workspace: broughtBody.workspace, auth: broughtBody.auth },
        answer: { error: 'connection_not_found', message: 'Channel connection with identifier "acme-slck" not found' },
      },
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
  'POST /v1/channel-connections/{identifier}/verify': {
    operationId: 'verifyChannelConnection',
    summary: 'Ask the provider whether a connection still works',
    description:
      'Slack, with a refresh token: refreshes it. Slack, without one: tries the token, unless a caller brought it. ' +
      'Teams: asks for a token of the app in the tenant. A result younger than ten seconds is shown again.',
    permissions: ['manage'],
    path: { identifier: 'The connection’s identifier, given or derived.' },
    answers: { 200: { description: 'The connection, and how it stands.', content: dataOf(connection) } },
    errors: ['connection_not_found'],
    raceErrors: ['token_refresh_failed', 'token_refresh_in_progress'],
    examples: {
      slack: {
        summary: 'A Slack workspace',
        after: ['generateConnectOAuthUrl.slack'],
        path: { identifier: 'acme-slack' },
        answer: { status: 200, body: { data: { ...acmeSlack, lastVerifiedAt: exampleTime } } },
      },
      unknown,
    },
  },
  'POST /v1/channel-connections/{identifier}/token': {
    operationId: 'getChannelConnectionToken',
    summary: 'Get a token that works',
    description:
      'Refreshes it first when it is about to expire, once for all who ask, and never gives an expired one. ' +
      'Each hand-out is logged with the API key that asked.',
    permissions: ['tokens'],
    path: { identifier: 'The connection’s identifier, given or derived.' },
    body: tokenBody,
    isBodyOptional: true,
    answers: { 200: { description: 'The token.', content: dataOf(handedOut) } },
    errors: ['connection_not_found'],
    raceErrors: [
      'connection_pending',
      'reauthorization_required',
      'token_refresh_failed',
      'token_refresh_pending',
      'token_unavailable',
    ],
    examples: {
      brought: {
        summary: 'A token that a caller brought',
        after: ['createChannelConnection.slack'],
        path: { identifier: 'acme-own' },
        body: { minTtlSeconds: 600 },
        answer: {
          status: 200,
          body: {
            data: {
              accessToken: broughtBody.auth.accessToken,
              tokenType: 'bot',
              expiresAt: null,
              scopes: [],
              workspace: broughtBody.workspace,
            },
          },
        },
      },
      unknown,
    },
  },
  'GET /v1/channel-connections/{identifier}/channels': {
    operationId: 'listChannels',
    summary: 'List what an endpoint can point at',
    description:
      'Asks the provider. Slack: public channels, and private ones that both the person who approved and the bot are in. ' +
      'Teams: standard channels of the teams that the person who approved has joined. ' +
      'Takes the scopes `channels:read` and `groups:read`, or the application permissions `Team.ReadBasic.All` and `Channel.ReadBasic.All`.',
    permissions: ['connect', 'manage'],
    path: { identifier: 'The connection’s identifier, given or derived.' },
    query: channelsQuery,
    answers: { 200: { description: 'One page.', content: channelList } },
    errors: ['connection_not_found', 'missing_roles', 'linked_person_missing', 'reauthorization_required'],
    raceErrors: [
      'connection_pending',
      'missing_scope',
      'rate_limited',
      'channels_unavailable',
      'token_refresh_failed',
      'token_refresh_pending',
      'token_unavailable',
    ],
    examples: {
      slack: {
        summary: 'Channels with “ra” in their names',
        after: ['generateConnectOAuthUrl.slack'],
        path: { identifier: 'acme-slack' },
        query: { query: 'ra', limit: 20 },
        answer: {
          status: 200,
          body: {
            data: [
              { id: 'C0GENACME0001', name: 'general', type: 'public_channel' },
              { id: 'C0RANACME0001', name: 'random', type: 'public_channel' },
            ],
            next: null,
          },
        },
      },
      roles: {
        summary: 'The tenant has not approved enough',
        after: ['generateConnectOAuthUrl.teams'],
        path: { identifier: 'contoso-teams' },
        answer: {
          error: 'missing_roles',
          message:
            'Listing channels takes the application permissions Team.ReadBasic.All and Channel.ReadBasic.All. ' +
            'Missing: Channel.ReadBasic.All. An administrator of the tenant has to approve the app again.',
          reason: 'Channel.ReadBasic.All',
        },
      },
      nobody: {
        summary: 'Nobody is known to list for',
        after: ['createChannelConnection.teams'],
        path: { identifier: 'contoso-own' },
        answer: {
          error: 'linked_person_missing',
          message: 'Channels are listed as a person sees them, and nobody who connected or linked themselves is known.',
        },
      },
      dead: {
        summary: 'Slack does not take the token',
        after: ['createChannelConnection.slack'],
        path: { identifier: 'acme-own' },
        answer: {
          error: 'reauthorization_required',
          message: 'The channel connection has to be authorized again: invalid_auth.',
          reason: 'invalid_auth',
        },
      },
      unknown,
    },
  },
};
