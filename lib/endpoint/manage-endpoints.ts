import { contextKeysOf, parseContext } from '../context/context.ts';
import { randomToken } from '../crypto.ts';
import { ChatConnectError, validationError } from '../errors.ts';
import type { Integration } from '../integration/integration.ts';
import type { ConnectionStore } from '../store/connection-store.ts';
import { type EndpointStore, isLiving } from '../store/endpoint-store.ts';
import type { IntegrationStore } from '../store/integration-store.ts';
import type { Vault } from '../vault/vault.ts';
import { type Endpoint, type EndpointType, endpointTypesOf, isDerivedEndpointIdentifier } from './endpoint.ts';
import { keepWhileConnected } from './keep-while-connected.ts';
import { readPayload, sealTarget } from './payload.ts';

export interface ManageEndpointsDeps {
  readonly endpoints: Pick<EndpointStore, 'get' | 'find' | 'create' | 'retarget' | 'remove'>;
  readonly connections: Pick<ConnectionStore, 'find' | 'get'>;
  readonly integrations: Pick<IntegrationStore, 'find'>;
  readonly vault: Vault;
  now(): number;
}

export interface NewEndpoint {
  readonly integrationIdentifier: string;
  readonly subscriberId: string;
  readonly type: EndpointType;
  /** The keys of its type. */
  readonly endpoint?: unknown;
  readonly identifier?: string | undefined;
  readonly connectionIdentifier?: string | undefined;
  readonly context?: unknown;
}

/**
 * Points a subscriber at a target of the caller's.
 * @throws ChatConnectError the contract's refusals, in the contract's order
 */
export async function createEndpoint(
  deps: ManageEndpointsDeps,
  environmentId: string,
  request: NewEndpoint,
): Promise<Endpoint> {
  const calledAt = deps.now();
  const { type, connectionIdentifier } = request;
  const payload = readPayload(type, request.endpoint);
  if ('problem' in payload) throw validationError([payload.problem]);
  const integration = await deps.integrations.find(environmentId, request.integrationIdentifier);
  if (!integration) {
    throw new ChatConnectError('integration_not_found', `Integration not found: ${request.integrationIdentifier}`);
  }
  requireTypeOf(integration, type);
  const { integrationId, identifier: integrationIdentifier, providerId } = integration;
  const contextKeys = contextKeysOf(request.context === undefined ? undefined : parseContext(request.context));
  const { identifier, freeSince } = await freeIdentifier(deps, environmentId, request.identifier);
  const connection =
    connectionIdentifier === undefined ? undefined : await deps.connections.find(environmentId, connectionIdentifier);
  if (connectionIdentifier !== undefined && connection?.integrationId !== integrationId) {
    throw connectionNotFound(connectionIdentifier);
  }
  const time = new Date(calledAt).toISOString();
  const endpoint: Endpoint = {
    identifier,
    environmentId,
    integrationId,
    integrationIdentifier,
    providerId,
    subscriberId: request.subscriberId,
    contextKeys,
    connectionKey: connection?.subjectKey,
    connectionIdentifier: connection?.identifier,
    target: await sealTarget(deps.vault, { environmentId, identifier }, payload.given),
    source: 'caller',
    createdAt: time,
    updatedAt: time,
    asOf: Math.max(calledAt, freeSince + 1, connection?.endpointsSince ?? 0),
    flowId: randomToken(12),
  };
  if (!(await deps.endpoints.create(endpoint))) throw identifierTaken(environmentId, identifier);
  if ((await keepWhileConnected(deps, endpoint)) === 'kept') return endpoint;
  throw connectionNotFound(connectionIdentifier ?? '');
}

/**
 * Points an endpoint of any origin elsewhere, at a target of the same type. What is deleted stays deleted.
 * @throws ChatConnectError `endpoint_not_found`, `endpoint_format_mismatch`
 */
