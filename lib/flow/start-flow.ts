import { constantTimeEqual, randomToken } from '../crypto.ts';
import type { Integration } from '../integration/integration.ts';
import type { Log } from '../log.ts';
import type { FlowStore } from '../store/flow-store.ts';
import type { IntegrationStore } from '../store/integration-store.ts';
import { logFields, usableIntegration } from './finish-flow.ts';
import { type Flow, furtherStepMilliseconds, keptAfterExpirySeconds } from './flow.ts';
import { FlowFailure, type FlowFailureCode } from './flow-failure.ts';
import { type Handle, hashSecret } from './handle.ts';
import { authorizationUrl, firstStepOf, type ProviderUrls } from './provider-step.ts';

export interface StartFlowDeps extends ProviderUrls {
  readonly flows: Pick<FlowStore, 'get' | 'begin'>;
  readonly integrations: Pick<IntegrationStore, 'get'>;
  readonly log: Log;
  now(): number;
}

export type Opened =
  /** Whom and what the flow is for; it begins when this is agreed to. */
  | { readonly kind: 'offered'; readonly flow: Flow; readonly integration: Integration }
  /** The product does not offer it (any more), or not like this. */
  | {
      readonly kind: 'withdrawn';
      readonly flow: Flow;
      readonly failure: FlowFailureCode;
      readonly integration: Integration | undefined;
    }
  | { readonly kind: 'expired' }
  | { readonly kind: 'unknown' };

export type Begun =
  | Exclude<Opened, { kind: 'offered' }>
  /** The browser keeps the cookie, and goes to the provider. */
  | { readonly kind: 'begun'; readonly flow: Flow; readonly cookie: string; readonly location: string };

/** What a start link is for. Changes nothing: scanners and previews of messages open links too. */
export async function openTicket(deps: Omit<StartFlowDeps, 'log'>, ticket: Handle): Promise<Opened> {
  const flow = await deps.flows.get(ticket.flowId);
  const { ticketHash, ticketUsableUntil = 0 } = flow ?? {};
  if (!flow || ticketHash === undefined) return { kind: 'unknown' };
  if (!constantTimeEqual(ticketHash, hashSecret(ticket.secret)) || flow.status !== 'ISSUED') return { kind: 'unknown' };
  if (ticketUsableUntil <= deps.now()) return { kind: 'expired' };
  try {
    return { kind: 'offered', flow, integration: await usableIntegration(deps, flow) };
  } catch (error) {
    if (!(error instanceof FlowFailure)) throw error;
    const integration = await deps.integrations.get(flow.integrationId, flow.environmentId);
    return { kind: 'withdrawn', flow, failure: error.code, integration };
  }
}

/** Binds the flow to the browser that agreed, and sends it to the provider with a new state. */
export async function beginFlow(deps: StartFlowDeps, ticket: Handle): Promise<Begun> {
  const opened = await openTicket(deps, ticket);
  if (opened.kind !== 'offered') return opened;
  const { flow, integration } = opened;
  const now = deps.now();
  const state = { flowId: flow.flowId, secret: randomToken(32) };
  const cookie = randomToken(32);
  const usableUntil = now + furtherStepMilliseconds;
  const conditions = { ticketHash: hashSecret(ticket.secret), now };
  const begun = await deps.flows.begin(flow.flowId, conditions, {
    stage: firstStepOf(flow.providerId, flow.mode),
    secretHash: hashSecret(state.secret),
    cookieHash: hashSecret(cookie),
    usableUntil,
    expiresAt: Math.ceil(usableUntil / 1000) + keptAfterExpirySeconds,
  });
  // Its link has ended since it was read, or its flow was redeemed.
  if (!begun) return { kind: 'unknown' };
  deps.log.info('flow begun in a browser', logFields(begun));
  const location = authorizationUrl(deps, begun, integration.credentials.clientId ?? '', state);
  return { kind: 'begun', flow: begun, cookie, location };
}
