import type { AuthorizeResult, InstallationQuery } from '@slack/oauth';
import { ChatConnectError } from '../errors.ts';
import { noTokenYet } from '../grant/refresh-errors.ts';
import type { FreshToken, RefreshDeps } from '../grant/refresh-grant.ts';
import { fingerprintOf } from '../grant/token-vault.ts';
import type { Integration } from '../integration/integration.ts';
import type { ConnectionStore } from '../store/connection-store.ts';
import { findTokens, type Usable } from './find-tokens.ts';
import { describeQuery } from './installation.ts';

export interface AuthorizeDeps extends RefreshDeps {
  readonly connections: Pick<ConnectionStore, 'get'>;
}

/** What `InstallProvider.authorize` gives, but for refresh tokens: there is one chain, and it is refreshed here. */
export type Authorization = Omit<AuthorizeResult, 'botRefreshToken' | 'userRefreshToken'>;

/**
 * Hands out the tokens that act for a workspace, an enterprise or a person of it, refreshed when they are due.
 * @throws ChatConnectError `installation_not_found`, `reauthorization_required`, `token_refresh_failed`,
 *   `token_refresh_pending`
 */
export async function authorize(
  deps: AuthorizeDeps,
  integration: Integration,
  query: InstallationQuery<boolean>,
): Promise<Authorization> {
  const { environmentId, integrationId } = integration;
  const { bot, person, trouble } = await findTokens({ ...deps, environmentId, integrationId }, query);
  if (!bot && !person) throw failureOf(query, trouble);
  for (const each of [bot, person]) if (each) logHandOut(deps, each);
  return resultOf(query, bot, person);
}

function failureOf(query: InstallationQuery<boolean>, given: FreshToken | undefined): ChatConnectError {
  switch (given?.kind) {
    case 'reauthorization_required':
      return new ChatConnectError(
        'reauthorization_required',
        'Slack does not take the token any more: install again.',
        {
          reason: given.grant.statusReason,
        },
      );
    case 'unavailable':
      return noTokenYet(given);
    case 'in_progress':
      return noTokenYet();
    default:
      return new ChatConnectError('installation_not_found', `No installation for ${describeQuery(query)}`);
  }
}

function logHandOut({ log }: AuthorizeDeps, { grant, token }: Usable): void {
  const { integrationId, grantId, version } = grant;
  log.info('token handed out', {
    integrationId,
    grantId,
    version,
    fingerprint: fingerprintOf(grant, token.accessToken),
  });
}

function resultOf(
  query: InstallationQuery<boolean>,
  bot: Usable | undefined,
  person: Usable | undefined,
): Authorization {
  const { account } = (bot ?? person)?.grant ?? {};
  const isOrgWide = account?.kind === 'enterprise';
  return {
    ...(bot && {
      botToken: bot.token.accessToken,
      botTokenExpiresAt: bot.token.expiresAt,
      botId: bot.grant.botId,
      botUserId: bot.grant.botUserId,
    }),
    ...(person && { userToken: person.token.accessToken, userTokenExpiresAt: person.token.expiresAt }),
    teamId: isOrgWide ? query.teamId : account?.id,
    enterpriseId: isOrgWide ? account.id : (account?.enterpriseId ?? query.enterpriseId),
  };
}
