import * as z from 'zod/mini';
import { bindings, providerIds } from '../integration/integration.ts';
import { flowFailureCodes } from './flow-failure.ts';

/** Seconds that a provider gets for a code exchange; shorter than the lease, so that no answer is kept after it. */
export const exchangeTimeoutMilliseconds = 8_000;
export const redeemLeaseMilliseconds = 10_000;
/** How long an outcome page answers to a reload. */
export const outcomePageMilliseconds = 10 * 60_000;
/** How long a flow whose exchange is sealed may still be finished. */
export const resumeMilliseconds = 24 * 60 * 60_000;

/** Longer than the last try, a day after the beginning, also when the sweep was down for long. */
const pendingRowMilliseconds = 72 * 60 * 60_000;

/** Epoch seconds until which the row of a flow that waits is kept. */
export function pendingRowEnd(since: number): number {
  return Math.ceil((since + pendingRowMilliseconds) / 1000);
}

/** How long each step at the provider may take that this service's own redirect begins. */
export const furtherStepMilliseconds = 10 * 60_000;

/** How long after its exchange a flow may be confirmed. */
export const confirmationMilliseconds = 10 * 60_000;

/** A row outlives its URL, so that a late visitor reads that it has expired. */
export const keptAfterExpirySeconds = 60 * 60;

export const flowModes = ['connect', 'link_user'] as const;
export const connectionModes = ['subscriber', 'shared'] as const;
export type ConnectionMode = (typeof connectionModes)[number];

/**
 * `ISSUED` → `REDEEMING` (one hit won, and may call the provider once) → `EXCHANGED` (the provider's answer is sealed
 * in the row) → `COMPLETED`; with `PENDING` in between while the provider does not yet give what was approved, or the
 * Teams app is being installed; or `FAILED` from any of those before. A flow of the binding `confirm` goes from
 * `EXCHANGED` to `AWAITING_CONFIRMATION`, and is `EXCHANGED` again once it is confirmed, or once its end is decided.
 */
const flowStatuses = [
  'ISSUED',
  'REDEEMING',
  'EXCHANGED',
  'AWAITING_CONFIRMATION',
  'PENDING',
  'COMPLETED',
  'FAILED',
] as const;

/** Why a connection waits: the app is not (yet) known in the tenant, its roles are missing, or the provider is in trouble. */
const activationReasons = ['app_not_in_tenant', 'roles_missing', 'provider_unavailable'] as const;

/** Why the Teams app is not (yet) installed for a person who was linked. */
const installationReasons = [
  ...activationReasons,
  'provider_misconfigured',
  'provider_refused',
  'bot_not_in_catalog',
  'bot_app_mismatch',
  'bot_blocked',
  'bot_user_unknown',
  'bot_refused',
] as const;
export type InstallationReason = (typeof installationReasons)[number];

const pendingShape = {
  /** Who signed in. */
  personId: z.string(),
  /** What the provider called it the last time. */
  providerError: z.optional(z.string()),
  correlationId: z.optional(z.string()),
  /** Epoch milliseconds: of the beginning, and of the next try. */
  since: z.number(),
  nextTryAt: z.number(),
  tries: z.number(),
} as const;

const pendingSchema = z.discriminatedUnion('step', [
  /** The connection is approved, and cannot be used yet. */
  z.object({
    step: z.literal('activation'),
    ...pendingShape,
    reason: z.enum(activationReasons),
    connectionIdentifier: z.string(),
  }),
  /** The flow has its outcome, and the app is being installed for the person. */
  z.object({ step: z.literal('installation'), ...pendingShape, reason: z.optional(z.enum(installationReasons)) }),
]);
export type Pending = z.infer<typeof pendingSchema>;
export type ActivationPending = Extract<Pending, { step: 'activation' }>;
export type InstallationPending = Extract<Pending, { step: 'installation' }>;

const outcomeSchema = z.object({
  /** None for a link that goes without a connection, and for a webhook alone. */
  connectionIdentifier: z.optional(z.string()),
  endpointIdentifiers: z.array(z.string()),
  account: z.object({ id: z.string(), name: z.optional(z.string()) }),
  /** Name or id of the account that was connected before, when this flow changed it. */
  previousAccount: z.optional(z.string()),
  /** What became of the Teams app for the person who was linked, when it was to be installed. */
  installation: z.optional(
    z.object({ status: z.enum(['installed', 'failed']), reason: z.optional(z.enum(installationReasons)) }),
  ),
});
export type FlowOutcome = z.infer<typeof outcomeSchema>;

