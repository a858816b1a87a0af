import { decodeProtectedHeader } from 'jose';
import { describe, expect, it } from 'vitest';
import { createFileKeyWrapper, generateWrappingKey } from '../../../infra/local/file-key-wrapper.ts';
import { describeKeyWrapper } from '../../vault/key-wrapper.contract.ts';

describeKeyWrapper('createFileKeyWrapper', async () => ({
  wrapper: createFileKeyWrapper(generateWrappingKey()),
  otherWrapper: createFileKeyWrapper(generateWrappingKey()),
}));

describe('createFileKeyWrapper', () => {
  it('unwraps after a restart with the same key', async () => {
    const key = generateWrappingKey();
    const { plaintext, wrapped } = await createFileKeyWrapper(key).generateDataKey('env-1');

    const unwrapped = await createFileKeyWrapper(key).unwrapDataKey('env-1', wrapped);

    expect(unwrapped).toEqual(plaintext);
  });

  it('authenticates the environment in the protected header of a JWE', async () => {
    const { wrapped } = await createFileKeyWrapper(generateWrappingKey()).generateDataKey('env-1');

    expect(decodeProtectedHeader(wrapped)).toEqual({ alg: 'dir', enc: 'A256GCM', environmentId: 'env-1' });
  });

  it.each(['', 'short', `${'A'.repeat(43)}AAAA`])('refuses the key "%s", which has not 256 bits', (key) => {
    expect(() => createFileKeyWrapper(key)).toThrow('the wrapping key must be 32 bytes as base64url');
  });
});
