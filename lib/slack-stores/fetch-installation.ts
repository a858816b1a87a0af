import type { Installation, InstallationQuery } from '@slack/oauth';
import type { Connection } from '../connection/connection.ts';
import type { Grant, Token } from '../grant/grant.ts';
import { openToken } from '../grant/token-vault.ts';
import {
  describeQuery,
  findInstall,
  grantIdIn,
  type InstallationDeps,
  openDetails,
  requireIntegration,
} from './installation.ts';
import { InstallationError } from './installation-error.ts';

/** What is there for one account that a query asks about. */
interface Held {
  readonly accountId: string;
  readonly bot: Grant | undefined;
  /** Of the person that is asked about, else of whoever installed last. */
  readonly person: Grant | undefined;
  /** That of the account's bot. */
  readonly install: Connection | undefined;
}

interface Usable {
  readonly grant: Grant;
  readonly token: Token;
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
  const withBot = held.find(({ bot }) => bot !== undefined);
  const withPerson = held.find(({ person }) => person !== undefined);
  const [bot, user] = await Promise.all([open(deps, withBot?.bot), open(deps, withPerson?.person)]);
  const main = bot ?? user;
  if (!main) throw new InstallationError('installation_not_found', `No installation for ${describeQuery(query)}`);
  const { account, userId: ownerId } = main.grant;
  const install = bot ? withBot?.install : await findInstall(deps, account.id, ownerId);
  const details = await openDetails(deps, install);
  const isEnterpriseInstall = account.kind === 'enterprise';
  const enterprise = account.enterpriseId === undefined ? undefined : { id: account.enterpriseId };
  return {
    team: isEnterpriseInstall ? undefined : { id: account.id, name: account.name },
    enterprise: isEnterpriseInstall ? { id: account.id, name: account.name } : (details.enterprise ?? enterprise),
    user: {
      id: query.userId ?? user?.grant.userId ?? install?.approverId ?? '',
      ...(user ? fieldsOf(user) : { token: undefined, scopes: undefined }),
    },
    ...(bot && {
      bot: { ...fieldsOf(bot), id: bot.grant.botId ?? '', userId: bot.grant.botUserId ?? '' },
      tokenType: 'bot',
    }),
    appId: main.grant.appId ?? details.appId,
    enterpriseUrl: main.grant.enterpriseUrl ?? details.enterpriseUrl,
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
  const grantOf = (person?: string) => deps.grants.get(deps.environmentId, grantIdIn(deps, accountId, person));
  const [bot, asked, install] = await Promise.all([
    grantOf(),
    userId === undefined ? undefined : grantOf(userId),
    findInstall(deps, accountId),
  ]);
  const person = userId === undefined ? await lastInstaller(deps, accountId, install, bot) : asked;
  return { accountId, bot: living(bot), person: living(person), install };
}

/** The grant of whoever installed the bot last through a store, or (without a bot) gave a token last. */
async function lastInstaller(
  deps: InstallationDeps,
  accountId: string,
  install: Connection | undefined,
  bot: Grant | undefined,
): Promise<Grant | undefined> {
  const { environmentId, grants } = deps;
  const approverId = install?.approverId;
  if (approverId !== undefined) return grants.get(environmentId, grantIdIn(deps, accountId, approverId));
  if (living(bot)) return undefined;
  const marks = await grants.userGrants(environmentId, grantIdIn(deps, accountId));
  const newest = marks.sort((left, right) => right.asOf - left.asOf)[0];
  return newest && grants.get(environmentId, newest.userGrantId);
}

function living(grant: Grant | undefined): Grant | undefined {
  return grant?.status === 'active' ? grant : undefined;
}

async function open(deps: InstallationDeps, grant: Grant | undefined): Promise<Usable | undefined> {
  return grant && { grant, token: await openToken(deps.vault, grant) };
}

function fieldsOf({ grant: { scopes }, token: { accessToken, expiresAt } }: Usable) {
  return { token: accessToken, scopes, ...(expiresAt !== undefined && { expiresAt }) };
}
