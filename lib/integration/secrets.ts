import { randomToken } from '../crypto.ts';
import type { Vault } from '../vault/vault.ts';
import type { Credentials, Integration, SecretName } from './integration.ts';

/** Credentials in the form in which an integration's row keeps them: each secret sealed for its own place. */
export async function sealCredentials(
  vault: Vault,
  integration: Pick<Integration, 'environmentId' | 'integrationId'>,
  { clientId, applicationId, tenantId, redirectUrl, hmac, ...secrets }: Credentials,
): Promise<Pick<Integration, 'credentials' | 'sealedCredentials' | 'sealVersion'>> {
  const sealVersion = randomToken(9);
  const sealedCredentials: Integration['sealedCredentials'] = {};
  for (const [name, secret] of Object.entries(secrets) as [SecretName, string | undefined][]) {
    if (secret === undefined) continue;
    sealedCredentials[name] = await vault.seal(secret, placeOf({ ...integration, sealVersion }, name));
  }
  return { credentials: { clientId, applicationId, tenantId, redirectUrl, hmac }, sealedCredentials, sealVersion };
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
