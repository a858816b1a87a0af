import type { Installation } from '@slack/oauth';
import { type Connection, derivedIdentifier, fence, installKeyOf, leftBehind } from '../connection/connection.ts';
import { randomToken } from '../crypto.ts';
import { type GrantedPart, grantRow, isBeingRevoked, markUserGrant } from '../flow/grant-rows.ts';
import type { Granted } from '../flow/granted.ts';
import type { Grant } from '../grant/grant.ts';
import type { Integration } from '../integration/integration.ts';
import { grantedOf } from '../providers/slack/granted-of.ts';
import {
  grantIdIn,
  type InstallationDeps,
  type InstallationDetails,
  parseInstallation,
  requireIntegration,
  sealDetails,
} from './installation.ts';
import { InstallationError } from './installation-error.ts';

/** One install: what its rows reflect. */
interface Install {
  readonly integration: Integration;
  readonly granted: Granted;
  readonly details: InstallationDetails;
  readonly asOf: number;
  readonly flowId: string;
}

const maxRounds = 8;

/**
 * Writes what an install brought, in an order of which every prefix is a valid state: references, grants, and
 * connections with what no grant holds. An install without a bot, or without a person's token, leaves the one that is there.
 * @throws InstallationError
 */
export async function storeInstallation(deps: InstallationDeps, given: Installation): Promise<void> {
  const integration = await requireIntegration(deps);
  const { installation, details } = parseInstallation(given);
  const { applicationId } = integration.credentials;
  if (applicationId !== undefined && installation.appId !== applicationId) {
    throw new InstallationError('wrong_app', 'The installation is of another app than the integration');
  }
  const granted = grantedOf(installation);
  const install: Install = { integration, granted, details, asOf: deps.now(), flowId: randomToken(16) };
  const { bot, user } = granted;
  const person = user?.token && { token: user.token, scopes: user.scopes, userId: user.userId };
  if (person) {
    const subjectKey = installKeyOf(integration.integrationId, granted.account.id, person.userId);
    await markUserGrant(deps.grants, integration, granted, person.userId, { subjectKey, asOf: install.asOf });
  }
  if (bot) await storePart(deps, install, bot);
  if (person) await storePart(deps, install, person);
}

async function storePart(deps: InstallationDeps, install: Install, part: GrantedPart): Promise<void> {
  const { environmentId, integrationId, grants } = deps;
  const { account } = install.granted;
  const grantId = grantIdIn(deps, account.id, part.userId);
  const subjectKey = installKeyOf(integrationId, account.id, part.userId);
  if (part.userId === undefined) await grants.addReference(environmentId, grantId, subjectKey, install);
  const grant = await grantRow(deps.vault, install.integration, install.granted, part, install);
  if (!(await grants.putIfLater(grant, deps.now())) && !(await grants.renew(environmentId, grantId))) {
    await giveWay(deps, grant);
  }
  await writeConnection(deps, install, part, grantId, subjectKey);
}

/** There is no token to go on with: the one that came may be the one that is just being ended. */
async function giveWay({ grants, now }: InstallationDeps, { environmentId, grantId }: Omit<Grant, 'version'>) {
  const current = await grants.get(environmentId, grantId);
  if (isBeingRevoked(current, now())) {
    throw new InstallationError('revocation_in_progress', 'A token of the account is being revoked; install once more');
  }
  throw new InstallationError('deleted_meanwhile', 'The installation was deleted meanwhile; install once more');
}

async function writeConnection(
  deps: InstallationDeps,
  { integration, granted, details, asOf, flowId }: Install,
  { scopes, userId }: GrantedPart,
  grantId: string,
  subjectKey: string,
): Promise<void> {
  const { environmentId, integrationId, connections } = deps;
  const isPerson = userId !== undefined;
  // They stand with the bot where there is one.
  const isMain = !isPerson || !granted.bot;
  const installation = isMain ? await sealDetails(deps, subjectKey, details, flowId) : undefined;
  for (let round = 0; round < maxRounds; round += 1) {
    const existing = await connections.get(environmentId, subjectKey);
    const living = existing?.deletedAt === undefined ? existing : undefined;
    if (fence(existing, { asOf, flowId }) === 'newer') {
      if (living) return;
      throw new InstallationError('deleted_meanwhile', 'The installation was deleted meanwhile; install once more');
    }
    const now = new Date(deps.now()).toISOString();
    const connection: Connection = {
      subjectKey,
      identifier: living?.identifier ?? derivedIdentifier(subjectKey),
      environmentId,
      integrationId,
      integrationIdentifier: integration.identifier,
      providerId: 'slack',
      contextKeys: [],
      isInstall: true,
      installation,
      grantId: isPerson ? undefined : grantId,
      userGrantId: isPerson ? grantId : undefined,
      ...leftBehind(existing, isPerson ? { userGrantId: grantId } : { grantId }, deps.now()),
      account: granted.account,
      botUserId: isPerson ? undefined : granted.bot?.botUserId,
      approverId: granted.user?.userId,
      scopes: [...scopes],
      status: 'active',
      createdAt: living?.createdAt ?? now,
      updatedAt: now,
      asOf,
      flowId,
      revision: randomToken(12),
    };
    if (await connections.put(connection, existing?.revision)) return;
  }
  throw new Error('other writers kept changing the connection');
}