/** One attempt to connect or link. Times are epoch milliseconds, but for `expiresAt`. */
export const flowSchema = z.object({
  flowId: z.string(),
  environmentId: z.string(),
  integrationId: z.string(),
  providerId: z.enum(providerIds),
  mode: z.enum(flowModes),
  binding: z.enum(bindings),
  /** The step that the handle given out last belongs to. */
  stage: z.enum(['start', 'authorize', 'consent', 'sign_in']),
  /** Hash of the secret which that step expects. */
  secretHash: z.string(),
  /** Hash of the start link's secret: until the link ends, its bearer may begin the provider's step, also again. */
  ticketHash: z.optional(z.string()),
  ticketUsableUntil: z.optional(z.number()),
  /** Hash of the cookie of the browser that began the provider's step last: nobody else may go on. */
  cookieHash: z.optional(z.string()),
  /** Hash of the consent step's secret once the sign-in has begun: its bearer may begin the sign-in again. */
  consentSecretHash: z.optional(z.string()),
  /** The Microsoft tenant that the consent's redirect claims; nothing is believed of it before the sign-in. */
  claimedTenantId: z.optional(z.string()),
  status: z.enum(flowStatuses),
  issuedAt: z.number(),
  /** From here on the handle is refused. */
  usableUntil: z.number(),
  /** Epoch seconds for the table's TTL: later than anything still due. */
  expiresAt: z.number(),
  subscriberId: z.optional(z.string()),
  contextKeys: z.array(z.string()),
  connectionMode: z.optional(z.enum(connectionModes)),
  connectionIdentifier: z.optional(z.string()),
  /** It names neither subscriber nor context: its connection is that of the account which approves. */
  isInstall: z.optional(z.boolean()),
  autoLinkUser: z.boolean(),
  scopes: z.array(z.string()),
  userScopes: z.array(z.string()),
  /** The Slack workspace or enterprise that has to be the one that approved. */
  teamId: z.optional(z.string()),
  /** Text of the product's for the connection. */
  metadata: z.optional(z.string()),
  redirectUri: z.string(),
  returnUrl: z.optional(z.string()),
  /** Random id of the one hit that redeemed. */
  attempt: z.optional(z.string()),
  leaseUntil: z.optional(z.number()),
  /** Hash of the code (or of the provider's error) that ended `ISSUED`: only its bearer sees the outcome. */
  answerHash: z.optional(z.string()),
  /** The provider's raw answer, sealed; gone once the flow is over. */
  exchange: z.optional(z.string()),
  /** The time just before the exchange was sent: what everything written by this flow reflects. */
  asOf: z.optional(z.number()),
  /** Hash of the secret of the handle that the product's backend confirms with; the browser was given it last. */
  confirmHash: z.optional(z.string()),
  confirmedAt: z.optional(z.number()),
  outcome: z.optional(outcomeSchema),
  /** Of a flow that is not `FAILED` yet: its end is decided, and what it holds is still to be let go. */
  failure: z.optional(z.enum(flowFailureCodes)),
  /** What the provider called its refusal; from a fixed alphabet. */
  providerError: z.optional(z.string()),
  /** What Microsoft's support finds its own log lines by. */
  correlationId: z.optional(z.string()),
  pending: z.optional(pendingSchema),
  /** ISO time at which the sweep looks at the flow. */
  dueAt: z.optional(z.string()),
  finishedAt: z.optional(z.number()),
});
export type Flow = z.infer<typeof flowSchema>;

/** A flow that one hit has won: the only thing that an exchange accepts. */
export type RedeemedFlow = Flow & { attempt: string; leaseUntil: number; answerHash: string };

/** A flow whose exchange is sealed: the only thing that can be finished. */
export type ExchangedFlow = Flow & { attempt: string; exchange: string; asOf: number };

/** A flow whose exchange stays sealed until the product's backend confirms it. */
export type AwaitingFlow = ExchangedFlow & { confirmHash: string };

/** A flow that waits for the provider. */
export type PendingFlow = Flow & { attempt: string; asOf: number; pending: Pending };

/** What the rows written by a flow reflect. */
export type FinishableFlow = Flow & { attempt: string; asOf: number };

export function isOver({ status }: Flow): boolean {
  return status === 'COMPLETED' || status === 'FAILED';
}

/** The connection that a flow has made, or is about to make active. */
export function connectionIdentifierOf({ outcome, pending }: Flow): string | undefined {
  const waiting = pending?.step === 'activation' ? pending.connectionIdentifier : undefined;
  return outcome?.connectionIdentifier ?? waiting;
}
