import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ApiKey, generateApiKey, hashApiKey, type Permission } from '../../../lib/environment/api-key.ts';
import { authenticate, type Caller, requirePermission } from '../../../lib/environment/authenticate.ts';
import { anApiKey } from '../../support/builders.ts';

function setup(overrides: Partial<ApiKey> = {}) {
  const { secret } = generateApiKey();
  const key = anApiKey({ keyHash: hashApiKey(secret), ...overrides });
  const asked: string[] = [];
  const deps = {
    async findApiKey(keyHash: string) {
      asked.push(keyHash);
      return keyHash === key.keyHash ? key : undefined;
    },
  };
  return { secret, key, asked, authenticate: (header: string | undefined) => authenticate(deps, header) };
}

function unauthorized(message: string) {
  return expect.objectContaining({ code: 'unauthorized', status: 401, message });
}

describe('authenticate', () => {
  it('finds who calls by the hash of the key', async () => {
    const { secret, key, asked, authenticate } = setup({ permissions: ['connect', 'tokens'] });

    const caller = await authenticate(`ApiKey ${secret}`);

    const { environmentId, keyId, permissions } = key;
    expect(caller).toEqual({ environmentId, keyId, permissions, presentedKey: secret });
    expect(asked).toEqual([hashApiKey(secret)]);
  });

  it.each(['apikey', 'APIKEY', 'ApiKey'])('accepts the scheme written as %s', async (scheme) => {
    const { secret, key, authenticate } = setup();

    expect(await authenticate(`${scheme}  ${secret} `)).toMatchObject({ keyId: key.keyId });
  });

  it.each<[string, string | undefined, string]>([
    ['no header', undefined, 'Missing authorization header'],
    ['an empty header', '', 'Unauthorized'],
    ['a header of spaces', '   ', 'Unauthorized'],
    ['the scheme alone', 'ApiKey', 'Unauthorized'],
    ['the scheme and spaces', 'ApiKey   ', 'Unauthorized'],
    ['another scheme', 'Bearer abc', 'Invalid authentication scheme: "Bearer"'],
    ['a scheme that is no word', 'Api-Key: abc', 'Invalid authentication scheme: "..."'],
    ['an unknown key', 'ApiKey unknown', 'API Key not found'],
    ['a key in two parts', 'ApiKey unknown key', 'API Key not found'],
  ])('refuses %s with the message of the contract', async (_, header, message) => {
    const { authenticate } = setup();

    await expect(authenticate(header)).rejects.toEqual(unauthorized(message));
  });

  it('refuses a key that was revoked as it refuses an unknown one', async () => {
    const { secret, authenticate } = setup({ revokedAt: '2040-01-01T00:00:00.000Z' });

    await expect(authenticate(`ApiKey ${secret}`)).rejects.toEqual(unauthorized('API Key not found'));
  });

  it('refuses a key that another word was appended to', async () => {
    const { secret, authenticate } = setup();

    await expect(authenticate(`ApiKey ${secret} x`)).rejects.toEqual(unauthorized('API Key not found'));
  });

  it('never repeats a key that was sent without its scheme', async () => {
    const { authenticate } = setup();
    const keys = fc.oneof(
      fc.string({ minLength: 8, unit: fc.constantFrom(...'abcdefghijKLMNOP') }),
      fc.stringMatching(/^[!-~]{8,40}$/),
      fc.constant(null).map(() => generateApiKey().secret),
    );

    await fc.assert(
      fc.asyncProperty(keys, async (key) => {
        fc.pre(key.toLowerCase() !== 'apikey');

        const refused = await authenticate(key).catch((error: unknown) => error);

        expect(refused).toEqual(unauthorized('Invalid authentication scheme: "..."'));
      }),
    );
  });
});

describe('requirePermission', () => {
  const caller = (...permissions: Permission[]): Caller => ({
    environmentId: 'env-1',
    keyId: 'key-1',
    permissions,
    presentedKey: 'key',
  });

  it.each<[Permission[], Permission[]]>([
    [['connect'], ['connect']],
    [['tokens'], ['manage', 'tokens']],
    [['connect', 'manage', 'tokens'], ['manage']],
  ])('lets a key with %j do what takes one of %j', (granted, anyOf) => {
    expect(() => requirePermission(caller(...granted), anyOf)).not.toThrow();
  });

  it.each<[Permission[], Permission[], string]>([
    [[], ['connect'], 'This API key lacks the permission "connect".'],
    [['connect'], ['manage', 'tokens'], 'This API key lacks the permission "manage" or "tokens".'],
  ])('tells a key with %j that it lacks %j', (granted, anyOf, message) => {
    expect(() => requirePermission(caller(...granted), anyOf)).toThrow(
      expect.objectContaining({ code: 'forbidden', status: 403, message }),
    );
  });
});
