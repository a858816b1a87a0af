import { errorFields, type Log } from '../log.ts';
import type { FlowStore } from '../store/flow-store.ts';
import { awaitsConfirmation, confirmableUntil, giveUpConfirmation } from './confirmation.ts';
import { failFlow, logFields } from './finish-flow.ts';
import type { ExchangedFlow, Flow, PendingFlow } from './flow.ts';
import { FlowFailure } from './flow-failure.ts';
import { type ResumeDeps, resumeFlow } from './resume-flow.ts';
import { retryPending } from './teams-callback.ts';

export interface SweepDeps extends ResumeDeps {
  readonly flows: Pick<FlowStore, 'takeDue' | 'decideFailure'>;
  readonly log: Log;
  now(): number;
}

/** Flows that one run looks at; what is left is due in the next one. */
const atOnce = 40;

/** Finishes what no browser came back for: sealed exchanges, leases that ended, flows that wait for the provider. */
export async function sweep(deps: SweepDeps): Promise<{ looked: number }> {
  const due = await deps.flows.takeDue(deps.now(), atOnce);
  await Promise.all(
    due.map(async (flow) => {
      try {
        await take(deps, flow);
      } catch (error) {
        // One flow in trouble does not keep the others waiting.
        deps.log.error('a flow could not be swept', { ...logFields(flow), ...errorFields(error) });
      }
    }),
  );
  return { looked: due.length };
}

async function take(deps: SweepDeps, flow: Flow): Promise<void> {
  const provider = flow.providerId === 'slack' ? deps.slack : deps.msteams;
  if (flow.status === 'PENDING') await retryPending(deps.msteams, flow as PendingFlow);
  else if (flow.status === 'REDEEMING') {
    if ((flow.leaseUntil ?? 0) <= deps.now())
      await failFlow(provider, flow, new FlowFailure('exchange_outcome_unknown'));
  } else {
    const exchanged = flow as ExchangedFlow;
    const open = awaitsConfirmation(flow) ? await giveUpIfLate(deps, exchanged) : exchanged;
    if (open) await resumeFlow(deps, open);
  }
}

/** Only the product's backend lets an unconfirmed flow go on; here it can only end. */
async function giveUpIfLate(deps: SweepDeps, flow: ExchangedFlow): Promise<ExchangedFlow | undefined> {
  const isLate = confirmableUntil(flow) <= deps.now();
  return isLate ? giveUpConfirmation(deps, flow, 'confirmation_missing') : undefined;
}
