import type { ProviderRedirect } from '../http/provider-redirect.ts';
import { type ExchangeDeps, type Exchanged, exchangeCode, resumeExchange } from '../providers/slack/exchange-code.ts';
import { grantedOf, grantedToPerson } from '../providers/slack/granted-of.ts';
import { exchangeSignIn, resumeSignIn, type SignedIn, type SignInDeps } from '../providers/slack/sign-in.ts';
import { plainCode } from '../providers/slack/slack-answer.ts';
import { renewHandle } from './confirmation.ts';
import {
  type CallbackOutcome,
  ended,
  endIfWithdrawn,
  type FinishFlowDeps,
  finishFlow,
  type Obtained,
  usableIntegration,
} from './finish-flow.ts';
import type { ExchangedFlow } from './flow.ts';
import type { Handle } from './handle.ts';
import { isSlackSignIn } from './provider-step.ts';
import { type ProviderAnswer, receiveCallback } from './receive-callback.ts';

export interface SlackCallbackDeps extends FinishFlowDeps, ExchangeDeps, SignInDeps {}

/** What Slack's redirect says; undefined when it says nothing. */
export function slackAnswerOf({ code, error }: ProviderRedirect): ProviderAnswer | undefined {
  if (error !== undefined) {
    const failure = error === 'access_denied' ? 'access_denied' : 'provider_refused';
    return { error: plainCode(error), failure };
  }
  return code === undefined ? undefined : { code };
}

/** One hit of Slack's redirect, from the state to what its browser is to see. */
export async function receiveSlackCallback(
  deps: SlackCallbackDeps,
  handle: Handle,
  answer: ProviderAnswer,
  cookie: string | undefined,
  integrationId?: string,
): Promise<CallbackOutcome> {
  const received = await receiveCallback(deps, {
    handle,
    providerId: 'slack',
    integrationId,
    stage: 'authorize',
    answer,
    cookie,
    prepare: async (flow) => {
      const integration = await usableIntegration(deps, flow);
      // Opened before the state is spent: without its secret nothing can be exchanged, and a reload may find it.
      return { integration, clientSecret: await deps.clientSecretOf(integration) };
    },
  });
  if (received.kind === 'redeemed' && 'code' in answer) {
    const { flow, prepared } = received;
    const { code } = answer;
    const withSecret = { ...deps, clientSecretOf: async () => prepared.clientSecret };
    const obtain = async () =>
      isSlackSignIn(flow)
        ? signedIn(await exchangeSignIn(deps, flow, { ...prepared, code, stateSecret: handle.secret }))
        : obtained(await exchangeCode(withSecret, prepared.integration, flow, code));
    return finishFlow(deps, flow, { obtain });
  }
  if (received.kind === 'awaiting') {
    const withdrawn = await endIfWithdrawn(deps, received.flow);
    return withdrawn ? resumeSlackFlow(deps, withdrawn) : renewHandle(deps, received.flow);
  }
  if (received.kind === 'exchanged') return resumeSlackFlow(deps, received.flow);
  if (received.kind === 'ended' || received.kind === 'pending') return ended(deps, received.flow);
  if (received.kind === 'redeemed') throw new TypeError('an error of the provider redeems nothing');
  return received;
}

/** Finishes a flow from its sealed answer. */
export function resumeSlackFlow(deps: SlackCallbackDeps, flow: ExchangedFlow): Promise<CallbackOutcome> {
  const obtain = async () => {
    const integration = await usableIntegration(deps, flow);
    return isSlackSignIn(flow)
      ? signedIn(await resumeSignIn(deps, integration, flow))
      : obtained(await resumeExchange(deps, integration, flow));
  };
  return finishFlow(deps, flow, { obtain });
}

function obtained({ flow, installation }: Exchanged): Obtained {
  return { flow, granted: grantedOf(installation) };
}

function signedIn({ flow, person }: SignedIn): Obtained {
  return { flow, granted: grantedToPerson(person) };
}
