import { type Grant, grantIdOf, type Token } from '../grant/grant.ts';
import { sealToken } from '../grant/token-vault.ts';
import type { Integration } from '../integration/integration.ts';
import type { GrantStore } from '../store/grant-store.ts';
import type { Vault } from '../vault/vault.ts';
import type { Granted } from './granted.ts';

/** One chain of what was granted: the account's bot, a person's own token, or tokens on request. */
export interface GrantedPart {
  /** None: the provider gives tokens on request. */
  readonly token: Token | undefined;
  readonly scopes: readonly string[];
  /** Of the person whose token it is. */
  readonly userId?: string | undefined;
}

/** The row that a part becomes, active, with its token sealed for this writing of it. */
export async function grantRow(
  vault: Vault,
  { environmentId, integrationId, providerId }: Integration,
  { account, bot }: Granted,
  { token, scopes, userId }: GrantedPart,
  { asOf, flowId }: { readonly asOf: number; readonly flowId: string },
): Promise<Omit<Grant, 'version'>> {
  const grantId = grantIdOf(integrationId, account.id, userId);
  const sealVersion = `${flowId}.${asOf}`;
  const ofBot = userId === undefined ? bot : undefined;
  return {
    grantId,
    environmentId,
    integrationId,
    providerId,
    account,
    userId,
    source: 'flow',
    ...(token
      ? { credential: 'token', ...(await sealToken(vault, environmentId, grantId, token, sealVersion)) }
      : { credential: 'app_only', token: '', sealVersion }),
    scopes: [...scopes],
    status: 'active',
    appId: ofBot?.appId,
    botUserId: ofBot?.botUserId,
    botId: ofBot?.botId,
    enterpriseUrl: ofBot?.enterpriseUrl,
    asOf,
    flowId,
  };
}

/**
 * Whoever uninstalls an app ends the tokens of its users as well, so it is said beside the account's grant that there
 * is one. Writing that grant, or renewing it, comes after: its version changes for whoever has not seen the mark.
 * @returns the account's grant when it is over, or about to be
 */
export async function markUserGrant(
  grants: Pick<GrantStore, 'addReference' | 'addUserGrant' | 'renew' | 'get'>,
  { environmentId, integrationId }: Pick<Integration, 'environmentId' | 'integrationId'>,
  { account, bot }: Granted,
  userId: string,
  { subjectKey, asOf }: { readonly subjectKey: string; readonly asOf: number },
): Promise<Grant | undefined> {
  const grantId = grantIdOf(integrationId, account.id);
  const userGrantId = grantIdOf(integrationId, account.id, userId);
  await grants.addReference(environmentId, userGrantId, subjectKey, { asOf });
  await grants.addUserGrant(environmentId, grantId, userGrantId, { asOf });
  if (bot || (await grants.renew(environmentId, grantId))) return undefined;
  return grants.get(environmentId, grantId);
}

/** Whether writers of the grant have to wait for its end at the provider. */
export function isBeingRevoked(grant: Grant | undefined, now: number): boolean {
  return grant?.status === 'revoking' && (grant.revokingUntil ?? 0) > now;
}
