import type { Integration } from '../integration/integration.ts';
import type { Log } from '../log.ts';
import type { GrantStore } from '../store/grant-store.ts';
import type { IntegrationStore } from '../store/integration-store.ts';
import type { Vault } from '../vault/vault.ts';
import { type Account, type Grant, grantIdOf, type Token } from './grant.ts';
import { openToken, sealToken } from './token-vault.ts';

export interface RevokeDeps {
  readonly grants: GrantStore;
  readonly integrations: IntegrationStore;
  readonly vault: Vault;
  readonly log: Log;
  now(): number;
  /** Ends a token at the provider; false when the provider did not confirm. */
  revokeToken(token: string): Promise<boolean>;
}

/** Longer than the call to the provider may take; a writer that meets the announcement waits as long. */
const revocationMilliseconds = 10_000;

/**
 * Ends a grant that no connection refers to any more, and revokes its token unless another integration lives on it. The
 * end is announced in the row first: whoever connects meanwhile waits and tries their token, since a workspace gets the
 * same one again. Without the provider's confirmation the row stays `revoking`, with its token sealed.
 */
export async function revokeGrantIfUnshared(
  deps: RevokeDeps,
  integration: Integration,
  grant: Grant,
  flowId: string,
): Promise<void> {
  if (await deps.grants.hasReference(grant.environmentId, grant.grantId)) return;
  const token = grant.credential === 'token' ? await openToken(deps.vault, grant) : undefined;
  const asOf = deps.now();
  // A writer that renewed the grant since it was read needs its token.
  const ending = await deps.grants.beginRevocation(grant, {
    asOf,
    flowId,
    revokingUntil: asOf + revocationMilliseconds,
  });
  if (!ending) return;
  if (token) await revoke(deps, integration, ending, token.accessToken);
  // Nothing is kept of an app-only grant, and consent can be withdrawn by the tenant's administrator only.
  else await deps.grants.endRevocation(ending);
}

/** Ends a token that a failed flow got and nobody stored, unless a grant of its account lives here. */
export async function revokeUnstoredToken(
  deps: RevokeDeps,
  integration: Integration,
  account: Account,
  token: Token,
  flowId: string,
): Promise<void> {
  const { environmentId, integrationId, providerId } = integration;
  const grantId = grantIdOf(integrationId, account.id);
  const grant = await deps.grants.get(environmentId, grantId);
  if (grant?.status === 'active') return revokeGrantIfUnshared(deps, integration, grant, flowId);
  if (grant?.status === 'revoking' && grant.flowId !== flowId) return;
  const asOf = deps.now();
  const ending = await deps.grants.announceRevocation({
    grantId,
    environmentId,
    integrationId,
    providerId,
    account,
    source: 'flow',
    credential: 'token',
    ...(await sealToken(deps.vault, environmentId, grantId, token, `${flowId}.${asOf}`)),
    scopes: [],
    version: (grant?.version ?? 0) + 1,
    status: 'revoking',
    revokingUntil: asOf + revocationMilliseconds,
    asOf,
    flowId,
  });
  if (ending) await revoke(deps, integration, ending, token.accessToken);
}

async function revoke(deps: RevokeDeps, integration: Integration, ending: Grant, token: string): Promise<void> {
  // Another integration of the deployment, in whatever environment, may live on the same app's token.
  const shared = await deps.integrations.sharesClient(integration, deps.now());
  const confirmed = shared || (await deps.revokeToken(token));
  const line = { integrationId: ending.integrationId, grantId: ending.grantId, flowId: ending.flowId };
  if (confirmed) {
    await deps.grants.endRevocation(ending);
    deps.log.info(shared ? 'token erased, another integration uses the app' : 'token revoked', line);
  } else {
    deps.log.warn('the provider did not confirm a revocation', line);
  }
}
