import { grantIdOf } from '../grant/grant.ts';
import { sealToken } from '../grant/token-vault.ts';
import type { FinishDeps } from './finish-connect.ts';
import type { FinishableFlow } from './flow.ts';
import type { Granted } from './granted.ts';

/**
 * Lets grants that are in use have the tokens of a flow that stores none itself. Where tokens rotate, Slack keeps two of a
 * bot or a person alive, and each exchange gives one more: two flows that fail would end the token that others live on.
 */
export async function keepNewestTokens(
  { grants, vault }: Pick<FinishDeps, 'grants' | 'vault'>,
  { environmentId, integrationId, flowId, asOf, mode }: FinishableFlow,
  { account, bot, user }: Granted,
): Promise<void> {
  if (mode !== 'connect') return;
  for (const { token, userId } of [{ ...bot, userId: undefined }, { ...user }]) {
    if (token?.refreshToken === undefined || token.expiresAt === undefined) continue;
    const grantId = grantIdOf(integrationId, account.id, userId);
    const sealed = await sealToken(vault, environmentId, grantId, token, `${flowId}.${asOf}`);
    await grants.replaceToken(environmentId, grantId, { ...sealed, asOf, flowId });
  }
}
