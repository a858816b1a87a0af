import { DeleteCommand, PutCommand, QueryCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod/mini';
import { type Grant, grantSchema, type Refresh } from '../grant/grant.ts';
import { nextCheckAt } from '../grant/next-check.ts';
import {
  type Database,
  fenceCondition,
  getRow,
  ifConditionHolds,
  parseRow,
  type RowKey,
  type RowUpdate,
  schemaVersion,
  updateOf,
} from './database.ts';
import { dueBucketOf } from './due.ts';
import { keyOf, listOf } from './keys.ts';
import { everyRow } from './list.ts';

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
  /**
   * The same for a token alone: in place of an older one that rotates, in a grant that is active. What else the grant says
   * stays.
   */
  replaceToken(
    environmentId: string,
    grantId: string,
    token: Pick<Grant, 'token' | 'sealVersion' | 'tokenExpiresAt' | 'asOf' | 'flowId'>,
  ): Promise<void>;
  /** Tells whoever is about to end the grant that somebody has begun to use it. @returns false when it is over */
  renew(environmentId: string, grantId: string): Promise<boolean>;
  /** Says that a connection uses the grant; a grant without references may be revoked. */
  addReference(environmentId: string, grantId: string, subjectKey: string, at: { asOf: number }): Promise<void>;
  /** Takes a reference back, unless a newer exchange has renewed it. */
  removeReference(environmentId: string, grantId: string, subjectKey: string, at: { asOf: number }): Promise<void>;
  /** The grant's references, a few at a time unless more are asked for, in the order of their subjects' keys. */
  references(environmentId: string, grantId: string, after?: string, limit?: number): Promise<Reference[]>;
  /** Says, beside the grant of an account, that a person of the account has one too. */
  addUserGrant(environmentId: string, grantId: string, userGrantId: string, at: { asOf: number }): Promise<void>;
  removeUserGrant(environmentId: string, grantId: string, userGrantId: string, at: { asOf: number }): Promise<void>;
  /** Those marks, in the order of the grants' ids, up to 1,000 at a time. */
  userGrants(environmentId: string, grantId: string, after?: string): Promise<UserGrantMark[]>;
  /**
   * Announces the end of a grant that was read; writers wait for it.
   * @returns undefined when somebody renewed the grant, or a refresh is under way
   */
  beginRevocation(grant: Grant, announcement: Announcement): Promise<Grant | undefined>;
  /** Announces the end of a token that no grant holds. @returns undefined when there is a grant by now */
  announceRevocation(grant: Grant): Promise<Grant | undefined>;
  /** Erases the token; the row stays as a tombstone and fences off older exchanges. */
  endRevocation(grant: Grant): Promise<void>;
  /** The same for a grant that was read and whose token the provider is not asked to end. @returns false when somebody renewed it */
  erase(grant: Grant, at: Pick<Grant, 'asOf' | 'flowId' | 'statusReason' | 'verifiedAt'>): Promise<boolean>;
  /** The sweep has no more to do with the grant as it was read. */
  settle(grant: Grant): Promise<void>;
  /** Grants that are not over, from an index that may lag. */
  ofIntegration(environmentId: string, integrationId: string): AsyncIterable<Grant>;
  /**
   * Takes the lease of a refresh of the token that was read.
   * @returns false when somebody else has it, or the provider has said more of the grant since
   */
  takeRefresh(grant: Grant, lease: Refresh, now: number): Promise<boolean>;
  /**
   * Stores a refreshed token as the next version and ends the lease. A holder whose lease ran out may still store, unless
   * somebody else holds one or the token has been replaced.
   * @returns undefined when it may not
   */
  keepRefreshed(read: Grant, owner: string, refreshed: RefreshedToken): Promise<Grant | undefined>;
  /** Gives a lease back after a call that failed. */
  giveBackRefresh(grant: Grant, failed: Refresh): Promise<void>;
  /**
   * Says whether the provider takes the token that was read, and ends the lease of whoever asked by a refresh.
   * @returns undefined when the token or the lease is another one by now, or the provider was asked later by somebody else
   */
  recordVerification(read: Grant, verified: Verification, owner?: string): Promise<Grant | undefined>;
}

