/** What guards the data keys of environments: KMS, or a key file on a developer's machine. */
export interface KeyWrapper {
  /** Makes a new 256-bit data key bound to the environment. */
  generateDataKey(environmentId: string): Promise<{ plaintext: Uint8Array; wrapped: string }>;
  /** Gives the data key back; throws KeyUnwrapError when it was wrapped for another environment or with another key. */
  unwrapDataKey(environmentId: string, wrapped: string): Promise<Uint8Array>;
}

/** The data key cannot be had from what was stored; the cause says why. */
export class KeyUnwrapError extends Error {
  override readonly name = 'KeyUnwrapError';
}
