import { validationError } from '../errors.ts';
import { readCertificate } from '../providers/msteams/certificate.ts';
import { isGuid } from '../providers/msteams/tenant.ts';
import type { Configurations, Credentials, ProviderId } from './integration.ts';

/** What an app brings to prove itself with; on AWS its function's role is proof enough. */
const proofs = { secret: ['secretKey'], certificate: ['certificate'], aws: [] } as const;

/**
 * @param held credentials by name; of secrets it counts only that they are there
 * @throws ChatConnectError `validation_failed` without a client id or proof, and when settings contradict each other
 */
export function requireUsable(providerId: ProviderId, configurations: Configurations, held: Credentials): void {
  const proof = proofs[providerId === 'msteams' ? (configurations.clientAuth ?? 'secret') : 'secret'];
  const missing = (['clientId', ...proof] as const).filter((name) => held[name] === undefined);
  if (missing.length > 0) throw validationError(missing.map((name) => `credentials.${name}: is required`));
  const { allowedScopes, requiredScopes = [] } = configurations;
  const refused = requiredScopes.filter((scope) => allowedScopes && !allowedScopes.includes(scope));
  if (refused.length > 0) {
    throw validationError([
      `configurations.requiredScopes: configurations.allowedScopes does not have ${refused.join(', ')}`,
    ]);
  }
}

/** @throws ChatConnectError `validation_failed` when the provider could not have given such credentials */
export function requireWellFormed(providerId: ProviderId, { clientId, certificate }: Credentials): void {
  if (providerId === 'msteams' && !isGuid(clientId ?? '')) {
    throw validationError(['credentials.clientId: must be the application (client) id of the Entra app, a GUID']);
  }
  if (certificate !== undefined && !readCertificate(certificate)) {
    throw validationError([
      'credentials.certificate: must be PEM text of a certificate and its unencrypted RSA private key',
    ]);
  }
}
