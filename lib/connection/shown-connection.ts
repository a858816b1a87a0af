import type { Connection } from './connection.ts';

/** The contract's clients demand the field; the token itself comes from the token route only. */
const accessTokenPlaceholder = 'hidden';

/** As the contract's clients read it. */
export function shownConnection(connection: Connection) {
  const { account, botUserId } = connection;
  return {
    identifier: connection.identifier,
    channel: 'chat',
    providerId: connection.providerId,
    integrationIdentifier: connection.integrationIdentifier,
    subscriberId: connection.subscriberId ?? null,
    contextKeys: connection.contextKeys,
    workspace: { id: account.id, name: account.name, botUserId },
    auth: { accessToken: accessTokenPlaceholder },
    status: connection.status,
    statusReason: connection.statusReason,
    scopes: connection.scopes,
    createdAt: connection.createdAt,
    updatedAt: connection.updatedAt,
  };
}
