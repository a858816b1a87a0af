import { compactDecrypt } from 'jose/jwe/compact/decrypt';
import { CompactEncrypt } from 'jose/jwe/compact/encrypt';
import { VaultError } from './vault-error.ts';

/** Encrypts text under a 256-bit key, bound to a place: a compact JWE (`dir`, A256GCM) that opens there only. */
export function sealUnder(key: Uint8Array, plaintext: string, place: string): Promise<string> {
  // The protected header is authenticated with the ciphertext.
  return new CompactEncrypt(new TextEncoder().encode(plaintext))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', ctx: place })
    .encrypt(key);
}

/** @throws VaultError `unreadable` when the value was changed, belongs elsewhere or was sealed under another key */
export async function openUnder(key: Uint8Array, sealed: string, place: string): Promise<string> {
  const opened = await compactDecrypt(sealed, key, {
    keyManagementAlgorithms: ['dir'],
    contentEncryptionAlgorithms: ['A256GCM'],
  }).catch((cause: unknown) => {
    throw new VaultError('unreadable', 'a sealed value was changed or sealed under another key', { cause });
  });
  if (opened.protectedHeader['ctx'] !== place) {
    throw new VaultError('unreadable', 'a sealed value belongs to another place');
  }
  // A byte order mark is part of the text.
  return new TextDecoder('utf8', { ignoreBOM: true }).decode(opened.plaintext);
}
