import type { Integration } from '../integration/integration.ts';
import type { Log } from '../log.ts';
import type { GrantStore } from '../store/grant-store.ts';
import type { IntegrationStore } from '../store/integration-store.ts';
import type { Vault } from '../vault/vault.ts';
import { type Account, type Grant, grantIdOf, isLiving, type Token } from './grant.ts';
import { hasUserGrantInUse, type InUseDeps, isInUse } from './in-use.ts';
import { openToken, sealToken } from './token-vault.ts';

/** What a provider is asked: to end one token, or everything that the app has in its account. */
export type ProviderEnd = NonNullable<Grant['revocation']>['how'];

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
 * @param grant as it was read: when it is renewed before its end is announced, it stays. While it is refreshed it stays
 *   too: whoever refreshes looks for its connection afterwards, and the sweep comes again
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
  const end = await endOf(deps, integration, grant, liveToken);
  const tries = (grant.revocation?.tries ?? 0) + 1;
  if (!end || tries > maxTries) {
    const erased = await deps.grants.erase(grant, { asOf: Math.max(deps.now(), grant.asOf + 1), flowId });
    if (erased) await removeUserMark(deps, grant);
    if (erased && end) deps.log.error('a token was erased that the provider never ended', lineOf(grant));
    else if (erased) deps.log.info('grant erased', lineOf(grant));
    return true;
  }
  const since = grant.status === 'revoking' ? grant : { asOf: deps.now(), flowId };
  // A writer that renewed the grant since it was read needs its token.
  const ending = await deps.grants.beginRevocation(grant, {
    asOf: since.asOf,
    flowId: since.flowId,
    ...announcementOf(deps, { how: end.how, tries }),
  });
  if (ending) await revoke(deps, ending, end);
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

/**
 * Ends a token that a flow or a refresh got and nobody stored, unless its grant lives here. `userId` is the person who gave
 * it, if one did; `liveToken` a token that goes on living in its place.
 */
export async function revokeUnstoredToken(
  deps: RevokeDeps,
  integration: Integration,
  account: Account,
  token: Token,
  flowId: string,
  { userId, liveToken }: { userId?: string | undefined; liveToken?: string | undefined } = {},
): Promise<void> {
  const { environmentId, integrationId, providerId } = integration;
  const grantId = grantIdOf(integrationId, account.id, userId);
  const grant = await deps.grants.get(environmentId, grantId);
  if (grant && isLiving(grant)) {
    await revokeGrantIfUnshared(deps, integration, grant, flowId, liveToken);
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
    userId,
    source: 'flow',
    credential: 'token',
    ...(await sealToken(deps.vault, environmentId, grantId, token, `${flowId}.${asOf}`)),
    scopes: [],
    version: (grant?.version ?? 0) + 1,
    status: 'revoking',
    asOf,
    flowId,
  };
  // Another flow may be about to store what may be the same token.
  const end = (await isInUse(deps, unstored)) ? undefined : await endOf(deps, integration, unstored, liveToken);
  if (!end) return;
  const announced = { ...unstored, ...announcementOf(deps, { how: end.how, tries: 1 }) };
  const ending = await deps.grants.announceRevocation(announced);
  if (ending) await revoke(deps, ending, end);
}

interface End {
  readonly integration: Integration;
  readonly accessToken: string;
  readonly how: ProviderEnd;
}

/**
 * What the provider is asked when a grant ends; undefined when its token is only erased. A revocation hurts everybody
 * who has the same token, so it is for a flow's token only, and not while another integration of the deployment, in
 * whatever environment, may live on the app's.
 */
async function endOf(
  deps: RevokeDeps,
  integration: Integration | undefined,
  grant: Grant,
  liveToken: string | undefined,
): Promise<End | undefined> {
  // Nothing is kept of an app-only grant, and consent can be withdrawn by the tenant's administrator only.
  if (!integration || grant.source === 'caller' || grant.credential === 'app_only') return undefined;
  const { revoke: set = 'token' } = integration.configurations;
  if (set === 'none' || (await deps.integrations.sharesClient(integration, deps.now()))) return undefined;
  const { accessToken } = await openToken(deps.vault, grant);
  if (accessToken === liveToken) return undefined;
  // What lives on in its place is the same app's. A later try asks for no more than the first.
  const isSpared = liveToken !== undefined || grant.revocation?.how === 'token';
  const mayUninstall = set === 'uninstall' && grant.userId === undefined && !isSpared;
  const how = mayUninstall && !(await hasUserGrantInUse(deps, grant)) ? 'uninstall' : 'token';
  return { integration, accessToken, how };
}

function announcementOf(deps: RevokeDeps, revocation: NonNullable<Grant['revocation']>) {
  const now = deps.now();
  const pause = Math.min(firstRetryMilliseconds * 2 ** (revocation.tries - 1), longestPauseMilliseconds);
  return {
    revokingUntil: now + revocationMilliseconds,
    revocation,
    dueAt: new Date(now + pause).toISOString(),
  };
}

async function revoke(deps: RevokeDeps, ending: Grant, { integration, accessToken, how }: End): Promise<void> {
  const answer = await deps.endAtProvider(integration, accessToken, how);
  if (answer.confirmed) {
    await deps.grants.endRevocation(ending);
    await removeUserMark(deps, ending);
    deps.log.info(how === 'uninstall' ? 'app uninstalled' : 'token revoked', lineOf(ending));
  } else {
    const { revocation, dueAt: nextTryAt } = ending;
    const line = { ...lineOf(ending), ...revocation, providerError: answer.refusal, nextTryAt };
    deps.log.warn('the provider did not confirm a revocation', line);
  }
}

/** The account's grant does not have to mind this one any more. */
export async function removeUserMark(
  deps: { readonly grants: Pick<GrantStore, 'removeUserGrant'> },
  { environmentId, integrationId, account, grantId, userId, asOf }: Grant,
) {
  if (userId === undefined) return;
  await deps.grants.removeUserGrant(environmentId, grantIdOf(integrationId, account.id), grantId, { asOf });
}

function lineOf({ environmentId, integrationId, grantId, flowId }: Grant) {
  return { environmentId, integrationId, grantId, flowId };
}
