import { ChatConnectError } from '../errors.ts';
import { type ApiKey, hashApiKey, type Permission } from './api-key.ts';

export interface Caller {
  readonly environmentId: string;
  readonly keyId: string;
  readonly permissions: readonly Permission[];
  /** The key as presented: the contract's clients sign contexts with it. Never stored or logged. */
  readonly presentedKey: string;
}

export interface AuthenticateDeps {
  findApiKey(keyHash: string): Promise<ApiKey | undefined>;
}

/**
 * Finds who calls by the `Authorization: ApiKey …` header.
 * @throws ChatConnectError `unauthorized`, with the contract's message for each way of being wrong
 */
export async function authenticate(deps: AuthenticateDeps, authorization: string | undefined): Promise<Caller> {
  if (authorization === undefined) throw new ChatConnectError('unauthorized', 'Missing authorization header');
  const [, scheme = '', presentedKey = ''] = /^(\S*)\s*(.*)$/s.exec(authorization.trim()) ?? [];
  if (scheme === '') throw new ChatConnectError('unauthorized', 'Unauthorized');
  if (scheme.toLowerCase() !== 'apikey') {
    // A key that was sent without its scheme would stand here, so only a plain word before something else is echoed.
    const shown = presentedKey !== '' && /^[A-Za-z]{1,20}$/.test(scheme) ? scheme : '...';
    throw new ChatConnectError('unauthorized', `Invalid authentication scheme: "${shown}"`);
  }
  if (presentedKey === '') throw new ChatConnectError('unauthorized', 'Unauthorized');
  const key = await deps.findApiKey(hashApiKey(presentedKey));
  if (!key || key.revokedAt !== undefined) throw new ChatConnectError('unauthorized', 'API Key not found');
  return { environmentId: key.environmentId, keyId: key.keyId, permissions: key.permissions, presentedKey };
}

/** @throws ChatConnectError `forbidden` that names what the key lacks */
export function requirePermission(caller: Caller, anyOf: readonly Permission[]): void {
  if (anyOf.some((permission) => caller.permissions.includes(permission))) return;
  throw new ChatConnectError(
    'forbidden',
    `This API key lacks the permission ${anyOf.map((p) => `"${p}"`).join(' or ')}.`,
  );
}
