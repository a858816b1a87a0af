import type { Vault } from '../vault/vault.ts';
import type { Endpoint } from './endpoint.ts';
import { openWebhookUrl } from './webhook-url.ts';

/** As the contract's clients read it. */
export async function shownEndpoint(vault: Vault, endpoint: Endpoint) {
  return {
    identifier: endpoint.identifier,
    channel: 'chat',
    providerId: endpoint.providerId,
    integrationIdentifier: endpoint.integrationIdentifier,
    connectionIdentifier: endpoint.connectionIdentifier ?? null,
    subscriberId: endpoint.subscriberId,
    contextKeys: endpoint.contextKeys,
    type: endpoint.target.type,
    endpoint: await payloadOf(vault, endpoint),
    createdAt: endpoint.createdAt,
    updatedAt: endpoint.updatedAt,
  };
}

/** Exactly the keys of its type: the contract's clients tell the types apart by them. */
async function payloadOf(vault: Vault, endpoint: Endpoint) {
  const { target } = endpoint;
  if (target.type === 'slack_user') return { userId: target.userId };
  if (target.type === 'ms_teams_user') return { userId: target.userId, tenantId: target.tenantId };
  return { url: await openWebhookUrl(vault, endpoint, target.sealedUrl), channel: target.channel };
}
