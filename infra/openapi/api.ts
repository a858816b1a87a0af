import { callbackOperations } from './callbacks.ts';
import { connectionOperations } from './channel-connections.ts';
import { endpointOperations } from './channel-endpoints.ts';
import { integrationOperations } from './integrations.ts';
import { oauthUrlOperations } from './oauth-urls.ts';
import type { Operations } from './operation.ts';
import { serviceOperations } from './service.ts';

export interface Tag {
  readonly name: string;
  readonly description: string;
  readonly operations: Operations;
}

/** The document's content. A new route is one entry in the file of its tag. */
export const api: readonly Tag[] = [
  {
    name: 'Integrations',
    description: 'Slack apps and Entra app registrations of an environment.',
    operations: integrationOperations,
  },
  {
    name: 'OAuth URLs',
    description: 'Each starts a flow: one attempt to connect a workspace or tenant, or to link a person.',
    operations: oauthUrlOperations,
  },
  {
    name: 'Channel connections',
    description: 'Which workspaces and tenants are connected, and for whom.',
    operations: connectionOperations,
  },
  { name: 'Channel endpoints', description: 'Where messages to subscribers go.', operations: endpointOperations },
  {
    name: 'Callbacks',
    description: 'Where Slack and Microsoft send browsers back to. They answer with pages.',
    operations: callbackOperations,
  },
  { name: 'Service', description: 'About the service itself.', operations: serviceOperations },
];
