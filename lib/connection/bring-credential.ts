import { contextKeysOf, parseContext } from '../context/context.ts';
import { randomToken } from '../crypto.ts';
import { ChatConnectError } from '../errors.ts';
import type { ConnectionMode } from '../flow/flow.ts';
import { requireMode, requireOwnIdentifier, subjectOf } from '../flow/subject.ts';
import { type Account, callerGrantIdOf, type Token } from '../grant/grant.ts';
import { revokeGrantIfUnshared } from '../grant/revoke-if-unshared.ts';
import { sealToken } from '../grant/token-vault.ts';
import type { Integration } from '../integration/integration.ts';
import { type Connection, derivedIdentifier, leftBehind, subjectKeyOf } from './connection.ts';
import { type DisconnectDeps, releaseOrLeaveToSweep } from './disconnect.ts';

/** A credential that a caller got elsewhere, and what it is for. */
export interface BroughtCredential {
  readonly workspace: {
    readonly id: string;
    readonly name?: string | undefined;
    readonly botUserId?: string | undefined;
  };
  readonly auth: {
    readonly accessToken: string;
    readonly refreshToken?: string | undefined;
    /** ISO time. */
    readonly expiresAt?: string | undefined;
  };
}

export interface NewConnection extends BroughtCredential {
  readonly integrationIdentifier: string;
  readonly identifier?: string | undefined;
  readonly subscriberId?: string | undefined;
  readonly context?: unknown;
  readonly connectionMode?: ConnectionMode | undefined;
}

/** What of a connection a credential does not change. */
type Identity = Pick<
  Connection,
  | 'subjectKey'
  | 'identifier'
  | 'environmentId'
  | 'integrationId'
  | 'integrationIdentifier'
  | 'providerId'
  | 'subscriberId'
  | 'contextKeys'
>;

/** Other writers of the subject win this often at most. */
const maxRounds = 8;
/** Later than a reference to a brought credential stops counting when no connection came of it. */
const unusedCredentialMilliseconds = 15 * 60_000;

/**
 * Makes a connection of a credential that the caller brings. Of several at once exactly one is made, with its own
 * credential.
 * @throws ChatConnectError the contract's conditional rules, in the contract's order
 */
export async function createConnection(
  deps: DisconnectDeps,
  environmentId: string,
  request: NewConnection,
): Promise<Connection> {
  const context = request.context === undefined ? undefined : parseContext(request.context);
  const { integrationIdentifier } = request;
  const integration = await deps.integrations.find(environmentId, integrationIdentifier);
  if (!integration) {
    throw new ChatConnectError('integration_not_found', `Integration not found: ${integrationIdentifier}`);
  }
  requireMode(request, context);
  const { integrationId, providerId } = integration;
  const subject = subjectOf({ ...request, integrationId, contextKeys: contextKeysOf(context) });
  const subjectKey = subjectKeyOf(subject);
  const identifier = request.identifier ?? derivedIdentifier(subjectKey);
  requireOwnIdentifier('identifier', identifier, subjectKey);
  const { subscriberId, contextKeys } = subject;
  const identity: Identity = {
    subjectKey,
    identifier,
    environmentId,
    integrationId,
    integrationIdentifier,
    providerId,
    subscriberId,
    contextKeys: [...contextKeys],
  };
  const token = tokenOf(deps, integration, request);
  for (let round = 0; round < maxRounds; round += 1) {
    const existing = await deps.connections.get(environmentId, subjectKey);
    if (existing && existing.deletedAt === undefined) throw alreadyExists(existing);
    const isOwn =
      identifier === derivedIdentifier(subjectKey) ||
      (await deps.connections.claimIdentifier(environmentId, identifier, subjectKey, deps.now()));
    if (!isOwn) {
      throw new ChatConnectError(
        'conflict',
        `Channel connection with identifier "${identifier}" already exists in environment "${environmentId}"`,
      );
    }
    const written = await write(deps, integration, identity, existing, request, token);
    if (written) return written;
  }
  throw new Error('other writers kept changing the connection');
}

/**
 * Replaces a connection's account and credential by what the caller brings, and lets go of what it had.
 * @throws ChatConnectError `connection_not_found`, and the rules for refresh tokens
 */
export async function replaceCredential(
  deps: DisconnectDeps,
  environmentId: string,
  identifier: string,
  brought: BroughtCredential,
): Promise<Connection> {
  for (let round = 0; round < maxRounds; round += 1) {
    const existing = await deps.connections.find(environmentId, identifier);
    const integration = existing && (await deps.integrations.get(existing.integrationId, environmentId));
    if (!integration) {
      const message = `Channel connection with identifier "${identifier}" not found`;
      throw new ChatConnectError('connection_not_found', message);
    }
    const written = await write(deps, integration, existing, existing, brought, tokenOf(deps, integration, brought));
    if (written) return written;
  }
  throw new Error('other writers kept changing the connection');
}

