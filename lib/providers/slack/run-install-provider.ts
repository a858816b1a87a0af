import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Installation, InstallURLOptions, Logger } from '@slack/oauth';
import { FlowFailure } from '../../flow/flow-failure.ts';
import { isTransient, plainCode, type SlackAccessAnswer } from './slack-answer.ts';
import { callSlack, type Fetch, SlackCallError, type SlackResponse } from './slack-http.ts';
import { readIdentity, type SlackIdentity } from './test-token.ts';

/** `auth.test` is the only call that may be repeated: it changes nothing. */
const authTestTries = 3;
const authTestTimeoutMilliseconds = 2_000;

export interface InstallProviderRun {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly slackBaseUrl: string;
  /** What the URL was made with: the library repeats the redirect URI in the exchange. */
  readonly installOptions: InstallURLOptions;
  readonly code: string;
  /** Answers the library's `oauth.v2.access`: by Slack the first time, from the sealed answer later. */
  readonly exchange: (
    url: string,
    init: RequestInit,
  ) => Promise<{ response: SlackResponse; answer: SlackAccessAnswer }>;
  readonly fetch: Fetch;
}

/**
 * Runs Slack's own InstallProvider over one callback and gives what it would have stored.
 *
 * The library retries the one-time code for half an hour, mixes up tenants when it is given headers, and loses the
 * token when `auth.test` fails; here every call goes through one fetch that tries once, and the state has been redeemed
 * before the library sees it.
 * @throws FlowFailure when the flow is over; any other error leaves it to be finished by a later hit
 */
export async function runInstallProvider(run: InstallProviderRun): Promise<Installation> {
  // Loaded here: reloads, refusals and losers of a race never need it.
  const { InstallProvider } = await import('@slack/oauth');
  let failure: unknown;
  let installation: Installation | undefined;
  let answer: SlackAccessAnswer | undefined;
  // The library wraps what its fetch throws, so the reason is kept aside.
  const failed = (error: unknown): never => {
    failure ??= error;
    throw error;
  };
  const provider = new InstallProvider({
    clientId: run.clientId,
    clientSecret: run.clientSecret,
    stateStore: {
      generateStateParam: () => Promise.reject(new Error('states are made by the flow')),
      verifyStateParam: () => Promise.resolve(run.installOptions),
    },
    // The URL was made by a backend, so there is no cookie of the library's to compare.
    legacyStateVerification: true,
    installationStore: {
      async storeInstallation(given) {
        installation = given as Installation;
      },
      fetchInstallation: () => Promise.reject(new Error('nothing is fetched in a callback')),
    },
    logger: silentLogger,
    clientOptions: {
      slackApiUrl: `${run.slackBaseUrl}/api/`,
      allowAbsoluteUrls: false,
      rejectRateLimitedCalls: true,
      retryConfig: { retries: 0 },
      fetch: async (input: string | URL | Request, init: RequestInit = {}) => {
        const url = String(input);
        if (url.endsWith('/api/oauth.v2.access')) {
          const exchanged = await run.exchange(url, init).catch(failed);
          answer = exchanged.answer;
          return toResponse(exchanged.response);
        }
        if (url.endsWith('/api/auth.test')) {
          return toResponse(await authTest(run.fetch, url, init, answer).catch(failed));
        }
        return failed(new Error('the library called a method that it is not known to need'));
      },
    },
  });
  const { request, response } = exchangeOnly(run.code);
  await provider.handleCallback(request, response, {
    successAsync: async () => {},
    failureAsync: async (error) => {
      failure ??= error;
    },
  });
  if (installation && failure === undefined) return installation;
  throw failure ?? new Error('the library stored no installation');
}

/**
 * @throws FlowFailure `token_revoked` for a dead token, `token_mismatch` for one of somebody else
 * @throws SlackCallError when no try got an answer
 */
async function authTest(
  send: Fetch,
  url: string,
  init: RequestInit,
  granted: SlackAccessAnswer | undefined,
): Promise<SlackResponse> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await callSlack(send, url, init, authTestTimeoutMilliseconds);
      const identity = readIdentity(response);
      if (!identity) throw new SlackCallError(`auth.test answered ${response.status}`);
      const { ok, error = '' } = identity;
      if (ok && !isOf(identity, granted)) throw new FlowFailure('token_mismatch');
      if (ok) return response;
      if (isTransient(error)) throw new SlackCallError(`auth.test answered ${plainCode(error)}`);
      throw new FlowFailure('token_revoked', { providerError: plainCode(error) });
    } catch (error) {
      if (error instanceof FlowFailure || attempt === authTestTries) throw error;
    }
  }
}

/** Whether the token is of the account that the exchange named, and a bot's of its bot. */
function isOf(identity: SlackIdentity, granted: SlackAccessAnswer | undefined): boolean {
  if (!granted) return false;
  const { team, enterprise, bot_user_id: botUserId, authed_user: user } = granted;
  const ofAccount = granted.is_enterprise_install
    ? identity.enterprise_id === enterprise?.id
    : identity.team_id === team?.id;
  const people = [botUserId, user?.id].filter((id) => typeof id === 'string');
  return ofAccount && (typeof identity.user_id !== 'string' || people.includes(identity.user_id));
}

function toResponse({ status, headers, body }: SlackResponse): Response {
  return new Response(body, { status, headers });
}

/** The library only asks a request for its URL and host, and a response for its headers and its end. */
function exchangeOnly(code: string): { request: IncomingMessage; response: ServerResponse } {
  const request = { url: `/?${new URLSearchParams({ code, state: 'redeemed' })}`, headers: { host: 'localhost' } };
  const response = {
    setHeader: () => response,
    getHeader: () => undefined,
    writeHead: () => response,
    end: () => response,
  };
  return { request: request as unknown as IncomingMessage, response: response as unknown as ServerResponse };
}

/** The library's debug lines hold the client secret and the code, and it warns on every legacy callback. */
const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  setLevel: () => {},
  getLevel: () => 'error' as ReturnType<Logger['getLevel']>,
  setName: () => {},
};