/** A token that a refresh gave, sealed. `asOf` and `flowId` are of the refresh. */
export type RefreshedToken = Pick<Grant, 'token' | 'sealVersion' | 'tokenExpiresAt' | 'scopes' | 'asOf' | 'flowId'> &
  Required<Pick<Grant, 'verifiedAt'>>;

export interface Verification {
  readonly status: 'active' | 'reauthorization_required';
  readonly statusReason?: string | undefined;
  readonly verifiedAt: number;
}

export type Announcement = Required<Pick<Grant, 'asOf' | 'flowId' | 'revokingUntil' | 'revocation' | 'dueAt'>>;

const referenceSchema = z.object({
  subjectKey: z.string(),
  asOf: z.number(),
  /** `asOf` of its first writer: what the grant went through before did not happen to the connection. */
  since: z.optional(z.number()),
});
/** Of a connection to a grant that it uses. */
export type Reference = z.infer<typeof referenceSchema>;

const userGrantMarkSchema = z.object({ userGrantId: z.string(), asOf: z.number() });
export type UserGrantMark = z.infer<typeof userGrantMarkSchema>;

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
            set: { schemaVersion, ...optional, ...grant, ...indexesOf(grant), ...nextCheck(grant, grant, now) },
            increment: ['version'],
            condition: `(${conditions.join(') AND (')})`,
            values: { revoking: 'revoking', now, ...also?.values },
          }),
        }),
      ),
    );
    return written !== undefined;
  }
  async function putUnlessRenewed(
    Key: RowKey,
    row: Reference | UserGrantMark,
    setIfAbsent: Partial<Reference> = {},
  ): Promise<void> {
    const update = updateOf({ set: { schemaVersion, ...row }, setIfAbsent, condition: notRenewed });
    await ifConditionHolds(db.client.send(new UpdateCommand({ TableName, Key, ...update })));
  }
  async function deleteUnlessRenewed(Key: RowKey, asOf: number): Promise<void> {
    await ifConditionHolds(
      db.client.send(
        new DeleteCommand({
          TableName,
          Key,
          ConditionExpression: notRenewed,
          ExpressionAttributeNames: { '#asOf': 'asOf' },
          ExpressionAttributeValues: { ':asOf': asOf },
        }),
      ),
    );
  }
  /** Rows of a grant's partition whose sort keys begin like one, after a row that need not exist any more. */
  async function rowsBeside<Schema extends z.ZodMiniType>(
    schema: Schema,
    { pk, sk }: RowKey,
    limit: number,
    after?: RowKey,
  ): Promise<z.output<Schema>[]> {
    const { Items = [] } = await db.client.send(
      new QueryCommand({
        TableName,
        KeyConditionExpression: 'pk = :pk AND begins_with(sk, :sk)',
        ExpressionAttributeValues: { ':pk': pk, ':sk': sk },
        ConsistentRead: true,
        Limit: limit,
        ...(after && { ExclusiveStartKey: { ...after } }),
      }),
    );
    return Items.map((row) => parseRow(schema, row));
  }
  /** A change of a living grant; gives the grant as it is then. */
  async function change(
    { environmentId, grantId }: Pick<Grant, 'environmentId' | 'grantId'>,
    update: RowUpdate,
  ): Promise<Grant | undefined> {
    const written = await ifConditionHolds(
      db.client.send(
        new UpdateCommand({
          TableName,
          Key: keyOf.grant(environmentId, grantId),
          ...updateOf({
            ...update,
            condition: `(${update.condition}) AND ${isLivingRow}`,
            values: { ...update.values, ...livingStatuses },
          }),
          ReturnValues: 'ALL_NEW',
        }),
      ),
    );
    return written?.Attributes && parseRow(grantSchema, written.Attributes);
  }
  return {
    get: (environmentId, grantId) => getRow(db, 'connections', keyOf.grant(environmentId, grantId), grantSchema),
    putIfNewer: (grant, now) => put(grant, now),
    putIfLater: (grant, now) =>
      put(grant, now, {
        condition: `attribute_not_exists(#tokenExpiresAt) OR NOT ${isLivingRow} OR #tokenExpiresAt < :expiresAt`,
        values: { ...livingStatuses, expiresAt: grant.tokenExpiresAt ?? 0 },
      }),
    async replaceToken(environmentId, grantId, token) {
      await change(
        { environmentId, grantId },
        {
          set: { ...token, refresh: undefined },
          increment: ['version'],
          condition: '#status = :active AND attribute_exists(#tokenExpiresAt) AND #asOf < :asOf',
        },
      );
    },
    async renew(environmentId, grantId) {
      const renewed = await change(
        { environmentId, grantId },
        { set: {}, increment: ['version'], condition: 'attribute_exists(pk)' },
      );
      return renewed !== undefined;
    },
    addReference: (environmentId, grantId, subjectKey, { asOf }) =>
      putUnlessRenewed(keyOf.reference(environmentId, grantId, subjectKey), { subjectKey, asOf }, { since: asOf }),
    removeReference: (environmentId, grantId, subjectKey, { asOf }) =>
      deleteUnlessRenewed(keyOf.reference(environmentId, grantId, subjectKey), asOf),
    references: (environmentId, grantId, after, limit = referencesAtOnce) =>
      rowsBeside(
        referenceSchema,
        keyOf.reference(environmentId, grantId, ''),
        limit,
        after === undefined ? undefined : keyOf.reference(environmentId, grantId, after),
      ),
    addUserGrant: (environmentId, grantId, userGrantId, { asOf }) =>
      putUnlessRenewed(keyOf.userGrantMark(environmentId, grantId, userGrantId), { userGrantId, asOf }),
    removeUserGrant: (environmentId, grantId, userGrantId, { asOf }) =>
      deleteUnlessRenewed(keyOf.userGrantMark(environmentId, grantId, userGrantId), asOf),
    userGrants: (environmentId, grantId, after) =>
      rowsBeside(
        userGrantMarkSchema,
        keyOf.userGrantMark(environmentId, grantId, ''),
        1_000,
        after === undefined ? undefined : keyOf.userGrantMark(environmentId, grantId, after),
      ),
    async beginRevocation(grant, announcement) {
      const written = await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName,
            Key: keyOf.grant(grant.environmentId, grant.grantId),
            ...updateOf({
              set: { status: 'revoking', ...announcement, dueBucket: dueBucketOf('row', grant.grantId) },
              increment: ['version'],
              condition: `(${asReadOrWritten}) AND ${notRefreshing}`,
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
            Item: {
              ...keyOf.grant(grant.environmentId, grant.grantId),
              schemaVersion,
              ...grant,
              ...indexesOf(grant),
            },
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
              set: ended,
              condition: '#status = :revoking AND #flowId = :by AND #asOf = :since',
              values: { revoking: 'revoking', by: grant.flowId, since: grant.asOf },
            }),
          }),
        ),
      );
    },
    async erase(grant, at) {
      const written = await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName,
            Key: keyOf.grant(grant.environmentId, grant.grantId),
            ...updateOf({
              // What a caller brought has a row of its own, which nobody writes again.
              set: { ...ended, ...at, ...(grant.source === 'caller' && { expiresAt: aDayAfter(at.asOf) }) },
              increment: ['version'],
              condition: asReadOrWritten,
              values: { read: grant.version },
            }),
          }),
        ),
      );
      return written !== undefined;
    },
    async settle(grant) {
      await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName,
            Key: keyOf.grant(grant.environmentId, grant.grantId),
            ...updateOf({
              set: { dueBucket: undefined, dueAt: undefined },
              condition: '#version = :read',
              values: { read: grant.version },
            }),
          }),
        ),
      );
    },
    ofIntegration(environmentId, integrationId) {
      const partition = listOf.ofIntegration('GRANT', environmentId, integrationId);
      return everyRow(db, grantSchema, { index: 'byIntegration', partition });
    },
    async takeRefresh(grant, lease, now) {
      const { sealVersion, verifiedAt } = grant;
      const asRead = `#sealVersion = :read AND ${verifiedAt === undefined ? 'attribute_not_exists(#verifiedAt)' : '#verifiedAt = :verified'}`;
      const leased = await change(grant, {
        set: { refresh: lease },
        // The last part: the SDK repeats a write whose answer was lost.
        condition: `${asRead} AND (attribute_not_exists(#refresh) OR #refresh.#until <= :now OR #refresh.#owner = :owner)`,
        values: {
          read: sealVersion,
          now,
          owner: lease.owner,
          ...(verifiedAt !== undefined && { verified: verifiedAt }),
        },
      });
      return leased !== undefined;
    },
    keepRefreshed: (read, owner, refreshed) =>
      change(read, {
        set: {
          ...refreshed,
          status: 'active',
          statusReason: undefined,
          refresh: undefined,
          ...nextCheck(read, { status: 'active' }, refreshed.verifiedAt),
        },
        increment: ['version'],
        condition: `#refresh.#owner = :owner OR (#sealVersion = :read AND ${nobodyRefreshes}) OR #sealVersion = :sealVersion`,
        values: { owner, read: read.sealVersion },
      }),
    async giveBackRefresh(grant, failed) {
      await change(grant, {
        set: { refresh: failed },
        condition: '#refresh.#owner = :owner',
        values: { owner: failed.owner },
      });
    },
    recordVerification: (read, { status, statusReason, verifiedAt }, owner) =>
      change(read, {
        set: {
          status,
          statusReason,
          verifiedAt,
          ...(owner !== undefined && { refresh: undefined }),
          ...nextCheck(read, { status, statusReason }, verifiedAt),
        },
        condition: `#sealVersion = :read AND ${owner === undefined ? noLaterVerdict : '#refresh.#owner = :owner'}`,
        values: { read: read.sealVersion, ...(owner !== undefined && { owner }) },
      }),
  };
}

