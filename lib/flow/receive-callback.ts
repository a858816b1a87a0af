import { constantTimeEqual, hashOf, randomToken } from '../crypto.ts';
import type { FlowStore, RedeemConditions } from '../store/flow-store.ts';
import { giveUpConfirmation } from './confirmation.ts';
import {
  type AwaitingFlow,
  type ExchangedFlow,
  type Flow,
  outcomePageMilliseconds,
  type PendingFlow,
  type RedeemedFlow,
  redeemLeaseMilliseconds,
  resumeMilliseconds,
} from './flow.ts';
import { FlowFailure, type FlowFailureCode } from './flow-failure.ts';
import { type Handle, hashSecret, isFromItsBrowser } from './handle.ts';

/** What the provider's redirect carries besides the state. An error counts even beside a code (RFC 6749 4.1.2.1). */
export type ProviderAnswer =
  | { readonly code: string }
  | { readonly error: string; readonly failure: FlowFailureCode; readonly correlationId?: string | undefined };

export interface ReceiveDeps {
  readonly flows: FlowStore;
  now(): number;
  wait(milliseconds: number): Promise<void>;
}

export interface Callback<Prepared> {
  readonly handle: Handle;
  readonly providerId: Flow['providerId'];
  /** When the address names one, only a flow of that integration can be meant. */
  readonly integrationId?: string | undefined;
  /** The step that the answer belongs to; an error belongs to whichever step its state is of. */
  readonly stage: Flow['stage'] | undefined;
  readonly answer: ProviderAnswer;
  /** The cookie that the browser brought for the flow. */
  readonly cookie: string | undefined;
  /**
   * Everything that can fail before the state is spent: reads the integration, opens its secret. A FlowFailure thrown
   * here ends the flow; any other error leaves it as it was, so that a reload can succeed.
   */
  prepare(flow: Flow): Promise<Prepared>;
}

export type Received<Prepared> =
  /** This hit, and no other, may call the provider with the code. */
  | { readonly kind: 'redeemed'; readonly flow: RedeemedFlow; readonly prepared: Prepared }
  /** The answer is sealed: finish from it. */
  | { readonly kind: 'exchanged'; readonly flow: ExchangedFlow }
  | { readonly kind: 'ended'; readonly flow: Flow }
  /** The product's backend has not confirmed it yet. */
  | { readonly kind: 'awaiting'; readonly flow: AwaitingFlow }
  /** The provider does not yet give what was approved. */
  | { readonly kind: 'pending'; readonly flow: PendingFlow }
  /** Another hit is at it. */
  | { readonly kind: 'waiting'; readonly flow: Flow }
  | { readonly kind: 'expired' }
  /** The right state without the cookie of its browser: in every state of the flow the same, and nothing is changed. */
  | { readonly kind: 'other_browser' }
  /** Not a state of ours, or of another step, or used with another code: nothing is told apart. */
  | { readonly kind: 'unknown' };

/** Losers of a race look again after these, 3 seconds in all. */
const loserWaits = [200, 400, 800, 1_600] as const;
/** The winner gets this long to finish what it has sealed before a loser does it as well. */
const finisherHeadStart = 2;

