import type { Database } from '../store/database.ts';
import { dynamoEnvironmentStore } from '../store/environment-store.ts';
import type { KeyWrapper } from './key-wrapper.ts';
import { createVault, type Vault } from './vault.ts';

/** The vault whose wrapped data keys stand in the environments' rows. */
export function environmentVault(deps: { db: Database; keyWrapper: KeyWrapper; now(): number }): Vault {
  const environments = dynamoEnvironmentStore(deps.db);
  return createVault({
    keyWrapper: deps.keyWrapper,
    now: deps.now,
    wrappedDataKey: async (environmentId) => (await environments.get(environmentId))?.wrappedDataKey,
  });
}
