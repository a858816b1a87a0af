import { DeleteCommand, QueryCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod/mini';
import { type Grant, grantSchema } from '../grant/grant.ts';
import {
  type Database,
  fenceCondition,
  ifConditionHolds,
  parseRow,
  type RowKey,
  schemaVersion,
  updateOf,
} from './database.ts';
import { keyOf } from './keys.ts';

/** What the last install of an account through the Slack stores left, beside its tokens. */
export const slackInstallationSchema = z.object({
  /** Who installed. */
  installerId: z.string(),
  /** What of an installation no grant holds, as JSON; sealed with `sealVersion`. */
  details: z.string(),
  sealVersion: z.string(),
  /** Time fence, as on a grant. */
  asOf: z.number(),
  flowId: z.string(),
});
export type SlackInstallation = z.infer<typeof slackInstallationSchema>;

const userGrantMarkSchema = z.object({ userGrantId: z.string() });

/** `grantId` is that of the account's bot, also where there is only people's. */
export interface SlackInstallationStore {
  /** The account's bot grant and what the last install left, in one read. */
  read(
    environmentId: string,
    grantId: string,
  ): Promise<{ grant: Grant | undefined; installation: SlackInstallation | undefined }>;
  /** @returns false when a newer one is there */
  putIfNewer(environmentId: string, grantId: string, installation: SlackInstallation): Promise<boolean>;
  /** Takes it away, unless it is newer. */
  remove(environmentId: string, grantId: string, at: { asOf: number }): Promise<void>;
  /** Says, beside the grant of an account, that a person of the account has one too. */
  addUserGrant(environmentId: string, grantId: string, userGrantId: string, at: Fence): Promise<void>;
  removeUserGrant(environmentId: string, grantId: string, userGrantId: string, at: { asOf: number }): Promise<void>;
  /** Grants of the people of an account. */
  userGrants(environmentId: string, grantId: string): Promise<string[]>;
}

interface Fence {
  readonly asOf: number;
  readonly flowId: string;
}

export function dynamoSlackInstallationStore(db: Database): SlackInstallationStore {
  const TableName = db.tables.connections;
  const put = (Key: RowKey, row: Fence & Record<string, unknown>) =>
    ifConditionHolds(
      db.client.send(
        new UpdateCommand({
          TableName,
          Key: { ...Key },
          ...updateOf({ set: { schemaVersion, ...row }, condition: fenceCondition }),
        }),
      ),
    );
  const remove = (Key: RowKey, { asOf }: { asOf: number }) =>
    ifConditionHolds(
      db.client.send(
        new DeleteCommand({
          TableName,
          Key: { ...Key },
          ConditionExpression: 'asOf <= :asOf',
          ExpressionAttributeValues: { ':asOf': asOf },
        }),
      ),
    );
  return {
    async read(environmentId, grantId) {
      const { pk, sk: last } = keyOf.slackInstallation(environmentId, grantId);
      const { sk: first } = keyOf.grant(environmentId, grantId);
      const { Items = [] } = await db.client.send(
        new QueryCommand({
          TableName,
          KeyConditionExpression: 'pk = :pk AND sk BETWEEN :first AND :last',
          ExpressionAttributeValues: { ':pk': pk, ':first': first, ':last': last },
          ConsistentRead: true,
        }),
      );
      const row = (sk: string) => Items.find((item) => item['sk'] === sk);
      const [grant, installation] = [row(first), row(last)];
      return {
        grant: grant && parseRow(grantSchema, grant),
        installation: installation && parseRow(slackInstallationSchema, installation),
      };
    },
    async putIfNewer(environmentId, grantId, installation) {
      return (await put(keyOf.slackInstallation(environmentId, grantId), installation)) !== undefined;
    },
    async remove(environmentId, grantId, at) {
      await remove(keyOf.slackInstallation(environmentId, grantId), at);
    },
    async addUserGrant(environmentId, grantId, userGrantId, { asOf, flowId }) {
      await put(keyOf.userGrantMark(environmentId, grantId, userGrantId), { userGrantId, asOf, flowId });
    },
    async removeUserGrant(environmentId, grantId, userGrantId, at) {
      await remove(keyOf.userGrantMark(environmentId, grantId, userGrantId), at);
    },
    async userGrants(environmentId, grantId) {
      const { pk, sk } = keyOf.userGrantMark(environmentId, grantId, '');
      const marked: string[] = [];
      let ExclusiveStartKey: Record<string, unknown> | undefined;
      do {
        const page = await db.client.send(
          new QueryCommand({
            TableName,
            KeyConditionExpression: 'pk = :pk AND begins_with(sk, :sk)',
            ExpressionAttributeValues: { ':pk': pk, ':sk': sk },
            ConsistentRead: true,
            ExclusiveStartKey,
          }),
        );
        for (const row of page.Items ?? []) marked.push(parseRow(userGrantMarkSchema, row).userGrantId);
        ExclusiveStartKey = page.LastEvaluatedKey;
      } while (ExclusiveStartKey !== undefined);
      return marked;
    },
  };
}
