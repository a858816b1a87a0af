import { openSecret } from '../integration/secrets.ts';
import type { Log } from '../log.ts';
import { endAtSlack } from '../providers/slack/revoke-token.ts';
import type { Fetch } from '../providers/slack/slack-http.ts';
import { dynamoConnectionStore } from '../store/connection-store.ts';
import type { Database } from '../store/database.ts';
import { dynamoEndpointStore } from '../store/endpoint-store.ts';
import { dynamoGrantStore } from '../store/grant-store.ts';
import { dynamoIntegrationStore } from '../store/integration-store.ts';
import { environmentVault } from '../vault/environment-vault.ts';
import type { KeyWrapper } from '../vault/key-wrapper.ts';
import type { DisconnectDeps } from './disconnect.ts';

export interface DisconnectParts {
  readonly db: Database;
  readonly keyWrapper: KeyWrapper;
  readonly slackBaseUrl: string;
  readonly log: Log;
  readonly fetch?: Fetch;
  readonly now?: () => number;
}

/** What it takes to end connections of any provider: Microsoft gives no token that would have to be ended. */
export function composeDisconnect(parts: DisconnectParts): DisconnectDeps {
  const { db, slackBaseUrl, log, fetch = globalThis.fetch, now = Date.now } = parts;
  const vault = environmentVault({ db, keyWrapper: parts.keyWrapper, now });
  return {
    connections: dynamoConnectionStore(db),
    endpoints: dynamoEndpointStore(db),
    grants: dynamoGrantStore(db),
    integrations: dynamoIntegrationStore(db),
    vault,
    log,
    now,
    endAtProvider: endAtSlack({
      fetch,
      slackBaseUrl,
      clientSecretOf: (integration) => openSecret(vault, integration, 'secretKey'),
    }),
  };
}
