import * as z from 'zod/mini';
import type { ProviderRedirect } from '../../lib/http/provider-redirect.ts';
import type { Operation, Operations } from './operation.ts';
import { described } from './schemas.ts';

const parameter = z.optional(z.string());

const slackRedirect = described(z.object({ state: parameter, code: parameter, error: parameter }), {
  state: 'The handle of the flow.',
  code: 'Slack’s one-time code.',
  error: 'Why there is no code.',
});

const microsoftRedirect = described(
  z.object({
    ...slackRedirect.shape,
    error_description: parameter,
    error_subcode: parameter,
    tenant: parameter,
    admin_consent: parameter,
  } satisfies Record<keyof ProviderRedirect, typeof parameter>),
  {
    state: 'The handle of the flow’s step.',
    code: 'Microsoft’s one-time code, after the sign-in.',
    error: 'Why there is neither.',
    error_description: 'Microsoft’s explanation.',
    error_subcode: '`cancel` when the person did not want to.',
    tenant: 'After the consent: the tenant that it is said to be for. Only the sign-in proves it.',
    admin_consent: 'After the consent: `True`.',
  },
);

const trouble = {
  description: 'Trouble on our side. Nothing was spent; a reload tries again.',
  content: 'page',
} as const;

const callbackAnswers: Operation['answers'] = {
  200: { description: 'What was connected, or what it still waits for.', content: 'page' },
  202: { description: 'Almost done. The page reloads itself.', content: 'page' },
  303: {
    description: 'To the `returnUrl` or `redirectUrl`; at Microsoft also from the consent to the sign-in.',
    headers: { Location: 'Where to.' },
  },
  400: { description: 'Why nothing was connected, or that the link is used, expired or unknown.', content: 'page' },
  502: { description: 'Trouble at the provider. Start again.', content: 'page' },
  503: trouble,
};

const ticket = { ticket: 'From the OAuth URL. It is secret.' };

const installable = { integrationId: '`_id` of the integration.' };
const installQuery = described(z.object({ team: parameter, direct: parameter }), {
  team: 'The workspace or enterprise that has to be the one that approves. What cannot be an id of one is ignored.',
  direct: '`1`: at once to Slack, without the page.',
});
const toSlack = {
  description: 'To Slack.',
  headers: { Location: 'Where to.', 'Set-Cookie': 'Ties the flow to this browser.' },
};
const noInstall = { description: 'No such Slack integration, or it is not offered.', content: 'page' } as const;

export const pageOperations: Operations = {
  'GET /connect/{ticket}': {
    operationId: 'getStartPage',
    summary: 'The start page of a flow that is bound to a browser',
    permissions: [],
    path: ticket,
    answers: {
      200: { description: 'Who asks for what for whom, and a button.', content: 'page' },
      400: {
        description: 'The link is used, expired or unknown, or the product no longer offers this.',
        content: 'page',
      },
      503: trouble,
    },
  },
  'POST /connect/{ticket}': {
    operationId: 'continueFromStartPage',
    summary: 'The button of the start page',
    description: 'Works from the start page only.',
    permissions: [],
    path: ticket,
    answers: {
      303: {
        description: 'To Slack or Microsoft.',
        headers: { Location: 'Where to.', 'Set-Cookie': 'Ties the flow to this browser.' },
      },
      400: {
        description: 'The link is used, expired or unknown, or another page pressed the button.',
        content: 'page',
      },
      503: trouble,
    },
  },
  'GET /v1/integrations/{integrationId}/slack/install': {
    operationId: 'getInstallPage',
    summary: 'The page from which anybody adds the app to their Slack workspace',
    description: 'What comes of it is a connection of its workspace, without subscriber and context.',
    permissions: [],
    path: installable,
    query: installQuery,
    answers: {
      200: { description: 'Which app it is, and a button.', content: 'page' },
      303: toSlack,
      404: noInstall,
      503: trouble,
    },
  },
  'POST /v1/integrations/{integrationId}/slack/install': {
    operationId: 'addToSlack',
    summary: 'The button of the install page',
    description: 'Works from the install page only.',
    permissions: [],
    path: installable,
    query: installQuery,
    answers: {
      303: toSlack,
      400: { description: 'Another page pressed the button.', content: 'page' },
      404: noInstall,
      503: trouble,
    },
  },
  'GET /v1/integrations/chat/oauth/callback/slack': {
    operationId: 'slackCallback',
    summary: 'Slack’s redirect after Allow or Cancel',
    permissions: [],
    query: slackRedirect,
    answers: callbackAnswers,
  },
  'GET /v1/integrations/chat/oauth/callback/slack/{integrationId}': {
    operationId: 'slackCallbackOfIntegration',
    summary: 'Slack’s redirect, for installs that start at Slack',
    description: 'With a `state` as the other one. Without, `configurations.stateless` says what becomes of it.',
    permissions: [],
    path: installable,
    query: slackRedirect,
    answers: { ...callbackAnswers, 404: noInstall },
  },
  'GET /v1/integrations/chat/oauth/callback/msteams': {
    operationId: 'msteamsCallback',
    summary: 'Microsoft’s redirects after the consent and after the sign-in',
    permissions: [],
    query: microsoftRedirect,
    answers: callbackAnswers,
  },
};
