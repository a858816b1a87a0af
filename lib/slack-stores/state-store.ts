import { type InstallURLOptions, InvalidStateError, type StateStore } from '@slack/oauth';
import * as z from 'zod/mini';
import { hashOf, randomToken } from '../crypto.ts';
import type { SlackStateStore } from '../store/slack-state-store.ts';
import type { Vault } from '../vault/vault.ts';

export interface StateStoreDeps {
  readonly states: SlackStateStore;
  readonly vault: Vault;
  readonly environmentId: string;
  readonly integrationId: string;
  readonly expirationSeconds: number;
}

const stateForm = /^[A-Za-z0-9_-]{43}$/;

const scopes = z.union([z.string(), z.array(z.string())]);
const installOptionsSchema = z.looseObject({
  scopes,
  teamId: z.optional(z.string()),
  redirectUri: z.optional(z.string()),
  userScopes: z.optional(scopes),
  metadata: z.optional(z.string()),
});

/**
 * States that work once, for their integration, until they expire. Of a state the table holds its hash, and sealed what
 * the install was begun with.
 */
export function createStateStore(deps: StateStoreDeps): StateStore {
  const { environmentId, integrationId } = deps;
  const placeOf = (stateHash: string) => ({
    environmentId,
    item: stateHash,
    field: 'installOptions',
    version: integrationId,
  });
  return {
    async generateStateParam(installOptions: InstallURLOptions, now: Date) {
      const state = randomToken(32);
      const stateHash = hashOf('slack state', integrationId, state);
      await deps.states.put(environmentId, stateHash, {
        installOptions: await deps.vault.seal(JSON.stringify(installOptions), placeOf(stateHash)),
        usableUntil: now.getTime() + deps.expirationSeconds * 1000,
      });
      return state;
    },
    /** @throws InvalidStateError when the state is unknown, used, too old or another integration's */
    async verifyStateParam(now: Date, state: string) {
      const stateHash = hashOf('slack state', integrationId, state);
      const taken = stateForm.test(state)
        ? await deps.states.take(environmentId, stateHash, { attempt: randomToken(16), now: now.getTime() })
        : undefined;
      // Nothing is told apart: whoever tries states learns nothing of them.
      if (!taken) throw new InvalidStateError('The state is unknown, was used already or has expired');
      const opened = await deps.vault.open(taken.installOptions, placeOf(stateHash));
      return installOptionsSchema.parse(JSON.parse(opened)) as InstallURLOptions;
    },
  };
}
