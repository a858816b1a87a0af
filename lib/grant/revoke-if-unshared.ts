import type { Integration } from '../integration/integration.ts';
import type { Log } from '../log.ts';
import type { IntegrationStore } from '../store/integration-store.ts';
import type { Vault } from '../vault/vault.ts';
import { type Account, type Grant, grantIdOf, type Token } from './grant.ts';
import { hasUserGrantInUse, type InUseDeps, isInUse } from './in-use.ts';
import { openToken, sealToken } from './token-vault.ts';

/** What a provider is asked: to end one token, or everything that the app has in its account. */
export type ProviderEnd = 'token' | 'uninstall';

/** `refusal`: the provider's own word for it, when there is one. */
export type EndAtProvider = (
  integration: Integration,
  token: string,
  end: ProviderEnd,
) => Promise<{ readonly confirmed: true } | { readonly confirmed: false; readonly refusal?: string | undefined }>;

export interface RevokeDeps extends InUseDeps {
  readonly integrations: IntegrationStore;
  readonly vault: Vault;
  readonly log: Log;
  readonly endAtProvider: EndAtProvider;
}

/** Longer than the call to the provider may take; a writer that meets the announcement waits as long. */
const revocationMilliseconds = 10_000;
const firstRetryMilliseconds = 60_000;
const longestPauseMilliseconds = 24 * 60 * 60_000;
/** A month, of which the sweep spends all but the first day on one try a day. */
const maxTries = 40;

/**
 * Ends a grant that no connection refers to any more, and ends its token at the provider unless somebody else lives on
 * it. That is announced in the row first: whoever connects meanwhile waits and tries their token, since a workspace gets
 * the same one again. Without the provider's confirmation the row stays `revoking`, with its token sealed, and the
 * sweep tries again.
 * @param grant as it was read: when it is renewed before its end is announced, it stays
 * @param liveToken a token that goes on living in the grant's place
 * @returns false when the grant is in use
 */
export async function revokeGrantIfUnshared(
  deps: RevokeDeps,
  integration: Integration | undefined,
  grant: Grant,
  flowId: string,
  liveToken?: string,
): Promise<boolean> {
  if (await isInUse(deps, grant)) return false;
  const end = await endingOf(deps, integration, grant);
  const token = end === 'erase' ? undefined : await openToken(deps.vault, grant);
  const tries = (grant.revocationTries ?? 0) + 1;
  if (!integration || end === 'erase' || !token || token.accessToken === liveToken || tries > maxTries) {
    const erased = await deps.grants.erase(grant, { asOf: Math.max(deps.now(), grant.asOf + 1), flowId });
    if (erased) await removeUserMark(deps, grant);
    if (erased) deps.log.info('grant erased', lineOf(grant));
    if (erased && tries > maxTries) deps.log.error('the provider never confirmed a revocation', lineOf(grant));
    return true;
  }
  const since = grant.status === 'revoking' ? grant : { asOf: deps.now(), flowId };
  // A writer that renewed the grant since it was read needs its token.
  const ending = await deps.grants.beginRevocation(grant, {
    asOf: since.asOf,
    flowId: since.flowId,
    ...announcementOf(deps, tries),
  });
  // Who brought a token to go on with brought it for the same app.
  if (ending) await revoke(deps, integration, ending, token.accessToken, liveToken === undefined ? end : 'token');
  return true;
}

/**
 * For the sweep: tries again what a provider did not confirm, and erases a credential that was brought and that nothing
 * came to use.
 */
export async function settleGrant(deps: RevokeDeps, grant: Grant): Promise<void> {
  const integration = await deps.integrations.getEvenDeleting(grant.integrationId);
  const isUsed = !(await revokeGrantIfUnshared(deps, integration, grant, 'sweep'));
  // Whoever waits to use what is being revoked tries it first.
  if (isUsed && grant.status !== 'revoking') await deps.grants.settle(grant);
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
  if (grant?.status === 'active') {
    await revokeGrantIfUnshared(deps, integration, grant, flowId);
    return;
  }
  if (grant?.status === 'revoking' && grant.flowId !== flowId) return;
  const asOf = deps.now();
  const unstored: Grant = {
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
    ...announcementOf(deps, 1),
    asOf,
    flowId,
  };
  const end = await endingOf(deps, integration, unstored);
  if (end === 'erase') return;
  const ending = await deps.grants.announceRevocation(unstored);
  if (ending) await revoke(deps, integration, ending, token.accessToken, end);
}

/**
 * How a grant ends. A revocation hurts everybody who has the same token, so it is for a flow's token only, and not
 * while another integration of the deployment, in whatever environment, may live on the app's.
 */
async function endingOf(
  deps: RevokeDeps,
  integration: Integration | undefined,
  grant: Grant,
): Promise<ProviderEnd | 'erase'> {
  // Nothing is kept of an app-only grant, and consent can be withdrawn by the tenant's administrator only.
  if (!integration || grant.source === 'caller' || grant.credential === 'app_only') return 'erase';
  const { revoke: set = 'token' } = integration.configurations;
  if (set === 'none' || (await deps.integrations.sharesClient(integration, deps.now()))) return 'erase';
  const isWhole = set === 'uninstall' && grant.userId === undefined && !(await hasUserGrantInUse(deps, grant));
  return isWhole ? 'uninstall' : 'token';
}

function announcementOf(deps: RevokeDeps, tries: number) {
  const now = deps.now();
  const pause = Math.min(firstRetryMilliseconds * 2 ** (tries - 1), longestPauseMilliseconds);
  return {
    revokingUntil: now + revocationMilliseconds,
    revocationTries: tries,
    dueAt: new Date(now + pause).toISOString(),
  };
}

async function revoke(
  deps: RevokeDeps,
  integration: Integration,
  ending: Grant,
  token: string,
  end: ProviderEnd,
): Promise<void> {
  const answer = await deps.endAtProvider(integration, token, end);
  if (answer.confirmed) {
    await deps.grants.endRevocation(ending);
    await removeUserMark(deps, ending);
    deps.log.info(end === 'uninstall' ? 'app uninstalled' : 'token revoked', lineOf(ending));
  } else {
    const { revocationTries: tries, dueAt: nextTryAt } = ending;
    const providerError = answer.refusal;
    const line = { ...lineOf(ending), providerError, tries, nextTryAt };
    deps.log.warn('the provider did not confirm a revocation', line);
  }
}

/** The account's grant does not have to mind this one any more. */
async function removeUserMark(
  deps: RevokeDeps,
  { environmentId, integrationId, account, grantId, userId, asOf }: Grant,
) {
  if (userId === undefined) return;
  await deps.grants.removeUserGrant(environmentId, grantIdOf(integrationId, account.id), grantId, { asOf });
}

function lineOf({ environmentId, integrationId, grantId, flowId }: Grant) {
  return { environmentId, integrationId, grantId, flowId };
}
