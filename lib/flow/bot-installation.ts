import type { Integration } from '../integration/integration.ts';
import type { AppOnlyToken } from '../providers/msteams/entra.ts';
import {
  type BotInstallation,
  canInstall,
  type InstallationProblem,
  manifestIdOf,
} from '../providers/msteams/install-bot.ts';
import { nextTryAt } from './activation.ts';
import { type CallbackOutcome, ended, type FinishFlowDeps, logFields, type Obtained } from './finish-flow.ts';
import {
  type Flow,
  type FlowOutcome,
  type InstallationPending,
  type InstallationReason,
  type PendingFlow,
  pendingRowEnd,
} from './flow.ts';
import { FlowFailure } from './flow-failure.ts';
import { endAt } from './receive-callback.ts';

export interface InstallationDeps extends FinishFlowDeps {
  /** Asks Entra each time: a token of before a consent would lack what the consent gave. */
  requestAppOnlyToken(integration: Integration, tenantId: string): Promise<AppOnlyToken>;
  /** @returns undefined when the app is installed */
  installBot(installation: BotInstallation): Promise<InstallationProblem | undefined>;
}

const longestRetryAfterSeconds = 60 * 60;

/**
 * Holds a flow that has linked a person until the Teams app is installed for them, and tries that once if there is time.
 * From here on the flow cannot fail: its outcome stands, whatever becomes of the installation.
 * @param tryUntil epoch milliseconds
 * @returns undefined when nothing is to be installed
 */
export async function beginInstallation(
  deps: InstallationDeps,
  { flow, granted }: Obtained,
  integration: Integration,
  outcome: FlowOutcome,
  tryUntil: number,
): Promise<Flow | undefined> {
  const personId = granted.user?.userId;
  const isLinked = outcome.endpointIdentifiers.length > 0;
  if (!integration.configurations.installBot || !isLinked || personId === undefined) return undefined;
  const since = deps.now();
  const next = nextTryAt({ since, reason: undefined }, since) ?? since;
  const tries = (flow.pending?.tries ?? 0) + 1;
  const pending: InstallationPending = { step: 'installation', personId, since, nextTryAt: next, tries };
  const held = { pending, outcome, dueAt: new Date(next).toISOString(), expiresAt: pendingRowEnd(since) };
  const waiting = flow.pending
    ? await deps.flows.postpone(flow as PendingFlow, held)
    : await deps.flows.hold(flow, held);
  if (!waiting) return (await deps.flows.get(flow.flowId)) ?? flow;
  deps.log.info('flow pending', { ...logFields(waiting), step: 'installation' });
  return deps.now() < tryUntil ? tryInstallation(deps, waiting, pending, integration) : waiting;
}

/** Tries again: by the open page, or by the sweep. */
export async function retryInstallation(
  deps: InstallationDeps,
  flow: PendingFlow,
  pending: InstallationPending,
): Promise<CallbackOutcome> {
  const integration = await deps.integrations.get(flow.integrationId, flow.environmentId);
  return ended(deps, await tryInstallation(deps, flow, pending, integration), integration);
}

async function tryInstallation(
  deps: InstallationDeps,
  flow: PendingFlow,
  pending: InstallationPending,
  integration: Integration | undefined,
): Promise<Flow> {
  const outcome = flow.outcome ?? { endpointIdentifiers: [], account: { id: '' } };
  const endpoints = outcome.endpointIdentifiers.map((each) => deps.endpoints.find(flow.environmentId, each));
  const isLinked = (await Promise.all(endpoints)).some((endpoint) => endpoint !== undefined);
  // Nothing is installed for a person who was unlinked, or once the product does not want it any more.
  if (!isLinked || !integration?.configurations.installBot) return complete(deps, flow, outcome);
  const problem = await install(deps, integration, outcome.account.id, pending.personId);
  if (!problem) return complete(deps, flow, { ...outcome, installation: { status: 'installed' } });
  const { reason, retryAfterSeconds = 0, providerError, correlationId } = problem;
  const now = deps.now();
  const scheduled = nextTryAt({ since: pending.since, reason }, now);
  const fields = { ...logFields(flow), reason, providerError, correlationId, tries: pending.tries };
  if (scheduled === undefined) {
    deps.log.warn('bot installation given up', fields);
    return complete(deps, flow, { ...outcome, installation: { status: 'failed', reason } });
  }
  deps.log.info('bot not installed yet', fields);
  const next = Math.max(scheduled, now + Math.min(retryAfterSeconds, longestRetryAfterSeconds) * 1_000);
  const postponed = await deps.flows.postpone(flow, {
    pending: { ...pending, reason, nextTryAt: next, tries: pending.tries + 1 },
    dueAt: new Date(next).toISOString(),
  });
  return postponed ?? (await deps.flows.get(flow.flowId)) ?? flow;
}

async function install(
  deps: InstallationDeps,
  integration: Integration,
  tenantId: string,
  userId: string,
): Promise<InstallationProblem | undefined> {
  try {
    const { accessToken, roles } = await deps.requestAppOnlyToken(integration, tenantId);
    if (!canInstall(roles)) return { reason: 'roles_missing' };
    return await deps.installBot({ accessToken, manifestId: manifestIdOf(integration), userId });
  } catch (error) {
    if (!(error instanceof FlowFailure)) throw error;
    const { providerError, correlationId } = error;
    return { reason: reasonOfToken(error), providerError, correlationId };
  }
}

function reasonOfToken({ code }: FlowFailure): InstallationReason {
  if (code === 'app_not_in_tenant' || code === 'provider_unavailable' || code === 'provider_misconfigured') return code;
  return 'provider_refused';
}

async function complete(deps: InstallationDeps, flow: PendingFlow, outcome: FlowOutcome): Promise<Flow> {
  const completed = await deps.flows.complete(flow, { outcome, ...endAt(deps.now()) });
  const installation = outcome.installation?.status;
  if (completed) deps.log.info('flow completed', { ...logFields(completed), installation });
  return completed ?? (await deps.flows.get(flow.flowId)) ?? flow;
}
