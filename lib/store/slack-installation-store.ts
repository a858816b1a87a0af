import { DeleteCommand, QueryCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod/mini';
import { type Grant, grantSchema } from '../grant/grant.ts';
import { type Database, fenceCondition, ifConditionHolds, parseRow, schemaVersion, updateOf } from './database.ts';
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
}

export function dynamoSlackInstallationStore(db: Database): SlackInstallationStore {
  const TableName = db.tables.connections;
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
      const written = await ifConditionHolds(
        db.client.send(
          new UpdateCommand({
            TableName,
            Key: keyOf.slackInstallation(environmentId, grantId),
            ...updateOf({ set: { schemaVersion, ...installation }, condition: fenceCondition }),
          }),
        ),
      );
      return written !== undefined;
    },
    async remove(environmentId, grantId, { asOf }) {
      await ifConditionHolds(
        db.client.send(
          new DeleteCommand({
            TableName,
            Key: keyOf.slackInstallation(environmentId, grantId),
            ConditionExpression: 'asOf <= :asOf',
            ExpressionAttributeValues: { ':asOf': asOf },
          }),
        ),
      );
    },
  };
}
