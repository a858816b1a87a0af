import { randomObjectId, randomToken } from '../crypto.ts';
import { ChatConnectError } from '../errors.ts';
import type { IntegrationStore } from '../store/integration-store.ts';
import type { Vault } from '../vault/vault.ts';
import type { Configurations, Credentials, Integration, ProviderId } from './integration.ts';
import { requireUsable, requireWellFormed } from './require-usable.ts';
import { sealCredentials } from './secrets.ts';

export interface CreateIntegrationDeps {
  readonly integrations: Pick<IntegrationStore, 'create'>;
  readonly vault: Vault;
  now(): number;
}

export interface NewIntegration {
  readonly providerId: ProviderId;
  readonly name?: string | undefined;
  readonly identifier?: string | undefined;
  readonly active?: boolean | undefined;
  readonly credentials: Credentials;
  readonly configurations?: Configurations | undefined;
}

const displayNames: Record<ProviderId, string> = { slack: 'Slack', msteams: 'MS Teams' };

/**
 * Stores an app of the provider's with its secrets sealed.
 * @throws ChatConnectError `conflict` when the identifier is taken; whatever `requireUsable` and `requireWellFormed` find
 */
export async function createIntegration(
  deps: CreateIntegrationDeps,
  environmentId: string,
  request: NewIntegration,
): Promise<Integration> {
  const { providerId, credentials, configurations = {} } = request;
  requireUsable(providerId, configurations, credentials);
  requireWellFormed(providerId, credentials);
  const name = request.name ?? displayNames[providerId];
  const createdAt = new Date(deps.now()).toISOString();
  const place = { environmentId, integrationId: randomObjectId() };
  const integration: Integration = {
    ...place,
    ...(await sealCredentials(deps.vault, place, credentials)),
    identifier: request.identifier ?? `${slugOf(name) || providerId}-${randomToken(6).replace(/[-_]/g, '0')}`,
    name,
    providerId,
    active: request.active ?? false,
    configurations,
    state: 'living',
    createdAt,
    updatedAt: createdAt,
    revision: randomToken(12),
  };
  if (await deps.integrations.create(integration, deps.now())) return integration;
  throw new ChatConnectError('conflict', 'Integration with identifier already exists');
}

function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60);
}
