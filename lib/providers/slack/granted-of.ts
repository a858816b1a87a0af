import type { Installation } from '@slack/oauth';
import type { Granted } from '../../flow/granted.ts';
import type { Token } from '../../grant/grant.ts';
import type { SlackPerson } from './id-token.ts';

/** Translates what InstallProvider stores. An org-wide install is for the enterprise; its team is null. */
export function grantedOf(installation: Installation): Granted {
  const { bot, user, team, enterprise, incomingWebhook } = installation;
  const account = installation.isEnterpriseInstall ? enterprise : team;
  if (!account) throw new TypeError('an installation has neither team nor enterprise');
  return {
    account: {
      id: account.id,
      name: account.name,
      kind: installation.isEnterpriseInstall ? 'enterprise' : 'workspace',
      enterpriseId: installation.isEnterpriseInstall ? undefined : enterprise?.id,
    },
    ...(bot && {
      bot: {
        token: tokenOf(bot.token, bot.refreshToken, bot.expiresAt),
        scopes: bot.scopes,
        botUserId: bot.userId,
        botId: bot.id,
        appId: installation.appId,
        enterpriseUrl: installation.enterpriseUrl,
      },
    }),
    ...(user?.id && {
      user: {
        userId: user.id,
        token: user.token === undefined ? undefined : tokenOf(user.token, user.refreshToken, user.expiresAt),
        scopes: user.scopes ?? [],
        target: { type: 'slack_user', userId: user.id },
      },
    }),
    ...(incomingWebhook && {
      webhook: {
        url: incomingWebhook.url,
        channel: incomingWebhook.channel,
        channelId: incomingWebhook.channelId,
      },
    }),
  };
}

/** What a sign-in comes to: a person, and nothing to keep. */
export function grantedToPerson({ userId, teamId, teamName, enterpriseId }: SlackPerson): Granted {
  return {
    account: { id: teamId, name: teamName, kind: 'workspace', enterpriseId },
    user: { userId, scopes: [], target: { type: 'slack_user', userId } },
  };
}

function tokenOf(accessToken: string, refreshToken: string | undefined, expiresAt: number | undefined): Token {
  return { accessToken, refreshToken, expiresAt };
}
