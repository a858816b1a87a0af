import type { InstallationQuery } from '@slack/oauth';
import type { Connection } from '../connection/connection.ts';
import { type Grant, isLiving } from '../grant/grant.ts';
import { type FreshToken, freshToken, type RefreshDeps } from '../grant/refresh-grant.ts';
import { type FindInstallDeps, findInstall, grantIdIn } from './installation.ts';

export type FindTokensDeps = RefreshDeps & FindInstallDeps;

export type Usable = FreshToken & { readonly kind: 'token' };

/** What acts for whom a query asks about; the parts may be of different accounts. */
export interface FoundTokens {
  readonly bot: Usable | undefined;
  /** What the bot's install left, when it came through a store. */
  readonly install: Connection | undefined;
  /** Of the person that is asked about, else of whoever installed last. */
  readonly person: Usable | undefined;
  /** What there is in place of a token; undefined: nothing at all. */
  readonly trouble: FreshToken | undefined;
}

/** What is held for one account. */
interface Held {
  readonly bot: Grant | undefined;
  readonly person: Grant | undefined;
  readonly install: Connection | undefined;
}

/** A token is used at once, in the middle of an event. */
const minTtlSeconds = 300;

/**
 * Finds the bot of a workspace, else that of its enterprise, and the token that the asked person gave. Tokens that are
 * about to expire are refreshed, once for all who ask.
 */
export async function findTokens(deps: FindTokensDeps, query: InstallationQuery<boolean>): Promise<FoundTokens> {
  const fresh = async (grant: Grant | undefined) => grant && (await freshToken(deps, grant, { minTtlSeconds }));
  const held: Held[] = [];
  let bot: Usable | undefined;
  let trouble: FreshToken | undefined;
  for (const accountId of accountsOf(query)) {
    const account = await readAccount(deps, accountId, query.userId);
    held.push(account);
    const given = await fresh(account.bot);
    bot = usable(given);
    if (bot) break;
    trouble ??= given;
  }
  // Without its bot an app can do little; without a token of theirs, people still have the bot.
  if (trouble && !bot) return { bot, install: undefined, person: undefined, trouble };
  const given = await fresh(held.find(({ person }) => person !== undefined)?.person);
  return { bot, install: bot && held.at(-1)?.install, person: usable(given), trouble: bot ? undefined : given };
}

/** Whose installations answer a query, in order: inside of an enterprise, an org-wide install is for every workspace. */
function accountsOf(query: InstallationQuery<boolean>): string[] {
  const { teamId, enterpriseId, isEnterpriseInstall } = query;
  const accounts = isEnterpriseInstall ? [enterpriseId] : [teamId, enterpriseId];
  return accounts.filter((accountId) => accountId !== undefined && accountId !== null);
}

async function readAccount(deps: FindTokensDeps, accountId: string, userId: string | undefined): Promise<Held> {
  const grantOf = (person?: string) => deps.grants.get(deps.environmentId, grantIdIn(deps, accountId, person));
  const [bot, asked, install] = await Promise.all([
    grantOf(),
    userId === undefined ? undefined : grantOf(userId),
    findInstall(deps, accountId),
  ]);
  const person = userId === undefined ? await lastInstaller(deps, accountId, install, bot) : asked;
  return { bot: living(bot), person: living(person), install };
}

/** The grant of whoever installed the bot last through a store, or (without a bot) gave a token last. */
async function lastInstaller(
  deps: FindTokensDeps,
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
  return grant && isLiving(grant) ? grant : undefined;
}

function usable(given: FreshToken | undefined): Usable | undefined {
  return given?.kind === 'token' ? given : undefined;
}
