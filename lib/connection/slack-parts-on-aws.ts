import type { Config } from '../config.ts';
import { lambdaLog } from '../http/lambda.ts';
import { awsDatabase } from '../store/aws-database.ts';
import { awsKeyWrapper } from '../vault/aws-key-wrapper.ts';
import type { DisconnectParts } from './disconnect-deps.ts';

/** What a function that speaks to Slack is put together from. */
export function slackPartsOnAws(
  config: Config<'CONNECTIONS_TABLE' | 'VAULT_KEY_ARN' | 'SLACK_BASE_URL'> & Partial<Config<'FLOWS_TABLE'>>,
): DisconnectParts {
  return {
    db: awsDatabase(config),
    keyWrapper: awsKeyWrapper(config),
    slackBaseUrl: config.SLACK_BASE_URL,
    log: lambdaLog(),
  };
}
