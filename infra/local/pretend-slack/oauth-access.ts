import { type App, type Apps, hasSecret } from './apps.ts';
import type { Approval, Codes } from './codes.ts';
import { SlackError } from './errors.ts';
import { botUserId, type Grant, type Grants } from './grants.ts';
import { webhookPath } from './webhooks.ts';

export interface OAuthAccessDeps {
  readonly apps: Apps;
  readonly codes: Codes;
  readonly grants: Grants;
  /** Where the pretend Slack listens. */
  readonly url: string;
}

export interface Client {
  readonly id: string | undefined;
  readonly secret: string | undefined;
}

/**
 * A code, or a refresh token, for tokens. Fields are those of Slack's answer, absent where Slack leaves them out.
 *
 * @see https://docs.slack.dev/reference/methods/oauth.v2.access
 */
export function oauthAccess(deps: OAuthAccessDeps, client: Client, form: Record<string, string>) {
  const app = requireApp(deps.apps, client);
  const grantType = form['grant_type'] ?? 'authorization_code';
  if (grantType !== 'authorization_code' && grantType !== 'refresh_token') {
    throw new SlackError('invalid_grant_type');
  }
  const answer =
    grantType === 'refresh_token'
      ? refresh(deps, app.appId, form['refresh_token'])
      : exchange(deps, app, deps.codes.spend(form['code'], app.clientId, form['redirect_uri'], 'install'));
  app.clientSecret ??= client.secret ?? '';
  return answer;
}

/** @throws {SlackError} `invalid_client_id`, `bad_client_secret` */
export function requireApp(apps: Apps, client: Client): App {
  const app = apps.find(client.id);
  if (!app) {
    throw new SlackError('invalid_client_id');
  }
  if (!hasSecret(app, client.secret)) {
    throw new SlackError('bad_client_secret');
  }
  return app;
}

function exchange({ grants, url }: OAuthAccessDeps, { appId, tokenRotation }: App, approval: Approval) {
  const { account, person, botScopes, userScopes, channel } = approval;
  const hasBot = botScopes.length > 0;
  const issue = (holderId: string, scopes: readonly string[]) => {
    const grant = grants.add(appId, account, holderId, scopes);
    return tokenFields(grants, grant, tokenRotation);
  };
  return {
    ok: true,
    ...(hasBot && issue(botUserId(appId, account.id), botScopes)),
    ...(hasBot && { bot_user_id: botUserId(appId, account.id) }),
    app_id: appId,
    team: account.team,
    enterprise: account.enterprise,
    is_enterprise_install: account.team === null,
    authed_user: {
      id: person.id,
      ...(userScopes.length > 0 && issue(person.id, userScopes)),
    },
    ...(botScopes.includes('incoming-webhook') && {
      incoming_webhook: {
        channel: `#${channel.name}`,
        channel_id: channel.id,
        configuration_url: `${url}/workspaces/${account.domain}/`,
        url: `${url}${webhookPath(account.id, appId, channel.id)}`,
      },
    }),
  };
}

function tokenFields(grants: Grants, grant: Grant, tokenRotation: boolean | undefined) {
  const scope = [...(grant.scopes ?? [])].join(',');
  return { ...grants.issue(grant, tokenRotation), token_type: grant.isBot ? 'bot' : 'user', scope };
}

/** @see https://docs.slack.dev/authentication/using-token-rotation */
function refresh({ grants }: OAuthAccessDeps, appId: string, refreshToken: string | undefined) {
  const grant = grants.refresh(appId, refreshToken);
  const { account, holderId, isBot } = grant;
  return {
    ok: true,
    ...tokenFields(grants, grant, true),
    ...(isBot && { bot_user_id: holderId }),
    app_id: appId,
    team: account.team,
    enterprise: account.enterprise,
    is_enterprise_install: account.team === null,
  };
}
