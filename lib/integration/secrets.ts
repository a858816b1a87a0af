import type { Vault } from '../vault/vault.ts';
import type { Integration, SecretName } from './integration.ts';

/** Seals the secrets that are given, each for its own place in the integration's row. */
export async function sealSecrets(
  vault: Vault,
  integration: Pick<Integration, 'environmentId' | 'integrationId' | 'sealVersion'>,
  secrets: Partial<Record<SecretName, string | undefined>>,
): Promise<Integration['sealedCredentials']> {
  const sealed: Integration['sealedCredentials'] = {};
  for (const [name, secret] of Object.entries(secrets) as [SecretName, string | undefined][]) {
    if (secret !== undefined) sealed[name] = await vault.seal(secret, placeOf(integration, name));
  }
  return sealed;
}

/** @throws VaultError when the row was changed or its environment's key is gone */
export async function openSecret(
  vault: Vault,
  integration: Integration,
  name: SecretName,
): Promise<string | undefined> {
  const sealed = integration.sealedCredentials[name];
  return sealed === undefined ? undefined : vault.open(sealed, placeOf(integration, name));
}

function placeOf(
  { environmentId, integrationId, sealVersion }: Pick<Integration, 'environmentId' | 'integrationId' | 'sealVersion'>,
  name: SecretName,
) {
  return { environmentId, item: integrationId, field: name, version: sealVersion };
}
