import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type Issued, secretsIn } from '../issued.ts';
import { listenOnLocalhost } from '../listen-on-localhost.ts';
import { jsonReply, type Reply } from '../pretend-provider.ts';
import { decideConsent, parseConsentRequest } from './admin-consent.ts';
import { Apps, type PretendMicrosoftApp } from './apps.ts';
import { decideSignIn, parseAuthorizationRequest, refuseSignIn } from './authorize.ts';
import { Codes } from './codes.ts';
import { Consents } from './consents.ts';
import { type Account, type Authority, accountsAt, findAuthority } from './directory.ts';
import { EntraError, entraErrorBody } from './errors.ts';
import { callGraph, type GraphRequest, Installations } from './graph.ts';
import { type BadIdToken, badIdTokens } from './id-token.ts';
import { Keys } from './keys.ts';
import { instanceDiscovery, openIdConfiguration } from './metadata.ts';
import {
  type CallKind,
  type MisbehaviourKind,
  type MisbehaviourRule,
  misbehave,
  misbehaviourKinds,
  misbehaviourRules,
} from './misbehaviour.ts';
import { consentPage, errorPage, homePage, notFoundPage, signInPage } from './pages.ts';
import { type AppToken, issueTokens, type TokenDeps } from './token.ts';

export interface PretendMicrosoftOptions {
  /** 0 takes a free one. @default 0 */
  port?: number;
  apps?: PretendMicrosoftApp[];
  /** In milliseconds. @default Date.now */
  now?: () => number;
  /**
   * Takes a client id that nobody registered for an app with any redirect URI and the permissions to find and install a
   * Teams app, whose secret is that of its first token. For integrations that a developer makes up locally.
   *
   * @default false
   */
  anyClient?: boolean;
}

interface RecordedCall {
  readonly kind: CallKind;
  readonly method: string;
  readonly path: string;
  readonly at: number;
  readonly query: Readonly<Record<string, string>>;
  /** Of a POST to the login endpoints. */
  readonly form: Readonly<Record<string, string>>;
  readonly authorization?: string;
  readonly clientId?: string;
  readonly grantType?: string;
}

interface PageChoice {
  /** The user name. @default the one used last, as in a browser that is signed in, or an administrator where one is needed */
  username?: string;
  /** As if chosen on the page: once, for the token request that follows. */
  misbehave?: MisbehaviourKind;
  /** The tenant's application permissions appear in tokens 20 seconds from now. */
  rolesLater?: boolean;
}

interface ConsentChoice extends PageChoice {
  /** @default approve */
  action?: 'approve' | 'cancel' | 'not_admin' | 'permission_denied';
  /** The tenant that is approved for. @default the administrator's own */
  approveFor?: string;
  /** The `tenant` that the redirect names, or `none`. @default the one approved for */
  claimTenant?: string;
}

interface SignInChoice extends PageChoice {
  /** @default sign_in */
  action?: 'sign_in' | 'cancel';
  badIdToken?: BadIdToken;
}

export interface PretendMicrosoft {
  /** Stands for https://login.microsoftonline.com. */
  readonly url: string;
  /** Stands for https://graph.microsoft.com; `/v1.0` comes after it. */
  readonly graphUrl: string;
  /** Every request so far but those for `/`, also the ones that misbehaviour spoiled. */
  readonly calls: readonly RecordedCall[];
  /** Every code and token so far, also of answers that misbehaviour spoiled, and the secrets and proofs of apps. */
  readonly issued: readonly Issued[];
  /** How often a spent code was sent again. */
  readonly codeReuses: number;
  /** Adds an app, or replaces the one with its client id. */
  registerApp(app: PretendMicrosoftApp): void;
  count(kind: CallKind, grantType?: string): number;
  /** As an administrator of the tenant who approves everything that the app's registration asks for. */
  consent(tenantId: string, clientId: string): void;
  /** As an administrator who deletes the enterprise application. Tokens live on until they expire. */
  withdrawConsent(tenantId: string, clientId: string): void;
  /** How long the permissions of later consents take to appear in tokens. */
  grantRolesAfter(milliseconds: number): void;
  /** Exactly these from now on; none means that the app exists in the tenant, as after a person's own consent. */
  setRoles(tenantId: string, clientId: string, roles: readonly string[]): void;
  /** Signs with a new key from now on; the one before stays published, older ones do not. */
  rotateKeys(): void;
  misbehave(rule: MisbehaviourRule): void;
  /** Ends all misbehaviour. */
  behave(): void;
  /** What is wrong with every id_token from now on. */
  badIdToken(kind: BadIdToken | undefined): void;
  /** Opens the consent page and presses a button of it; the URL that the browser is sent to. Throws where Microsoft shows an error page. */
  approveConsent(adminConsentUrl: string, choice?: ConsentChoice): Promise<string>;
  /** The same for the sign-in page, which `prompt=none` and malformed requests skip. */
  signIn(authorizeUrl: string, choice?: SignInChoice): Promise<string>;
  close(): Promise<void>;
}

