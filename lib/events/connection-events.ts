import { type Connection, mainGrantIdOf } from '../connection/connection.ts';
import { statusOf } from '../connection/connection-status.ts';
import { workspaceOf } from '../connection/shown-connection.ts';
import type { GrantStore } from '../store/grant-store.ts';
import type { ChangeableField, Event } from './event.ts';
import { makeEvent } from './make-event.ts';
import type { RowChange } from './row-change.ts';

export interface ConnectionEventsDeps {
  readonly grants: Pick<GrantStore, 'get'>;
}

/** What a write of a connection's row means to whoever sees the connection: one event, or none. */
export async function connectionEvents(
  deps: ConnectionEventsDeps,
  { before, after, at }: RowChange & { kind: 'connection' },
): Promise<Event[]> {
  const was = living(before);
  const is = living(after);
  if (is) return await written(deps, was, is);
  if (!was) return [];
  const { environmentId, subjectKey, revision, statusReason, deletedAt } = after ?? was;
  const cause = [subjectKey, revision];
  const data = { ...shownInEvents(was), statusReason };
  return [makeEvent('connection.deleted', { environmentId, cause, time: deletedAt ?? at, data })];
}

async function written(
  { grants }: ConnectionEventsDeps,
  was: Connection | undefined,
  is: Connection,
): Promise<Event[]> {
  const { environmentId, subjectKey, revision, updatedAt } = is;
  const changed = was ? changedFields(was, is) : [];
  if (was && changed.length === 0) return [];
  const grantId = is.status === 'pending' ? undefined : mainGrantIdOf(is);
  const grant = grantId === undefined ? undefined : await grants.get(environmentId, grantId);
  const { status, statusReason } = statusOf(is, grant);
  const data = { ...shownInEvents(is), status, statusReason };
  const occurrence = { environmentId, cause: [subjectKey, revision], time: updatedAt };
  if (!was) return [makeEvent('connection.created', { ...occurrence, data })];
  // What never was active was not connected.
  const isMoved = was.status === 'active' && was.account.id !== is.account.id;
  const previousWorkspace = isMoved ? workspaceOf(was) : undefined;
  return [makeEvent('connection.updated', { ...occurrence, data: { ...data, changed, previousWorkspace } })];
}

/** What every event of a connection says of it. */
export function shownInEvents(connection: Connection) {
  const { identifier, integrationIdentifier, providerId, subscriberId = null, contextKeys, scopes } = connection;
  const workspace = workspaceOf(connection);
  return { identifier, integrationIdentifier, providerId, subscriberId, contextKeys, workspace, scopes };
}

function living(connection: Connection | undefined): Connection | undefined {
  return connection?.deletedAt === undefined ? connection : undefined;
}

function changedFields(was: Connection, is: Connection): ChangeableField[] {
  const isNewCredential = is.status === 'active' && (was.asOf !== is.asOf || was.flowId !== is.flowId);
  const fields: Record<ChangeableField, boolean> = {
    identifier: was.identifier !== is.identifier,
    workspace: !areEqual(workspaceOf(was), workspaceOf(is)),
    status: was.status !== is.status,
    statusReason: was.statusReason !== is.statusReason,
    scopes: !areEqual(was.scopes, is.scopes),
    metadata: was.metadata !== is.metadata,
    credential: isNewCredential,
  };
  return Object.entries(fields).flatMap(([field, isChanged]) => (isChanged ? [field as ChangeableField] : []));
}

function areEqual(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
