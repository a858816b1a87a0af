import { ChatConnectError } from '../errors.ts';
import { findSlackApp } from '../integration/find-slack-app.ts';
import type { Integration } from '../integration/integration.ts';
import { openSecret } from '../integration/secrets.ts';
import type { Log } from '../log.ts';
import { isSignedWith, isTimely, readSignature } from '../providers/slack/request-signature.ts';
import type { IntegrationStore } from '../store/integration-store.ts';
import type { Vault } from '../vault/vault.ts';
import { rawBody } from './json-body.ts';
import type { HttpEvent } from './types.ts';

export interface AuthenticateSlackDeps {
  readonly integrations: Pick<IntegrationStore, 'get'>;
  readonly vault: Vault;
  readonly log: Log;
  now(): number;
}

/**
 * The integration that a request is for, when Slack has signed it with that integration's signing secret. The answer to
 * any other is always the same; the log says what is wrong.
 * @throws ChatConnectError `signature_invalid`
 */
export async function authenticateSlack(deps: AuthenticateSlackDeps, event: HttpEvent): Promise<Integration> {
  const refuse = (reason: string, integration?: Integration) => {
    const { environmentId, integrationId } = integration ?? {};
    deps.log.warn('a request is not proven to be from Slack', { environmentId, integrationId, reason });
    return new ChatConnectError('signature_invalid', 'The request is not signed by Slack for this integration.');
  };
  const signature = readSignature(event.headers);
  if (!signature) throw refuse('signature_missing');
  if (!isTimely(signature, deps.now())) throw refuse('timestamp_too_far');
  const integration = await findSlackApp(deps, event.pathParameters?.['integrationId'] ?? '');
  if (!integration) throw refuse('integration_unknown');
  const signingSecret = await openSecret(deps.vault, integration, 'signingSecret');
  if (signingSecret === undefined) throw refuse('signing_secret_missing', integration);
  if (!isSignedWith(signingSecret, signature, rawBody(event))) throw refuse('signature_mismatch', integration);
  return integration;
}
