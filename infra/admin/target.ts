import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KMSClient } from '@aws-sdk/client-kms';
import { documentClient } from '../../lib/store/aws-database.ts';
import { dynamoApiKeyStore, dynamoEnvironmentStore } from '../../lib/store/environment-store.ts';
import type { TableNames } from '../../lib/store/tables.ts';
import type { KeyWrapper } from '../../lib/vault/key-wrapper.ts';
import { createKmsKeyWrapper } from '../../lib/vault/kms-key-wrapper.ts';
import { createTables, localTables } from '../local/create-tables.ts';
import {
  type Advertisement,
  DataFolderInUseError,
  openDataFolder,
  readAdvertisement,
  readPrivateFile,
} from '../local/data-folder.ts';
import { localClientConfig, startEmbeddedDynamoDb } from '../local/embedded-dynamodb.ts';
import { createFileKeyWrapper, generateWrappingKey } from '../local/file-key-wrapper.ts';
import { loadLocalConfig } from '../local/local-config.ts';
import type { CommandDeps } from './commands.ts';
import { AdminError } from './errors.ts';
import type { TargetOptions } from './invocation.ts';
import { readStackOutputs } from './stack-outputs.ts';

/** A Chat Connect to act upon, until it is closed. */
export interface Target extends CommandDeps {
  close(): Promise<void>;
}

type Variables = Record<string, string | undefined>;

/**
 * Finds the deployed stack or the data folder that is meant; a folder that is not there is made when that is allowed.
 * @throws AdminError that says what the operator can do
 */
export async function openTarget(
  options: TargetOptions,
  environment: Variables,
  { mayMakeFolder }: { readonly mayMakeFolder: boolean },
): Promise<Target> {
  if (options.stack !== undefined) return openStack(options.stack, environment);
  const config = loadLocalConfig({
    ...environment,
    ...(options.dataDir !== undefined && { CHAT_CONNECT_DATA_DIR: options.dataDir }),
  });
  const path = config.CHAT_CONNECT_DATA_DIR;
  if (path === ':memory:') {
    throw new AdminError(
      'What a server keeps in memory (:memory:) is its own: give it a data folder with CHAT_CONNECT_DATA_DIR, ' +
        'and name the same one here.',
    );
  }
  if (!mayMakeFolder && !existsSync(path)) {
    throw new AdminError(
      `There is no data folder ${resolve(path)}: name another with --data-dir, name a deployed stack with --stack, ` +
        'or make an environment first.',
    );
  }
  const placeOptions = options.dataDir === undefined ? [] : ['--data-dir', options.dataDir];
  return openFolder({ path, placeOptions, dynamodbEndpoint: config.DYNAMODB_ENDPOINT });
}

async function openStack(stackName: string, environment: Variables): Promise<Target> {
  // The AWS CLI and the CDK know this variable; the SDK does not.
  const fallback = environment['AWS_REGION'] ? undefined : environment['AWS_DEFAULT_REGION'];
  const settings = fallback ? { region: fallback } : {};
  const cloudFormation = new CloudFormationClient(settings);
  const outputs = await readStackOutputs(cloudFormation, stackName, await cloudFormation.config.region());
  cloudFormation.destroy();

  const kms = new KMSClient(settings);
  return openTables({
    client: new DynamoDBClient(settings),
    tables: { connections: outputs.ConnectionsTableName, flows: outputs.FlowsTableName },
    keyWrapper: createKmsKeyWrapper({ client: kms, keyId: outputs.VaultKeyArn }),
    place: `the stack ${stackName}`,
    placeOptions: ['--stack', stackName],
    apiUrl: outputs.ApiUrl,
    closers: [async () => kms.destroy()],
  });
}

interface FolderOptions {
  readonly path: string;
  readonly placeOptions: readonly string[];
  readonly dynamodbEndpoint: string | undefined;
}

/** A server that starts or stops, or another command, has the folder for a while without saying where the tables are. */
const FOLDER_ATTEMPTS = 12;
const FOLDER_RETRY_MILLISECONDS = 250;

async function openFolder(options: FolderOptions): Promise<Target> {
  for (let attempt = 1; ; attempt += 1) {
    const advertisement = await readAdvertisement(options.path);
    if (advertisement) return openBesideServer(options, advertisement);
    try {
      return await openAlone(options);
    } catch (error) {
      if (!(error instanceof DataFolderInUseError)) throw error;
      if (attempt === FOLDER_ATTEMPTS) {
        throw new AdminError(
          `Another process has the data folder ${resolve(options.path)} and does not say where its tables are: ` +
            'wait until it has started or ended, and try again.',
          { cause: error },
        );
      }
      await sleep(FOLDER_RETRY_MILLISECONDS);
    }
  }
}

/** Only one process can have the folder, so the tables are reached through the server that has it. */
async function openBesideServer(options: FolderOptions, { dynamodbEndpoint, apiUrl }: Advertisement): Promise<Target> {
  const wrappingKey = await readPrivateFile(options.path, 'wrapping-key');
  if (wrappingKey === undefined) {
    throw new AdminError(`The data folder ${resolve(options.path)} has no wrapping-key: restart the server.`);
  }
  return openTables({
    client: new DynamoDBClient(localClientConfig(dynamodbEndpoint)),
    tables: localTables,
    keyWrapper: createFileKeyWrapper(wrappingKey),
    ...placeOf(options),
    apiUrl,
    closers: [],
  });
}

/** @throws DataFolderInUseError */
async function openAlone(options: FolderOptions): Promise<Target> {
  const folder = await openDataFolder(options.path);
  const closers = [() => folder.close()];
  try {
    const wrappingKey = await folder.readOrCreate('wrapping-key', generateWrappingKey);
    const endpoint = options.dynamodbEndpoint ?? (await startEmbedded(folder.databasePath, closers));
    const client = new DynamoDBClient(localClientConfig(endpoint));
    closers.push(async () => client.destroy());
    await createTables(client, localTables);
    return openTables({
      client,
      tables: localTables,
      keyWrapper: createFileKeyWrapper(wrappingKey),
      ...placeOf(options),
      apiUrl: undefined,
      closers,
    });
  } catch (error) {
    await closeAll(closers);
    throw error;
  }
}

async function startEmbedded(path: string | undefined, closers: (() => Promise<void>)[]): Promise<string> {
  const dynamodb = await startEmbeddedDynamoDb(path === undefined ? {} : { path });
  closers.push(() => dynamodb.close());
  return dynamodb.endpoint;
}

function placeOf({ path, placeOptions }: FolderOptions) {
  return { place: `the data folder ${resolve(path)}`, placeOptions };
}

interface TargetParts extends Pick<Target, 'place' | 'placeOptions' | 'apiUrl'> {
  readonly client: DynamoDBClient;
  readonly tables: TableNames;
  readonly keyWrapper: KeyWrapper;
  /** In the order of what they close; the last one is closed first. */
  readonly closers: readonly (() => Promise<void>)[];
}

function openTables({ client, tables, closers, ...rest }: TargetParts): Target {
  const db = { client: documentClient(client), tables };
  return {
    ...rest,
    environments: dynamoEnvironmentStore(db),
    apiKeys: dynamoApiKeyStore(db),
    now: Date.now,
    async close() {
      client.destroy();
      await closeAll(closers);
    },
  };
}

async function closeAll(closers: readonly (() => Promise<void>)[]): Promise<void> {
  for (const close of closers.toReversed()) await close();
}
