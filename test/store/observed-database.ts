import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import type { Database } from '../../lib/store/database.ts';

export interface Exchange {
  readonly command: string;
  /** Undefined when the table itself was asked. */
  readonly index: string | undefined;
  /** Rows that a query gave or counted. */
  readonly rows: number;
}

/** The same database, which says what was asked of it. Its answers may be changed on their way. */
export function observed(
  database: Database,
  changed: (answer: Record<string, unknown>, command: string) => Record<string, unknown> = (answer) => answer,
): { readonly database: Database; readonly exchanges: Exchange[] } {
  const exchanges: Exchange[] = [];
  const send = async (command: { input: { IndexName?: string } } & Parameters<DynamoDBDocumentClient['send']>[0]) => {
    const answer: Record<string, unknown> = { ...(await database.client.send(command)) };
    const { name } = command.constructor;
    exchanges.push({ command: name, index: command.input.IndexName, rows: Number(answer['Count'] ?? 0) });
    return changed(answer, name);
  };
  return { database: { ...database, client: { send } as unknown as DynamoDBDocumentClient }, exchanges };
}
