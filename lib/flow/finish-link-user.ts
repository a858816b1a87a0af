import type { Connection } from '../connection/connection.ts';
import { subjectKeyOf } from '../connection/connection.ts';
import type { Account } from '../grant/grant.ts';
import type { Integration } from '../integration/integration.ts';
import { type FinishDeps, writeEndpoint } from './finish-connect.ts';
import type { FinishableFlow, FlowOutcome } from './flow.ts';
import { FlowFailure } from './flow-failure.ts';
import type { Granted } from './granted.ts';

/**
 * Points the flow's subscriber at the person who approved. Keeps no token.
 * @throws FlowFailure when the person is of another workspace than the connection, or the connection is not theirs
 */
export async function finishLinkUser(
  deps: FinishDeps,
  integration: Integration,
  flow: FinishableFlow,
  granted: Granted,
): Promise<FlowOutcome> {
  const { user } = granted;
  if (!user || flow.subscriberId === undefined) throw new FlowFailure('user_missing');
  const connection = await connectionFor(deps, flow);
  if (connection && !isOfAccount(granted.account, connection.account)) throw new FlowFailure('wrong_workspace');
  const { target, userId } = user;
  const identifier = await writeEndpoint(deps, integration, flow, granted.account, connection, target, userId);
  return {
    connectionIdentifier: connection?.identifier,
    endpointIdentifiers: [identifier],
    account: { id: granted.account.id, name: granted.account.name },
  };
}

/** The connection named, else the subscriber's own, else the shared one of the same contexts, else none. */
async function connectionFor(deps: FinishDeps, flow: FinishableFlow): Promise<Connection | undefined> {
  const { environmentId, integrationId, subscriberId, contextKeys, connectionIdentifier } = flow;
  if (connectionIdentifier !== undefined) {
    const named = await deps.connections.find(environmentId, connectionIdentifier);
    if (!named || named.integrationId !== integrationId) throw new FlowFailure('connection_not_found');
    if (named.subscriberId !== undefined && named.subscriberId !== subscriberId) {
      throw new FlowFailure('connection_of_another_subscriber');
    }
    return named;
  }
  for (const owner of [subscriberId, undefined]) {
    const subjectKey = subjectKeyOf({ integrationId, subscriberId: owner, contextKeys });
    const connection = await deps.connections.get(environmentId, subjectKey);
    if (connection && connection.deletedAt === undefined) return connection;
  }
  return undefined;
}

/** A person of a workspace in an Enterprise Grid belongs to an org-wide install of it as well. */
function isOfAccount(person: Account, connected: Account): boolean {
  return person.id === connected.id || (connected.kind === 'enterprise' && person.enterpriseId === connected.id);
}
