import type * as z from 'zod/mini';
import { type Connection, connectionSchema } from '../connection/connection.ts';
import { type Grant, grantSchema } from '../grant/grant.ts';
import { type Integration, integrationSchema } from '../integration/integration.ts';
import { type Database, readableRow } from './database.ts';
import { takeDueRows } from './due.ts';

/** A durable row that the sweep has to look at. */
export type DueRow =
  | { readonly kind: 'connection'; readonly row: Connection }
  | { readonly kind: 'grant'; readonly row: Grant }
  | { readonly kind: 'integration'; readonly row: Integration };

export interface DueStore {
  /** Rows whose time to be looked at has come, from an index that may lag; each is put off by a minute first. */
  takeDue(now: number, limit: number): Promise<DueRow[]>;
  /** Grants whose time to be checked has come, those that have waited longest; each is put off by three hours first. */
  takeChecks(now: number, limit: number): Promise<Grant[]>;
}

export function dynamoDueStore(db: Database): DueStore {
  return {
    async takeDue(now, limit) {
      const rows = await takeDueRows(db, 'connections', 'row', now, limit);
      return rows.flatMap((row): DueRow[] => [
        ...ofKind('CONN', row, connectionSchema, 'connection'),
        ...ofKind('GRANT', row, grantSchema, 'grant'),
        ...ofKind('INT', row, integrationSchema, 'integration'),
      ]);
    },
    async takeChecks(now, limit) {
      const rows = await takeDueRows(db, 'connections', 'check', now, limit);
      return rows.flatMap((row) => ofKind('GRANT', row, grantSchema, 'grant')).map(({ row }) => row);
    },
  };
}

/** One or none. */
function ofKind<Kind extends DueRow['kind'], Schema extends z.ZodMiniType>(
  sk: string,
  row: Record<string, unknown>,
  schema: Schema,
  kind: Kind,
): { kind: Kind; row: z.output<Schema> }[] {
  const read = row['sk'] === sk ? readableRow(schema, row) : undefined;
  return read === undefined ? [] : [{ kind, row: read }];
}
