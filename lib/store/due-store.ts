import { type Connection, connectionSchema } from '../connection/connection.ts';
import { type Grant, grantSchema } from '../grant/grant.ts';
import { type Database, readableRow } from './database.ts';
import { takeDueRows } from './due.ts';

/** A durable row that the sweep has to look at. */
export type DueRow =
  | { readonly kind: 'connection'; readonly connection: Connection }
  | { readonly kind: 'grant'; readonly grant: Grant };

export interface DueStore {
  /** Rows whose time to be looked at has come, from an index that may lag; each is put off by a minute first. */
  takeDue(now: number, limit: number): Promise<DueRow[]>;
}

export function dynamoDueStore(db: Database): DueStore {
  return {
    async takeDue(now, limit) {
      const rows = await takeDueRows(db, 'connections', 'row', now, limit);
      return rows.flatMap((row) => {
        const connection = row['sk'] === 'CONN' ? readableRow(connectionSchema, row) : undefined;
        const grant = row['sk'] === 'GRANT' ? readableRow(grantSchema, row) : undefined;
        return [
          ...(connection ? [{ kind: 'connection', connection } as const] : []),
          ...(grant ? [{ kind: 'grant', grant } as const] : []),
        ];
      });
    },
  };
}
