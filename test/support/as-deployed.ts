import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { functionSettings } from '../../infra/functions.ts';
import { localClientConfig } from '../../infra/local/embedded-dynamodb.ts';
import type { FunctionName } from '../../infra/routes.ts';
import { documentClient } from '../../lib/store/aws-database.ts';
import type { Database } from '../../lib/store/database.ts';
import type { TestDatabase } from './embedded-store.ts';

interface Input {
  readonly TableName?: string;
  readonly IndexName?: string;
  readonly RequestItems?: Record<string, unknown>;
  readonly Key?: Record<string, unknown>;
  readonly ExpressionAttributeValues?: Record<string, unknown>;
}

/** A function's way to the tables, which refuses what the function's role in the stack would be refused. */
export function asDeployed(db: TestDatabase, name: FunctionName): Database {
  const client = documentClient(new DynamoDBClient(localClientConfig(db.endpoint)));
  const { connections, flows } = functionSettings[name];
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const input = args.input as Input;
      const table = input.TableName ?? Object.keys(input.RequestItems ?? {})[0];
      const access = table === db.tables.connections ? connections : flows;
      const action = (context.commandName ?? '').replace(/Command$/, '').replace(/^(Get|Put|Update|Delete)$/, '$1Item');
      const wanted = action === 'BatchGet' ? 'BatchGetItem' : action;
      const allowed =
        input.IndexName === undefined
          ? access?.actions.some((permitted) => permitted === wanted)
          : access?.queriedIndexes?.includes(input.IndexName);
      const pk = String(input.Key?.['pk'] ?? input.ExpressionAttributeValues?.[':pk']);
      const mayName = access?.keysBeginWith?.some((beginning) => pk.startsWith(beginning)) ?? true;
      if (!allowed || !mayName) throw new Error(`AccessDenied: ${name} may not ${wanted} ${input.IndexName ?? table}`);
      return next(args);
    },
    { step: 'initialize', name: 'asDeployed', override: true },
  );
  return { client, tables: db.tables };
}
