import { KMSClient } from '@aws-sdk/client-kms';
import { afterAll, describe, expect, it } from 'vitest';
import { KeyUnwrapError } from '../../lib/vault/key-wrapper.ts';
import { createKmsKeyWrapper } from '../../lib/vault/kms-key-wrapper.ts';
import { startFakeKms } from '../support/fake-kms.ts';
import { describeKeyWrapper } from './key-wrapper.contract.ts';

const kms = await startFakeKms();
const client = new KMSClient({
  endpoint: kms.endpoint,
  region: 'local',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  maxAttempts: 1,
});

afterAll(async () => {
  client.destroy();
  await kms.close();
});

describeKeyWrapper('createKmsKeyWrapper', async () => ({
  wrapper: createKmsKeyWrapper({ client, keyId: 'key-1' }),
  otherWrapper: createKmsKeyWrapper({ client, keyId: 'key-2' }),
}));

describe('createKmsKeyWrapper', () => {
  it('names its key and the environment in every call', async () => {
    const wrapper = createKmsKeyWrapper({ client, keyId: 'key-3' });
    const before = kms.calls.length;

    const { wrapped } = await wrapper.generateDataKey('env-1');
    await wrapper.unwrapDataKey('env-1', wrapped);

    expect(kms.calls.slice(before)).toEqual([
      { operation: 'GenerateDataKey', keyId: 'key-3', context: { environmentId: 'env-1' } },
      { operation: 'Decrypt', keyId: 'key-3', context: { environmentId: 'env-1' } },
    ]);
  });

  it('keeps what KMS said as the cause', async () => {
    const wrapper = createKmsKeyWrapper({ client, keyId: 'key-3' });
    const { wrapped } = await wrapper.generateDataKey('env-1');

    const refused = await wrapper.unwrapDataKey('env-2', wrapped).catch((error: unknown) => error);

    expect(refused).toBeInstanceOf(KeyUnwrapError);
    expect((refused as Error).cause).toMatchObject({ name: 'InvalidCiphertextException' });
  });
});
