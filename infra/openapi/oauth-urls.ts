import * as z from 'zod/mini';
import { chatOauthBody, connectBody, linkBody, linkUserBody } from '../../functions/generate-oauth-url.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import { adminConsentUrl, teamsRedirectUri } from '../../lib/providers/msteams/authorization-url.ts';
import { slackAuthorizationUrl, slackRedirectUri } from '../../lib/providers/slack/authorization-url.ts';
import { context } from './inputs.ts';
import { type Example, exampleTime, type Operation, type Operations } from './operation.ts';
import { dataOf, described, named, time } from './schemas.ts';

const shared = {
  integrationIdentifier: 'Which integration.',
  context: 'Whom it is for besides the subscriber.',
};
const common = {
  ...shared,
  returnUrl: 'Where the browser goes afterwards: one of `configurations.returnUrls`, character by character.',
  binding: 'Who may finish the flow: as the integration says, or fewer.',
};
const connect = {
  ...common,
  subscriberId: 'Your user. Required for `connectionMode: subscriber` and for the scope `incoming-webhook`.',
  connectionIdentifier: 'A name of your choice for the connection. Default: derived from whom it is for.',
  scope: 'Slack: bot scopes. Default: those of the integration. Teams: ignored.',
  connectionMode:
    'Whose the connection is: one subscriber’s, or the context’s. Default: that of all who are given, at least one.',
  autoLinkUser: 'Whether the person who approves is linked too. Needs `subscriberId`. Default: `false`.',
};
const contextHash = 'Proof that your backend vouches for the context, where `credentials.hmac` demands it.';
const userScope =
  'Slack: user scopes. Default: those of the integration. With `openid`, and at most `email` and `profile` beside it, it is Sign in with Slack. Teams: ignored.';
const linkUser = {
  ...common,
  subscriberId: 'Your user, to whom the person is linked.',
  connectionIdentifier: 'The connection that the person belongs to. Default: the one for the subscriber and context.',
  contextHash,
  userScope,
};

const withContext = { context: z.optional(context) };
const chatOauth = described(z.extend(chatOauthBody, withContext), {
  ...connect,
  userScope,
  mode: 'Whether to connect or to link. Default: `connect`.',
});
const connectRequest = described(z.extend(connectBody, withContext), { ...connect, contextHash });
const linkUserRequest = described(z.extend(linkUserBody, withContext), linkUser);
const linkRequest = described(z.extend(linkBody, withContext), {
  ...shared,
  subscriberId: linkUser.subscriberId,
  contextHash,
});

const oauthUrl = named(
  'OAuthUrl',
  described(z.object({ url: z.url(), expiresAt: time }), {
    url: 'Send the browser of the person here. It works once.',
    expiresAt: 'Until when it works.',
  }),
);

const oauthUrlOperation = {
  permissions: ['connect'],
  idempotency: 'first answer',
  answers: { 201: { description: 'The URL.', content: dataOf(oauthUrl) } },
} satisfies Partial<Operation>;

const exampleUrl = 'https://connect.example';
const state = 'EXAMPLE';
const slackRequest = { clientId: '1234567890.1234567890', redirectUri: slackRedirectUri(exampleUrl), state };
const botUrl = slackAuthorizationUrl('https://slack.com', {
  ...slackRequest,
  scopes: { bot: ['chat:write', 'channels:read'] },
});
const startUrl = `${exampleUrl}/connect/${state}`;
const userUrl = slackAuthorizationUrl('https://slack.com', { ...slackRequest, scopes: { user: ['identity.basic'] } });
const consentUrl = adminConsentUrl('https://login.microsoftonline.com', {
  clientId: '6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b',
  redirectUri: teamsRedirectUri(exampleUrl),
  state,
});

const slack = ['createIntegration.slack'];
const returnUrl = 'https://product.example/settings';
const acme = { tenant: 'acme' };
const acmeSlack = { integrationIdentifier: 'slack', subscriberId: 'user-1', context: acme };

function gives(summary: string, after: readonly string[], body: object, url: string): Example {
  return { summary, after, body, answer: { status: 201, body: { data: { url, expiresAt: exampleTime } } } };
}

function refuses(summary: string, after: readonly string[], body: object, error: ErrorCode, message: string): Example {
  return { summary, after, body, answer: { error, message } };
}

/** What all three refuse. */
const refused = {
  unknown: refuses(
    'No such integration',
    [],
    { integrationIdentifier: 'slck', subscriberId: 'user-1' },
    'integration_not_found',
    'Integration not found: slck in environment 65a4fa9b8c1d4e0007b3c9c0',
  ),
  returnUrl: refuses(
    'A return URL that is not registered',
    slack,
    { ...acmeSlack, returnUrl: 'https://product.example/settings?tab=slack' },
    'invalid_return_url',
    "returnUrl must equal one of the integration's configurations.returnUrls, character by character.",
  ),
  binding: refuses(
    'A looser binding than the integration’s',
    ['createIntegration.confirm'],
    { ...acmeSlack, integrationIdentifier: 'slack-confirm', returnUrl, binding: 'direct' },
    'unsupported_binding',
    'The integration demands the binding "confirm" or a stricter one.',
  ),
  noReturnUrl: refuses(
    'Nowhere for the handle of the confirmation to go',
    ['createIntegration.confirm'],
    { ...acmeSlack, integrationIdentifier: 'slack-confirm' },
    'return_url_required',
    'The binding "confirm" needs a returnUrl, or credentials.redirectUrl of the integration: the browser brings the handle there.',
  ),
};

