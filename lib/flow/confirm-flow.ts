import { contextKeysOf, parseContext } from '../context/context.ts';
import { constantTimeEqual } from '../crypto.ts';
import { ChatConnectError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { FlowStore } from '../store/flow-store.ts';
import { dueSoon, giveUpConfirmation } from './confirmation.ts';
import { logFields } from './finish-flow.ts';
import {
  type AwaitingFlow,
  type ExchangedFlow,
  type Flow,
  isOver,
  outcomePageMilliseconds,
  resumeMilliseconds,
} from './flow.ts';
import { hashSecret, parseHandle } from './handle.ts';
import { type ResumeDeps, resumeFlow } from './resume-flow.ts';

export interface ConfirmFlowDeps extends ResumeDeps {
  readonly flows: Pick<FlowStore, 'get' | 'confirm' | 'decideFailure'>;
  readonly log: Log;
  now(): number;
}

export interface Confirmation {
  readonly handle: string;
  readonly subscriberId?: string | undefined;
  readonly context?: unknown;
}

/**
 * Lets a flow have its outcome: the product's backend says that the handle came from the session of the very subscriber
 * for whom the flow was begun. May be repeated.
 * @returns the flow, completed or waiting for the provider
 * @throws ChatConnectError `confirmation_not_found`; `confirmation_mismatch`, and the flow is over; `flow_failed`;
 *   `unavailable` when the flow is confirmed, and its outcome not written yet
 */
export async function confirmFlow(
  deps: ConfirmFlowDeps,
  environmentId: string,
  confirmation: Confirmation,
): Promise<Flow> {
  const contextKeys = contextKeysOf(
    confirmation.context === undefined ? undefined : parseContext(confirmation.context),
  );
  const handle = parseHandle(confirmation.handle);
  const flow = handle && (await deps.flows.get(handle.flowId));
  const confirmHash = hashSecret(handle?.secret ?? '');
  if (!flow || flow.environmentId !== environmentId || !isConfirmable(flow, confirmHash, deps.now())) {
    throw new ChatConnectError('confirmation_not_found', 'The handle is unknown, was replaced or has expired.');
  }
  const isSameSubject =
    flow.subscriberId === confirmation.subscriberId && JSON.stringify(flow.contextKeys) === JSON.stringify(contextKeys);
  if (!isSameSubject) {
    await endMismatched(deps, flow);
    throw new ChatConnectError(
      'confirmation_mismatch',
      'The flow was begun for another subscriber or context. It is over, and nothing was connected.',
    );
  }
  if (flow.status === 'AWAITING_CONFIRMATION') {
    const now = deps.now();
    const confirmed = await deps.flows.confirm(
      flow.flowId,
      { confirmHash, now },
      { confirmedAt: now, dueAt: dueSoon(now), expiresAt: Math.ceil((now + resumeMilliseconds) / 1000) },
    );
    // Somebody has moved the flow on since it was read.
    if (!confirmed) return confirmFlow(deps, environmentId, confirmation);
    deps.log.info('flow confirmed', logFields(confirmed));
    return finish(deps, confirmed);
  }
  return finish(deps, flow);
}

function isConfirmable(flow: Flow, givenHash: string, now: number): boolean {
  if (flow.confirmHash === undefined || !constantTimeEqual(flow.confirmHash, givenHash)) return false;
  if (flow.status === 'AWAITING_CONFIRMATION') return flow.usableUntil > now;
  if (flow.failure === 'confirmation_missing') return false;
  return !isOver(flow) || (flow.finishedAt ?? 0) + outcomePageMilliseconds > now;
}

/** A flow that the right one has confirmed before stays as it is. */
async function endMismatched(deps: ConfirmFlowDeps, flow: Flow): Promise<void> {
  if (flow.status !== 'AWAITING_CONFIRMATION') return;
  deps.log.warn('flow confirmed for another subject', logFields(flow));
  const decided = await giveUpConfirmation(deps, flow as AwaitingFlow, 'confirmation_mismatch');
  if (decided) await resumeFlow(deps, decided);
}

async function finish(deps: ConfirmFlowDeps, flow: Flow): Promise<Flow> {
  const current = flow.status === 'EXCHANGED' ? await resumed(deps, flow as ExchangedFlow) : flow;
  if (current.status === 'COMPLETED' || current.status === 'PENDING') return current;
  if (current.status === 'FAILED') {
    throw new ChatConnectError('flow_failed', `The flow has failed (${current.failure}). Nothing was connected.`, {
      reason: current.failure,
    });
  }
  throw new ChatConnectError(
    'unavailable',
    'The flow is confirmed, but its outcome could not be written yet. Please repeat this call.',
    { retryAfterSeconds: 1 },
  );
}

async function resumed(deps: ConfirmFlowDeps, flow: ExchangedFlow): Promise<Flow> {
  const outcome = await resumeFlow(deps, flow);
  return 'flow' in outcome ? outcome.flow : flow;
}
