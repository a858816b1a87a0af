import { setTimeout as wait } from 'node:timers/promises';
import { appOnlyCache } from '../grant/app-only-cache.ts';
import { type ClientCredentialDeps, openClientCredential } from '../providers/msteams/client-credential.ts';
import { requestAppOnlyToken } from '../providers/msteams/entra.ts';
import { refreshSlackToken } from '../providers/slack/refresh-token.ts';
import { testSlackToken } from '../providers/slack/test-token.ts';
import type { ConnectionTokenDeps } from './connection-token.ts';
import { composeDisconnect, type DisconnectParts } from './disconnect-deps.ts';
import { composeStores, type Stores } from './stores.ts';
import type { VerifyDeps } from './verify-connection.ts';

export interface TokenParts extends DisconnectParts, Omit<ClientCredentialDeps, 'vault'> {
  readonly microsoftLoginBaseUrl: string;
}

/** Puts together what asks the providers for tokens and about them, and ends those that nobody needs. */
export function composeTokens(parts: TokenParts, stores: Stores = composeStores(parts)) {
  const { slackBaseUrl, fetch = globalThis.fetch } = parts;
  const disconnecting = composeDisconnect(parts, stores);
  const { vault } = stores;
  const entra = { loginBaseUrl: parts.microsoftLoginBaseUrl, fetch };
  return {
    ...disconnecting,
    wait: (milliseconds) => wait(milliseconds),
    refreshToken: (request) => refreshSlackToken(fetch, slackBaseUrl, request),
    testToken: (token) => testSlackToken(fetch, slackBaseUrl, token),
    appOnlyTokens: appOnlyCache(disconnecting),
    async requestAppOnlyToken(integration, tenantId, resource) {
      const credential = await openClientCredential({ ...parts, vault }, integration);
      return requestAppOnlyToken(entra, integration, credential, tenantId, resource);
    },
  } satisfies VerifyDeps & ConnectionTokenDeps;
}
