import { bindingOf, type Integration, isAtLeastAsStrict } from '../integration/integration.ts';
import { errorFields } from '../log.ts';
import {
  awaitConfirmation,
  awaitsConfirmation,
  confirmableUntil,
  giveUpConfirmation,
  type HandedOver,
} from './confirmation.ts';
import { type FinishDeps, finishConnect } from './finish-connect.ts';
import { finishLinkUser } from './finish-link-user.ts';
import {
  type AwaitingFlow,
  type ExchangedFlow,
  type FinishableFlow,
  type Flow,
  type FlowOutcome,
  isOver,
  resumeMilliseconds,
} from './flow.ts';
import { FlowFailure } from './flow-failure.ts';
import type { Granted } from './granted.ts';
import { keepNewestTokens } from './keep-newest-tokens.ts';
import { endAt, type ReceiveDeps, type Received } from './receive-callback.ts';

export interface FinishFlowDeps extends ReceiveDeps, FinishDeps {
  /** Lets go of what a flow's sealed answer holds, before the flow fails and the seal is erased. */
  discardSealed(flow: ExchangedFlow): Promise<void>;
}

export type CallbackOutcome =
  /** The next step of the flow is at the provider. */
  | { readonly kind: 'redirect'; readonly flow: Flow; readonly location: string }
  | HandedOver
  | Exclude<Received<never>, { kind: 'redeemed' | 'exchanged' | 'ended' | 'awaiting' | 'pending' | 'waiting' }>
  /** The integration is missing when it was deleted meanwhile. */
  | { readonly kind: 'ended' | 'pending'; readonly flow: Flow; readonly integration: Integration | undefined };

/** What a provider's sealed answer comes to, once it is verified. */
export interface Obtained {
  readonly flow: FinishableFlow;
  readonly granted: Granted;
}

export interface FinishSteps {
  /** Gets and verifies what was granted. A FlowFailure ends the flow, any other error leaves it to the next hit. */
  obtain(): Promise<Obtained>;
  /** Gives the flow back, held, while the provider does not yet give what was approved. */
  hold?(obtained: Obtained, integration: Integration): Promise<Flow | undefined>;
  /** Before the flow fails. @returns true when another hit has given it its outcome, so that it is finished instead */
  abandon?(failure: FlowFailure): Promise<boolean>;
  /** Gives the flow back, held or completed, when its outcome is written and something is due after it. */
  followUp?(obtained: Obtained, integration: Integration, outcome: FlowOutcome): Promise<Flow | undefined>;
}

/** Takes a flow to its outcome from its exchange; may run any number of times, at once or one after the other. */
export async function finishFlow(deps: FinishFlowDeps, flow: Flow, steps: FinishSteps): Promise<CallbackOutcome> {
  let integration: Integration | undefined;
  let obtained: Obtained | undefined;
  try {
    // Decided before; what it holds is still to be let go.
    if (flow.status === 'EXCHANGED' && flow.failure !== undefined) throw new FlowFailure(flow.failure);
    // A seal that nobody could open into rows for so long will not do so now.
    if (flow.status === 'EXCHANGED' && flow.asOf !== undefined && flow.asOf + resumeMilliseconds <= deps.now()) {
      throw new FlowFailure('exchange_outcome_unknown');
    }
    obtained = await steps.obtain();
    const { flow: exchanged, granted } = obtained;
    if (!isForTeam(exchanged, granted)) throw new FlowFailure('team_mismatch');
    if (awaitsConfirmation(exchanged)) return await askForConfirmation(deps, exchanged as ExchangedFlow, granted);
    // Read afresh: a deletion since the redeeming stops here.
    integration = await usableIntegration(deps, obtained.flow);
    const held = await steps.hold?.(obtained, integration);
    if (held) return ended(deps, held, integration);
    return await complete(deps, integration, obtained, steps.followUp);
  } catch (error) {
    try {
      if (!(error instanceof FlowFailure)) throw error;
      const hasItsOutcome = await steps.abandon?.(error);
      if (hasItsOutcome && obtained && integration) {
        return await complete(deps, integration, obtained, steps.followUp);
      }
      if (obtained) await keepNewestTokens(deps, obtained.flow, obtained.granted);
      return await failFlow(deps, flow, error, integration);
    } catch (interruption) {
      // Nothing is lost: a sealed exchange is finished by the next hit, an unsealed one ends with its lease.
      deps.log.error('a callback was interrupted', { ...logFields(flow), ...errorFields(interruption) });
      return { kind: 'waiting', flow };
    }
  }
}

