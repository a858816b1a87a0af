import { derivedIdentifier, installKeyOf, type Subject, subjectKeyIn, subjectKeyOf } from '../connection/connection.ts';
import type { Context } from '../context/context.ts';
import { ChatConnectError } from '../errors.ts';
import type { ConnectionMode, Flow } from './flow.ts';

/** Whom the flow's connection is for. A shared one has no subscriber, also when the request named one. */
export function subjectOf(flow: {
  readonly integrationId: string;
  readonly subscriberId?: string | undefined;
  readonly connectionMode?: ConnectionMode | undefined;
  readonly contextKeys: Flow['contextKeys'];
}): Subject {
  return {
    integrationId: flow.integrationId,
    subscriberId: flow.connectionMode === 'shared' ? undefined : flow.subscriberId,
    contextKeys: flow.contextKeys,
  };
}

/**
 * Key of the connection that a flow makes.
 * @param userId of the person, for the connection that an install without a bot makes of their token
 */
export function connectionKeyOf(
  flow: Pick<Flow, 'isInstall' | 'integrationId' | 'subscriberId' | 'connectionMode' | 'contextKeys'>,
  accountId: string,
  userId?: string,
): string {
  return flow.isInstall ? installKeyOf(flow.integrationId, accountId, userId) : subjectKeyOf(subjectOf(flow));
}

/**
 * A request says whom its connection is for.
 * @throws ChatConnectError the contract's rules for each mode
 */
export function requireMode(
  request: { readonly subscriberId?: string | undefined; readonly connectionMode?: ConnectionMode | undefined },
  context: Context | undefined,
): void {
  const { subscriberId, connectionMode } = request;
  if (connectionMode === 'shared' && !context) {
    throw new ChatConnectError('context_required', 'context is required when connectionMode is "shared"');
  }
  if (connectionMode === 'subscriber' && subscriberId === undefined) {
    throw new ChatConnectError('subscriber_required', 'subscriberId is required when connectionMode is "subscriber"');
  }
  if (connectionMode === undefined && subscriberId === undefined && !context) {
    throw new ChatConnectError('subscriber_or_context_required', 'Either subscriberId or context must be provided');
  }
}

/**
 * A derived identifier is another name of one subject; nobody else can have it.
 * @throws ChatConnectError `identifier_reserved`
 */
export function requireOwnIdentifier(field: string, identifier: string, subjectKey: string): void {
  if (subjectKeyIn(identifier) === undefined || identifier === derivedIdentifier(subjectKey)) return;
  throw new ChatConnectError(
    'identifier_reserved',
    `${field} has the form of a derived identifier, which belongs to another subscriber or context.`,
  );
}