const rolesLaterMilliseconds = 20_000;
const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
};
const kindsByPath: readonly [RegExp, CallKind][] = [
  [/^\/graph\/v1\.0\//, 'graph'],
  [/^\/[^/]+\/v2\.0\/adminconsent$/, 'consent'],
  [/^\/[^/]+\/oauth2\/v2\.0\/authorize$/, 'sign_in'],
  [/^\/[^/]+\/oauth2\/v2\.0\/token$/, 'token'],
  [/^\/[^/]+\/discovery\/v2\.0\/keys$/, 'keys'],
  [/^\/[^/]+\/v2\.0\/\.well-known\/openid-configuration$|^\/common\/discovery\/instance$/, 'metadata'],
];

/** Starts a server on localhost that behaves like Entra's login endpoints and Microsoft Graph, as far as an app can tell. It logs nothing. */
export async function startPretendMicrosoft(options: PretendMicrosoftOptions = {}): Promise<PretendMicrosoft> {
  const { port = 0, now = Date.now } = options;
  const apps = new Apps(options.anyClient ?? false);
  const codes = new Codes(now);
  const consents = new Consents(now);
  const installations = new Installations();
  const keys = new Keys();
  const rules = misbehaviourRules();
  const appTokens = new Map<string, AppToken>();
  const calls: RecordedCall[] = [];
  const issued: Issued[] = [];
  const closing = new AbortController();
  let badIdToken: BadIdToken | undefined;
  /** A browser stays signed in; there is one person here. */
  let lastUsername: string | undefined;
  const registerApp = (app: PretendMicrosoftApp) => {
    apps.register(app);
    if (app.clientSecret) {
      issued.push({ kind: 'client secret', value: app.clientSecret });
    }
  };
  for (const app of options.apps ?? []) {
    registerApp(app);
  }

  const servers = await listenOnLocalhost((request, response) => {
    // Whatever breaks here breaks like a server of which nobody knows more: no answer.
    respond(request, response).catch(() => response.destroy());
  }, port);
  const url = `http://localhost:${(servers[0].address() as AddressInfo).port}`;
  const graphUrl = `${url}/graph`;
  const deps: TokenDeps = { apps, codes, consents, keys, appTokens, now, url, badIdToken: () => badIdToken };

  async function respond(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path, searchParams: query } = new URL(`${url}${incoming.url}`);
    const { method = 'GET', headers } = incoming;
    const { authorization } = headers;
    const reply = await answer({ method, path, query, body: await text(incoming), authorization });
    if (reply) {
      response.writeHead(reply.status, reply.headers).end(reply.body);
    } else {
      response.destroy();
    }
  }

  async function answer(request: GraphRequest): Promise<Reply | undefined> {
    const { method, path, query, body, authorization } = request;
    const kind = kindsByPath.find(([pattern]) => pattern.test(path))?.[1];
    if (!kind) {
      return path === '/' ? pageReply(homePage(apps, consents, installations)) : pageReply(notFoundPage(), 404);
    }
    const form = kind === 'graph' ? {} : Object.fromEntries(new URLSearchParams(body));
    issued.push(...secretsIn(form));
    const clientId = form['client_id'] ?? query.get('client_id');
    const grantType = form['grant_type'];
    const call = { kind, ...(clientId && { clientId }), ...(grantType && { grantType }) };
    const received = { method, path, at: now(), query: Object.fromEntries(query), form };
    calls.push({ ...call, ...received, ...(authorization && { authorization }) });
    const rule = rules.take(call);
    const act = () => route(kind, request, form);
    return rule ? misbehave(rule, call, act, { now, signal: closing.signal }) : act();
  }

  function remember<Given extends object>(given: Given): Given {
    issued.push(...secretsIn(given));
    return given;
  }

  async function route(kind: CallKind, request: GraphRequest, form: Record<string, string>): Promise<Reply> {
    const { method, path, query } = request;
    const segment = decodeURIComponent(path.split('/')[1] ?? '');
    const decision = method === 'POST' ? form : undefined;
    try {
      switch (kind) {
        case 'graph':
          return callGraph({ apps, appTokens, installations, now, graphUrl }, { ...request, path: path.slice(11) });
        case 'consent':
          return answerConsent(segment, query, decision);
        case 'sign_in':
          return answerSignIn(segment, query, decision);
        case 'token':
          return jsonReply(remember(await issueTokens(deps, segment, path, form)));
        case 'keys':
          return jsonReply(await keys.publish(findAuthority(segment).tenant?.id));
        case 'metadata':
          return jsonReply(
            path.endsWith('/instance') ? instanceDiscovery(url) : openIdConfiguration(url, findAuthority(segment)),
          );
      }
    } catch (error) {
      if (!(error instanceof EntraError)) {
        throw error;
      }
      const isPage = kind === 'consent' || kind === 'sign_in';
      return isPage ? pageReply(errorPage(error, now()), 400) : jsonReply(entraErrorBody(error, now()), error.status);
    }
  }

  function answerConsent(segment: string, query: URLSearchParams, form: Record<string, string> | undefined): Reply {
    const request = parseConsentRequest(apps, segment, query);
    const offered = accountsAt(request.authority);
    const administrators = offered.filter(({ role }) => role === 'Global Administrator');
    if (!form) {
      return pageReply(consentPage(request, preselect(administrators)));
    }
    const { action = '', approve_for: approveFor = '', claim = '' } = form;
    const account = choose(offered, form, preselect(administrators));
    const location = decideConsent(consents, request, { action, account, approveFor, claim }, now());
    arrangeTrouble(form, request.app.clientId, approveFor || account.tenant.id, 'client_credentials');
    return redirectReply(location);
  }

  function answerSignIn(segment: string, query: URLSearchParams, form: Record<string, string> | undefined): Reply {
    const request = parseAuthorizationRequest(apps, segment, query);
    if (request.problem) {
      return redirectReply(refuseSignIn(request, request.problem, now()));
    }
    const offered = accountsAt(request.authority);
    const preselected = preselect(offered, request.loginHint);
    if (!form) {
      return pageReply(signInPage(request, preselected));
    }
    const account = choose(offered, form, preselected);
    const bad = form['bad_id_token'] ?? '';
    const chosenBad = Object.hasOwn(badIdTokens, bad) ? (bad as BadIdToken) : undefined;
    arrangeTrouble(form, request.app.clientId, account.tenant.id, 'authorization_code');
    const decision = { action: form['action'] ?? '', account, badIdToken: chosenBad };
    const location = decideSignIn(codes, request, decision, now());
    remember(Object.fromEntries(new URL(location).searchParams));
    return redirectReply(location);
  }

  /** @throws {EntraError} where nobody can sign in */
  function preselect(offered: Account[], hint: string | null = null): Account {
    const named = (username: string | null | undefined) => offered.find((account) => account.username === username);
    const account = named(hint) ?? named(lastUsername) ?? offered[0];
    if (!account) {
      throw new EntraError(50020, 'User account does not exist in the tenant.');
    }
    return account;
  }

  /** By object id, as on the page, or by user name. */
  function choose(offered: Account[], { account: chosen }: Record<string, string>, preselected: Account): Account {
    const account = chosen ? offered.find(({ oid, username }) => oid === chosen || username === chosen) : preselected;
    if (!account) {
      throw new EntraError(50020, `User account '${chosen}' does not exist in the tenant.`);
    }
    lastUsername = account.username;
    return account;
  }

  /** What was chosen to go wrong does so only for a flow that goes on. */
  function arrangeTrouble(form: Record<string, string>, clientId: string, tenantId: string, grantType: string): void {
    if (form['action'] !== 'approve' && form['action'] !== 'sign_in') {
      return;
    }
    const kind = form['misbehave'] ?? '';
    if (Object.hasOwn(misbehaviourKinds, kind)) {
      rules.add({ kind: kind as MisbehaviourKind, on: 'token', clientId, grantType, times: 1 });
    }
    if (form['roles_later']) {
      consents.postpone(tenantId, clientId, rolesLaterMilliseconds);
    }
  }

  async function press(kind: CallKind, address: string, form: Record<string, string | undefined>): Promise<string> {
    const target = new URL(address);
    const isPage = kindsByPath.some(([pattern, found]) => found === kind && pattern.test(target.pathname));
    if (target.origin !== url || !isPage) {
      throw new Error(`not a ${kind} URL of the pretend Microsoft at ${url}`);
    }
    const opened = await fetch(target, { redirect: 'manual' });
    await refuseErrorPage(opened);
    if (opened.status === 302) {
      return opened.headers.get('location') ?? '';
    }
    const filled = Object.entries(form).filter((entry): entry is [string, string] => Boolean(entry[1]));
    const decided = await fetch(target, { method: 'POST', body: new URLSearchParams(filled), redirect: 'manual' });
    await refuseErrorPage(decided);
    return decided.headers.get('location') ?? '';
  }

  const choiceForm = ({ username, misbehave: kind, rolesLater }: PageChoice) => ({
    account: username,
    misbehave: kind,
    roles_later: rolesLater ? '1' : undefined,
  });

  return {
    url,
    graphUrl,
    calls,
    issued,
    get codeReuses() {
      return codes.reuses;
    },
    registerApp,
    count: (kind, grantType) =>
      calls.filter((call) => call.kind === kind && (grantType ?? call.grantType) === call.grantType).length,
    consent(tenantId, clientId) {
      consents.add(tenantIdOf(findAuthority(tenantId)), clientId, apps.find(clientId, tenantId).requestedRoles);
    },
    withdrawConsent: (tenantId, clientId) => consents.withdraw(tenantIdOf(findAuthority(tenantId)), clientId),
    grantRolesAfter(milliseconds) {
      consents.delayMilliseconds = milliseconds;
    },
    setRoles: (tenantId, clientId, roles) => consents.set(tenantIdOf(findAuthority(tenantId)), clientId, roles),
    rotateKeys: () => keys.rotate(),
    misbehave: (rule) => rules.add(rule),
    behave: () => rules.clear(),
    badIdToken(kind) {
      badIdToken = kind;
    },
    approveConsent: (adminConsentUrl, choice = {}) =>
      press('consent', adminConsentUrl, {
        ...choiceForm(choice),
        action: choice.action ?? 'approve',
        approve_for: choice.approveFor,
        claim: choice.claimTenant,
      }),
    signIn: (authorizeUrl, choice = {}) =>
      press('sign_in', authorizeUrl, {
        ...choiceForm(choice),
        action: choice.action ?? 'sign_in',
        bad_id_token: choice.badIdToken,
      }),
    async close() {
      closing.abort();
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
      for (const server of servers) {
        server.closeAllConnections();
      }
      await Promise.all(closed);
    },
  };
}

function tenantIdOf({ segment, tenant }: Authority): string {
  if (!tenant) {
    throw new Error(`${segment} is not a tenant`);
  }
  return tenant.id;
}

function pageReply(body: string, status = 200): Reply {
  return { status, headers: pageHeaders, body };
}

function redirectReply(location: string): Reply {
  return { status: 302, headers: { location, 'cache-control': 'no-store' }, body: '' };
}

async function refuseErrorPage(response: Response): Promise<void> {
  const page = await response.text();
  if (response.status >= 400) {
    const code = /<code id="error">(\w+)/.exec(page)?.[1] ?? `HTTP ${response.status}`;
    throw new Error(`the pretend Microsoft shows an error page: ${code}`);
  }
}
