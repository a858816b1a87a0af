import * as z from 'zod/mini';
import { authorizeBody } from '../../functions/slack-authorize.ts';
import type { Operations } from './operation.ts';
import { dataOf, described } from './schemas.ts';

described(authorizeBody, {
  teamId: 'Of the workspace. Required, but for an org-wide install.',
  enterpriseId: 'Of the Enterprise Grid organisation. Its org-wide install answers for all of its workspaces.',
  userId: 'Whose own token is wanted beside the bot’s.',
  conversationId: 'Of Slack’s interface; has no effect.',
  isEnterpriseInstall: 'Whether the org-wide install alone is asked about.',
});

const text = z.optional(z.string());
const epochSeconds = z.optional(z.int());

const authorization = described(
  z.object({
    botToken: text,
    botTokenExpiresAt: epochSeconds,
    botId: text,
    botUserId: text,
    userToken: text,
    userTokenExpiresAt: epochSeconds,
    teamId: text,
    enterpriseId: text,
  }),
  {
    botToken: 'Acts as the bot. None where only a person gave a token.',
    botTokenExpiresAt: 'Epoch seconds, at least five minutes away; absent for a token that does not rotate.',
    botId: 'The bot’s id there.',
    botUserId: 'The bot’s user id there.',
    userToken: 'Acts as the person.',
    userTokenExpiresAt: 'As that of the bot.',
    teamId: 'The workspace; after an org-wide install the one that was asked about.',
    enterpriseId: 'The organisation.',
  },
);

const unknownInstall = {
  summary: 'A workspace that is not connected',
  path: { integrationIdentifier: 'slack' },
  after: ['createIntegration.slack'],
  body: { teamId: 'T0NOBODY', isEnterpriseInstall: false },
  answer: {
    error: 'installation_not_found',
    message: 'No installation for enterprise -, team T0NOBODY, user -',
  },
} as const;

export const authorizeOperations: Operations = {
  'POST /v1/integrations/{integrationIdentifier}/slack/authorize': {
    operationId: 'authorizeSlack',
    summary: 'Get the tokens of a workspace',
    description:
      '`InstallProvider.authorize` as a call. Tokens are refreshed when they are due; refresh tokens are never given away.',
    permissions: ['tokens'],
    path: { integrationIdentifier: 'The integration’s identifier.' },
    body: authorizeBody,
    answers: {
      200: { description: 'What acts for the workspace, or for the person.', content: dataOf(authorization) },
    },
    errors: ['integration_not_found', 'installation_not_found'],
    raceErrors: ['reauthorization_required', 'token_refresh_failed', 'token_refresh_pending'],
    examples: {
      unknownInstall,
      unknown: {
        summary: 'An unknown integration',
        path: { integrationIdentifier: 'slck' },
        body: { teamId: 'T0ACME0001' },
        answer: {
          error: 'integration_not_found',
          message: 'Integration not found: slck in environment 65a4fa9b8c1d4e0007b3c9c0',
        },
      },
    },
  },
};
