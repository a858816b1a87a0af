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
  return status === 'pending' ? { status, statusReason, verifiedAt: undefined } : statusByGrant(grant);
}

/** How every connection of a grant stands. */
export function statusByGrant(grant: GrantState | undefined): ConnectionStatus {
  if (!grant) return { status: 'reauthorization_required', statusReason: 'grant_missing', verifiedAt: undefined };
  return {
    status: grant.status === 'revoking' ? 'revoked' : grant.status,
    statusReason: grant.statusReason,
    verifiedAt: grant.verifiedAt,
  };
}
