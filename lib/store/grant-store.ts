import { DeleteCommand, PutCommand, QueryCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { type Grant, grantSchema } from '../grant/grant.ts';
import { type Database, fenceCondition, getRow, ifConditionHolds, schemaVersion, updateOf } from './database.ts';
import { keyOf } from './keys.ts';

export interface GrantStore {
  get(environmentId: string, grantId: string): Promise<Grant | undefined>;
  /** Writes a token that an exchange gave, as the next version. @returns false when a newer row is there */
  putIfNewer(grant: Omit<Grant, 'version'>): Promise<boolean>;
  /** Says that a connection uses the grant; a grant without references may be revoked. */
  addReference(environmentId: string, grantId: string, subjectKey: string, at: { asOf: number }): Promise<void>;
  /** Takes a reference back, unless a newer exchange has renewed it. */
  removeReference(environmentId: string, grantId: string, subjectKey: string, at: { asOf: number }): Promise<void>;
  /** True while a connection, but for the one named, uses the grant. */
  hasReference(environmentId: string, grantId: string, exceptSubjectKey?: string): Promise<boolean>;
  /** Erases the token; the row stays as a tombstone and fences off older exchanges. */
  erase(
    grant: Pick<Grant, 'environmentId' | 'grantId' | 'version'>,
    at: { asOf: number; flowId: string },
  ): Promise<boolean>;
}

export function dynamoGrantStore(db: Database): GrantStore {
  const TableName = db.tables.connections;
  return {
    get: (environmentId, grantId) => getRow(db, 'connections', keyOf.grant(environmentId, grantId), grantSchema),
    async putIfNewer(grant) {
      const written = await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName,
            Key: keyOf.grant(grant.environmentId, grant.grantId),
            ...updateOf({
              set: { schemaVersion, ...optional, ...grant },
              increment: ['version'],
              condition: fenceCondition,
            }),
          }),
        ),
      );
      return written !== undefined;
    },
    async addReference(environmentId, grantId, subjectKey, { asOf }) {
      await ifConditionHolds(
        db.client.send(
          new PutCommand({
            TableName,
            Item: { ...keyOf.reference(environmentId, grantId, subjectKey), schemaVersion, subjectKey, asOf },
            ConditionExpression: notRenewed,
            ExpressionAttributeValues: { ':asOf': asOf },
          }),
        ),
      );
    },
    async removeReference(environmentId, grantId, subjectKey, { asOf }) {
      await ifConditionHolds(
        db.client.send(
          new DeleteCommand({
            TableName,
            Key: keyOf.reference(environmentId, grantId, subjectKey),
            ConditionExpression: notRenewed,
            ExpressionAttributeValues: { ':asOf': asOf },
          }),
        ),
      );
    },
    async hasReference(environmentId, grantId, exceptSubjectKey) {
      const { pk, sk } = keyOf.reference(environmentId, grantId, '');
      const { Items = [] } = await db.client.send(
        new QueryCommand({
          TableName,
          KeyConditionExpression: 'pk = :pk AND begins_with(sk, :sk)',
          ExpressionAttributeValues: { ':pk': pk, ':sk': sk },
          ProjectionExpression: 'subjectKey',
          ConsistentRead: true,
          Limit: 2,
        }),
      );
      return Items.some((row) => row['subjectKey'] !== exceptSubjectKey);
    },
    async erase(grant, { asOf, flowId }) {
      const written = await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName,
            Key: keyOf.grant(grant.environmentId, grant.grantId),
            ...updateOf({
              set: { token: '', tokenExpiresAt: undefined, status: 'revoked', asOf, flowId },
              increment: ['version'],
              condition: '#version = :readVersion',
              values: { readVersion: grant.version },
            }),
          }),
        ),
      );
      return written !== undefined;
    },
  };
}

const notRenewed = 'attribute_not_exists(pk) OR asOf <= :asOf';

/** Removed unless the new grant has them: a grant never keeps parts of the one before. */
const optional = {
  userId: undefined,
  tokenExpiresAt: undefined,
  appId: undefined,
  botUserId: undefined,
  botId: undefined,
  enterpriseUrl: undefined,
} satisfies Partial<Grant>;
