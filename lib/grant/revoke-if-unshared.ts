import type { Integration } from '../integration/integration.ts';
import type { GrantStore } from '../store/grant-store.ts';
import type { IntegrationStore } from '../store/integration-store.ts';
import type { Vault } from '../vault/vault.ts';
import { type Grant, grantIdOf } from './grant.ts';
import { openToken } from './token-vault.ts';

export interface RevokeDeps {
  readonly grants: GrantStore;
  readonly integrations: IntegrationStore;
  readonly vault: Vault;
  now(): number;
  /** Ends a token at the provider; false when the provider did not confirm. */
  revokeToken(token: string): Promise<boolean>;
}

/**
 * Erases a grant that no connection refers to any more, and revokes its token unless somebody else lives on it.
 * @returns whether the provider confirmed a revocation
 */
export async function revokeGrantIfUnshared(
  deps: RevokeDeps,
  integration: Integration,
  grant: Grant,
  flowId: string,
): Promise<boolean> {
  if (await deps.grants.hasReference(grant.environmentId, grant.grantId)) return false;
  const { accessToken } = await openToken(deps.vault, grant);
  // A writer that renewed the grant meanwhile needs its token.
  if (!(await deps.grants.erase(grant, { asOf: deps.now(), flowId }))) return false;
  return revokeUnlessShared(deps, integration, accessToken);
}

/**
 * Revokes a token that a failed flow got and nobody stored. A workspace is given the same bot token again and again, so
 * it stays alive while a grant of the account lives here.
 * @returns whether the provider confirmed a revocation
 */
export async function revokeUnstoredToken(
  deps: RevokeDeps,
  integration: Integration,
  accountId: string,
  token: string,
  flowId: string,
): Promise<boolean> {
  const grantId = grantIdOf(integration.integrationId, accountId);
  const grant = await deps.grants.get(integration.environmentId, grantId);
  if (grant?.status === 'active') return revokeGrantIfUnshared(deps, integration, grant, flowId);
  return revokeUnlessShared(deps, integration, token);
}

/** Another integration of the deployment, in whatever environment, may live on the same app's token. */
async function revokeUnlessShared(deps: RevokeDeps, integration: Integration, token: string): Promise<boolean> {
  return (await deps.integrations.sharesClient(integration)) ? false : deps.revokeToken(token);
}
