import { DecryptCommand, GenerateDataKeyCommand, type KMSClient } from '@aws-sdk/client-kms';
import { KeyUnwrapError, type KeyWrapper } from './key-wrapper.ts';

export interface KmsKeyWrapperDeps {
  readonly client: Pick<KMSClient, 'send'>;
  /** Id or ARN of the key, not an alias: it is also what a data key must have been wrapped with. */
  readonly keyId: string;
}

/** Data keys wrapped by KMS, with the environment id as their encryption context. */
export function createKmsKeyWrapper({ client, keyId }: KmsKeyWrapperDeps): KeyWrapper {
  return {
    async generateDataKey(environmentId) {
      const { Plaintext, CiphertextBlob } = await client.send(
        new GenerateDataKeyCommand({
          KeyId: keyId,
          KeySpec: 'AES_256',
          EncryptionContext: { environmentId },
        }),
      );
      if (!Plaintext || !CiphertextBlob) throw new Error('KMS answered GenerateDataKey without a key');
      return { plaintext: Plaintext, wrapped: Buffer.from(CiphertextBlob).toString('base64') };
    },
    async unwrapDataKey(environmentId, wrapped) {
      try {
        const { Plaintext } = await client.send(
          new DecryptCommand({
            KeyId: keyId,
            CiphertextBlob: Buffer.from(wrapped, 'base64'),
            EncryptionContext: { environmentId },
          }),
        );
        if (!Plaintext) throw new Error('KMS answered Decrypt without a key');
        return Plaintext;
      } catch (cause) {
        throw new KeyUnwrapError('KMS does not unwrap the data key of this environment', { cause });
      }
    },
  };
}
