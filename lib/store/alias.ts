import { DeleteCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod/mini';
import { type Database, getRow, ifConditionHolds, type RowKey, schemaVersion } from './database.ts';

const aliasSchema = z.object({
  /** Key of what the name stands for. */
  target: z.string(),
  /** Epoch milliseconds. */
  claimedAt: z.number(),
});
export type Alias = z.infer<typeof aliasSchema>;

/** How long a name may wait for what it was claimed for; a claim of a crashed writer may be taken after it. */
export const unfulfilledAliasMilliseconds = 10 * 60_000;

export function getAlias(db: Database, key: RowKey): Promise<Alias | undefined> {
  return getRow(db, 'connections', key, aliasSchema);
}

/**
 * Claims a name for a target, which may have it already. Names are unique because their row's key is.
 * @param mayTake whether a name that stands for something else is given up
 * @returns false when the name is somebody else's
 */
export async function claimAlias(
  db: Database,
  key: RowKey,
  claim: Alias,
  mayTake: (alias: Alias) => Promise<boolean>,
): Promise<boolean> {
  const put = (condition: string, values: Record<string, unknown>) =>
    ifConditionHolds(
      db.client.send(
        new PutCommand({
          TableName: db.tables.connections,
          Item: { ...key, schemaVersion, ...claim },
          ConditionExpression: condition,
          ExpressionAttributeNames: { '#target': 'target' },
          ExpressionAttributeValues: values,
        }),
      ),
    );
  if (await put('attribute_not_exists(pk) OR #target = :target', { ':target': claim.target })) return true;
  const held = await getAlias(db, key);
  if (!held) return claimAlias(db, key, claim, mayTake);
  if (held.target === claim.target) return true;
  if (!(await mayTake(held))) return false;
  // Whoever holds it may have claimed it anew meanwhile, and counts on it.
  const asItWas = { ':held': held.target, ':heldSince': held.claimedAt, ':target': claim.target };
  // The second half: the SDK repeats a write whose answer was lost.
  return (await put('(#target = :held AND claimedAt = :heldSince) OR #target = :target', asItWas)) !== undefined;
}

/** Takes a name away from what it stood for before a time. */
export async function releaseAlias(
  db: Database,
  key: RowKey,
  { target, claimedBefore }: { readonly target: string; readonly claimedBefore: number },
): Promise<void> {
  await ifConditionHolds(
    db.client.send(
      new DeleteCommand({
        TableName: db.tables.connections,
        Key: key,
        ConditionExpression: '#target = :target AND claimedAt < :before',
        ExpressionAttributeNames: { '#target': 'target' },
        ExpressionAttributeValues: { ':target': target, ':before': claimedBefore },
      }),
    ),
  );
}
