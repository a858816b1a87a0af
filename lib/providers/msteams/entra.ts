import type { ConfidentialClientApplication, INetworkModule, NetworkResponse, NodeAuthOptions } from '@azure/msal-node';
import { FlowFailure } from '../../flow/flow-failure.ts';
import type { Integration } from '../../integration/integration.ts';
import { signInScopes } from './authorization-url.ts';
import { readCertificate } from './certificate.ts';
import { failureOfTokenError, readEntraError } from './entra-error.ts';
import { fetchWhole, NoAnswerError, type WholeAnswer } from './fetch-whole.ts';
import { isGuid } from './tenant.ts';

/** What authorities, and so cache keys and assertions, are made from; calls go to the base URL that is configured. */
const microsoftLogin = 'https://login.microsoftonline.com';
const tokenTimeoutMilliseconds = 5_000;

export interface EntraDeps {
  /** Where calls go: https://login.microsoftonline.com but for a stand-in. */
  readonly loginBaseUrl: string;
  readonly fetch: typeof fetch;
}

/** How the app proves itself; opened for one use. */
export type ClientCredential =
  | { readonly secret: string }
  | { readonly certificate: string }
  /** A token of an issuer that the app registration trusts. */
  | { readonly assertion: string };

export interface SignInExchange {
  readonly integration: Integration;
  readonly credential: ClientCredential;
  readonly code: string;
  readonly codeVerifier: string;
  readonly nonce: string;
  readonly redirectUri: string;
  readonly timeoutMilliseconds: number;
  /** Keeps the raw answer before the library sees it. */
  keep(body: string): Promise<void>;
}

/**
 * Sends a sign-in's code to Entra once, by msal-node.
 * @throws FlowFailure when Entra refuses, or when what became of the code is unknown
 */
export async function exchangeSignInCode(deps: EntraDeps, exchange: SignInExchange): Promise<void> {
  let failure: unknown;
  const network = networkOf(deps, exchange.timeoutMilliseconds, async (response) => {
    try {
      const refusal = readEntraError(response.json);
      if (refusal) throw failureOfTokenError(refusal, response.status);
      if (response.status !== 200 || response.json === undefined) throw new FlowFailure('provider_unavailable');
      await exchange.keep(response.body);
    } catch (error) {
      // The library wraps what its network throws, so the reason is kept aside.
      failure ??= error;
      throw error;
    }
  });
  const application = await applicationOf(exchange.integration, exchange.credential, 'organizations', network);
  try {
    await application.acquireTokenByCode({
      code: exchange.code,
      codeVerifier: exchange.codeVerifier,
      nonce: exchange.nonce,
      redirectUri: exchange.redirectUri,
      scopes: [...signInScopes],
    });
  } catch (error) {
    if (failure instanceof FlowFailure) throw failure;
    if (failure !== undefined) throw failure;
    if (error instanceof NoAnswerError || causedByNoAnswer(error)) {
      throw new FlowFailure('exchange_outcome_unknown', { cause: error });
    }
    throw new FlowFailure('id_token_invalid', { cause: error });
  }
}

export interface AppOnlyToken {
  readonly accessToken: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
  /** Application permissions that the tenant granted; a token without any is no proof of one. */
  readonly roles: readonly string[];
}

/**
 * Asks for a token of the app itself in a tenant. A fresh application object each time: msal-node remembers a 503 for a
 * minute and mixes up tenants that share an object.
 * @throws FlowFailure `app_not_in_tenant`, `provider_misconfigured`, `provider_unavailable`, `provider_refused`
 */
export async function requestAppOnlyToken(
  deps: EntraDeps,
  integration: Integration,
  credential: ClientCredential,
  tenantId: string,
  resource = 'https://graph.microsoft.com',
): Promise<AppOnlyToken> {
  let failure: unknown;
  const network = networkOf(deps, tokenTimeoutMilliseconds, async (response) => {
    const refusal = readEntraError(response.json);
    if (refusal) failure = failureOfTokenError(refusal, response.status);
    else if (response.status !== 200 || response.json === undefined) failure = new FlowFailure('provider_unavailable');
    if (failure !== undefined) throw failure;
  });
  const application = await applicationOf(integration, credential, tenantId, network);
  try {
    const result = await application.acquireTokenByClientCredential({
      scopes: [`${resource}/.default`],
      skipCache: true,
    });
    if (!result?.accessToken || !result.expiresOn) throw new FlowFailure('provider_unavailable');
    const claims = claimsOf(result.accessToken);
    // A name of a tenant is not what a token says.
    if (isGuid(tenantId) && claims.tid !== tenantId.toLowerCase()) throw new FlowFailure('provider_refused');
    return { accessToken: result.accessToken, expiresAt: result.expiresOn.getTime(), roles: claims.roles };
  } catch (error) {
    if (failure instanceof FlowFailure) throw failure;
    if (error instanceof FlowFailure) throw error;
    throw new FlowFailure('provider_unavailable', { cause: error });
  }
}

/** A diagnosis over TLS from the token endpoint itself, not a verification: nobody else could have put it there. */
function claimsOf(accessToken: string): { tid: unknown; roles: string[] } {
  try {
    const payload = JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString('utf8')) as {
      tid?: unknown;
      roles?: unknown;
    };
    const roles = Array.isArray(payload.roles) ? payload.roles.filter((role) => typeof role === 'string') : [];
    return { tid: payload.tid, roles };
  } catch {
    return { tid: undefined, roles: [] };
  }
}

async function applicationOf(
  integration: Integration,
  credential: ClientCredential,
  tenant: string,
  networkClient: INetworkModule,
): Promise<ConfidentialClientApplication> {
  // Loaded here: consents, reloads and refusals never need it.
  const msal = await import('@azure/msal-node');
  return new msal.ConfidentialClientApplication({
    auth: {
      clientId: integration.credentials.clientId ?? '',
      authority: `${microsoftLogin}/${tenant}`,
      ...proofOf(credential),
    },
    system: { networkClient, loggerOptions: { piiLoggingEnabled: false, loggerCallback: () => {} } },
  });
}

function proofOf(credential: ClientCredential): Partial<NodeAuthOptions> {
  if ('secret' in credential) return { clientSecret: credential.secret };
  if ('assertion' in credential) return { clientAssertion: async () => credential.assertion };
  const clientCertificate = readCertificate(credential.certificate);
  if (!clientCertificate) throw new FlowFailure('provider_misconfigured');
  return { clientCertificate };
}

function causedByNoAnswer(error: unknown): boolean {
  return error instanceof Error && /no whole answer from Microsoft|network/i.test(error.message);
}

/** The library's own client has no time limit and repeats calls; this one tries once, and goes where it is told. */
function networkOf(
  deps: EntraDeps,
  timeoutMilliseconds: number,
  inspect: (answer: WholeAnswer) => Promise<void>,
): INetworkModule {
  async function send<T>(url: string, init: RequestInit): Promise<NetworkResponse<T>> {
    const target = url.startsWith(microsoftLogin) ? deps.loginBaseUrl + url.slice(microsoftLogin.length) : undefined;
    if (target === undefined) throw new NoAnswerError('the library called an address that it is not known to need');
    const answer = await fetchWhole(deps.fetch, target, init, timeoutMilliseconds);
    await inspect(answer);
    return { status: answer.status, headers: answer.headers, body: answer.json as T };
  }
  return {
    sendGetRequestAsync: (url, options) => send(url, { headers: options?.headers ?? {} }),
    sendPostRequestAsync: (url, options) =>
      send(url, { method: 'POST', headers: options?.headers ?? {}, body: options?.body ?? '' }),
  };
}
