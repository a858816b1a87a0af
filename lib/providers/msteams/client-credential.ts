import { FlowFailure } from '../../flow/flow-failure.ts';
import type { Integration } from '../../integration/integration.ts';
import { openSecret } from '../../integration/secrets.ts';
import type { Log } from '../../log.ts';
import type { Vault } from '../../vault/vault.ts';
import type { AwsAssertion } from './aws-assertion.ts';
import type { ClientCredential } from './entra.ts';
import type { IsFederated } from './federated-clients.ts';

export interface ClientCredentialDeps {
  readonly vault: Vault;
  /** Asked for integrations of `clientAuth: aws` only. */
  readonly awsAssertion: AwsAssertion;
  readonly isFederated: IsFederated;
  readonly log: Log;
}

/**
 * Opens what an Entra app proves itself with.
 * @throws FlowFailure `provider_misconfigured` when there is nothing, or the role of the functions may not be used for it
 */
export async function openClientCredential(
  deps: ClientCredentialDeps,
  integration: Integration,
): Promise<ClientCredential> {
  const { clientAuth } = integration.configurations;
  if (clientAuth === 'aws') {
    if (!deps.isFederated(integration.environmentId, integration.credentials.clientId ?? '')) {
      deps.log.warn('this environment may not use the role of the functions for this app', {
        environmentId: integration.environmentId,
        integrationId: integration.integrationId,
      });
      throw new FlowFailure('provider_misconfigured');
    }
    return { assertion: await deps.awsAssertion() };
  }
  const byCertificate = clientAuth === 'certificate';
  const opened = await openSecret(deps.vault, integration, byCertificate ? 'certificate' : 'secretKey');
  if (opened === undefined) throw new FlowFailure('provider_misconfigured');
  return byCertificate ? { certificate: opened } : { secret: opened };
}
