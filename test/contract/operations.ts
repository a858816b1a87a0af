import { randomUUID } from 'node:crypto';
import type { Novu } from '@novu/api';

/** What the operations work on; `slack` is the identifier of the integration. */
export interface Targets {
  readonly integrationId: string;
  readonly connectionIdentifier: string;
  readonly endpointIdentifier: string;
}

type Options = NonNullable<Parameters<Novu['integrations']['list']>[1]>;

interface Extras {
  /** Goes into a field of the body. */
  readonly text?: string;
  /** The idempotency key; the SDK makes one where none is given. */
  readonly key?: string;
  readonly options?: Options;
}

interface Given {
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly result?: unknown;
}

interface Operation {
  /** Nothing is given by an answer without a body. */
  call(novu: Novu, on: Targets, extras?: Extras): Promise<Given | undefined>;
  readonly hasBody?: true;
  /** Its path has the id or identifier of something. */
  readonly namesTarget?: true;
}

const slack = { integrationIdentifier: 'slack' };
const workspace = { id: 'T0ACME' };
const auth = { accessToken: 'canary-token' };

/** Every operation of the SDK that this service has. */
export const operations: Record<string, Operation> = {
  'integrations.list': {
    call: (novu, _on, { key, options } = {}) => novu.integrations.list(key, options),
  },
  'integrations.listActive': {
    call: (novu, _on, { key, options } = {}) => novu.integrations.listActive(key, options),
  },
  'integrations.create': {
    hasBody: true,
    call: (novu, _on, { key, options, text: name = 'Slack' } = {}) =>
      novu.integrations.create(
        { name, providerId: 'slack', channel: 'chat', credentials: { clientId: '1.1', secretKey: 'canary' } },
        key,
        options,
      ),
  },
  'integrations.update': {
    hasBody: true,
    namesTarget: true,
    call: (novu, on, { key, options, text: name = 'Slack' } = {}) =>
      novu.integrations.update({ name }, on.integrationId, key, options),
  },
  'integrations.delete': {
    namesTarget: true,
    call: (novu, on, { key, options } = {}) => novu.integrations.delete(on.integrationId, key, options),
  },
  'integrations.setAsPrimary': {
    namesTarget: true,
    call: (novu, on, { key, options } = {}) => novu.integrations.setAsPrimary(on.integrationId, key, options),
  },
  'integrations.generateChatOAuthUrl': {
    hasBody: true,
    call: (novu, _on, { key, options, text: subscriberId = 'ann' } = {}) =>
      novu.integrations.generateChatOAuthUrl({ ...slack, subscriberId }, key, options),
  },
  'integrations.generateConnectOAuthUrl': {
    hasBody: true,
    call: (novu, _on, { key, options, text: subscriberId = 'ann' } = {}) =>
      novu.integrations.generateConnectOAuthUrl({ ...slack, subscriberId }, key, options),
  },
  'integrations.generateLinkUserOAuthUrl': {
    hasBody: true,
    call: (novu, _on, { key, options, text: subscriberId = 'ann' } = {}) =>
      novu.integrations.generateLinkUserOAuthUrl({ ...slack, subscriberId }, key, options),
  },
  'integrations.linkChannelEndpoint': {
    hasBody: true,
    call: (novu, _on, { key, options, text: subscriberId = 'ann' } = {}) =>
      novu.integrations.linkChannelEndpoint({ ...slack, subscriberId }, key, options),
  },
  'channelConnections.list': {
    call: (novu, _on, { key: idempotencyKey, options } = {}) =>
      novu.channelConnections.list({ idempotencyKey }, options),
  },
  'channelConnections.create': {
    hasBody: true,
    call: (novu, _on, { key, options, text: subscriberId = randomUUID() } = {}) =>
      novu.channelConnections.create({ ...slack, subscriberId, workspace, auth }, key, options),
  },
  'channelConnections.retrieve': {
    namesTarget: true,
    call: (novu, on, { key, options } = {}) => novu.channelConnections.retrieve(on.connectionIdentifier, key, options),
  },
  'channelConnections.update': {
    hasBody: true,
    namesTarget: true,
    call: (novu, on, { key, options, text: name = 'Acme' } = {}) =>
      novu.channelConnections.update(
        { workspace: { ...workspace, name }, auth },
        on.connectionIdentifier,
        key,
        options,
      ),
  },
  'channelConnections.delete': {
    namesTarget: true,
    call: (novu, on, { key, options } = {}) => novu.channelConnections.delete(on.connectionIdentifier, key, options),
  },
  'channelEndpoints.list': {
    call: (novu, _on, { key: idempotencyKey, options } = {}) => novu.channelEndpoints.list({ idempotencyKey }, options),
  },
  'channelEndpoints.create': {
    hasBody: true,
    call: (novu, _on, { key, options, text: subscriberId = 'ann' } = {}) =>
      novu.channelEndpoints.create(
        { ...slack, subscriberId, type: 'slack_user', endpoint: { userId: 'U0ANN' } },
        key,
        options,
      ),
  },
  'channelEndpoints.retrieve': {
    namesTarget: true,
    call: (novu, on, { key, options } = {}) => novu.channelEndpoints.retrieve(on.endpointIdentifier, key, options),
  },
  'channelEndpoints.update': {
    hasBody: true,
    namesTarget: true,
    call: (novu, on, { key, options, text: userId = 'U0BOB' } = {}) =>
      novu.channelEndpoints.update({ endpoint: { userId } }, on.endpointIdentifier, key, options),
  },
  'channelEndpoints.delete': {
    namesTarget: true,
    call: (novu, on, { key, options } = {}) => novu.channelEndpoints.delete(on.endpointIdentifier, key, options),
  },
};

/** Makes a connection and an endpoint of the integration `slack`, to call the operations on. */
export async function createTargets({ integrations, channelConnections, channelEndpoints }: Novu): Promise<Targets> {
  const of = { ...slack, subscriberId: randomUUID() };
  const connection = await channelConnections.create({ ...of, workspace, auth });
  const endpoint = await channelEndpoints.create({ ...of, type: 'slack_user', endpoint: { userId: 'U0ANN' } });
  const all = (await integrations.list()).result;
  return {
    integrationId: all.find(({ identifier }) => identifier === 'slack')?.id ?? '',
    connectionIdentifier: connection.result.identifier,
    endpointIdentifier: endpoint.result.identifier,
  };
}
