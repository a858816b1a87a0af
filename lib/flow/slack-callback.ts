import { revokeUnstoredToken } from '../grant/revoke-if-unshared.ts';
import type { ProviderRedirect } from '../http/provider-redirect.ts';
import { bindingOf, type Integration, isAtLeastAsStrict } from '../integration/integration.ts';
import { errorFields, type Log } from '../log.ts';
import { type ExchangeDeps, type Exchanged, exchangeCode, resumeExchange } from '../providers/slack/exchange-code.ts';
import { grantedOf } from '../providers/slack/granted-of.ts';
import { plainCode } from '../providers/slack/slack-answer.ts';
import { type FinishDeps, finishConnect } from './finish-connect.ts';
import { finishLinkUser } from './finish-link-user.ts';
import type { Flow } from './flow.ts';
import { FlowFailure } from './flow-failure.ts';
import type { Granted } from './granted.ts';
import type { Handle } from './handle.ts';
import { endAt, type ProviderAnswer, type ReceiveDeps, type Received, receiveCallback } from './receive-callback.ts';

export interface SlackCallbackDeps extends ReceiveDeps, FinishDeps, ExchangeDeps {
  readonly log: Log;
}

export type CallbackOutcome =
  | Exclude<Received<never>, { kind: 'redeemed' | 'exchanged' | 'ended' }>
  /** The integration is missing when it was deleted meanwhile. */
  | { readonly kind: 'ended'; readonly flow: Flow; readonly integration: Integration | undefined };

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
): Promise<CallbackOutcome> {
  const received = await receiveCallback(deps, {
    handle,
    providerId: 'slack',
    stage: 'authorize',
    answer,
    prepare: async (flow) => {
      const integration = await usableIntegration(deps, flow);
      // Opened before the state is spent: without its secret nothing can be exchanged, and a reload may find it.
      return { integration, clientSecret: await deps.clientSecretOf(integration) };
    },
  });
  if (received.kind === 'redeemed' && 'code' in answer) {
    const { flow, prepared } = received;
    const withSecret = { ...deps, clientSecretOf: async () => prepared.clientSecret };
    return finish(deps, flow, () => exchangeCode(withSecret, prepared.integration, flow, answer.code));
  }
  if (received.kind === 'exchanged') {
    const { flow } = received;
    return finish(deps, flow, async () => resumeExchange(deps, await usableIntegration(deps, flow), flow));
  }
  if (received.kind === 'ended') return ended(deps, received.flow);
  if (received.kind === 'redeemed') throw new TypeError('an error of the provider redeems nothing');
  return received;
}

async function finish(
  deps: SlackCallbackDeps,
  flow: Flow,
  exchange: () => Promise<Exchanged>,
): Promise<CallbackOutcome> {
  let current = flow;
  let integration: Integration | undefined;
  let granted: Granted | undefined;
  try {
    const exchanged = await exchange();
    current = exchanged.flow;
    granted = grantedOf(exchanged.installation);
    // Read afresh: a deletion since the redeeming stops here.
    integration = await usableIntegration(deps, exchanged.flow);
    const write = flow.mode === 'link_user' ? finishLinkUser : finishConnect;
    const outcome = await write(deps, integration, exchanged.flow, granted);
    const completed = await deps.flows.complete(exchanged.flow, { outcome, ...endAt(deps.now()) });
    if (completed) deps.log.info('flow completed', logFields(completed));
    return ended(deps, completed ?? (await deps.flows.get(flow.flowId)) ?? flow, integration);
  } catch (error) {
    if (!(error instanceof FlowFailure)) {
      // Nothing is lost: a sealed exchange is finished by the next hit, an unsealed one ends with its lease.
      deps.log.error('a callback was interrupted', { ...logFields(current), ...errorFields(error) });
      return { kind: 'waiting' };
    }
    return fail(deps, current, error, integration, granted);
  }
}

async function fail(
  deps: SlackCallbackDeps,
  flow: Flow,
  failure: FlowFailure,
  integration: Integration | undefined,
  granted: Granted | undefined,
): Promise<CallbackOutcome> {
  const current = (await deps.flows.get(flow.flowId)) ?? flow;
  // Another hit had its outcome first.
  if (current.status === 'COMPLETED' || current.status === 'FAILED') return ended(deps, current, integration);
  const end = { failure: failure.code, providerError: failure.providerError, ...endAt(deps.now()) };
  const failed = await deps.flows.fail(current, end);
  deps.log.warn('flow failed', { ...logFields(flow), failure: failure.code, providerError: failure.providerError });
  if (failed && granted?.bot && integration && flow.mode === 'connect') {
    const { account, bot } = granted;
    const revoked = await revokeUnstoredToken(deps, integration, account.id, bot.token.accessToken, flow.flowId);
    deps.log.info('token of a failed flow', { ...logFields(flow), revoked });
  }
  return ended(deps, failed ?? (await deps.flows.get(flow.flowId)) ?? current, integration);
}

async function ended(deps: SlackCallbackDeps, flow: Flow, known?: Integration): Promise<CallbackOutcome> {
  if (flow.status !== 'COMPLETED' && flow.status !== 'FAILED') return { kind: 'waiting' };
  const integration = known ?? (await deps.integrations.get(flow.integrationId, flow.environmentId));
  return { kind: 'ended', flow, integration };
}

/** @throws FlowFailure when the product does not offer this integration any more, or not to such a flow */
async function usableIntegration(deps: SlackCallbackDeps, flow: Flow): Promise<Integration> {
  const integration = await deps.integrations.get(flow.integrationId, flow.environmentId);
  if (!integration) throw new FlowFailure('integration_unavailable');
  if (!isAtLeastAsStrict(flow.binding, bindingOf(integration))) throw new FlowFailure('binding_changed');
  return integration;
}

function logFields({ flowId, environmentId, integrationId, mode, status }: Flow) {
  // The flow's id is the public half of its handles.
  return { flowId, environmentId, integrationId, mode, status };
}
