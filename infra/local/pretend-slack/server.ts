import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Issued, secretsIn } from '../issued.ts';
import { jsonReply, type Reply } from '../pretend-provider.ts';
import { type ApiDeps, type ApiRequest, callMethod, type PostedMessage } from './api.ts';
import { Apps, type PretendSlackApp } from './apps.ts';
import { authorizePaths, decide, parseAuthorizationRequest } from './authorize.ts';
import { Codes } from './codes.ts';
import { Conversations, type PretendChannel } from './conversations.ts';
import { findAccount } from './directory.ts';
import { SlackError } from './errors.ts';
import { type Delivery, sendUninstalled } from './events.ts';
import { Grants } from './grants.ts';
import { type BadIdToken, IdTokens } from './id-token.ts';
import { type MisbehaviourKind, type MisbehaviourRule, misbehave, misbehaviourRules } from './misbehaviour.ts';
import { consentPage, errorPage, homePage } from './pages.ts';
import { readWebhookPath } from './webhooks.ts';

export interface PretendSlackOptions {
  /** 0 takes a free one. @default 0 */
  port?: number;
  apps?: PretendSlackApp[];
  /** In milliseconds. @default Date.now */
  now?: () => number;
  /**
   * Takes a client id that nobody registered for an app with any redirect URI, whose secret is that of its first
   * successful exchange (until then, any but an empty one). For integrations that a developer makes up locally.
   *
   * @default false
   */
  anyClient?: boolean;
}

interface RecordedCall {
  readonly method: string;
  readonly at: number;
  readonly form: Readonly<Record<string, string>>;
  readonly authorization?: string;
  readonly grantType?: string;
}

interface Choice {
  /** @default the request's `team`, else the first workspace */
  workspaceId?: string;
  /** @default the workspace's first person */
  userId?: string;
  /** @default allow */
  action?: 'allow' | 'cancel';
  /** Installs to the Enterprise Grid org, of `workspaceId` if given. */
  org?: boolean;
  declinedScopes?: string[];
  /** Where an incoming webhook posts. @default the workspace's first channel */
  channelId?: string;
  /** As if chosen on the page: once, for the exchange of this code. */
  misbehave?: MisbehaviourKind;
  /** What is wrong with the id_token, at Sign in with Slack. */
  badIdToken?: BadIdToken;
}

export interface PretendSlack {
  readonly url: string;
  /** Every API call so far, and `openid.connect.keys` for the published keys, also the ones that misbehaviour spoiled. */
  readonly calls: readonly RecordedCall[];
  readonly messages: readonly PostedMessage[];
  /** Every code, token and webhook URL so far, also of answers that misbehaviour spoiled, and the secrets of apps. */
  readonly issued: readonly Issued[];
  /** How often a spent code was sent again. */
  readonly codeReuses: number;
  /** Adds an app, or replaces the one with its client id. */
  registerApp(app: PretendSlackApp): void;
  /** Adds a channel to a workspace. */
  addChannel(workspaceId: string, channel: PretendChannel): void;
  count(method: string): number;
  misbehave(rule: MisbehaviourRule): void;
  /** Id_tokens are signed by a new key from now on, the only published one. */
  rotateKeys(): void;
  /** Ends all misbehaviour. */
  behave(): void;
  /** Opens the page and presses a button of it; the URL that the browser is sent to. Throws where Slack shows an error page. */
  approve(authorizeUrl: string, choice?: Choice): Promise<string>;
  /** As `auth.revoke`. */
  revokeToken(token: string): void;
  /** As an admin of the workspace or org who removes the app: all its tokens there die. No event says so. */
  uninstall(clientId: string, accountId: string): void;
  close(): Promise<void>;
}

const bodyLimit = 1024 * 1024;
const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
};

