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

const pages: Operation['answers'] = {
  200: { description: 'What was connected, or what it still waits for.', content: 'page' },
  202: { description: 'Almost done. The page reloads itself.', content: 'page' },
  303: {
    description: 'To the `returnUrl` or `redirectUrl`; at Microsoft also from the consent to the sign-in.',
    headers: { Location: 'Where to.' },
  },
  400: { description: 'Why nothing was connected, or that the link is used, expired or unknown.', content: 'page' },
  502: { description: 'Trouble at the provider. Start again.', content: 'page' },
  503: { description: 'Trouble on our side. Nothing was spent; a reload tries again.', content: 'page' },
};

export const callbackOperations: Operations = {
  'GET /v1/integrations/chat/oauth/callback/slack': {
    operationId: 'slackCallback',
    summary: 'Slack’s redirect after Allow or Cancel',
    permissions: [],
    query: slackRedirect,
    answers: pages,
  },
  'GET /v1/integrations/chat/oauth/callback/msteams': {
    operationId: 'msteamsCallback',
    summary: 'Microsoft’s redirects after the consent and after the sign-in',
    permissions: [],
    query: microsoftRedirect,
    answers: pages,
  },
};