export function changeEndpoint(
  deps: ManageEndpointsDeps,
  environmentId: string,
  identifier: string,
  newPayload: unknown,
): Promise<Endpoint> {
  const requireConnected = async (endpoint: Endpoint) => {
    if ((await keepWhileConnected(deps, endpoint)) !== 'kept') throw endpointNotFound(environmentId, identifier);
  };
  return whileLiving(deps, environmentId, identifier, async (endpoint, writer) => {
    // One whose connection is gone is about to go; changed, it would be too new for that.
    await requireConnected(endpoint);
    const payload = readPayload(endpoint.target.type, newPayload);
    if ('problem' in payload) throw new ChatConnectError('endpoint_format_mismatch', payload.problem);
    const target = await sealTarget(deps.vault, endpoint, payload.given);
    const updatedAt = new Date(deps.now()).toISOString();
    const changed = await deps.endpoints.retarget(endpoint, { target, updatedAt, ...writer });
    if (changed) await requireConnected(changed);
    return changed;
  });
}

/** @throws ChatConnectError `endpoint_not_found` */
export function deleteEndpoint(
  deps: ManageEndpointsDeps,
  environmentId: string,
  identifier: string,
): Promise<Endpoint> {
  return whileLiving(deps, environmentId, identifier, async (endpoint, writer) =>
    (await deps.endpoints.remove(endpoint, writer)) ? endpoint : undefined,
  );
}

/** A change has this many rounds to win against other writers of its endpoint. */
const maxRounds = 10;

/**
 * Reads an endpoint and changes it, until no other writer comes in between.
 * @throws ChatConnectError `endpoint_not_found`, `unavailable`
 */
async function whileLiving(
  deps: ManageEndpointsDeps,
  environmentId: string,
  identifier: string,
  change: (endpoint: Endpoint, writer: Pick<Endpoint, 'asOf' | 'flowId'>) => Promise<Endpoint | undefined>,
): Promise<Endpoint> {
  const calledAt = deps.now();
  const flowId = randomToken(12);
  for (let round = 0; round < maxRounds; round += 1) {
    const endpoint = await deps.endpoints.find(environmentId, identifier);
    if (!endpoint) throw endpointNotFound(environmentId, identifier);
    // What was read came before, whatever the clock of its writer said.
    const changed = await change(endpoint, { asOf: Math.max(calledAt, endpoint.asOf + 1), flowId });
    if (changed) return changed;
  }
  throw new ChatConnectError('unavailable', 'Others keep changing this channel endpoint. Please try again.', {
    retryAfterSeconds: 1,
  });
}

function requireTypeOf({ providerId }: Integration, type: EndpointType): void {
  const types = endpointTypesOf[providerId];
  if (types.includes(type)) return;
  throw validationError([`type: must be one of ${types.join(', ')} for an integration of ${providerId}, not ${type}`]);
}

/** The identifier that is asked for, or a random one, and until when it belonged to an endpoint that was deleted. */
async function freeIdentifier(
  deps: Pick<ManageEndpointsDeps, 'endpoints'>,
  environmentId: string,
  requested: string | undefined,
): Promise<{ identifier: string; freeSince: number }> {
  if (requested === undefined) return { identifier: `chendp_${randomToken(9)}`, freeSince: 0 };
  if (isDerivedEndpointIdentifier(requested)) {
    throw new ChatConnectError(
      'identifier_reserved',
      'identifier has the form of a derived identifier, which flows give to the endpoints that they make.',
    );
  }
  const row = await deps.endpoints.get(environmentId, requested);
  if (row && isLiving(row)) throw identifierTaken(environmentId, requested);
  return { identifier: requested, freeSince: row?.asOf ?? 0 };
}

function identifierTaken(environmentId: string, identifier: string): ChatConnectError {
  return new ChatConnectError(
    'conflict',
    `Channel endpoint with identifier "${identifier}" already exists in environment "${environmentId}"`,
  );
}

export function endpointNotFound(environmentId: string, identifier: string): ChatConnectError {
  return new ChatConnectError(
    'endpoint_not_found',
    `Channel endpoint with identifier "${identifier}" not found in environment "${environmentId}"`,
  );
}

function connectionNotFound(identifier: string): ChatConnectError {
  return new ChatConnectError('connection_not_found', `Channel connection not found: ${identifier}`);
}
