import type { Vault } from '../vault/vault.ts';

/** A webhook's URL is as good as a token for its channel, so it is sealed for its endpoint's row. */
export function sealWebhookUrl(
  vault: Vault,
  endpoint: { readonly environmentId: string; readonly identifier: string },
  url: string,
): Promise<string> {
  return vault.seal(url, placeOf(endpoint));
}

/** @throws VaultError when the row was changed or its environment's key is gone */
export function openWebhookUrl(
  vault: Vault,
  endpoint: { readonly environmentId: string; readonly identifier: string },
  sealedUrl: string,
): Promise<string> {
  return vault.open(sealedUrl, placeOf(endpoint));
}

function placeOf({ environmentId, identifier }: { environmentId: string; identifier: string }) {
  return { environmentId, item: identifier, field: 'url', version: '1' };
}
