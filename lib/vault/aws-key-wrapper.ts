import { KMSClient } from '@aws-sdk/client-kms';
import type { Config } from '../config.ts';
import type { KeyWrapper } from './key-wrapper.ts';
import { createKmsKeyWrapper } from './kms-key-wrapper.ts';

/** The deployed key. Three tries of two seconds, as for the tables. */
export function awsKeyWrapper(config: Config<'VAULT_KEY_ARN'>): KeyWrapper {
  const client = new KMSClient({
    maxAttempts: 3,
    // Without throwOnRequestTimeout the time limit is only a warning.
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 2_000, throwOnRequestTimeout: true },
  });
  return createKmsKeyWrapper({ client, keyId: config.VAULT_KEY_ARN });
}
