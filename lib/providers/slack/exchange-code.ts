import type { Installation } from '@slack/oauth';
import { type ExchangedFlow, exchangeTimeoutMilliseconds, type Flow, type RedeemedFlow } from '../../flow/flow.ts';
import { FlowFailure } from '../../flow/flow-failure.ts';
import type { Integration } from '../../integration/integration.ts';
import { runInstallProvider } from './run-install-provider.ts';
import { answerForLibrary, isTransient, readAccessAnswer, type SlackAccessAnswer } from './slack-answer.ts';
import { callSlack, type Fetch, type SlackResponse } from './slack-http.ts';

export interface ExchangeDeps {
  readonly slackBaseUrl: string;
  readonly fetch: Fetch;
  now(): number;
  clientSecretOf(integration: Integration): Promise<string>;
  /** Seals the raw answer into the flow. @returns undefined when this attempt no longer owns the flow */
  keepExchange(flow: RedeemedFlow, body: string, asOf: number): Promise<ExchangedFlow | undefined>;
  openExchange(flow: ExchangedFlow): Promise<string>;
  /** Lets go of a token that came too late to be kept. */
  discard(integration: Integration, flow: Flow, answer: SlackAccessAnswer): Promise<void>;
}

export interface Exchanged {
  readonly flow: ExchangedFlow;
  /** What InstallProvider made of the answer. */
  readonly installation: Installation;
}

/** Errors of Slack's that say that the code is no good; every other refusal is the app's set-up. */
const badCodeErrors = new Set(['invalid_code', 'code_already_used']);
const refusedByPolicy = new Set(['no_scopes', 'user_email_unverified', 'cannot_install_an_org_installed_app']);

/**
 * Sends the code to Slack, once, and seals the answer into the flow before anything else is asked.
 * @throws FlowFailure when the flow is over
 */
export async function exchangeCode(
  deps: ExchangeDeps,
  integration: Integration,
  flow: RedeemedFlow,
  code: string,
): Promise<Exchanged> {
  let exchanged: ExchangedFlow | undefined;
  const clientSecret = await deps.clientSecretOf(integration);
  const installation = await runInstallProvider({
    ...runOf(deps, integration, flow),
    clientSecret,
    code,
    exchange: async (url, init) => {
      const asOf = deps.now();
      const response = await sendCode(deps.fetch, url, init);
      const read = readAccessAnswer(response.status, response.body);
      if (read.kind === 'unreadable') throw new FlowFailure('provider_unavailable');
      if (read.kind === 'refused') throw refusal(read.error);
      const { applicationId } = integration.credentials;
      if (applicationId !== undefined && read.answer.app_id !== applicationId) throw new FlowFailure('wrong_app');
      exchanged = await deps.keepExchange(flow, response.body, asOf);
      if (!exchanged) {
        await deps.discard(integration, flow, read.answer);
        throw new FlowFailure('exchange_outcome_unknown');
      }
      return { response: { ...response, body: answerForLibrary(response.body) }, answer: read.answer };
    },
  });
  if (!exchanged) throw new Error('the library finished without an exchange');
  return { flow: exchanged, installation };
}

/** Runs the library again on the sealed answer: same installation, no second exchange. */
export async function resumeExchange(
  deps: ExchangeDeps,
  integration: Integration,
  flow: ExchangedFlow,
): Promise<Exchanged> {
  const sealed = await deps.openExchange(flow);
  const read = readAccessAnswer(200, sealed);
  if (read.kind !== 'granted') throw new FlowFailure('provider_unavailable');
  const body = answerForLibrary(sealed, deps.now() - flow.asOf);
  const headers = new Headers({ 'content-type': 'application/json' });
  const installation = await runInstallProvider({
    ...runOf(deps, integration, flow),
    // Neither leaves this process: the exchange is answered from the seal.
    clientSecret: 'sealed',
    code: 'sealed',
    exchange: async () => ({ response: { status: 200, headers, body }, answer: read.answer }),
  });
  return { flow, installation };
}

function runOf(deps: ExchangeDeps, integration: Integration, flow: Flow) {
  return {
    clientId: integration.credentials.clientId ?? '',
    slackBaseUrl: deps.slackBaseUrl,
    installOptions: { scopes: flow.scopes, userScopes: flow.userScopes, redirectUri: flow.redirectUri },
    fetch: deps.fetch,
  };
}

/** One try. @throws FlowFailure without a whole answer: the code may be spent */
export function sendCode(send: Fetch, url: string, init: RequestInit): Promise<SlackResponse> {
  return callSlack(send, url, init, exchangeTimeoutMilliseconds).catch((cause: unknown) => {
    throw new FlowFailure('exchange_outcome_unknown', { cause });
  });
}

/** What Slack's refusal of a code means for its flow. */
export function refusal(error: string): FlowFailure {
  if (badCodeErrors.has(error)) return new FlowFailure('invalid_code', { providerError: error });
  if (refusedByPolicy.has(error)) return new FlowFailure('provider_refused', { providerError: error });
  const code = isTransient(error) ? 'provider_unavailable' : 'provider_misconfigured';
  return new FlowFailure(code, { providerError: error });
}
