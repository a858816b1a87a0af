import { loadConfig } from '../config.ts';
import { slackPartsOnAws } from '../connection/slack-parts-on-aws.ts';
import { awsAssertion } from '../providers/msteams/aws-assertion.ts';
import { federatedClients } from '../providers/msteams/federated-clients.ts';
import type { ResumeParts } from './resume-flow-deps.ts';

/**
 * What a function that speaks to both providers is put together from.
 * @throws ConfigError
 */
export function partsOnAws(): ResumeParts {
  const config = loadConfig([
    'CONNECTIONS_TABLE',
    'FLOWS_TABLE',
    'VAULT_KEY_ARN',
    'SLACK_BASE_URL',
    'MICROSOFT_LOGIN_BASE_URL',
    'MICROSOFT_GRAPH_BASE_URL',
    'FEDERATED_CLIENTS',
  ]);
  const parts = slackPartsOnAws(config);
  return {
    ...parts,
    microsoftLoginBaseUrl: config.MICROSOFT_LOGIN_BASE_URL,
    microsoftGraphBaseUrl: config.MICROSOFT_GRAPH_BASE_URL,
    awsAssertion: awsAssertion({ log: parts.log }),
    isFederated: federatedClients(config.FEDERATED_CLIENTS),
  };
}