/** What both ways of connecting refuse. */
const connectRefused = {
  ...refused,
  scope: refuses(
    'A scope that the integration does not allow',
    slack,
    { ...acmeSlack, scope: ['chat:write', 'admin'] },
    'invalid_scope',
    'The integration does not allow these scopes: admin',
  ),
  reserved: refuses(
    'A derived identifier of another subject',
    slack,
    { ...acmeSlack, connectionIdentifier: `chconn-${'0'.repeat(64)}` },
    'identifier_reserved',
    'connectionIdentifier has the form of a derived identifier, which belongs to another subscriber or context.',
  ),
  nobody: refuses(
    'For nobody',
    slack,
    { integrationIdentifier: 'slack' },
    'subscriber_or_context_required',
    'Either subscriberId or context must be provided',
  ),
  noSubscriber: refuses(
    'One subscriber’s, without a subscriber',
    slack,
    { integrationIdentifier: 'slack', connectionMode: 'subscriber', context: acme },
    'subscriber_required',
    'subscriberId is required when connectionMode is "subscriber"',
  ),
  noContext: refuses(
    'Shared, without a context',
    slack,
    { integrationIdentifier: 'slack', connectionMode: 'shared' },
    'context_required',
    'context is required when connectionMode is "shared"',
  ),
};
const connectErrors = [
  'integration_not_found',
  'invalid_return_url',
  'unsupported_binding',
  'return_url_required',
  'invalid_scope',
  'identifier_reserved',
  'subscriber_or_context_required',
  'subscriber_required',
  'context_required',
] as const;

const noHash = refuses(
  'A context without the hash that the integration demands',
  ['createIntegration.hmac'],
  { ...acmeSlack, integrationIdentifier: 'slack-hmac' },
  'context_hash_invalid',
  'A valid contextHash is required when HMAC validation is enabled.',
);

export const oauthUrlOperations: Operations = {
  'POST /v1/integrations/channel-connections/oauth': {
    ...oauthUrlOperation,
    operationId: 'generateConnectOAuthUrl',
    summary: 'Connect a workspace or tenant',
    body: connectRequest,
    errors: [...connectErrors, 'context_hash_invalid'],
    examples: {
      slack: gives(
        'A Slack workspace for a subscriber, under a name of your choice, with the person linked',
        slack,
        { ...acmeSlack, connectionIdentifier: 'acme-slack', autoLinkUser: true },
        botUrl,
      ),
      shared: gives(
        'A Slack workspace for everybody of a context',
        slack,
        { integrationIdentifier: 'slack', connectionMode: 'shared', context: acme },
        botUrl,
      ),
      teams: gives(
        'A Microsoft tenant',
        ['createIntegration.teams'],
        { integrationIdentifier: 'msteams', subscriberId: 'user-1', connectionIdentifier: 'contoso-teams' },
        consentUrl,
      ),
      browser: gives(
        'A Slack workspace, by way of a start page',
        slack,
        { ...acmeSlack, binding: 'browser' },
        startUrl,
      ),
      confirm: gives(
        'A Slack workspace, to be confirmed by your backend',
        ['createIntegration.confirm'],
        {
          ...acmeSlack,
          integrationIdentifier: 'slack-confirm',
          connectionIdentifier: 'acme-slack',
          returnUrl,
        },
        startUrl,
      ),
      ...connectRefused,
      noHash,
    },
  },
  'POST /v1/integrations/channel-endpoints/oauth': {
    ...oauthUrlOperation,
    operationId: 'generateLinkUserOAuthUrl',
    summary: 'Link a person',
    body: linkUserRequest,
    errors: [
      'integration_not_found',
      'invalid_return_url',
      'unsupported_binding',
      'return_url_required',
      'invalid_scope',
      'context_hash_invalid',
    ],
    examples: {
      slack: gives('A person in Slack', slack, { ...acmeSlack, subscriberId: 'user-2' }, userUrl),
      ...refused,
      scope: refuses(
        'A scope that the integration does not allow',
        slack,
        { ...acmeSlack, userScope: ['identity.email'] },
        'invalid_scope',
        'The integration does not allow these scopes: identity.email',
      ),
      noHash,
    },
  },
  'POST /v1/integrations/channel-endpoints/link': {
    ...oauthUrlOperation,
    operationId: 'linkChannelEndpoint',
    summary: 'Link a person, with fewer choices',
    description: 'As the other one without a choice, and with another status.',
    body: linkRequest,
    answers: { 200: { description: 'The URL.', content: dataOf(oauthUrl) } },
    errors: ['integration_not_found', 'return_url_required', 'context_hash_invalid'],
    examples: {
      slack: {
        ...gives('A person in Slack', slack, acmeSlack, userUrl),
        answer: { status: 200, body: { data: { url: userUrl, expiresAt: exampleTime } } },
      },
      unknown: refused.unknown,
      noReturnUrl: refused.noReturnUrl,
      noHash,
    },
  },
  'POST /v1/integrations/chat/oauth': {
    ...oauthUrlOperation,
    operationId: 'generateChatOAuthUrl',
    summary: 'Connect or link',
    description: 'Either of the other two, by `mode`. It knows no `contextHash` and demands none.',
    deprecated: true,
    body: chatOauth,
    errors: connectErrors,
    examples: {
      connect: gives('A Slack workspace', slack, acmeSlack, botUrl),
      link: gives('A person in Slack', slack, { ...acmeSlack, mode: 'link_user' }, userUrl),
      ...connectRefused,
    },
  },
};
