import { PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { type ApiKey, apiKeySchema } from '../environment/api-key.ts';
import { type Environment, environmentSchema } from '../environment/environment.ts';
import { type Database, getRow, ifConditionHolds, schemaVersion, updateOf } from './database.ts';
import { keyOf, listOf, listOrderOf } from './keys.ts';
import { everyRow } from './list.ts';

export interface EnvironmentStore {
  get(environmentId: string): Promise<Environment | undefined>;
  put(environment: Environment): Promise<void>;
  list(): Promise<Environment[]>;
}

export function dynamoEnvironmentStore(db: Database): EnvironmentStore {
  return {
    get: (environmentId) => getRow(db, 'connections', keyOf.environment(environmentId), environmentSchema),
    async put(environment) {
      await db.client.send(
        new PutCommand({
          TableName: db.tables.connections,
          Item: {
            ...keyOf.environment(environment.environmentId),
            schemaVersion,
            ...environment,
            environmentIndex: listOf.environments,
            listOrder: listOrderOf(environment.createdAt, environment.environmentId),
          },
          ConditionExpression: 'attribute_not_exists(pk)',
        }),
      );
    },
    list: () =>
      Array.fromAsync(everyRow(db, environmentSchema, { index: 'byEnvironment', partition: listOf.environments })),
  };
}

export interface ApiKeyStore {
  find(keyHash: string): Promise<ApiKey | undefined>;
  put(key: ApiKey): Promise<void>;
  list(environmentId: string): Promise<ApiKey[]>;
  /** @returns false when there is no such key */
  revoke(keyHash: string, revokedAt: string): Promise<boolean>;
}

export function dynamoApiKeyStore(db: Database): ApiKeyStore {
  return {
    find: (keyHash) => getRow(db, 'connections', keyOf.apiKey(keyHash), apiKeySchema),
    async put(key) {
      await db.client.send(
        new PutCommand({
          TableName: db.tables.connections,
          Item: {
            ...keyOf.apiKey(key.keyHash),
            schemaVersion,
            ...key,
            environmentIndex: listOf.inEnvironment('KEY', key.environmentId),
            listOrder: listOrderOf(key.createdAt, key.keyId),
          },
        }),
      );
    },
    list(environmentId) {
      const partition = listOf.inEnvironment('KEY', environmentId);
      return Array.fromAsync(everyRow(db, apiKeySchema, { index: 'byEnvironment', partition }));
    },
    async revoke(keyHash, revokedAt) {
      const written = await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName: db.tables.connections,
            Key: keyOf.apiKey(keyHash),
            ...updateOf({ set: { revokedAt }, condition: 'attribute_exists(pk)' }),
          }),
        ),
      );
      return written !== undefined;
    },
  };
}
