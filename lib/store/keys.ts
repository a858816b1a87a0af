import { hashOf } from '../crypto.ts';
import type { RowKey } from './database.ts';

/**
 * Every key of both tables. A key begins with the environment that authentication found, but for the three public
 * look-ups (API key, integration id, flow id), which find the environment. A caller's string is hashed.
 */
export const keyOf = {
  environment: (environmentId: string): RowKey => ({ pk: `E#${environmentId}`, sk: 'ENV' }),
  apiKey: (keyHash: string): RowKey => ({ pk: `K#${keyHash}`, sk: 'KEY' }),
  integration: (integrationId: string): RowKey => ({ pk: `I#${integrationId}`, sk: 'INT' }),
  integrationAlias: (environmentId: string, identifier: string): RowKey => ({
    pk: `J#${environmentId}#${hashOf(identifier)}`,
    sk: 'ALIAS',
  }),
  clientUse: (providerId: string, clientId: string, integrationId: string) => ({
    pk: `APP#${hashOf(providerId, clientId)}`,
    sk: `I#${integrationId}`,
  }),
  connection: (environmentId: string, subjectKey: string): RowKey => ({
    pk: `C#${environmentId}#${subjectKey}`,
    sk: 'CONN',
  }),
  connectionAlias: (environmentId: string, identifier: string): RowKey => ({
    pk: `A#${environmentId}#${hashOf(identifier)}`,
    sk: 'ALIAS',
  }),
  endpoint: (environmentId: string, identifier: string): RowKey => ({
    pk: `P#${environmentId}#${hashOf(identifier)}`,
    sk: 'EP',
  }),
  grant: (environmentId: string, grantId: string) => ({ pk: `G#${environmentId}#${grantId}`, sk: 'GRANT' }),
  reference: (environmentId: string, grantId: string, subjectKey: string) => ({
    pk: `G#${environmentId}#${grantId}`,
    sk: `REF#${subjectKey}`,
  }),
  userGrantMark: (environmentId: string, grantId: string, userGrantId: string) => ({
    pk: `G#${environmentId}#${grantId}`,
    sk: `USER#${userGrantId}`,
  }),
  flow: (flowId: string): RowKey => ({ pk: `F#${flowId}` }),
  slackState: (environmentId: string, stateHash: string): RowKey => ({ pk: `S#${environmentId}#${stateHash}` }),
  seenEvent: (environmentId: string, eventHash: string): RowKey => ({ pk: `EV#${environmentId}#${eventHash}` }),
  idempotency: (environmentId: string, recordId: string): RowKey => ({ pk: `IDEM#${environmentId}#${recordId}` }),
} as const;

type Kind = 'ENV' | 'KEY' | 'INT' | 'CONN' | 'EP' | 'GRANT';

/** Partitions of the list indexes; one per single filter. */
export const listOf = {
  environments: 'ENV',
  inEnvironment: (kind: Kind, environmentId: string) => `${environmentId}#${kind}`,
  ofSubscriber: (kind: Kind, environmentId: string, subscriberId: string) =>
    `${environmentId}#${kind}#S#${hashOf(subscriberId)}`,
  /** Rows of no subscriber are listed with the subscribers whose context set is theirs. */
  shared: (kind: Kind, environmentId: string, contextKeys: readonly string[]) =>
    `${environmentId}#${kind}#shared#${hashOf(contextKeys)}`,
  ofIntegration: (kind: Kind, environmentId: string, integrationId: string) =>
    `${environmentId}#${kind}#I#${integrationId}`,
  withContexts: (kind: Kind, environmentId: string, contextKeys: readonly string[]) =>
    `${environmentId}#${kind}#X#${hashOf(contextKeys)}`,
  throughConnection: (environmentId: string, connectionKey: string) => `${environmentId}#EP#C#${connectionKey}`,
} as const;

/** Position in every list: by time, then by a name that makes it unique. */
export function listOrderOf(createdAt: string, uniqueName: string): string {
  return `${createdAt}#${uniqueName}`;
}
