import { randomBytes } from 'node:crypto';
import { CompactEncrypt, compactDecrypt } from 'jose';
import { KeyUnwrapError, type KeyWrapper } from '../../lib/vault/key-wrapper.ts';

const KEY_BYTES = 32;

/** What the key file holds: a new 256-bit key as base64url. */
export function generateWrappingKey(): string {
  return randomBytes(KEY_BYTES).toString('base64url');
}

/** Data keys wrapped by a key that lies in a file: a compact JWE which authenticates the environment id. */
export function createFileKeyWrapper(encodedKey: string): KeyWrapper {
  const key = Buffer.from(encodedKey, 'base64url');
  if (key.length !== KEY_BYTES) {
    throw new Error(`the wrapping key must be ${KEY_BYTES} bytes as base64url, not ${key.length}`);
  }
  return {
    async generateDataKey(environmentId) {
      const plaintext = new Uint8Array(randomBytes(KEY_BYTES));
      const wrapped = await new CompactEncrypt(plaintext)
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', environmentId })
        .encrypt(key);
      return { plaintext, wrapped };
    },
    async unwrapDataKey(environmentId, wrapped) {
      const { plaintext, protectedHeader } = await decrypt(wrapped, key);
      if (protectedHeader['environmentId'] !== environmentId) {
        throw new KeyUnwrapError('the data key was wrapped for another environment');
      }
      return plaintext;
    },
  };
}

async function decrypt(wrapped: string, key: Uint8Array) {
  try {
    return await compactDecrypt(wrapped, key, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    });
  } catch (cause) {
    throw new KeyUnwrapError('the data key was changed, or wrapped with another key', { cause });
  }
}
