import { type Conversations, conversationMethods } from './conversations.ts';
import { SlackError } from './errors.ts';
import { type Grant, requireScope } from './grants.ts';
import { type Client, type OAuthAccessDeps, oauthAccess, requireApp } from './oauth-access.ts';
import { type OpenIdTokenDeps, openIdToken } from './openid-token.ts';
import { derivedId } from './tokens.ts';

export interface ApiDeps extends OAuthAccessDeps, OpenIdTokenDeps {
  readonly messages: PostedMessage[];
  readonly conversations: Conversations;
}

/** A message that `chat.postMessage` or an incoming webhook brought. */
export interface PostedMessage {
  readonly accountId: string;
  readonly channel: string;
  readonly text: string;
  readonly at: number;
}

export interface ApiRequest {
  readonly isPost: boolean;
  readonly form: Record<string, string>;
  readonly authorization: string | undefined;
}

/** The answer of an API method. Slack's own failures are answers too, with `ok` false. */
export function callMethod(deps: ApiDeps, method: string, request: ApiRequest): Record<string, unknown> {
  try {
    return dispatch(deps, method, request);
  } catch (error) {
    if (error instanceof SlackError) {
      return { ok: false, error: error.code, ...error.details };
    }
    throw error;
  }
}

function dispatch(deps: ApiDeps, method: string, { form, isPost, authorization }: ApiRequest): Record<string, unknown> {
  const token = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? form['token'];
  const read = conversationMethods[method];
  if (read) {
    return read(deps.conversations, deps.grants.verify(token), form);
  }
  switch (isPost ? method : '') {
    case 'oauth.v2.access':
      return oauthAccess(deps, clientOf(form, authorization), form);
    case 'openid.connect.token':
      return openIdToken(deps, clientOf(form, authorization), form);
    case 'auth.test':
      return testAuth(deps, deps.grants.verify(token));
    case 'auth.revoke':
      return revoke(deps, token, /^(1|true)$/.test(form['test'] ?? ''));
    case 'apps.uninstall':
      return uninstall(deps, clientOf(form, authorization), token);
    case 'users.identity':
      return identify(deps.grants.verify(token));
    case 'chat.postMessage':
      return postMessage(deps, deps.grants.verify(token), form);
    default:
      throw new SlackError('unknown_method', { req_method: method });
  }
}

/** Slack prefers HTTP Basic and takes the form too. @see https://docs.slack.dev/reference/methods/oauth.v2.access */
function clientOf(form: Record<string, string>, authorization: string | undefined): Client {
  const basic = /^Basic (.+)$/i.exec(authorization ?? '')?.[1];
  const [, id, secret] = /^([^:]*):(.*)$/.exec(Buffer.from(basic ?? '', 'base64').toString()) ?? [];
  return { id: id ?? form['client_id'], secret: secret ?? form['client_secret'] };
}

/** @see https://docs.slack.dev/reference/methods/auth.test */
function testAuth({ apps, url }: ApiDeps, { account, appId, holderId, isBot }: Grant) {
  const person = account.people.find(({ id }) => id === holderId);
  return {
    ok: true,
    url: `${url}/workspaces/${account.domain}/`,
    team: account.name,
    user: person?.name ?? apps.nameOf(appId),
    team_id: account.id,
    user_id: holderId,
    ...(isBot && { bot_id: derivedId('B', appId, account.id) }),
    ...(account.enterprise && { enterprise_id: account.enterprise.id }),
    is_enterprise_install: account.team === null,
  };
}

/** @see https://docs.slack.dev/reference/methods/auth.revoke */
function revoke({ grants }: ApiDeps, token: string | undefined, isTest: boolean) {
  grants.verify(token);
  if (!isTest) {
    grants.revoke(token ?? '');
  }
  return { ok: true, revoked: !isTest };
}

/** @see https://docs.slack.dev/reference/methods/apps.uninstall */
function uninstall({ apps, grants }: ApiDeps, client: Client, token: string | undefined) {
  const app = requireApp(apps, client);
  const grant = grants.verify(token);
  if (grant.appId !== app.appId) {
    throw new SlackError('client_id_token_mismatch');
  }
  grants.uninstall(app.appId, grant.account);
  return { ok: true };
}

/** @see https://docs.slack.dev/reference/methods/users.identity */
function identify(grant: Grant) {
  requireScope(grant, 'identity.basic');
  const person = grant.account.people.find(({ id }) => id === grant.holderId);
  const team = grant.account.team ?? grant.account.enterprise;
  const has = (scope: string) => grant.scopes?.has(scope);
  return {
    ok: true,
    user: { name: person?.name, id: grant.holderId, ...(has('identity.email') && { email: person?.email }) },
    team: { id: team?.id, ...(has('identity.team') && { name: team?.name }) },
  };
}

/** @see https://docs.slack.dev/reference/methods/chat.postMessage */
function postMessage(deps: ApiDeps, grant: Grant, form: Record<string, string>) {
  requireScope(grant, 'chat:write');
  const { account } = grant;
  const asked = form['channel'];
  const channel =
    deps.conversations.of(account).find(({ id, name }) => asked === id || asked === name || asked === `#${name}`) ??
    account.people.find(({ id }) => asked === id);
  if (!channel) {
    throw new SlackError('channel_not_found');
  }
  if (!form['text'] && !form['blocks'] && !form['attachments']) {
    throw new SlackError('no_text');
  }
  const at = deps.now();
  const text = form['text'] ?? '';
  deps.messages.push({ accountId: account.id, channel: channel.id, text, at });
  const ts = `${Math.floor(at / 1000)}.${String(deps.messages.length).padStart(6, '0')}`;
  return { ok: true, channel: channel.id, ts, message: { type: 'message', user: grant.holderId, text, ts } };
}
