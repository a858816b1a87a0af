import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import { randomObjectId } from '../../lib/crypto.ts';
import type { Database } from '../../lib/store/database.ts';
import { dynamoApiKeyStore, dynamoEnvironmentStore } from '../../lib/store/environment-store.ts';
import { anApiKey, anEnvironment, isoTime } from '../support/builders.ts';

export function describeEnvironmentStore(database: () => Database): void {
  describe('dynamoEnvironmentStore', () => {
    it('keeps an environment as it was given', async () => {
      const environments = dynamoEnvironmentStore(database());
      const environment = anEnvironment();

      await environments.put(environment);

      expect(await environments.get(environment.environmentId)).toEqual(environment);
    });

    it('refuses a second environment of the same id', async () => {
      const environments = dynamoEnvironmentStore(database());
      const environment = anEnvironment();
      await environments.put(environment);

      const second = environments.put({ ...environment, wrappedDataKey: 'another' });

      await expect(second).rejects.toThrow(ConditionalCheckFailedException);
      expect(await environments.get(environment.environmentId)).toEqual(environment);
    });

    it('does not know an unknown id', async () => {
      const environments = dynamoEnvironmentStore(database());

      expect(await environments.get(randomObjectId())).toBeUndefined();
    });

    it('lists environments, oldest first, also one whose data key was deleted', async () => {
      const environments = dynamoEnvironmentStore(database());
      const newer = anEnvironment({ createdAt: isoTime(2) });
      const { wrappedDataKey: _, ...unreadable } = anEnvironment({ createdAt: isoTime(1) });
      await environments.put(newer);
      await environments.put(unreadable);

      const listed = await environments.list();

      const ours = [newer.environmentId, unreadable.environmentId];
      expect(listed.filter(({ environmentId }) => ours.includes(environmentId))).toEqual([unreadable, newer]);
    });
  });
}

export function describeApiKeyStore(database: () => Database): void {
  describe('dynamoApiKeyStore', () => {
    it('finds a key by its hash', async () => {
      const keys = dynamoApiKeyStore(database());
      const key = anApiKey({ permissions: ['connect', 'tokens'] });

      await keys.put(key);

      expect(await keys.find(key.keyHash)).toEqual(key);
    });

    it('does not know an unknown hash', async () => {
      const keys = dynamoApiKeyStore(database());

      expect(await keys.find(anApiKey().keyHash)).toBeUndefined();
    });

    it('lists the keys of one environment, oldest first', async () => {
      const keys = dynamoApiKeyStore(database());
      const environmentId = randomObjectId();
      const newer = anApiKey({ environmentId, createdAt: isoTime(2) });
      const older = anApiKey({ environmentId, createdAt: isoTime(1) });
      for (const key of [newer, older, anApiKey({ environmentId: randomObjectId() })]) await keys.put(key);

      expect(await keys.list(environmentId)).toEqual([older, newer]);
    });

    it('shows at once when a key was revoked', async () => {
      const keys = dynamoApiKeyStore(database());
      const key = anApiKey();
      await keys.put(key);

      expect(await keys.revoke(key.keyHash, isoTime(9))).toBe(true);
      expect(await keys.find(key.keyHash)).toEqual({ ...key, revokedAt: isoTime(9) });
    });

    it('revokes nothing that does not exist', async () => {
      const keys = dynamoApiKeyStore(database());
      const { keyHash } = anApiKey();

      expect(await keys.revoke(keyHash, isoTime(9))).toBe(false);
      expect(await keys.find(keyHash)).toBeUndefined();
    });
  });
}
