import type { InstallationQuery } from '@slack/oauth';
import { installKeyOf, tombstoneOf } from '../connection/connection.ts';
import { releaseLeftBehind } from '../connection/disconnect.ts';
import { randomToken } from '../crypto.ts';
import { everyUserGrant } from '../grant/user-grants.ts';
import { describeQuery, grantIdIn, type InstallationDeps } from './installation.ts';
import { InstallationError } from './installation-error.ts';

interface Deletion {
  readonly accountId: string;
  readonly asOf: number;
  readonly flowId: string;
}

const maxRounds = 8;

/**
 * Erases the token that a person gave in an account, or (without a person) everything of the account: the bot's token and
 * all people's. Says nothing to Slack. Deleting what is not there is no error: Slack's events come in any order, and
 * again.
 */
export async function deleteInstallation(deps: InstallationDeps, query: InstallationQuery<boolean>): Promise<void> {
  const { teamId, enterpriseId, isEnterpriseInstall, userId } = query;
  const accountId = isEnterpriseInstall ? enterpriseId : teamId;
  if (!accountId) {
    throw new InstallationError('installation_not_found', `No account to delete for ${describeQuery(query)}`);
  }
  const { environmentId, grants } = deps;
  const deletion: Deletion = { accountId, asOf: deps.now(), flowId: randomToken(16) };
  if (userId !== undefined) return endPart(deps, deletion, userId);
  await endPart(deps, deletion, undefined);
  for await (const { userGrantId } of everyUserGrant(grants, environmentId, grantIdIn(deps, accountId))) {
    const grant = await grants.get(environmentId, userGrantId);
    if (grant?.userId !== undefined) await endPart(deps, deletion, grant.userId);
  }
}

/** Ends a grant, whoever else lives on it: Slack has ended it already. Then goes what an install made of it. */
async function endPart(deps: InstallationDeps, deletion: Deletion, userId: string | undefined): Promise<void> {
  const { environmentId, grants } = deps;
  const { accountId } = deletion;
  const grantId = grantIdIn(deps, accountId, userId);
  await eraseGrant(deps, deletion, grantId);
  await endConnection(deps, deletion, userId);
  if (userId !== undefined) {
    await grants.removeUserGrant(environmentId, grantIdIn(deps, accountId), grantId, deletion);
  }
}

/** An install that came after the deletion stays. */
async function eraseGrant(deps: InstallationDeps, { asOf, flowId }: Deletion, grantId: string): Promise<void> {
  for (let round = 0; round < maxRounds; round += 1) {
    const grant = await deps.grants.get(deps.environmentId, grantId);
    if (!grant || grant.status === 'revoked' || grant.asOf > asOf) return;
    if (await deps.grants.erase(grant, { asOf, flowId })) return;
  }
  throw new Error('other writers kept changing the grant');
}

async function endConnection(
  deps: InstallationDeps,
  { accountId, asOf }: Deletion,
  userId: string | undefined,
): Promise<void> {
  const { environmentId, integrationId, connections } = deps;
  const subjectKey = installKeyOf(integrationId, accountId, userId);
  for (let round = 0; round < maxRounds; round += 1) {
    const connection = await connections.get(environmentId, subjectKey);
    if (!connection || connection.deletedAt !== undefined || connection.asOf > asOf) return;
    const tombstone = tombstoneOf(connection, deps.now());
    // The sweep does what is interrupted here.
    if (await connections.put(tombstone, connection.revision)) return releaseLeftBehind(deps, tombstone);
  }
  throw new Error('other writers kept changing the connection');
}
