import { randomToken } from '../crypto.ts';
import type { FlowStore } from '../store/flow-store.ts';
import { type AwaitingFlow, confirmationMilliseconds, type ExchangedFlow, type Flow, pendingRowEnd } from './flow.ts';
import type { FlowFailureCode } from './flow-failure.ts';
import { formatHandle, hashSecret } from './handle.ts';

interface ConfirmationDeps {
  readonly flows: FlowStore;
  now(): number;
}

export type HandedOver =
  /** The browser takes the handle to the product. */
  | { readonly kind: 'awaiting'; readonly flow: AwaitingFlow; readonly handle: string }
  | { readonly kind: 'waiting'; readonly flow: Flow };

/** When whoever decided or confirmed does not come to the end, the sweep goes on after this time. */
const dueAfterMilliseconds = 15_000;

export function dueSoon(now: number): string {
  return new Date(now + dueAfterMilliseconds).toISOString();
}

/** True when nothing may be written before the product's backend has confirmed the flow. */
export function awaitsConfirmation({ binding, status, confirmedAt, failure }: Flow): boolean {
  const isOpen = status === 'EXCHANGED' || status === 'AWAITING_CONFIRMATION';
  return binding === 'confirm' && isOpen && confirmedAt === undefined && failure === undefined;
}

/** Epoch milliseconds. It counts from the exchange, so that coming again does not lengthen it. */
export function confirmableUntil({ asOf }: ExchangedFlow): number {
  return asOf + confirmationMilliseconds;
}

/**
 * Makes the handle that the product's backend confirms with. Random: whoever made the link knows every secret before it.
 */
export async function awaitConfirmation(deps: ConfirmationDeps, flow: ExchangedFlow): Promise<HandedOver> {
  const { secret, handle } = newHandle(flow);
  const until = confirmableUntil(flow);
  const awaiting = await deps.flows.awaitConfirmation(flow, {
    confirmHash: hashSecret(secret),
    usableUntil: until,
    dueAt: new Date(until).toISOString(),
    expiresAt: pendingRowEnd(flow.asOf),
  });
  // Another hit was first, and its handle stays good until the browser comes again.
  return awaiting ? { kind: 'awaiting', flow: awaiting, handle } : { kind: 'waiting', flow };
}

/** Another handle for the browser that comes again; the one before is dead. */
export async function renewHandle(deps: ConfirmationDeps, flow: AwaitingFlow): Promise<HandedOver> {
  const { secret, handle } = newHandle(flow);
  const renewed = await deps.flows.replaceHandle(flow, hashSecret(secret));
  return renewed ? { kind: 'awaiting', flow: renewed, handle } : { kind: 'waiting', flow };
}

/**
 * Decides that an unconfirmed flow fails, in one write that either a confirmation or this has. What the flow holds is
 * let go of after it, by whoever finishes the flow.
 */
export function giveUpConfirmation(
  deps: { readonly flows: Pick<FlowStore, 'decideFailure'>; now(): number },
  flow: ExchangedFlow,
  failure: FlowFailureCode,
): Promise<ExchangedFlow | undefined> {
  return deps.flows.decideFailure(flow, { failure, dueAt: dueSoon(deps.now()) });
}

function newHandle({ flowId }: Flow) {
  const secret = randomToken(32);
  return { secret, handle: formatHandle({ flowId, secret }) };
}
