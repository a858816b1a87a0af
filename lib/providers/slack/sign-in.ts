import * as z from 'zod/mini';
import type { ExchangedFlow, RedeemedFlow } from '../../flow/flow.ts';
import { FlowFailure } from '../../flow/flow-failure.ts';
import type { Integration } from '../../integration/integration.ts';
import { nonceOf } from '../nonce.ts';
import { type ExchangeDeps, refusal, sendCode } from './exchange-code.ts';
import type { SlackIdTokenVerifier, SlackPerson } from './id-token.ts';
import { readSignInAnswer } from './slack-answer.ts';

export interface SignInDeps
  extends Pick<ExchangeDeps, 'slackBaseUrl' | 'fetch' | 'now' | 'keepExchange' | 'openExchange'> {
  readonly idTokens: SlackIdTokenVerifier;
}

export interface SignedIn {
  readonly flow: ExchangedFlow;
  readonly person: SlackPerson;
}

/** What a redeemed flow signs in with. */
export interface SignInExchange {
  readonly integration: Integration;
  readonly clientSecret: string;
  readonly code: string;
  readonly stateSecret: string;
}

/**
 * Sends the code of a Sign in with Slack, once, and seals the answer into the flow before its id_token is looked at.
 * @see https://docs.slack.dev/reference/methods/openid.connect.token
 * @throws FlowFailure when the flow is over
 */
export async function exchangeSignIn(
  deps: SignInDeps,
  flow: RedeemedFlow,
  { integration, clientSecret, code, stateSecret }: SignInExchange,
): Promise<SignedIn> {
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    code,
    redirect_uri: flow.redirectUri,
    client_id: integration.credentials.clientId ?? '',
    client_secret: clientSecret,
  });
  const asOf = deps.now();
  const response = await sendCode(deps.fetch, `${deps.slackBaseUrl}/api/openid.connect.token`, {
    method: 'POST',
    body,
  });
  const read = readSignInAnswer(response.status, response.body);
  if (read.kind === 'unreadable') throw new FlowFailure('provider_unavailable');
  if (read.kind === 'refused') throw refusal(read.error);
  const sealed = JSON.stringify({ answer: response.body, nonce: nonceOf(stateSecret) });
  const exchanged = await deps.keepExchange(flow, sealed, asOf);
  if (!exchanged) throw new FlowFailure('exchange_outcome_unknown');
  return identify(deps, integration, exchanged, sealed);
}

/** Verifies the sealed answer again, by the time of its exchange. */
export async function resumeSignIn(deps: SignInDeps, integration: Integration, flow: ExchangedFlow): Promise<SignedIn> {
  return identify(deps, integration, flow, await deps.openExchange(flow));
}

const sealedSchema = z.object({ answer: z.string(), nonce: z.string() });
const tokenAnswerSchema = z.looseObject({ id_token: z.string() });

async function identify(
  deps: Pick<SignInDeps, 'idTokens'>,
  integration: Integration,
  flow: ExchangedFlow,
  sealed: string,
): Promise<SignedIn> {
  const { answer, nonce } = sealedSchema.parse(JSON.parse(sealed));
  const token = tokenAnswerSchema.safeParse(JSON.parse(answer));
  if (!token.success) throw new FlowFailure('id_token_invalid');
  const { clientId = '' } = integration.credentials;
  const person = await deps.idTokens.verify(token.data.id_token, { clientId, nonce, at: flow.asOf });
  return { flow, person };
}
