import { randomObjectId, randomToken } from '../crypto.ts';
import type { EnvironmentStore } from '../store/environment-store.ts';
import type { KeyWrapper } from '../vault/key-wrapper.ts';
import { createVault } from '../vault/vault.ts';
import type { Environment } from './environment.ts';

export interface CreateEnvironmentDeps {
  readonly environments: Pick<EnvironmentStore, 'put'>;
  readonly keyWrapper: KeyWrapper;
  now(): number;
}

/** Makes an environment with a data key of its own and a sealed signing secret. */
export async function createEnvironment(
  deps: CreateEnvironmentDeps,
  request: { readonly name: string; readonly environmentId?: string; readonly signingSecret?: string },
): Promise<Environment> {
  const { environmentId = randomObjectId(), name, signingSecret = randomToken(32) } = request;
  const { wrapped } = await deps.keyWrapper.generateDataKey(environmentId);
  const vault = createVault({ ...deps, wrappedDataKey: async () => wrapped });
  const environment: Environment = {
    environmentId,
    name,
    wrappedDataKey: wrapped,
    signingSecret: await vault.seal(signingSecret, {
      environmentId,
      item: environmentId,
      field: 'signingSecret',
      version: '1',
    }),
    createdAt: new Date(deps.now()).toISOString(),
  };
  await deps.environments.put(environment);
  return environment;
}
