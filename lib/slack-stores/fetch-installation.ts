import type { Installation, InstallationQuery } from '@slack/oauth';
import type { FreshToken } from '../grant/refresh-grant.ts';
import { findTokens, type Usable } from './find-tokens.ts';
import { describeQuery, findInstall, type InstallationDeps, openDetails, requireIntegration } from './installation.ts';
import { InstallationError } from './installation-error.ts';

/**
 * Finds the bot of a workspace, else that of its enterprise, and the token that the asked person gave. No refresh token
 * leaves the store: InstallProvider, which would refresh once for each, has nothing to refresh with.
 * @throws InstallationError
 */
export async function fetchInstallation(
  deps: InstallationDeps,
  query: InstallationQuery<boolean>,
): Promise<Installation<'v2', boolean>> {
  await requireIntegration(deps);
  const { bot, person: user, install: ofBot, trouble } = await findTokens(deps, query);
  const main = bot ?? user;
  if (!main) throw failureOf(query, trouble);
  const { account, userId: ownerId } = main.grant;
  const install = bot ? ofBot : await findInstall(deps, account.id, ownerId);
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

/** @param given instead of a token */
function failureOf(query: InstallationQuery<boolean>, given: FreshToken | undefined): InstallationError {
  const whose = describeQuery(query);
  switch (given?.kind) {
    case 'reauthorization_required':
      return new InstallationError('reauthorization_required', `Slack takes the token no more; install anew: ${whose}`);
    case 'unavailable':
    case 'in_progress':
      return new InstallationError('token_unavailable', `There is no fresh token yet; try again: ${whose}`);
    default:
      return new InstallationError('installation_not_found', `No installation for ${whose}`);
  }
}

function fieldsOf({ grant: { scopes }, token: { accessToken, expiresAt } }: Usable) {
  return { token: accessToken, scopes, ...(expiresAt !== undefined && { expiresAt }) };
}
