import type { GrantState } from '../grant/grant.ts';
import type { Connection } from './connection.ts';

export const connectionStatuses = ['active', 'pending', 'reauthorization_required', 'revoked'] as const;

/** What a connection is to be judged by besides itself. */
export interface Standing {
  /** Of its main grant; undefined when that is missing or unreadable. */
  readonly grant: GrantState | undefined;
  /** What its integration requires by now. */
  readonly requiredScopes: readonly string[];
}

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

/**
 * What the integration requires by now and the connection was never approved: whether its workspace granted that to others
 * does not count. Nothing where the scopes are a person's, or those of a token that a caller brought, which nobody knows.
 */
export function missingScopesOf({ grantId, scopes }: Connection, { grant, requiredScopes }: Standing): string[] {
  if (grantId === undefined || grant?.source !== 'flow') return [];
  return [...new Set(requiredScopes)].filter((scope) => !scopes.includes(scope));
}
