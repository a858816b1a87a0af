import { connectionOperations } from './channel-connections.ts';
import { endpointOperations } from './channel-endpoints.ts';
import { confirmOperations } from './confirm-flow.ts';
import { integrationOperations } from './integrations.ts';
import { oauthUrlOperations } from './oauth-urls.ts';
import type { Operations } from './operation.ts';
import { pageOperations } from './pages.ts';
import { serviceOperations } from './service.ts';
import { authorizeOperations } from './slack-authorize.ts';
import { slackEventOperations } from './slack-events.ts';

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
    name: 'Flows',
    description: 'Attempts to connect a workspace or tenant, or to link a person. Each begins with an OAuth URL.',
    operations: { ...oauthUrlOperations, ...confirmOperations },
  },
  {
    name: 'Channel connections',
    description: 'Which workspaces and tenants are connected, and for whom.',
    operations: { ...connectionOperations, ...authorizeOperations },
  },
  { name: 'Channel endpoints', description: 'Where messages to subscribers go.', operations: endpointOperations },
  {
    name: 'Pages',
    description: 'Where browsers go: start pages, and the callbacks that Slack and Microsoft send them back to.',
    operations: pageOperations,
  },
  {
    name: 'Events',
    description: 'What Slack tells of an app’s installs. Slack calls these routes, and your backend does not.',
    operations: slackEventOperations,
  },
  { name: 'Service', description: 'About the service itself.', operations: serviceOperations },
];