/** Starts a server on 127.0.0.1 that behaves like Slack, as far as an app that installs itself can tell. It logs nothing. */
export async function startPretendSlack(options: PretendSlackOptions = {}): Promise<PretendSlack> {
  const { port = 0, now = Date.now } = options;
  const apps = new Apps(options.anyClient ?? false);
  const codes = new Codes(now);
  const grants = new Grants(now);
  const rules = misbehaviourRules();
  const calls: RecordedCall[] = [];
  const messages: PostedMessage[] = [];
  const deliveries: Delivery[] = [];
  const issued: Issued[] = [];
  const idTokens = new IdTokens();
  const conversations = new Conversations();
  const closing = new AbortController();
  const registerApp = (app: PretendSlackApp) => {
    apps.register(app);
    issued.push({ kind: 'client secret', value: app.clientSecret });
  };
  for (const app of options.apps ?? []) {
    registerApp(app);
  }

  const server = createServer((request, response) => {
    // Whatever breaks here breaks like a server of which nobody knows more: no answer.
    respond(request, response).catch(() => response.destroy());
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://localhost:${(server.address() as AddressInfo).port}`;
  const deps: ApiDeps = { apps, codes, grants, idTokens, url, now, messages, conversations };

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(`${url}${request.url}`);
    const body = await readBody(request);
    const reply = await route(request, pathname, searchParams, body);
    if (reply) {
      response.writeHead(reply.status, reply.headers).end(reply.body);
    } else {
      response.destroy();
    }
  }

  async function route(
    request: IncomingMessage,
    path: string,
    query: URLSearchParams,
    body: string,
  ): Promise<Reply | undefined> {
    if (isAuthorizePath(path)) {
      return authorize(path, request.method === 'POST' ? new URLSearchParams(body) : undefined, query);
    }
    if (path === '/openid/connect/keys') {
      calls.push({ method: 'openid.connect.keys', at: now(), form: {} });
      return answer('openid.connect.keys', {}, () => idTokens.publish());
    }
    if (path.startsWith('/api/')) {
      const isPost = request.method === 'POST';
      const form = isPost ? readForm(body, request.headers['content-type']) : Object.fromEntries(query);
      return answerApi(path.slice('/api/'.length), { isPost, form, authorization: request.headers.authorization });
    }
    const webhook = readWebhookPath(path);
    if (webhook && request.method === 'POST') {
      const { text = '' } = readForm(body, 'application/json');
      messages.push({ accountId: webhook.accountId, channel: webhook.channelId, text, at: now() });
      return { status: 200, headers: { 'content-type': 'text/html' }, body: 'ok' };
    }
    if (path === '/uninstall' && request.method === 'POST') return uninstall(new URLSearchParams(body));
    if (path === '/' || /^\/workspaces\/[\w-]+\/$/.test(path)) {
      return { status: 200, headers: pageHeaders, body: homePage({ apps, grants, messages, deliveries }) };
    }
    return { status: 404, headers: pageHeaders, body: errorPage(new SlackError('not_found')) };
  }

  function authorize(path: string, form: URLSearchParams | undefined, query: URLSearchParams): Reply {
    try {
      const request = parseAuthorizationRequest(apps, path, query);
      if (!form) {
        return { status: 200, headers: pageHeaders, body: consentPage(request, query) };
      }
      const location = decide(codes, request, form);
      issued.push(...secretsIn(Object.fromEntries(new URL(location).searchParams)));
      return { status: 302, headers: { location, 'cache-control': 'no-store' }, body: '' };
    } catch (error) {
      if (error instanceof SlackError) {
        return { status: 400, headers: pageHeaders, body: errorPage(error) };
      }
      throw error;
    }
  }

  /** The button of the home page. */
  async function uninstall(form: URLSearchParams): Promise<Reply> {
    const app = apps.withId(form.get('app'));
    const account = findAccount(form.get('account'));
    if (!app || !account) return { status: 404, headers: pageHeaders, body: errorPage(new SlackError('not_found')) };
    deliveries.push(...(await sendUninstalled(app, account, grants.uninstall(app.appId, account), now())));
    return { status: 303, headers: { location: '/', 'cache-control': 'no-store' }, body: '' };
  }

  async function answerApi(method: string, request: ApiRequest): Promise<Reply | undefined> {
    const { form, authorization } = request;
    issued.push(...secretsIn(form));
    const grantType = form['grant_type'];
    calls.push({ method, at: now(), form, ...(authorization && { authorization }), ...(grantType && { grantType }) });
    return answer(method, form, () => callMethod(deps, method, request));
  }

  async function answer(
    method: string,
    form: Record<string, string>,
    respondWith: () => Record<string, unknown>,
  ): Promise<Reply | undefined> {
    const act = () => {
      const given = respondWith();
      issued.push(...secretsIn(given), ...webhooksIn(given));
      return given;
    };
    const isExchange = method === 'oauth.v2.access' || method === 'openid.connect.token';
    const chosen = isExchange ? codes.takeMisbehaviour(form['code']) : undefined;
    const misbehaviour = chosen ?? rules.take(method);
    return misbehaviour ? misbehave(misbehaviour, act, closing.signal) : jsonReply(act());
  }

  async function approve(authorizeUrl: string, choice: Choice = {}): Promise<string> {
    const target = new URL(authorizeUrl);
    if (target.port !== new URL(url).port || !isAuthorizePath(target.pathname)) {
      throw new Error(`not an authorization URL of the pretend Slack at ${url}`);
    }
    const page = await fetch(target);
    const preselected = /name="account" value="(\w+)"/.exec(await refuseErrorPage(page))?.[1];
    const named = findAccount(choice.workspaceId ?? preselected);
    const org = named?.enterprise ?? findAccount('E0INITECH1');
    const account = choice.org ? findAccount(org?.id) : named;
    const form = new URLSearchParams({
      account: account?.id ?? choice.workspaceId ?? '',
      user: choice.userId ?? account?.people[0]?.id ?? '',
      action: choice.action ?? 'allow',
      misbehave: choice.misbehave ?? '',
      bad_id_token: choice.badIdToken ?? '',
      ...(choice.channelId && { channel: choice.channelId }),
    });
    for (const scope of choice.declinedScopes ?? []) {
      form.append('declined', scope);
    }
    const decided = await fetch(target, { method: 'POST', body: form, redirect: 'manual' });
    await refuseErrorPage(decided);
    return decided.headers.get('location') ?? '';
  }

  return {
    url,
    calls,
    messages,
    issued,
    get codeReuses() {
      return codes.reuses;
    },
    registerApp,
    addChannel: (workspaceId, channel) => conversations.add(workspaceId, channel),
    count: (method) => calls.filter((call) => call.method === method).length,
    misbehave: (rule) => rules.add(rule),
    rotateKeys: () => idTokens.rotate(),
    behave: () => rules.clear(),
    approve,
    revokeToken: (token) => grants.revoke(token),
    uninstall(clientId, accountId) {
      const app = apps.find(clientId);
      const account = findAccount(accountId);
      if (!app || !account) {
        throw new Error('unknown client id or account');
      }
      grants.uninstall(app.appId, account);
    },
    async close() {
      closing.abort();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function isAuthorizePath(path: string): boolean {
  return Object.values<string>(authorizePaths).includes(path);
}

function webhooksIn({ incoming_webhook: webhook }: Record<string, unknown>): Issued[] {
  const { url } = (webhook ?? {}) as { url?: string };
  return url ? [{ kind: 'webhook URL', value: url }] : [];
}

async function refuseErrorPage(response: Response): Promise<string> {
  const text = await response.text();
  if (response.status >= 400) {
    throw new Error(`the pretend Slack shows an error page: ${/<code id="error">(\w+)/.exec(text)?.[1]}`);
  }
  return text;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > bodyLimit) {
      throw new Error('body too large');
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Slack takes forms and, for most methods, JSON. @see https://docs.slack.dev/apis/web-api */
function readForm(body: string, contentType = ''): Record<string, string> {
  if (!contentType.includes('json')) {
    return Object.fromEntries(new URLSearchParams(body));
  }
  const values: unknown = JSON.parse(body || '{}');
  const entries = values && typeof values === 'object' ? Object.entries(values) : [];
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}
