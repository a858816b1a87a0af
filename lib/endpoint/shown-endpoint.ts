import type { Vault } from '../vault/vault.ts';
import type { Endpoint } from './endpoint.ts';
import { payloadOf } from './payload.ts';

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
