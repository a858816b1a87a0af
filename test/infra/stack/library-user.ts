import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KMSClient } from '@aws-sdk/client-kms';
import { InstallProvider } from '@slack/oauth';

export { ConfigError } from '../../../lib/config.ts';

/** Loads both SDK clients and the Slack library, whose classes a bundle then has to hold. */
export function credentials() {
  const clients = [new DynamoDBClient(), new KMSClient()] as const;
  return clients[0].config.credentials();
}

export const installProvider = InstallProvider;
