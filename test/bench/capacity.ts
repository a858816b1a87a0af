import { type ConsumedCapacity, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { type DynamoDBDocumentClient, GetCommand } from '@aws-sdk/lib-dynamodb';
import { localClientConfig } from '../../infra/local/embedded-dynamodb.ts';
import { documentClient } from '../../lib/store/aws-database.ts';
import { connectionsTable, flowsTable, type TableNames, type TableSchema } from '../../lib/store/tables.ts';

type Row = Readonly<Record<string, unknown>>;

export interface Capacity {
  /** Read units, of tables and indexes. */
  readonly reads: number;
  /** Write units of the tables alone. */
  readonly writes: number;
  /** Write units of the indexes. */
  readonly indexWrites: number;
  reset(): void;
}

/**
 * Meters what goes through a client. The embedded DynamoDB leaves out what a write costs its indexes, so that is reckoned
 * from the row before and after: an entry that comes or goes is a unit, one that moves is two, and one whose keys stay
 * costs nothing, since our indexes hold keys only. Writes of one row have to come one after the
 * other.
 */
export function meterCapacity(client: DynamoDBDocumentClient, endpoint: string, tables: TableNames): Capacity {
  const total = { reads: 0, writes: 0, indexWrites: 0 };
  const observer = documentClient(new DynamoDBClient(localClientConfig(endpoint)));
  const rowOf = async (TableName: string, Key: Row) =>
    (await observer.send(new GetCommand({ TableName, Key, ConsistentRead: true }))).Item;
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const input = args.input as { TableName?: string; Item?: Row; Key?: Row; ConsistentRead?: boolean };
      const isWrite = /^(Put|Update|Delete)/.test(context.commandName ?? '');
      const metered = { ...args, input: { ...input, ReturnConsumedCapacity: 'TOTAL' } };
      if (!isWrite) {
        const result = await next(metered);
        // The embedded DynamoDB takes nothing for finding nothing; AWS takes the least that it does.
        total.reads += unitsOf(result.output) || (metered.input.ConsistentRead ? 1 : 0.5);
        return result;
      }
      const TableName = input.TableName ?? '';
      const schema = TableName === tables.connections ? connectionsTable : flowsTable;
      const key = keyOf(schema, input.Key ?? input.Item ?? {});
      const before = await rowOf(TableName, key);
      const result = await next(metered);
      const after = await rowOf(TableName, key);
      total.writes += unitsOf(result.output);
      total.indexWrites += indexUnits(schema, before, after);
      return result;
    },
    { step: 'initialize', name: 'meterCapacity', override: true },
  );
  return {
    get reads() {
      return total.reads;
    },
    get writes() {
      return total.writes;
    },
    get indexWrites() {
      return total.indexWrites;
    },
    reset() {
      Object.assign(total, { reads: 0, writes: 0, indexWrites: 0 });
    },
  };
}

function unitsOf(output: unknown): number {
  const { ConsumedCapacity: consumed = [] } = output as { ConsumedCapacity?: ConsumedCapacity | ConsumedCapacity[] };
  return [consumed].flat().reduce((sum, { CapacityUnits = 0 }) => sum + CapacityUnits, 0);
}

function keyOf({ partitionKey, sortKey }: TableSchema, row: Row): Row {
  return { [partitionKey]: row[partitionKey], ...(sortKey !== undefined && { [sortKey]: row[sortKey] }) };
}

function indexUnits({ indexes }: TableSchema, before: Row = {}, after: Row = {}): number {
  const entryOf = (row: Row, { partitionKey, sortKey }: TableSchema['indexes'][number]) =>
    row[partitionKey] === undefined || row[sortKey] === undefined
      ? undefined
      : JSON.stringify([row[partitionKey], row[sortKey]]);
  return indexes.reduce((sum, index) => {
    const [old, now] = [entryOf(before, index), entryOf(after, index)];
    if (old === now) return sum;
    return sum + (old === undefined ? 0 : 1) + (now === undefined ? 0 : 1);
  }, 0);
}
