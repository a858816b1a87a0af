import type { InstallationQuery } from '@slack/oauth';
import { type Connection, installKeyOf } from '../connection/connection.ts';
import { randomToken } from '../crypto.ts';
import { describeQuery, grantIdIn, type InstallationDeps } from './installation.ts';
import { InstallationError } from './installation-error.ts';

interface Deletion {
  readonly accountId: string;
  readonly asOf: number;
  readonly flowId: string;
}

const maxRounds = 8;
const tombstoneSeconds = 24 * 60 * 60;

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
  const { environmentId, installations } = deps;
  const deletion: Deletion = { accountId, asOf: deps.now(), flowId: randomToken(16) };
  const accountGrantId = grantIdIn(deps, accountId);
  if (userId !== undefined) return endPart(deps, deletion, grantIdIn(deps, accountId, userId), userId);
  await endPart(deps, deletion, accountGrantId, undefined);
  for (const userGrantId of await installations.userGrants(environmentId, accountGrantId)) {
    const grant = await deps.grants.get(environmentId, userGrantId);
    if (grant?.userId !== undefined) await endPart(deps, deletion, userGrantId, grant.userId);
  }
  await installations.remove(environmentId, accountGrantId, deletion);
}

/** Ends a grant, whoever else lives on it: Slack has ended it already. Then goes what an install made of it. */
async function endPart(
  deps: InstallationDeps,
  deletion: Deletion,
  grantId: string,
  userId: string | undefined,
): Promise<void> {
  const { environmentId, integrationId, grants, installations } = deps;
  const { accountId } = deletion;
  const subjectKey = installKeyOf(integrationId, accountId, userId);
  await eraseGrant(deps, deletion, grantId);
  await hideConnection(deps, deletion, subjectKey);
  await grants.removeReference(environmentId, grantId, subjectKey, deletion);
  if (userId !== undefined) {
    await installations.removeUserGrant(environmentId, grantIdIn(deps, accountId), grantId, deletion);
  }
}

/** An install that came after the deletion stays. */
async function eraseGrant(deps: InstallationDeps, { asOf, flowId }: Deletion, grantId: string): Promise<void> {
  for (let round = 0; round < maxRounds; round += 1) {
    const grant = await deps.grants.get(deps.environmentId, grantId);
    if (!grant || grant.status === 'revoked' || grant.asOf > asOf) return;
    const ending = await deps.grants.beginRevocation(grant, { asOf, flowId, revokingUntil: asOf });
    if (ending) return deps.grants.endRevocation(ending);
  }
  throw new Error('other writers kept changing the grant');
}

async function hideConnection(deps: InstallationDeps, { asOf, flowId }: Deletion, subjectKey: string): Promise<void> {
  const { environmentId, connections, endpoints } = deps;
  for (let round = 0; round < maxRounds; round += 1) {
    const connection = await connections.get(environmentId, subjectKey);
    if (!connection || connection.deletedAt !== undefined || connection.asOf > asOf) return;
    const tombstone: Connection = {
      ...connection,
      asOf,
      flowId,
      deletedAt: asOf,
      expiresAt: Math.ceil(asOf / 1000) + tombstoneSeconds,
      revision: randomToken(12),
    };
    if (!(await connections.put(tombstone, connection.revision))) continue;
    for (const endpoint of await endpoints.listThroughConnection(environmentId, subjectKey)) {
      await endpoints.remove(endpoint, { asOf, flowId });
    }
    return;
  }
  throw new Error('other writers kept changing the connection');
}
