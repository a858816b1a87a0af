import { randomUUID } from 'node:crypto';
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { consumerTenantId } from './directory.ts';

interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: Record<string, unknown>;
}

/** `consumers` is Microsoft's key for personal accounts, published beside the others; `foreign` is nobody's. */
export type Signer = 'current' | 'consumers' | 'foreign';

/** Made when first needed. A rotation leaves the key before it published, and only that one. */
export class Keys {
  #current = once(makeKey);
  #previous: (() => Promise<SigningKey>) | undefined;
  readonly #consumers = once(makeKey);
  readonly #foreign = once(makeKey);

  rotate(): void {
    this.#previous = this.#current;
    this.#current = once(makeKey);
  }

  async sign(claims: JWTPayload, signer: Signer = 'current'): Promise<string> {
    const key = await { current: this.#current, consumers: this.#consumers, foreign: this.#foreign }[signer]();
    return new SignJWT(claims).setProtectedHeader({ typ: 'JWT', alg: 'RS256', kid: key.kid }).sign(key.privateKey);
  }

  /**
   * Each key says for which issuer it signs, for every tenant by a placeholder; the key set of one tenant names it.
   *
   * @see https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-issuer
   */
  async publish(tenantId: string | undefined) {
    const own = [await this.#current(), ...(this.#previous ? [await this.#previous()] : [])];
    const keys = own.map(({ publicJwk }) => ({ ...publicJwk, issuer: issuerOf(tenantId ?? '{tenantid}') }));
    const consumers = { ...(await this.#consumers()).publicJwk, issuer: issuerOf(consumerTenantId) };
    return { keys: tenantId ? keys : [...keys, consumers] };
  }
}

/** What tokens say, wherever the endpoints are. */
export function issuerOf(tenantId: string): string {
  return `https://login.microsoftonline.com/${tenantId}/v2.0`;
}

async function makeKey(): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  const kid = Buffer.from(randomUUID()).toString('base64url').slice(0, 27);
  const { n, e } = await exportJWK(publicKey);
  return {
    kid,
    privateKey,
    publicJwk: { kty: 'RSA', use: 'sig', kid, n, e, cloud_instance_name: 'microsoftonline.com' },
  };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
