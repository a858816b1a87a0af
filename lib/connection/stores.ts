import type { Log } from '../log.ts';
import { dynamoConnectionStore } from '../store/connection-store.ts';
import type { Database } from '../store/database.ts';
import { dynamoEndpointStore } from '../store/endpoint-store.ts';
import { dynamoGrantStore } from '../store/grant-store.ts';
import { dynamoIntegrationStore } from '../store/integration-store.ts';
import { environmentVault } from '../vault/environment-vault.ts';
import type { KeyWrapper } from '../vault/key-wrapper.ts';

export interface StoreParts {
  readonly db: Database;
  readonly keyWrapper: KeyWrapper;
  readonly log: Log;
  readonly now?: () => number;
}

export type Stores = ReturnType<typeof composeStores>;

/** The rows that make a connection, and the vault that seals them. One vault per function: each has a cache of data keys. */
export function composeStores({ db, keyWrapper, log, now = Date.now }: StoreParts) {
  return {
    connections: dynamoConnectionStore(db),
    endpoints: dynamoEndpointStore(db),
    grants: dynamoGrantStore(db),
    integrations: dynamoIntegrationStore(db),
    vault: environmentVault({ db, keyWrapper, now }),
    log,
    now,
  };
}
