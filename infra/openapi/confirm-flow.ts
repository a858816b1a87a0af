import * as z from 'zod/mini';
import { confirmBody } from '../../functions/confirm-flow.ts';
import { acmeSlack, connection } from './channel-connections.ts';
import { endpoint } from './channel-endpoints.ts';
import { context } from './inputs.ts';
import type { Operations } from './operation.ts';
import { dataOf, described } from './schemas.ts';

const request = described(z.extend(confirmBody, { context: z.optional(context) }), {
  handle: 'From the query of the return URL.',
  subscriberId: 'The user of your session in that browser.',
  context: 'What the flow was begun with.',
});

const outcome = described(z.object({ connection: z.optional(connection), endpoints: z.array(endpoint) }), {
  connection: 'What was connected. None for a link.',
  endpoints: 'Who was linked, and webhooks.',
});

const after = ['generateConnectOAuthUrl.confirm'];
const body = { handle: 'EXAMPLE', subscriberId: 'user-1', context: { tenant: 'acme' } };

export const confirmOperations: Operations = {
  'POST /v1/integrations/chat/oauth/confirm': {
    operationId: 'confirmFlow',
    summary: 'Let a flow have its outcome',
    description: 'Says that the person who approved is the one who asked, in the binding `confirm`. May be repeated.',
    permissions: ['connect'],
    body: request,
    answers: { 200: { description: 'What came of it.', content: dataOf(outcome) } },
    errors: ['confirmation_not_found', 'confirmation_mismatch', 'flow_failed'],
    examples: {
      connected: {
        summary: 'A Slack workspace',
        after,
        body,
        answer: {
          status: 200,
          body: { data: { connection: { ...acmeSlack, integrationIdentifier: 'slack-confirm' }, endpoints: [] } },
        },
      },
      mismatch: {
        summary: 'Somebody else’s browser',
        after,
        body: { ...body, subscriberId: 'user-2' },
        answer: {
          error: 'confirmation_mismatch',
          message: 'The flow was begun for another subscriber or context. It is over, and nothing was connected.',
        },
      },
      failed: {
        summary: 'A flow that is over',
        after: ['confirmFlow.mismatch'],
        body,
        answer: {
          error: 'flow_failed',
          message: 'The flow has failed (confirmation_mismatch). Nothing was connected.',
          reason: 'confirmation_mismatch',
        },
      },
      unknown: {
        summary: 'An unknown handle',
        body,
        answer: {
          error: 'confirmation_not_found',
          message: 'The handle is unknown, was replaced or has expired.',
        },
      },
    },
  },
};
