import { openSecret } from '../integration/secrets.ts';
import { endAtSlack } from '../providers/slack/revoke-token.ts';
import type { Fetch } from '../providers/slack/slack-http.ts';
import type { DisconnectDeps } from './disconnect.ts';
import { composeStores, type StoreParts, type Stores } from './stores.ts';

export interface DisconnectParts extends StoreParts {
  readonly slackBaseUrl: string;
  readonly fetch?: Fetch;
}

/** What it takes to end connections of any provider: Microsoft gives no token that would have to be ended. */
export function composeDisconnect(
  parts: DisconnectParts,
  stores: Stores = composeStores(parts),
): DisconnectDeps & Stores {
  const { slackBaseUrl, fetch = globalThis.fetch } = parts;
  return {
    ...stores,
    endAtProvider: endAtSlack({
      fetch,
      slackBaseUrl,
      clientSecretOf: (integration) => openSecret(stores.vault, integration, 'secretKey'),
    }),
  };
}
