import type { Installation, InstallationQuery } from '@slack/oauth';
import type { Grant } from '../grant/grant.ts';
import { openToken } from '../grant/token-vault.ts';
import type { SlackInstallation } from '../store/slack-installation-store.ts';
import { describeQuery, grantIdIn, type InstallationDeps, openDetails, requireIntegration } from './installation.ts';
import { InstallationError } from './installation-error.ts';

/** What is there for one account that a query asks about. */
interface Held {
  readonly accountId: string;
  readonly bot: Grant | undefined;
  /** Of the person that is asked about, else of whoever installed last. */
  readonly person: Grant | undefined;
  readonly installation: SlackInstallation | undefined;
}

/**
 * Finds the bot of a workspace, else that of its enterprise, and the token that the asked person gave.
 * @throws InstallationError `installation_not_found` when there is neither
 */
export async function fetchInstallation(
  deps: InstallationDeps,
  query: InstallationQuery<boolean>,
): Promise<Installation<'v2', boolean>> {
  await requireIntegration(deps);
  const held: Held[] = [];
  for (const accountId of accountsOf(query)) {
    const account = await readAccount(deps, accountId, query.userId);
    held.push(account);
    if (account.bot) break;
  }
  const withPerson = held.find(({ person }) => person !== undefined);
  const found = held.find(({ bot }) => bot !== undefined) ?? withPerson;
  const grant = found?.bot ?? found?.person;
  if (!found || !grant) throw notFound(query);
  const userId = query.userId ?? withPerson?.person?.userId ?? found.installation?.installerId ?? '';
  const [details, bot, user] = await Promise.all([
    openDetails(deps, grantIdIn(deps, found.accountId), found.installation),
    found.bot && botOf(deps, found.bot),
    withPerson?.person && userOf(deps, withPerson.person),
  ]);
  const { account } = grant;
  const isEnterpriseInstall = account.kind === 'enterprise';
  const { id, name, enterpriseId } = account;
  const enterprise = enterpriseId === undefined ? undefined : { id: enterpriseId };
  return {
    team: isEnterpriseInstall ? undefined : { id, name },
    enterprise: isEnterpriseInstall ? { id, name } : (details.enterprise ?? enterprise),
    user: { id: userId, token: undefined, scopes: undefined, ...user },
    ...(bot && { bot, tokenType: 'bot' }),
    appId: grant.appId ?? details.appId,
    enterpriseUrl: grant.enterpriseUrl ?? details.enterpriseUrl,
    isEnterpriseInstall,
    authVersion: 'v2',
    ...(details.incomingWebhook && { incomingWebhook: details.incomingWebhook }),
    ...(details.metadata !== undefined && { metadata: details.metadata }),
  } as Installation<'v2', boolean>;
}

/** Whose installations answer a query, in order: inside of an enterprise, an org-wide install is for every workspace. */
function accountsOf(query: InstallationQuery<boolean>): string[] {
  const { teamId, enterpriseId, isEnterpriseInstall } = query;
  const accounts = isEnterpriseInstall ? [enterpriseId] : [teamId, enterpriseId];
  return accounts.filter((accountId) => accountId !== undefined && accountId !== null);
}

async function readAccount(deps: InstallationDeps, accountId: string, userId: string | undefined): Promise<Held> {
  const { environmentId, grants, installations } = deps;
  const personOf = (id: string) => grants.get(environmentId, grantIdIn(deps, accountId, id));
  const [{ grant, installation }, asked] = await Promise.all([
    installations.read(environmentId, grantIdIn(deps, accountId)),
    userId === undefined ? undefined : personOf(userId),
  ]);
  const person = userId === undefined && installation ? await personOf(installation.installerId) : asked;
  return { accountId, bot: living(grant), person: living(person), installation };
}

function living(grant: Grant | undefined): Grant | undefined {
  return grant?.status === 'active' ? grant : undefined;
}

async function botOf(deps: InstallationDeps, grant: Grant): Promise<Installation['bot']> {
  const { accessToken, expiresAt } = await openToken(deps.vault, grant);
  const { scopes, botId = '', botUserId = '' } = grant;
  return { token: accessToken, ...(expiresAt && { expiresAt }), scopes, id: botId, userId: botUserId };
}

async function userOf(deps: InstallationDeps, grant: Grant) {
  const { accessToken, expiresAt } = await openToken(deps.vault, grant);
  return { token: accessToken, ...(expiresAt && { expiresAt }), scopes: grant.scopes };
}

function notFound(query: InstallationQuery<boolean>): InstallationError {
  return new InstallationError('installation_not_found', `No installation for ${describeQuery(query)}`);
}
