import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import type { Config } from '../config.ts';
import type { Database } from './database.ts';

/**
 * The deployed tables; a function that may not use the flows knows no name of theirs. Three tries of two seconds stay
 * well within the time that a browser waits.
 */
export function awsDatabase(config: Config<'CONNECTIONS_TABLE'> & Partial<Config<'FLOWS_TABLE'>>): Database {
  const client = new DynamoDBClient({
    maxAttempts: 3,
    // Without throwOnRequestTimeout the time limit is only a warning.
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 2_000, throwOnRequestTimeout: true },
  });
  return {
    client: documentClient(client),
    tables: { connections: config.CONNECTIONS_TABLE, flows: config.FLOWS_TABLE ?? '' },
  };
}

/** Undefined attributes are left out instead of refused. */
export function documentClient(client: DynamoDBClient): DynamoDBDocumentClient {
  return DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
}
