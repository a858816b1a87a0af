import { compactDecrypt } from 'jose/jwe/compact/decrypt';
import { CompactEncrypt } from 'jose/jwe/compact/encrypt';
import { hashOf } from '../crypto.ts';
import { expiringCache } from '../expiring-cache.ts';
import type { KeyWrapper } from './key-wrapper.ts';
import { VaultError } from './vault-error.ts';

/** Where a sealed value belongs. A value that was moved to another place does not open there. */
export interface SealContext {
  readonly environmentId: string;
  /** Key of the row that holds the value. */
  readonly item: string;
  /** Attribute of the row. */
  readonly field: string;
  /** What tells successive values of one attribute apart. */
  readonly version: string;
}

export interface Vault {
  /** Encrypts text for one place: a compact JWE (`dir`, A256GCM). @throws VaultError `key_unavailable` */
  seal(plaintext: string, context: SealContext): Promise<string>;
  /** @throws VaultError `unreadable` when the value was changed or belongs elsewhere, `key_unavailable` without its key */
  open(sealed: string, context: SealContext): Promise<string>;
}

export interface VaultDeps {
  readonly keyWrapper: KeyWrapper;
  /** The environment's wrapped data key, or undefined when it was deleted. */
  wrappedDataKey(environmentId: string): Promise<string | undefined>;
  now(): number;
}

/** A deleted wrapped key makes its environment unreadable within this time. */
const dataKeyCacheMilliseconds = 5 * 60_000;

/** Encryption under one data key per environment, which a key service (or a key file) has wrapped. */
export function createVault(deps: VaultDeps): Vault {
  const dataKeys = expiringCache({ milliseconds: dataKeyCacheMilliseconds, now: deps.now }, async (id: string) => {
    const wrapped = await deps.wrappedDataKey(id);
    if (!wrapped) throw new VaultError('key_unavailable', 'the environment has no data key');
    try {
      return await deps.keyWrapper.unwrapDataKey(id, wrapped);
    } catch (cause) {
      throw new VaultError('key_unavailable', "the environment's data key cannot be unwrapped", { cause });
    }
  });
  return {
    async seal(plaintext, context) {
      const key = await dataKeys(context.environmentId);
      return new CompactEncrypt(new TextEncoder().encode(plaintext))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', ctx: placeOf(context) })
        .encrypt(key);
    },
    async open(sealed, context) {
      const key = await dataKeys(context.environmentId);
      const opened = await compactDecrypt(sealed, key, {
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
      }).catch((cause: unknown) => {
        throw new VaultError('unreadable', 'a sealed value was changed or sealed under another key', { cause });
      });
      if (opened.protectedHeader['ctx'] !== placeOf(context)) {
        throw new VaultError('unreadable', 'a sealed value belongs to another place');
      }
      // A byte order mark is part of the text.
      return new TextDecoder('utf8', { ignoreBOM: true }).decode(opened.plaintext);
    },
  };
}

/** The protected header is authenticated with the ciphertext, so it binds the value to its place. */
function placeOf({ environmentId, item, field, version }: SealContext): string {
  return hashOf(environmentId, item, field, version);
}
