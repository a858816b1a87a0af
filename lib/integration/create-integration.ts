import { randomObjectId, randomToken } from '../crypto.ts';
import { ChatConnectError, validationError } from '../errors.ts';
import { readCertificate } from '../providers/msteams/certificate.ts';
import { isGuid } from '../providers/msteams/tenant.ts';
import type { IntegrationStore } from '../store/integration-store.ts';
import type { Vault } from '../vault/vault.ts';
import {
  type Configurations,
  type Credentials,
  type Integration,
  type ProviderId,
  secretNames,
} from './integration.ts';
import { sealSecrets } from './secrets.ts';

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

/** What an app brings to prove itself with; on AWS its function's role is proof enough. */
const proofs = { secret: ['secretKey'], certificate: ['certificate'], aws: [] } as const;

const displayNames: Record<ProviderId, string> = { slack: 'Slack', msteams: 'MS Teams' };

/**
 * Stores an app of the provider's with its secrets sealed.
 * @throws ChatConnectError `conflict` when the identifier is taken, `validation_failed` without a client id or proof
 */
export async function createIntegration(
  deps: CreateIntegrationDeps,
  environmentId: string,
  request: NewIntegration,
): Promise<Integration> {
  const { providerId, credentials, configurations = {} } = request;
  const proof = proofs[providerId === 'msteams' ? (configurations.clientAuth ?? 'secret') : 'secret'];
  const missing = (['clientId', ...proof] as const).filter((name) => credentials[name] === undefined);
  if (missing.length > 0) throw validationError(missing.map((name) => `credentials.${name}: is required`));
  if (providerId === 'msteams' && !isGuid(credentials.clientId ?? '')) {
    throw validationError(['credentials.clientId: must be the application (client) id of the Entra app, a GUID']);
  }
  if (proof === proofs.certificate && !readCertificate(credentials.certificate ?? '')) {
    throw validationError([
      'credentials.certificate: must be PEM text of a certificate and its unencrypted RSA private key',
    ]);
  }
  const name = request.name ?? displayNames[providerId];
  const createdAt = new Date(deps.now()).toISOString();
  const place = { environmentId, integrationId: randomObjectId(), sealVersion: randomToken(9) };
  const { clientId, applicationId, tenantId, redirectUrl, hmac } = credentials;
  const integration: Integration = {
    ...place,
    identifier: request.identifier ?? `${slugOf(name) || providerId}-${randomToken(6).replace(/[-_]/g, '0')}`,
    name,
    providerId,
    active: request.active ?? false,
    credentials: { clientId, applicationId, tenantId, redirectUrl, hmac },
    sealedCredentials: await sealSecrets(
      deps.vault,
      place,
      Object.fromEntries(secretNames.map((secret) => [secret, credentials[secret]])),
    ),
    configurations,
    state: 'living',
    createdAt,
    updatedAt: createdAt,
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
