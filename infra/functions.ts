import { connectionsTable } from '../lib/store/tables.ts';
import type { FunctionName } from './routes.ts';

type TableAction = 'GetItem' | 'BatchGetItem' | 'PutItem' | 'UpdateItem' | 'DeleteItem' | 'Query';

/** What a function may do with a table. An index holds keys only, and Query is all that can be done with it. */
export interface TableAccess {
  readonly actions: readonly TableAction[];
  /** Names of the indexes that the function queries. @default - none */
  readonly queriedIndexes?: readonly string[];
  /** How the partition keys begin that the function may name; for tables without queried indexes. @default - any */
  readonly keysBeginWith?: readonly string[];
}

/** A permission brings its environment variable: a function knows the names of only those things it may use. */
export interface FunctionSettings {
  readonly connections?: TableAccess;
  readonly flows?: TableAccess;
  /** Whether it may unwrap the data keys of environments. Only the admin command makes them. @default false */
  readonly opensVault?: boolean;
  /** Whether it may prove an Entra app by a token of its own role. @default false */
  readonly provesAppsByRole?: boolean;
  readonly memoryMegabytes: number;
  readonly timeoutSeconds: number;
}

/** An API call makes a few DynamoDB calls; memory is what buys the CPU that loads the SDK and speaks TLS. */
const apiCall = { memoryMegabytes: 512, timeoutSeconds: 10 };

/** What idempotency keys take. */
const idempotency: TableAccess = { actions: ['GetItem', 'PutItem', 'UpdateItem', 'DeleteItem'] };

/** Those that lists are read from. */
const allIndexes = connectionsTable.indexes.map((index) => index.name).filter((name) => name !== 'due');

/** What it takes to write a connection with all that belongs to it, and to end one. */
const finishing: TableAccess = {
  actions: ['GetItem', 'BatchGetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'Query'],
  queriedIndexes: ['byConnection'],
};

/** What it takes to finish a flow. */
const callback: FunctionSettings = {
  memoryMegabytes: 512,
  // Exchange, identity check, revocation and writes add up to 25 s at worst; API Gateway gives up after 30 s, and until
  // then the answer has to be a page of ours.
  timeoutSeconds: 29,
  connections: finishing,
  flows: { actions: ['GetItem', 'UpdateItem'] },
  opensVault: true,
};

export const functionSettings: Readonly<Record<FunctionName, FunctionSettings>> = {
  'generate-oauth-url': {
    ...apiCall,
    connections: { actions: ['GetItem'] },
    flows: { actions: ['GetItem', 'PutItem'] },
  },
  start: {
    ...apiCall,
    connections: { actions: ['GetItem'] },
    flows: { actions: ['GetItem', 'PutItem', 'UpdateItem'] },
  },
  // An install that starts at Slack begins its flow here.
  'slack-callback': { ...callback, flows: { actions: ['GetItem', 'PutItem', 'UpdateItem'] } },
  'msteams-callback': { ...callback, provesAppsByRole: true },
  'confirm-flow': { ...callback, provesAppsByRole: true },
  sweep: {
    ...callback,
    // Its flows go side by side, each with several calls to a provider at worst.
    timeoutSeconds: 60,
    connections: { ...finishing, queriedIndexes: ['byIntegration', 'byConnection', 'due'] },
    flows: { actions: ['GetItem', 'UpdateItem'], queriedIndexes: ['due'] },
    provesAppsByRole: true,
  },
  integrations: {
    ...apiCall,
    // A deletion goes on for 5 s, and may then have just asked the provider, which gets 5 s as well.
    timeoutSeconds: 20,
    connections: { ...finishing, queriedIndexes: ['byEnvironment', 'byIntegration', 'byConnection'] },
    flows: idempotency,
    opensVault: true,
  },
  'channel-connections': {
    ...apiCall,
    // Waiting for somebody else's refresh, one of its own and a revocation add up to 25 s at worst.
    timeoutSeconds: 29,
    connections: { ...finishing, queriedIndexes: allIndexes },
    flows: idempotency,
    opensVault: true,
    provesAppsByRole: true,
  },
  'slack-authorize': {
    ...apiCall,
    // Waiting for somebody else's refresh and one of its own.
    timeoutSeconds: 29,
    connections: finishing,
    opensVault: true,
  },
  'slack-events': {
    ...apiCall,
    connections: { actions: ['GetItem', 'UpdateItem', 'DeleteItem', 'Query'] },
    flows: { actions: ['GetItem', 'PutItem'] },
    opensVault: true,
  },
  'channel-endpoints': {
    ...apiCall,
    connections: { actions: ['GetItem', 'BatchGetItem', 'PutItem', 'UpdateItem'], queriedIndexes: allIndexes },
    flows: idempotency,
    opensVault: true,
  },
  meta: { memoryMegabytes: 256, timeoutSeconds: 5 },
  'publish-events': {
    memoryMegabytes: 512,
    // One grant may be that of thousands of connections, each of which is read and told of. What does not fit is begun
    // anew, with everything behind it in the stream waiting, so it has all the time that Lambda gives.
    timeoutSeconds: 900,
    // Connections, and grants with the references to them. What each write was comes with the stream.
    connections: { actions: ['GetItem', 'Query'], keysBeginWith: ['C#', 'G#'] },
  },
};

export const functionNames = Object.keys(functionSettings) as FunctionName[];
