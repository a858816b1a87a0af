import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { type DynamoDBDocumentClient, GetCommand, type UpdateCommandInput } from '@aws-sdk/lib-dynamodb';
import type * as z from 'zod/mini';
import type { TableNames } from './tables.ts';

export interface Database {
  readonly client: DynamoDBDocumentClient;
  readonly tables: TableNames;
}

/** Version of the rows' form. A reader refuses rows of another one instead of guessing at them. */
export const schemaVersion = 1;

export class UnreadableRowError extends Error {
  override readonly name = 'UnreadableRowError';
}

export interface RowKey {
  readonly pk: string;
  readonly sk?: string;
}

/**
 * Parses a row that DynamoDB gave.
 * @throws UnreadableRowError when it was written in another form
 */
export function parseRow<Schema extends z.ZodMiniType>(schema: Schema, row: Record<string, unknown>): z.output<Schema> {
  if (row['schemaVersion'] !== schemaVersion) {
    throw new UnreadableRowError(`a row has schema version ${String(row['schemaVersion'])}, not ${schemaVersion}`);
  }
  const parsed = schema.safeParse(row);
  if (!parsed.success) {
    const fields = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
    throw new UnreadableRowError(`a row does not have the form of its kind: ${fields}`);
  }
  return parsed.data;
}

/** The row, or undefined when it cannot be read: one such row does not take the others of its list with it. */
export function readableRow<Schema extends z.ZodMiniType>(
  schema: Schema,
  row: Record<string, unknown>,
): z.output<Schema> | undefined {
  try {
    return parseRow(schema, row);
  } catch (error) {
    if (error instanceof UnreadableRowError) return undefined;
    throw error;
  }
}

/** A consistent read of one row. */
export async function getRow<Schema extends z.ZodMiniType>(
  db: Database,
  table: keyof TableNames,
  key: RowKey,
  schema: Schema,
): Promise<z.output<Schema> | undefined> {
  const { Item } = await db.client.send(
    new GetCommand({ TableName: db.tables[table], Key: key, ConsistentRead: true }),
  );
  return Item && parseRow(schema, Item);
}

/** What a conditional write gave, or undefined when its condition did not hold. */
export async function ifConditionHolds<Output>(write: Promise<Output>): Promise<Output | undefined> {
  try {
    return await write;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return undefined;
    throw error;
  }
}

export interface RowUpdate {
  /** Attributes to set; undefined ones are removed. */
  readonly set: Record<string, unknown>;
  /** Attributes that keep the value which a row has already. */
  readonly setIfAbsent?: Record<string, unknown>;
  /** Numbers that go up by one, from 0. */
  readonly increment?: readonly string[];
  readonly condition: string;
  /** Values that the condition names, without their colon. */
  readonly values?: Record<string, unknown>;
}

/** An UpdateItem in which every attribute is written as `#name` and `:name`; conditions may use the same names. */
export function updateOf(update: RowUpdate): Omit<UpdateCommandInput, 'TableName' | 'Key'> {
  const names: Record<string, string> = {};
  const values: Record<string, unknown> = {};
  const sets: string[] = [];
  const removals: string[] = [];
  for (const [name, value] of Object.entries(update.set)) {
    names[`#${name}`] = name;
    if (value === undefined) {
      removals.push(`#${name}`);
    } else {
      values[`:${name}`] = value;
      sets.push(`#${name} = :${name}`);
    }
  }
  for (const [name, value] of Object.entries(update.setIfAbsent ?? {})) {
    names[`#${name}`] = name;
    values[`:${name}`] = value;
    sets.push(`#${name} = if_not_exists(#${name}, :${name})`);
  }
  for (const name of update.increment ?? []) {
    names[`#${name}`] = name;
    values[':zero'] = 0;
    values[':one'] = 1;
    sets.push(`#${name} = if_not_exists(#${name}, :zero) + :one`);
  }
  for (const [name, value] of Object.entries(update.values ?? {})) values[`:${name}`] = value;
  for (const [, name] of update.condition.matchAll(/#([A-Za-z]+)/g)) if (name) names[`#${name}`] = name;
  return {
    UpdateExpression: [
      sets.length > 0 ? `SET ${sets.join(', ')}` : '',
      removals.length > 0 ? `REMOVE ${removals.join(', ')}` : '',
    ]
      .join(' ')
      .trim(),
    ConditionExpression: update.condition,
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: values,
  };
}

/** The time fence as a condition: absent, older, or written by the same flow for the same exchange. */
export const fenceCondition = 'attribute_not_exists(pk) OR #asOf < :asOf OR (#asOf = :asOf AND #flowId = :flowId)';
