import { DeleteCommand, PutCommand, QueryCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { type Grant, grantSchema } from '../grant/grant.ts';
import {
  type Database,
  fenceCondition,
  getRow,
  ifConditionHolds,
  parseRow,
  type RowUpdate,
  schemaVersion,
  updateOf,
} from './database.ts';
import { keyOf } from './keys.ts';

export interface GrantStore {
  get(environmentId: string, grantId: string): Promise<Grant | undefined>;
  /**
   * Writes a token that an exchange gave, as the next version.
   * @returns false when a newer row is there, or a revocation is under way
   */
  putIfNewer(grant: Omit<Grant, 'version'>, now: number): Promise<boolean>;
  /**
   * The same for a token of which nobody knows when it was given: one that expires is replaced only by one that expires
   * later, since an app that rotates its tokens never stops doing so.
   */
  putIfLater(grant: Omit<Grant, 'version'>, now: number): Promise<boolean>;
  /** Tells whoever is about to end the grant that somebody has begun to use it. @returns false when it is over */
  renew(environmentId: string, grantId: string): Promise<boolean>;
  /** Says that a connection uses the grant; a grant without references may be revoked. */
  addReference(environmentId: string, grantId: string, subjectKey: string, at: { asOf: number }): Promise<void>;
  /** Takes a reference back, unless a newer exchange has renewed it. */
  removeReference(environmentId: string, grantId: string, subjectKey: string, at: { asOf: number }): Promise<void>;
  /** True while a connection uses the grant. */
  hasReference(environmentId: string, grantId: string): Promise<boolean>;
  /** Announces the end of a grant that was read; writers wait for it. @returns undefined when somebody renewed the grant */
  beginRevocation(
    grant: Grant,
    at: { asOf: number; flowId: string; revokingUntil: number },
  ): Promise<Grant | undefined>;
  /** Announces the end of a token that no grant holds. @returns undefined when there is a grant by now */
  announceRevocation(grant: Grant): Promise<Grant | undefined>;
  /** Erases the token; the row stays as a tombstone and fences off older exchanges. */
  endRevocation(grant: Grant): Promise<void>;
}

export function dynamoGrantStore(db: Database): GrantStore {
  const TableName = db.tables.connections;
  async function put(
    grant: Omit<Grant, 'version'>,
    now: number,
    also?: Pick<RowUpdate, 'condition' | 'values'>,
  ): Promise<boolean> {
    const notRevoking = 'attribute_not_exists(pk) OR #status <> :revoking OR #revokingUntil <= :now';
    const conditions = [fenceCondition, notRevoking, ...(also ? [also.condition] : [])];
    const written = await ifConditionHolds(
      db.client.send(
        new UpdateCommand({
          TableName,
          Key: keyOf.grant(grant.environmentId, grant.grantId),
          ...updateOf({
            set: { schemaVersion, ...optional, ...grant },
            increment: ['version'],
            condition: `(${conditions.join(') AND (')})`,
            values: { revoking: 'revoking', now, ...also?.values },
          }),
        }),
      ),
    );
    return written !== undefined;
  }
  return {
    get: (environmentId, grantId) => getRow(db, 'connections', keyOf.grant(environmentId, grantId), grantSchema),
    putIfNewer: (grant, now) => put(grant, now),
    putIfLater: (grant, now) =>
      put(grant, now, {
        condition: 'attribute_not_exists(#tokenExpiresAt) OR #status <> :active OR #tokenExpiresAt < :expiresAt',
        values: { active: 'active', expiresAt: grant.tokenExpiresAt ?? 0 },
      }),
    async renew(environmentId, grantId) {
      const written = await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName,
            Key: keyOf.grant(environmentId, grantId),
            ...updateOf({
              set: {},
              increment: ['version'],
              condition: '#status = :active',
              values: { active: 'active' },
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
    async hasReference(environmentId, grantId) {
      const { pk, sk } = keyOf.reference(environmentId, grantId, '');
      const { Items = [] } = await db.client.send(
        new QueryCommand({
          TableName,
          KeyConditionExpression: 'pk = :pk AND begins_with(sk, :sk)',
          ExpressionAttributeValues: { ':pk': pk, ':sk': sk },
          ProjectionExpression: 'pk',
          ConsistentRead: true,
          Limit: 1,
        }),
      );
      return Items.length > 0;
    },
    async beginRevocation(grant, at) {
      const written = await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName,
            Key: keyOf.grant(grant.environmentId, grant.grantId),
            ...updateOf({
              set: { status: 'revoking', ...at },
              increment: ['version'],
              // The second half: the SDK repeats a write whose answer was lost.
              condition: '#version = :read OR (#status = :status AND #flowId = :flowId AND #asOf = :asOf)',
              values: { read: grant.version },
            }),
            ReturnValues: 'ALL_NEW',
          }),
        ),
      );
      return written?.Attributes && parseRow(grantSchema, written.Attributes);
    },
    async announceRevocation(grant) {
      const written = await ifConditionHolds(
        db.client.send(
          new PutCommand({
            TableName,
            Item: { ...keyOf.grant(grant.environmentId, grant.grantId), schemaVersion, ...grant },
            ConditionExpression:
              'attribute_not_exists(pk) OR #status = :revoked OR (#flowId = :flowId AND #status = :revoking)',
            ExpressionAttributeNames: { '#status': 'status', '#flowId': 'flowId' },
            ExpressionAttributeValues: { ':revoked': 'revoked', ':revoking': 'revoking', ':flowId': grant.flowId },
          }),
        ),
      );
      return written && grant;
    },
    async endRevocation(grant) {
      await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName,
            Key: keyOf.grant(grant.environmentId, grant.grantId),
            ...updateOf({
              set: { token: '', tokenExpiresAt: undefined, status: 'revoked', revokingUntil: undefined },
              condition: '#status = :revoking AND #flowId = :by AND #asOf = :since',
              values: { revoking: 'revoking', by: grant.flowId, since: grant.asOf },
            }),
          }),
        ),
      );
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
  revokingUntil: undefined,
} satisfies Partial<Grant>;