/**
 * Grant, reference, connection: the credential stands in a grant of its own until the connection's one write names it, so
 * that no connection ever has the account of one and the token of another. Without that write the sweep erases it: nobody
 * else knows of the grant, so the reference does not have to come first.
 * @returns undefined when somebody else wrote the connection first
 */
async function write(
  deps: DisconnectDeps,
  integration: Integration,
  identity: Identity,
  existing: Connection | undefined,
  { workspace }: BroughtCredential,
  token: Token,
): Promise<Connection | undefined> {
  const { environmentId, integrationId, providerId, subjectKey } = identity;
  const now = deps.now();
  const revision = randomToken(12);
  // After what was read, also when another instance's clock was ahead.
  const writer = { asOf: Math.max(now, (existing?.asOf ?? 0) + 1), flowId: revision };
  const grantId = callerGrantIdOf(subjectKey, revision);
  const account = accountOf(providerId, workspace);
  await deps.grants.putIfNewer(
    {
      grantId,
      environmentId,
      integrationId,
      providerId,
      account,
      source: 'caller',
      credential: 'token',
      ...(await sealToken(deps.vault, environmentId, grantId, token, revision)),
      scopes: [],
      status: 'active',
      dueAt: new Date(now + unusedCredentialMilliseconds).toISOString(),
      ...writer,
    },
    now,
  );
  await deps.grants.addReference(environmentId, grantId, subjectKey, writer);
  const living = existing?.deletedAt === undefined ? existing : undefined;
  const isMoved = living?.status === 'active' && living.account.id !== account.id;
  const updatedAt = new Date(now).toISOString();
  const connection: Connection = {
    subjectKey,
    identifier: identity.identifier,
    environmentId,
    integrationId,
    integrationIdentifier: identity.integrationIdentifier,
    providerId,
    subscriberId: identity.subscriberId,
    contextKeys: identity.contextKeys,
    isInstall: living?.isInstall,
    grantId,
    ...leftBehind(existing, { grantId, userGrantId: undefined }, now),
    previousAccountName: isMoved ? (living.account.name ?? living.account.id) : undefined,
    account,
    botUserId: workspace.botUserId,
    metadata: living?.metadata,
    scopes: [],
    status: 'active',
    createdAt: living?.createdAt ?? updatedAt,
    updatedAt,
    ...writer,
    revision,
  };
  if (await deps.connections.put(connection, existing?.revision)) {
    await releaseOrLeaveToSweep(deps, connection);
    return connection;
  }
  await deps.grants.removeReference(environmentId, grantId, subjectKey, writer);
  const unused = await deps.grants.get(environmentId, grantId);
  if (unused) await revokeGrantIfUnshared(deps, integration, unused, revision);
  return undefined;
}

/** An Enterprise Grid organisation's id begins with an E, a workspace's with a T. */
function accountOf(providerId: Integration['providerId'], { id, name }: BroughtCredential['workspace']): Account {
  const kind = providerId === 'msteams' ? 'tenant' : id.startsWith('E') ? 'enterprise' : 'workspace';
  return { id, name, kind };
}

/** @throws ChatConnectError when the refresh token could not be used */
function tokenOf(deps: DisconnectDeps, integration: Integration, { auth }: BroughtCredential): Token {
  const { accessToken, refreshToken } = auth;
  const expiresAt = auth.expiresAt === undefined ? undefined : Math.floor(Date.parse(auth.expiresAt) / 1000);
  if (refreshToken === undefined) return { accessToken, expiresAt };
  const { providerId, identifier, credentials, sealedCredentials } = integration;
  if (providerId !== 'slack') {
    throw new ChatConnectError(
      'rotation_unsupported',
      `Token rotation is not supported for provider "${providerId}". Remove refreshToken from the connection auth.`,
    );
  }
  if (credentials.clientId === undefined || sealedCredentials.secretKey === undefined) {
    throw new ChatConnectError(
      'rotation_credentials_missing',
      `Integration "${identifier}" must have clientId and secretKey configured to store a rotating refresh token.`,
    );
  }
  // Of unknown age: refreshed before it is first used.
  return { accessToken, refreshToken, expiresAt: expiresAt ?? Math.floor(deps.now() / 1000) };
}

function alreadyExists({ integrationIdentifier, subscriberId, contextKeys, identifier }: Connection): ChatConnectError {
  const whose = subscriberId === undefined ? 'no subscriberId' : `subscriberId "${subscriberId}"`;
  const context = contextKeys.length === 0 ? 'no context' : `context [${contextKeys.join(', ')}]`;
  return new ChatConnectError(
    'connection_exists',
    `A channel connection already exists for integration "${integrationIdentifier}" with ${whose} and ${context}. Connection ID: ${identifier}`,
  );
}