/** Epoch seconds. */
function aDayAfter(time: number): number {
  return Math.ceil(time / 1000) + 24 * 60 * 60;
}

/** Few, since the first one that counts is enough. */
const referencesAtOnce = 10;

/** The second half: the SDK repeats a write whose answer was lost. */
const asReadOrWritten = '#version = :read OR (#status = :status AND #flowId = :flowId AND #asOf = :asOf)';

/** Of a grant that is over. */
const ended = {
  status: 'revoked',
  token: '',
  tokenExpiresAt: undefined,
  revokingUntil: undefined,
  revocation: undefined,
  refresh: undefined,
  dueAt: undefined,
  dueBucket: undefined,
  integrationIndex: undefined,
} as const;

function indexesOf({ environmentId, integrationId, grantId, dueAt }: Omit<Grant, 'version'>) {
  return {
    integrationIndex: listOf.ofIntegration('GRANT', environmentId, integrationId),
    listOrder: grantId,
    dueBucket: dueAt === undefined ? undefined : dueBucketOf('row', grantId),
  };
}

/** Of a living grant. What a caller brought is the caller's to try, and is due for another reason. */
function nextCheck(grant: Omit<Grant, 'version'>, outcome: Pick<Grant, 'status' | 'statusReason'>, provenAt: number) {
  if (grant.source === 'caller') return {};
  const dueAt = nextCheckAt(grant, outcome, provenAt);
  return { dueAt, dueBucket: dueAt === undefined ? undefined : dueBucketOf('check', grant.grantId) };
}

/** No lease, or one that was given back. */
const nobodyRefreshes = '(attribute_not_exists(#refresh) OR attribute_exists(#refresh.#failedAt))';
const notRefreshing = `(${nobodyRefreshes} OR #refresh.#until <= :asOf)`;

const isLivingRow = '#status IN (:active, :dead)';
const livingStatuses = { active: 'active', dead: 'reauthorization_required' } as const;

const noLaterVerdict = '(attribute_not_exists(#verifiedAt) OR #verifiedAt <= :verifiedAt)';

const notRenewed = 'attribute_not_exists(pk) OR #asOf <= :asOf';

/** Removed unless the new grant has them: a grant never keeps parts of the one before. */
const optional = {
  userId: undefined,
  tokenExpiresAt: undefined,
  appId: undefined,
  botUserId: undefined,
  botId: undefined,
  enterpriseUrl: undefined,
  revokingUntil: undefined,
  revocation: undefined,
  statusReason: undefined,
  verifiedAt: undefined,
  refresh: undefined,
  dueAt: undefined,
} satisfies Partial<Grant>;
