import { hashOf } from '../crypto.ts';
import { expiringCache } from '../expiring-cache.ts';
import type { KeyWrapper } from './key-wrapper.ts';
import { openUnder, sealUnder } from './sealing.ts';
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
    seal: async (plaintext, context) => sealUnder(await dataKeys(context.environmentId), plaintext, placeOf(context)),
    open: async (sealed, context) => openUnder(await dataKeys(context.environmentId), sealed, placeOf(context)),
  };
}

function placeOf({ environmentId, item, field, version }: SealContext): string {
  return hashOf(environmentId, item, field, version);
}
