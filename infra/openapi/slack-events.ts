import * as z from 'zod/mini';
import { slackAuthorization, slackEventBody, slackInnerEvent } from '../../lib/providers/slack/slack-event.ts';
import type { Operations } from './operation.ts';
import { described } from './schemas.ts';

const ofInstall = {
  team_id: 'The workspace.',
  enterprise_id: 'Its Enterprise Grid organisation.',
  is_enterprise_install: 'Whether the install is org-wide.',
};
described(slackAuthorization, ofInstall);
described(slackInnerEvent, { type: 'Such as `app_uninstalled`. Its other fields depend on it.' });
described(slackEventBody, {
  type: '`url_verification` or `event_callback`. Others are answered, and nothing is done.',
  challenge: 'Of `url_verification`: comes back in the answer.',
  event_id: 'An event is acted on once.',
  event_time: 'Epoch seconds. What was approved after it stays.',
  api_app_id: 'Of another app than the integration’s, nothing is done.',
  ...ofInstall,
  authorizations: 'The install that the event is about comes first.',
  event: 'What happened.',
});

export const slackEventOperations: Operations = {
  'POST /v1/integrations/{integrationId}/slack/events': {
    operationId: 'receiveSlackEvent',
    summary: 'Slack’s events',
    description:
      'The *Request URL* of the app’s event subscriptions. ' +
      '`app_uninstalled`, `tokens_revoked`, `team_access_revoked` and `app_uninstalled_team` end what was granted: ' +
      'connections become `revoked`. Other events are answered, and nothing is done.',
    permissions: [],
    path: { integrationId: '`_id` of the integration.' },
    headers: {
      'X-Slack-Request-Timestamp': 'Epoch seconds, at most five minutes from now.',
      'X-Slack-Signature': 'HMAC-SHA256 of timestamp and body, under the integration’s `credentials.signingSecret`.',
    },
    body: slackEventBody,
    answers: {
      200: {
        description: 'Done, or nothing to do.',
        content: described(z.object({ challenge: z.optional(z.string()) }), {
          challenge: 'As sent with `url_verification`.',
        }),
      },
    },
    errors: ['signature_invalid'],
    raceErrors: [
      'malformed_json',
      'event_invalid',
      'body_too_large',
      'unsupported_media_type',
      'internal_error',
      'unavailable',
    ],
    examples: {
      unsigned: {
        summary: 'Without a signature',
        path: { integrationId: '65a4fa9b8c1d4e0007b3c9d1' },
        body: {
          type: 'event_callback',
          event_id: 'Ev0UNINSTALLED',
          event_time: 1_768_469_400,
          api_app_id: 'A0EXAMPLE1',
          team_id: 'T0ACME0001',
          event: { type: 'app_uninstalled' },
        },
        answer: {
          error: 'signature_invalid',
          message: 'The request is not signed by Slack for this integration.',
        },
      },
    },
  },
};
