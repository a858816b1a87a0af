import { type Connection, derivedIdentifier, subjectKeyOf } from '../../lib/connection/connection.ts';
import { randomObjectId, randomToken } from '../../lib/crypto.ts';
import type { Endpoint } from '../../lib/endpoint/endpoint.ts';
import type { ApiKey } from '../../lib/environment/api-key.ts';
import type { Environment } from '../../lib/environment/environment.ts';
import type { Flow } from '../../lib/flow/flow.ts';
import { hashSecret, newHandle } from '../../lib/flow/handle.ts';
import { type Grant, grantIdOf } from '../../lib/grant/grant.ts';
import type { Integration } from '../../lib/integration/integration.ts';

/** The time of everything built here: late enough that no table's TTL takes it. */
export const builtAt = Date.parse('2040-01-01T00:00:00.000Z');

/** The ISO time so many milliseconds after `builtAt`. */
export function isoTime(millisecondsLater = 0): string {
  return new Date(builtAt + millisecondsLater).toISOString();
}

const environmentId = '0000000000000000000000e1';
const integrationId = '0000000000000000000000a1';
const account = { id: 'T0ACME', name: 'Acme', kind: 'workspace' } as const;

/** An issued Slack flow, usable for five minutes from `builtAt`. */
export function aFlow(overrides: Partial<Flow> = {}): Flow {
  const { flowId, secret } = newHandle();
  return {
    flowId,
    environmentId,
    integrationId,
    providerId: 'slack',
    mode: 'connect',
    binding: 'direct',
    stage: 'authorize',
    secretHash: hashSecret(secret),
    status: 'ISSUED',
    issuedAt: builtAt,
    usableUntil: builtAt + 300_000,
    expiresAt: builtAt / 1000 + 3_900,
    subscriberId: 'subscriber-1',
    contextKeys: [],
    autoLinkUser: false,
    scopes: ['chat:write'],
    userScopes: [],
    redirectUri: 'https://connect.example/v1/integrations/chat/oauth/callback/slack',
    ...overrides,
  };
}

/** A bot grant as an exchange at `builtAt` gives it; its store counts the version. */
export function aGrant(overrides: Partial<Omit<Grant, 'version'>> = {}): Omit<Grant, 'version'> {
  return {
    grantId: grantIdOf(overrides.integrationId ?? integrationId, (overrides.account ?? account).id, overrides.userId),
    environmentId,
    integrationId,
    providerId: 'slack',
    account,
    source: 'flow',
    credential: 'token',
    token: 'sealed-token',
    sealVersion: 'flow-1.1',
    scopes: ['chat:write'],
    status: 'active',
    asOf: builtAt,
    flowId: 'flow-1',
    ...overrides,
  };
}

/** A subscriber's active connection; its key is that of its subject, its identifier the derived one. */
export function aConnection(overrides: Partial<Connection> = {}): Connection {
  const subject = { integrationId, subscriberId: 'subscriber-1', contextKeys: [], ...overrides };
  const subjectKey = overrides.subjectKey ?? subjectKeyOf(subject);
  return {
    ...subject,
    subjectKey,
    identifier: derivedIdentifier(subjectKey),
    environmentId,
    integrationIdentifier: 'slack',
    providerId: 'slack',
    grantId: grantIdOf(subject.integrationId, account.id),
    previousGrantIds: [],
    account,
    scopes: ['chat:write'],
    status: 'active',
    createdAt: isoTime(),
    updatedAt: isoTime(),
    asOf: builtAt,
    flowId: 'flow-1',
    revision: randomToken(12),
    ...overrides,
  };
}

/** A subscriber's Slack user, reached without a connection. */
export function anEndpoint(overrides: Partial<Endpoint> = {}): Endpoint {
  return {
    identifier: `chendp_${randomToken(8)}`,
    environmentId,
    integrationId,
    integrationIdentifier: 'slack',
    providerId: 'slack',
    subscriberId: 'subscriber-1',
    contextKeys: [],
    accountId: account.id,
    target: { type: 'slack_user', userId: 'U0ANN' },
    source: 'flow',
    createdAt: isoTime(),
    updatedAt: isoTime(),
    asOf: builtAt,
    flowId: 'flow-1',
    ...overrides,
  };
}

/** An active Slack app with an id of its own. */
export function anIntegration(overrides: Partial<Integration> = {}): Integration {
  return {
    integrationId: randomObjectId(),
    environmentId,
    identifier: 'slack',
    name: 'Slack',
    providerId: 'slack',
    active: true,
    credentials: { clientId: '1000.1000' },
    sealedCredentials: { secretKey: 'sealed-secret' },
    sealVersion: 'seal-1',
    configurations: {},
    state: 'living',
    createdAt: isoTime(),
    updatedAt: isoTime(),
    revision: randomToken(12),
    ...overrides,
  };
}

export function anEnvironment(overrides: Partial<Environment> = {}): Environment {
  return {
    environmentId: randomObjectId(),
    name: 'production',
    wrappedDataKey: 'wrapped-data-key',
    signingSecret: 'sealed-signing-secret',
    createdAt: isoTime(),
    ...overrides,
  };
}

export function anApiKey(overrides: Partial<ApiKey> = {}): ApiKey {
  return {
    keyId: randomToken(9),
    environmentId,
    keyHash: hashSecret(randomToken(16)),
    name: 'backend',
    permissions: ['connect'],
    createdAt: isoTime(),
    ...overrides,
  };
}
