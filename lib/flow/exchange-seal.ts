import type { FlowStore } from '../store/flow-store.ts';
import type { Vault } from '../vault/vault.ts';
import { dueSoon } from './confirmation.ts';
import { type ExchangedFlow, type RedeemedFlow, resumeMilliseconds } from './flow.ts';

/** Seals a provider's raw answer into its flow, and opens it again. */
export function exchangeSeal(deps: { vault: Vault; flows: Pick<FlowStore, 'keepExchange'>; now(): number }) {
  const placeOf = (flow: { environmentId: string; flowId: string; attempt: string }) => ({
    environmentId: flow.environmentId,
    item: flow.flowId,
    field: 'exchange',
    version: flow.attempt,
  });
  return {
    async keep(flow: RedeemedFlow, answer: string, asOf: number): Promise<ExchangedFlow | undefined> {
      const now = deps.now();
      return deps.flows.keepExchange(flow, {
        exchange: await deps.vault.seal(answer, placeOf(flow)),
        asOf,
        // A hit finishes it; when none comes, the sweep does.
        dueAt: dueSoon(now),
        expiresAt: Math.ceil((now + resumeMilliseconds) / 1000),
      });
    },
    open: (flow: ExchangedFlow): Promise<string> => deps.vault.open(flow.exchange, placeOf(flow)),
  };
}
