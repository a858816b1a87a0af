import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFileKeyWrapper, generateWrappingKey } from '../../../infra/local/file-key-wrapper.ts';
import { KeyUnwrapError, type KeyWrapper } from '../../../lib/vault/key-wrapper.ts';
import { createVault, type SealContext } from '../../../lib/vault/vault.ts';
import { VaultError } from '../../../lib/vault/vault-error.ts';

const context: SealContext = { environmentId: 'env-1', item: 'grant-1', field: 'token', version: '1' };
const unreadable = expect.objectContaining({ name: 'VaultError', code: 'unreadable' });
const keyUnavailable = expect.objectContaining({ name: 'VaultError', code: 'key_unavailable' });

async function setup(keyWrapper: KeyWrapper = createFileKeyWrapper(generateWrappingKey())) {
  const wrappedKeys = new Map<string, string>();
  for (const environmentId of ['env-1', 'env-2']) {
    wrappedKeys.set(environmentId, (await keyWrapper.generateDataKey(environmentId)).wrapped);
  }
  let now = 0;
  const deps = {
    keyWrapper,
    wrappedDataKey: async (environmentId: string) => wrappedKeys.get(environmentId),
    now: () => now,
  };
  return {
    deps,
    vault: createVault(deps),
    wrappedKeys,
    moveClock(milliseconds: number) {
      now += milliseconds;
    },
  };
}

/** Gives every environment the same data key, so that only the context tells them apart. */
function sharedKeyWrapper(): KeyWrapper {
  const plaintext = new Uint8Array(32).fill(7);
  return {
    generateDataKey: async () => ({ plaintext, wrapped: 'shared' }),
    unwrapDataKey: async () => plaintext,
  };
}

