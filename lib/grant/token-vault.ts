import { hashOf } from '../crypto.ts';
import type { Vault } from '../vault/vault.ts';
import { type Grant, type Token, tokenSchema } from './grant.ts';

/** Seals a grant's token for its row and this writing of it. */
export async function sealToken(
  vault: Vault,
  environmentId: string,
  grantId: string,
  token: Token,
  sealVersion: string,
): Promise<Pick<Grant, 'token' | 'sealVersion' | 'tokenExpiresAt'>> {
  const context = { environmentId, item: grantId, field: 'token', version: sealVersion };
  return {
    token: await vault.seal(JSON.stringify(token), context),
    sealVersion,
    tokenExpiresAt: token.expiresAt,
  };
}

/** @throws VaultError when the row was changed or its environment's key is gone */
export async function openToken(vault: Vault, grant: Grant): Promise<Token> {
  const { environmentId, grantId, token, sealVersion } = grant;
  const context = { environmentId, item: grantId, field: 'token', version: sealVersion };
  return tokenSchema.parse(JSON.parse(await vault.open(token, context)));
}

/** Names a token where it must not stand itself. */
export function fingerprintOf(
  { environmentId, grantId }: Pick<Grant, 'environmentId' | 'grantId'>,
  token: string,
): string {
  return hashOf('fingerprint', environmentId, grantId, token).slice(0, 32);
}
