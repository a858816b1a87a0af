import { setTimeout as wait } from 'node:timers/promises';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { InstallationStore, StateStore } from '@slack/oauth';
import { composeDisconnect } from '../connection/disconnect-deps.ts';
import { expiringCache } from '../expiring-cache.ts';
import type { Log } from '../log.ts';
import { refreshSlackToken } from '../providers/slack/refresh-token.ts';
import { awsDatabase, documentClient } from '../store/aws-database.ts';
import type { Database } from '../store/database.ts';
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
  /** Where Slack is. @default https://slack.com */
  readonly slackBaseUrl?: string;
  /** Told what happens, by ids; a logger of Slack's or the console will do. @default nobody is told */
  readonly log?: Log;
  /** Epoch milliseconds. @default Date.now */
  readonly now?: () => number;
}

export interface StateStoreOptions extends SlackStoreOptions {
  /** How long an install may take, from its state to Slack's redirect. @default 600 */
  readonly expirationSeconds?: number;
}

const silent: Log = { info() {}, warn() {}, error() {} };

/** A warm process goes on with a deleted integration for so long at most. */
const integrationCacheMilliseconds = 30_000;

/**
 * An installation store for Bolt and InstallProvider on Chat Connect's tables. It answers for every workspace that is
 * connected through the integration, and what an app's own OAuth stores is a connection of the integration.
 */
export function installationStore(options: SlackStoreOptions): Required<InstallationStore> {
  const { environmentId, integrationId, slackBaseUrl = 'https://slack.com', log = silent } = options;
  const { db, keyWrapper, now } = placeOf(options);
  const shared = composeDisconnect({ db, keyWrapper, slackBaseUrl, log, now });
  const cached = expiringCache({ milliseconds: integrationCacheMilliseconds, now }, (id) =>
    shared.integrations.get(id, environmentId),
  );
  const deps: InstallationDeps = {
    ...shared,
    wait: (milliseconds) => wait(milliseconds),
    refreshToken: (request) => refreshSlackToken(globalThis.fetch, slackBaseUrl, request),
    environmentId,
    integrationId,
    findIntegration: () => cached(integrationId),
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
  const { db, keyWrapper, now } = placeOf(options);
  const vault = environmentVault({ db, keyWrapper, now });
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
  return { db, keyWrapper, now };
}