/** Decides what one hit of a callback may do, and spends the state if it is the first with everything right. */
export async function receiveCallback<Prepared>(
  deps: ReceiveDeps,
  callback: Callback<Prepared>,
): Promise<Received<Prepared>> {
  const { handle, providerId, integrationId, stage, answer, cookie } = callback;
  const secretHash = hashSecret(handle.secret);
  const answerHash = 'code' in answer ? hashOf('code', answer.code) : hashOf('error', answer.error);
  const flow = await deps.flows.get(handle.flowId);
  if (!flow || !constantTimeEqual(flow.secretHash, secretHash)) return { kind: 'unknown' };
  if (flow.providerId !== providerId || flow.stage === 'start') return { kind: 'unknown' };
  if (integrationId !== undefined && flow.integrationId !== integrationId) return { kind: 'unknown' };
  if (stage !== undefined && flow.stage !== stage) return { kind: 'unknown' };
  if (!isFromItsBrowser(flow, cookie)) return { kind: 'other_browser' };
  if (flow.status !== 'ISSUED') return repeat(deps, flow, answerHash);

  const now = deps.now();
  if (flow.usableUntil <= now) return { kind: 'expired' };
  const cookieHash = cookie === undefined ? undefined : hashSecret(cookie);
  const conditions: RedeemConditions = { stage: flow.stage, secretHash, providerId, cookieHash, now };
  const refuse = (failure: FlowFailureCode, providerError?: string, correlationId?: string) =>
    deps.flows.refuse(flow.flowId, conditions, { answerHash, failure, providerError, correlationId, ...endAt(now) });
  if ('error' in answer) {
    const refused = await refuse(answer.failure, answer.error, answer.correlationId);
    return refused ? { kind: 'ended', flow: refused } : lostRace(deps, flow.flowId, answerHash);
  }
  let prepared: Prepared;
  try {
    prepared = await callback.prepare(flow);
  } catch (error) {
    if (!(error instanceof FlowFailure)) throw error;
    const refused = await refuse(error.code, error.providerError, error.correlationId);
    return refused ? { kind: 'ended', flow: refused } : lostRace(deps, flow.flowId, answerHash);
  }
  const attempt = randomToken(16);
  const redeemed = await deps.flows.redeem(flow.flowId, conditions, {
    attempt,
    answerHash,
    leaseUntil: deps.now() + redeemLeaseMilliseconds,
    expiresAt: seconds(now + resumeMilliseconds),
    // When nobody comes back, the sweep ends it.
    dueAt: new Date(now + redeemLeaseMilliseconds + 5_000).toISOString(),
  });
  if (redeemed) return { kind: 'redeemed', flow: redeemed, prepared };
  return lostRace(deps, flow.flowId, answerHash, { attempt, prepared });
}

/** The end of a flow at a time: when its page stops answering, its row may go. */
export function endAt(now: number): { finishedAt: number; expiresAt: number } {
  return { finishedAt: now, expiresAt: seconds(now + 2 * outcomePageMilliseconds) };
}

async function lostRace<Prepared>(
  deps: ReceiveDeps,
  flowId: string,
  answerHash: string,
  mine?: { attempt: string; prepared: Prepared },
): Promise<Received<Prepared>> {
  const flow = await deps.flows.get(flowId);
  if (!flow) return { kind: 'unknown' };
  // The write took effect although its answer was lost on the way.
  if (mine && flow.attempt === mine.attempt && flow.status === 'REDEEMING') {
    return { kind: 'redeemed', flow: flow as RedeemedFlow, prepared: mine.prepared };
  }
  if (flow.status === 'ISSUED') return { kind: flow.usableUntil <= deps.now() ? 'expired' : 'unknown' };
  return repeat(deps, flow, answerHash);
}

/** A hit on a flow that has been redeemed: only the bearer of the same code learns anything of it. */
async function repeat<Prepared>(deps: ReceiveDeps, first: Flow, answerHash: string): Promise<Received<Prepared>> {
  if (first.answerHash === undefined || !constantTimeEqual(first.answerHash, answerHash)) return { kind: 'unknown' };
  let flow = first;
  for (let looks = 0; ; looks += 1) {
    const now = deps.now();
    const leaseIsOver = (flow.leaseUntil ?? 0) <= now;
    if (flow.status === 'COMPLETED' || flow.status === 'FAILED') {
      return (flow.finishedAt ?? 0) + outcomePageMilliseconds > now ? { kind: 'ended', flow } : { kind: 'unknown' };
    }
    if (flow.status === 'PENDING') return { kind: 'pending', flow: flow as PendingFlow };
    if (flow.status === 'REDEEMING' && leaseIsOver) {
      const failed = await deps.flows.fail(flow, {
        failure: 'exchange_outcome_unknown',
        providerError: undefined,
        ...endAt(now),
      });
      if (failed) return { kind: 'ended', flow: failed };
    }
    if (flow.status === 'EXCHANGED' && (leaseIsOver || looks >= finisherHeadStart)) {
      return { kind: 'exchanged', flow: flow as ExchangedFlow };
    }
    if (flow.status === 'AWAITING_CONFIRMATION') {
      const awaiting = flow as AwaitingFlow;
      if (flow.usableUntil > now) return { kind: 'awaiting', flow: awaiting };
      const decided = await giveUpConfirmation(deps, awaiting, 'confirmation_missing');
      if (decided) return { kind: 'exchanged', flow: decided };
    }
    const pause = loserWaits[looks];
    if (pause === undefined) return { kind: 'waiting', flow };
    await deps.wait(pause);
    const again = await deps.flows.get(flow.flowId);
    if (!again) return { kind: 'unknown' };
    flow = again;
  }
}

function seconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1000);
}
