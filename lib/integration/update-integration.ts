import { randomToken } from '../crypto.ts';
import { ChatConnectError } from '../errors.ts';
import type { ConnectionStore } from '../store/connection-store.ts';
import type { IntegrationStore } from '../store/integration-store.ts';
import type { Vault } from '../vault/vault.ts';
import type { Configurations, Credentials, Integration } from './integration.ts';
import type { ConfigurationsChange } from './request-schemas.ts';
import { requireUsable, requireWellFormed } from './require-usable.ts';
import { sealCredentials } from './secrets.ts';

export interface UpdateIntegrationDeps {
  readonly integrations: Pick<IntegrationStore, 'get' | 'replace'>;
  readonly connections: Pick<ConnectionStore, 'ofIntegration'>;
  readonly vault: Vault;
  now(): number;
}

export interface IntegrationChange {
  readonly name?: string | undefined;
  /** Cannot be changed; the same one may be repeated. */
  readonly identifier?: string | undefined;
  readonly active?: boolean | undefined;
  /** In place of all that are kept. */
  readonly credentials?: Credentials | undefined;
  readonly configurations?: ConfigurationsChange | undefined;
}

/** A change has this many rounds to win against others of the same integration. */
const maxRounds = 10;

/**
 * Changes an integration in one write, on top of whatever others change at the same time.
 * @returns undefined when the environment has no such integration
 * @throws ChatConnectError `no_properties`, `identifier_immutable`, `client_id_in_use`; `conflict` when others kept changing it; whatever
 * `requireUsable` and `requireWellFormed` find
 */
export async function updateIntegration(
  deps: UpdateIntegrationDeps,
  environmentId: string,
  integrationId: string,
  change: IntegrationChange,
): Promise<Integration | undefined> {
  for (let round = 0; round < maxRounds; round += 1) {
    const integration = await deps.integrations.get(integrationId, environmentId);
    if (!integration) return undefined;
    if (Object.keys(change).length === 0) {
      throw new ChatConnectError('no_properties', 'No properties found for update');
    }
    const changed = await changedBy(deps, integration, change);
    if (await deps.integrations.replace(changed, integration, deps.now())) return changed;
  }
  throw new ChatConnectError('conflict', 'The integration is being changed by others. Please try again.');
}

async function changedBy(
  deps: UpdateIntegrationDeps,
  integration: Integration,
  { name = integration.name, active = integration.active, identifier, credentials, ...change }: IntegrationChange,
): Promise<Integration> {
  const { providerId } = integration;
  if (identifier !== undefined && identifier !== integration.identifier) {
    throw new ChatConnectError('identifier_immutable', 'The identifier of an integration cannot be changed.');
  }
  const configurations = merged(integration.configurations, change.configurations);
  requireUsable(
    providerId,
    configurations,
    credentials ?? { ...integration.credentials, ...integration.sealedCredentials },
  );
  if (credentials) {
    requireWellFormed(providerId, credentials);
    if (credentials.clientId !== integration.credentials.clientId) await requireUnconnected(deps, integration);
  }
  return {
    ...integration,
    ...(credentials && (await sealCredentials(deps.vault, integration, credentials))),
    name,
    active,
    configurations,
    updatedAt: new Date(deps.now()).toISOString(),
    revision: randomToken(12),
  };
}

function merged(configurations: Configurations, change: ConfigurationsChange = {}): Configurations {
  const entries = Object.entries({ ...configurations, ...change }).filter(([, value]) => value !== null);
  return Object.fromEntries(entries) as Configurations;
}

/** What an app was granted can be used with its own client id only. */
async function requireUnconnected(
  deps: UpdateIntegrationDeps,
  { environmentId, integrationId }: Integration,
): Promise<void> {
  for await (const _connection of deps.connections.ofIntegration(environmentId, integrationId)) {
    throw new ChatConnectError(
      'client_id_in_use',
      'credentials.clientId cannot be changed while the integration has connections: they are of the app that it names. Delete them first, or create another integration.',
    );
  }
}