/** Slack lets the person choose, whatever the URL asks for. Who signs in does so in a workspace, also within an enterprise. */
function isForTeam({ teamId, mode }: Flow, { account }: Granted): boolean {
  if (teamId === undefined || teamId === account.id) return true;
  return mode === 'link_user' && teamId === account.enterpriseId;
}

async function askForConfirmation(
  deps: FinishFlowDeps,
  flow: ExchangedFlow,
  granted: Granted,
): Promise<CallbackOutcome> {
  if (confirmableUntil(flow) <= deps.now()) {
    const decided = await giveUpConfirmation(deps, flow, 'confirmation_missing');
    if (decided) throw new FlowFailure('confirmation_missing');
  }
  await keepNewestTokens(deps, flow, granted);
  const handedOver = await awaitConfirmation(deps, flow);
  if (handedOver.kind === 'awaiting') deps.log.info('flow awaits its confirmation', logFields(handedOver.flow));
  return handedOver;
}

/**
 * Decides that a flow which waits for its confirmation fails, when its integration was deleted meanwhile.
 * @returns undefined when it goes on waiting, or somebody else has decided
 */
export async function endIfWithdrawn(deps: FinishFlowDeps, flow: AwaitingFlow): Promise<ExchangedFlow | undefined> {
  if (await deps.integrations.get(flow.integrationId, flow.environmentId)) return undefined;
  return giveUpConfirmation(deps, flow, 'integration_unavailable');
}

/** Writes what was granted, and ends the flow with it. */
export async function complete(
  deps: FinishFlowDeps,
  integration: Integration,
  obtained: Obtained,
  followUp: FinishSteps['followUp'],
): Promise<CallbackOutcome> {
  const { flow, granted } = obtained;
  const write = flow.mode === 'link_user' ? finishLinkUser : finishConnect;
  const outcome = await write(deps, integration, flow, granted);
  const followed = await followUp?.(obtained, integration, outcome);
  if (followed) return ended(deps, followed, integration);
  const completed = await deps.flows.complete(flow, { outcome, ...endAt(deps.now()) });
  if (completed) deps.log.info('flow completed', logFields(completed));
  return ended(deps, completed ?? (await deps.flows.get(flow.flowId)) ?? flow, integration);
}

export async function failFlow(
  deps: FinishFlowDeps,
  flow: Flow,
  failure: FlowFailure,
  integration?: Integration,
): Promise<CallbackOutcome> {
  const current = (await deps.flows.get(flow.flowId)) ?? flow;
  // Another hit had its outcome first.
  const hasItsOutcome = isOver(current) || current.pending?.step === 'installation';
  if (hasItsOutcome || current.status === 'AWAITING_CONFIRMATION') return ended(deps, current, integration);
  // A dead token needs no end, and a link keeps none.
  const holdsToken = current.status === 'EXCHANGED' && flow.mode === 'connect' && failure.code !== 'token_revoked';
  if (holdsToken) await deps.discardSealed(current as ExchangedFlow);
  const { code, providerError, correlationId } = failure;
  const failed = await deps.flows.fail(current, { failure: code, providerError, correlationId, ...endAt(deps.now()) });
  deps.log.warn('flow failed', { ...logFields(flow), failure: code, providerError, correlationId });
  return ended(deps, failed ?? (await deps.flows.get(flow.flowId)) ?? current, integration);
}

export async function ended(deps: FinishFlowDeps, flow: Flow, known?: Integration): Promise<CallbackOutcome> {
  if (!isOver(flow) && flow.status !== 'PENDING') return { kind: 'waiting', flow };
  const integration = known ?? (await deps.integrations.get(flow.integrationId, flow.environmentId));
  return { kind: isOver(flow) ? 'ended' : 'pending', flow, integration };
}

/** @throws FlowFailure when the product does not offer this integration any more, or not to such a flow */
export async function usableIntegration(
  deps: { readonly integrations: Pick<FinishFlowDeps['integrations'], 'get'> },
  flow: Flow,
): Promise<Integration> {
  const integration = await deps.integrations.get(flow.integrationId, flow.environmentId);
  if (!integration) throw new FlowFailure('integration_unavailable');
  // An install is for nobody whom the product's backend could confirm.
  if (!flow.isInstall && !isAtLeastAsStrict(flow.binding, bindingOf(integration)))
    throw new FlowFailure('binding_changed');
  return integration;
}

/** A flow's id is the public half of its handles. */
export function logFields({ flowId, environmentId, integrationId, mode, status }: Flow) {
  return { flowId, environmentId, integrationId, mode, status };
}
