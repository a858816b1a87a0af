import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { InstallationStore, StateStore } from '@slack/oauth';
import { expiringCache } from '../expiring-cache.ts';
import { awsDatabase, documentClient } from '../store/aws-database.ts';
import { dynamoConnectionStore } from '../store/connection-store.ts';
import type { Database } from '../store/database.ts';
import { dynamoEndpointStore } from '../store/endpoint-store.ts';
import { dynamoGrantStore } from '../store/grant-store.ts';
import { dynamoIntegrationStore } from '../store/integration-store.ts';
import { dynamoSlackInstallationStore } from '../store/slack-installation-store.ts';
import { dynamoSlackStateStore } from '../store/slack-state-store.ts';
import { awsKeyWrapper } from '../vault/aws-key-wrapper.ts';
import { environmentVault } from '../vault/environment-vault.ts';
import type { KeyWrapper } from '../vault/key-wrapper.ts';
import { deleteInstallation } from './delete-installation.ts';
import { fetchInstallation } from './fetch-installation.ts';
import type { InstallationDeps } from './installation.ts';
import { createStateStore } from './state-store.ts';
import { storeInstallation } from './store-installation.ts';

export type { KeyWrapper } from '../vault/key-wrapper.ts';
export { answerHttpEvent, type HttpApiEvent, type HttpApiResult } from './http-event.ts';
export { InstallationError, type InstallationErrorCode } from './installation-error.ts';

/** Where a store's rows are, and whose they are. */
export interface SlackStoreOptions {
  /** Names of the tables: the stack's outputs `ConnectionsTableName` and `FlowsTableName`. */
  readonly tables: { readonly connections: string; readonly flows: string };
  /** ARN of the key that guards the environments' data keys: the stack's output `VaultKeyArn`. Or what stands in for it. */
  readonly vaultKey: string | KeyWrapper;
  readonly environmentId: string;
  /** `_id` of a Slack integration of the environment. */
  readonly integrationId: string;
  /** @default a client with the credentials and the region of the process */
  readonly client?: DynamoDBClient;
  /** Epoch milliseconds. @default Date.now */
  readonly now?: () => number;
}

export interface StateStoreOptions extends SlackStoreOptions {
  /** How long an install may take, from its state to Slack's redirect. @default 600 */
  readonly expirationSeconds?: number;
}

/** A warm process goes on with a deleted integration for so long at most. */
const integrationCacheMilliseconds = 30_000;

/**
 * An installation store for Bolt and InstallProvider on Chat Connect's tables. It answers for every workspace that is
 * connected through the integration, and what an app's own OAuth stores is a connection of the integration.
 */
export function installationStore(options: SlackStoreOptions): Required<InstallationStore> {
  const { environmentId, integrationId } = options;
  const { db, vault, now } = placeOf(options);
  const integrations = dynamoIntegrationStore(db);
  const cached = expiringCache({ milliseconds: integrationCacheMilliseconds, now }, (id) =>
    integrations.get(id, environmentId),
  );
  const deps: InstallationDeps = {
    environmentId,
    integrationId,
    installations: dynamoSlackInstallationStore(db),
    grants: dynamoGrantStore(db),
    connections: dynamoConnectionStore(db),
    endpoints: dynamoEndpointStore(db),
    vault,
    findIntegration: () => cached(integrationId),
    now,
  };
  return {
    fetchInstallation: (query) => fetchInstallation(deps, query),
    storeInstallation: (installation) => storeInstallation(deps, installation),
    deleteInstallation: (query) => deleteInstallation(deps, query),
  };
}

/** A state store for InstallProvider: each state works once, for this integration, until it expires. */
export function stateStore(options: StateStoreOptions): StateStore {
  const { environmentId, integrationId, expirationSeconds = 600 } = options;
  const { db, vault } = placeOf(options);
  return createStateStore({
    states: dynamoSlackStateStore(db),
    vault,
    environmentId,
    integrationId,
    expirationSeconds,
  });
}

function placeOf({ tables, vaultKey, client, now = Date.now }: SlackStoreOptions) {
  const db: Database = client
    ? { client: documentClient(client), tables }
    : awsDatabase({ CONNECTIONS_TABLE: tables.connections, FLOWS_TABLE: tables.flows });
  const keyWrapper = typeof vaultKey === 'string' ? awsKeyWrapper({ VAULT_KEY_ARN: vaultKey }) : vaultKey;
  return { db, vault: environmentVault({ db, keyWrapper, now }), now };
}