describe('createVault', () => {
  it('opens what it sealed, whatever the text', async () => {
    const { vault } = await setup();

    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '\uFEFFafter a byte order mark', '\u0000')),
        async (plaintext) => {
          fc.pre(plaintext.isWellFormed());

          const sealed = await vault.seal(plaintext, context);

          expect(await vault.open(sealed, context)).toBe(plaintext);
        },
      ),
    );
  });

  it('opens what another vault of the environment sealed', async () => {
    const { vault, deps } = await setup();

    const sealed = await vault.seal('xoxb-1', context);

    expect(await createVault(deps).open(sealed, context)).toBe('xoxb-1');
  });

  it('never shows the text in what it sealed, and never seals it the same twice', async () => {
    const { vault } = await setup();
    const plaintext = 'xoxb-very-secret-token';

    const [one, other] = [await vault.seal(plaintext, context), await vault.seal(plaintext, context)];

    const decoded = one.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1'));
    for (const text of [one, ...decoded]) expect(text).not.toContain(plaintext);
    expect(other).not.toBe(one);
    const parts = other.split('.');
    expect(one.split('.').filter((part, index) => part !== '' && part === parts[index])).toHaveLength(1);
  });

  it('seals as a compact JWE with direct A256GCM encryption', async () => {
    const { vault } = await setup();

    const [header = '', key, ...rest] = (await vault.seal('text', context)).split('.');

    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({
      alg: 'dir',
      enc: 'A256GCM',
      ctx: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(key).toBe('');
    expect(rest).toHaveLength(3);
  });

  it.each<Partial<SealContext>>([
    { environmentId: 'env-2' },
    { item: 'grant-2' },
    { field: 'url' },
    { version: '2' },
    { item: 'grant-1t', field: 'oken' },
  ])('does not open what was moved to %o, even under the same key', async (place) => {
    const { vault } = await setup(sharedKeyWrapper());
    const sealed = await vault.seal('xoxb-1', context);

    await expect(vault.open(sealed, { ...context, ...place })).rejects.toEqual(unreadable);
  });

  it('does not open what was moved to an environment of another key', async () => {
    const { vault } = await setup();
    const sealed = await vault.seal('xoxb-1', context);

    await expect(vault.open(sealed, { ...context, environmentId: 'env-2' })).rejects.toEqual(unreadable);
  });

  it('does not open what was changed in any character', async () => {
    const { vault } = await setup();
    // A whole number of base64 groups, so that each of the ciphertext's characters counts in full.
    const sealed = await vault.seal('twelve chars', context);

    for (let place = 0; place < sealed.length; place += 1) {
      // The last character of the tag carries four bits of it in two; the others of its bits mean nothing.
      const replacement = sealed[place] === 'A' || place === sealed.length - 1 ? opposite(sealed[place]) : 'A';
      const changed = sealed.slice(0, place) + replacement + sealed.slice(place + 1);

      await expect(vault.open(changed, context), `changed at ${place}`).rejects.toEqual(unreadable);
    }
  });

  it.each(['', '.', '....', 'nonsense', 'eyJhbGciOiJub25lIn0....', 'a.b.c.d.e'])('does not open "%s"', async (text) => {
    const { vault } = await setup();

    await expect(vault.open(text, context)).rejects.toEqual(unreadable);
  });

  it('does not open what was sealed with another algorithm', async () => {
    const { vault } = await setup(sharedKeyWrapper());
    const sealed = await vault.seal('xoxb-1', context);
    const [header = '', ...rest] = sealed.split('.');
    const claims = JSON.parse(Buffer.from(header, 'base64url').toString());
    const weakened = Buffer.from(JSON.stringify({ ...claims, enc: 'A128CBC-HS256' })).toString('base64url');

    await expect(vault.open([weakened, ...rest].join('.'), context)).rejects.toEqual(unreadable);
  });

  it('makes an environment unreadable five minutes after its wrapped key was deleted', async () => {
    const { vault, wrappedKeys, moveClock } = await setup();
    const sealed = await vault.seal('xoxb-1', context);
    const elsewhere = { ...context, environmentId: 'env-2' };
    const sealedElsewhere = await vault.seal('xoxb-2', elsewhere);
    wrappedKeys.delete('env-1');

    moveClock(5 * 60_000);

    await expect(vault.open(sealed, context)).rejects.toEqual(keyUnavailable);
    await expect(vault.seal('xoxb-1', context)).rejects.toEqual(keyUnavailable);
    expect(await vault.open(sealedElsewhere, elsewhere)).toBe('xoxb-2');
  });

  it('unwraps a data key once in five minutes', async () => {
    const { deps, moveClock } = await setup();
    let unwrapped = 0;
    const unwrapDataKey: KeyWrapper['unwrapDataKey'] = (...parameters) => {
      unwrapped += 1;
      return deps.keyWrapper.unwrapDataKey(...parameters);
    };
    const vault = createVault({ ...deps, keyWrapper: { ...deps.keyWrapper, unwrapDataKey } });

    const sealed = await Promise.all(Array.from({ length: 5 }, () => vault.seal('text', context)));
    moveClock(5 * 60_000 - 1);
    await vault.open(sealed[0] as string, context);
    const within = unwrapped;
    moveClock(1);
    await vault.open(sealed[0] as string, context);

    expect([within, unwrapped]).toEqual([1, 2]);
  });

  it('reads an environment again as soon as its key is back', async () => {
    const { vault, wrappedKeys } = await setup();
    const wrapped = wrappedKeys.get('env-1') as string;
    wrappedKeys.delete('env-1');
    const refused = await vault.seal('text', context).catch((error: unknown) => error);

    wrappedKeys.set('env-1', wrapped);

    expect(refused).toEqual(keyUnavailable);
    expect(await vault.seal('text', context)).toEqual(expect.any(String));
  });

  it('says that the key is unavailable, and why, when it cannot be unwrapped', async () => {
    const cause = new KeyUnwrapError('wrapped for another environment');
    const { deps } = await setup();
    const keyWrapper: KeyWrapper = { ...deps.keyWrapper, unwrapDataKey: () => Promise.reject(cause) };
    const vault = createVault({ ...deps, keyWrapper });

    const refused = await vault.seal('text', context).catch((error: unknown) => error);

    expect(refused).toBeInstanceOf(VaultError);
    expect(refused).toMatchObject({ code: 'key_unavailable', cause });
  });
});

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The base64url character whose six bits all differ. */
function opposite(character = ''): string {
  return alphabet[63 - alphabet.indexOf(character)] ?? '';
}
