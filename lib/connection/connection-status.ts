import type { GrantState } from '../grant/grant.ts';
import type { Connection } from './connection.ts';

export const connectionStatuses = ['active', 'pending', 'reauthorization_required', 'revoked'] as const;

interface ConnectionStatus {
  readonly status: (typeof connectionStatuses)[number];
  readonly statusReason: string | undefined;
  /** Epoch milliseconds. */
  readonly verifiedAt: number | undefined;
}

/** How a connection stands: as its grant does, once it has one. Connections that share a grant stand and fall together. */
export function statusOf(connection: Connection, grant: GrantState | undefined): ConnectionStatus {
  const { status, statusReason } = connection;
  if (status === 'pending') return { status, statusReason, verifiedAt: undefined };
  if (!grant) return { status: 'reauthorization_required', statusReason: 'grant_missing', verifiedAt: undefined };
  return {
    status: grant.status === 'revoking' ? 'revoked' : grant.status,
    statusReason: grant.statusReason,
    verifiedAt: grant.verifiedAt,
  };
}
