/** Where the two tables are; what the store functions take. */
export interface TableNames {
  readonly connections: string;
  readonly flows: string;
}

interface IndexSchema {
  readonly name: string;
  readonly partitionKey: string;
  readonly sortKey: string;
}

export interface TableSchema {
  readonly partitionKey: string;
  readonly sortKey?: string;
  /** All indexes hold keys only; rows are read from the table itself, so a stale index row is harmless. */
  readonly indexes: readonly IndexSchema[];
  /** Epoch seconds. DynamoDB deletes late, so no rule relies on it. */
  readonly timeToLiveAttribute: string;
}

/** Sparse: rows that the sweep has to look at. No list is read from it. */
const dueIndex: IndexSchema = { name: 'due', partitionKey: 'dueBucket', sortKey: 'dueAt' };

/** Durable rows: environments, API keys, integrations, grants, connections, endpoints and their aliases. */
export const connectionsTable: TableSchema = {
  partitionKey: 'pk',
  sortKey: 'sk',
  indexes: [
    { name: 'byEnvironment', partitionKey: 'environmentIndex', sortKey: 'listOrder' },
    { name: 'bySubscriber', partitionKey: 'subscriberIndex', sortKey: 'listOrder' },
    { name: 'byIntegration', partitionKey: 'integrationIndex', sortKey: 'listOrder' },
    { name: 'byContexts', partitionKey: 'contextsIndex', sortKey: 'listOrder' },
    { name: 'byConnection', partitionKey: 'connectionIndex', sortKey: 'listOrder' },
    dueIndex,
  ],
  timeToLiveAttribute: 'expiresAt',
};

/** Ephemeral rows: flows, idempotency records, and events that were seen. */
export const flowsTable: TableSchema = {
  partitionKey: 'pk',
  indexes: [dueIndex],
  timeToLiveAttribute: 'expiresAt',
};
