import { settleConnection } from '../connection/disconnect.ts';
import type { Grant } from '../grant/grant.ts';
import { settleGrant } from '../grant/revoke-if-unshared.ts';
import { checkGrant, type VerifyGrantDeps } from '../grant/verify-grant.ts';
import { settleIntegration } from '../integration/delete-integration.ts';
import { errorFields, type Log } from '../log.ts';
import type { DueRow, DueStore } from '../store/due-store.ts';
import type { FlowStore } from '../store/flow-store.ts';
import { awaitsConfirmation, confirmableUntil, giveUpConfirmation } from './confirmation.ts';
import { failFlow, logFields } from './finish-flow.ts';
import type { ExchangedFlow, Flow, PendingFlow } from './flow.ts';
import { FlowFailure } from './flow-failure.ts';
import { type ResumeDeps, resumeFlow } from './resume-flow.ts';
import { retryPending } from './teams-callback.ts';

export interface SweepDeps extends ResumeDeps {
  readonly flows: Pick<FlowStore, 'takeDue' | 'decideFailure'>;
  readonly rows: DueStore;
  readonly verifying: VerifyGrantDeps;
  readonly log: Log;
  now(): number;
}

/** Flows, and other rows, that one run looks at; what is left is due in the next one. */
const atOnce = 40;
/** Grants that one run asks the providers about. With a run each minute, more than 57,600 are checked less than daily. */
const checksAtOnce = 40;

/**
 * Finishes what no browser came back for: sealed exchanges, leases that ended, flows that wait for the provider; and what
 * a change of a connection or a deletion left: endpoints, references, tokens that a provider has not ended yet. Then
 * checks grants, which nothing of that waits for.
 */
export async function sweep(deps: SweepDeps): Promise<{ looked: number }> {
  const now = deps.now();
  const [flows, rows] = await Promise.all([deps.flows.takeDue(now, atOnce), deps.rows.takeDue(now, atOnce)]);
  // One in trouble does not keep the others waiting.
  await Promise.all([
    ...flows.map((flow) =>
      take(deps, flow).catch((error: unknown) => {
        deps.log.error('a flow could not be swept', { ...logFields(flow), ...errorFields(error) });
      }),
    ),
    ...rows.map((due) =>
      settle(deps, due).catch((error: unknown) => {
        const { environmentId, integrationId } = due.row;
        const line = { environmentId, integrationId, kind: due.kind, ...errorFields(error) };
        deps.log.error('a row could not be swept', line);
      }),
    ),
  ]);
  const checks = await deps.rows.takeChecks(deps.now(), checksAtOnce);
  await Promise.all(checks.map((grant) => check(deps, grant)));
  return { looked: flows.length + rows.length + checks.length };
}

async function check({ verifying, log }: SweepDeps, grant: Grant): Promise<void> {
  try {
    await checkGrant(verifying, grant);
  } catch (error) {
    const { environmentId, integrationId, grantId } = grant;
    log.error('a grant could not be checked', { environmentId, integrationId, grantId, ...errorFields(error) });
  }
}

function settle({ slack }: SweepDeps, { kind, row }: DueRow): Promise<void> {
  switch (kind) {
    case 'connection':
      return settleConnection(slack, row);
    case 'grant':
      return settleGrant(slack, row);
    case 'integration':
      return settleIntegration(slack, row);
  }
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
