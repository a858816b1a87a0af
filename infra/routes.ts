/** The functions of the service, named after their files in `functions/`. */
export type FunctionName =
  | 'generate-oauth-url'
  | 'start'
  | 'slack-callback'
  | 'msteams-callback'
  | 'confirm-flow'
  | 'slack-authorize'
  | 'slack-events'
  | 'integrations'
  | 'channel-connections'
  | 'channel-endpoints'
  | 'meta'
  | 'sweep'
  | 'publish-events';

/** Those that run on a schedule or on a stream do not answer HTTP. */
export type HttpFunctionName = Exclude<FunctionName, 'sweep' | 'publish-events'>;

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** In API Gateway's form: `{name}` stands for one path segment. */
  readonly path: string;
  readonly function: HttpFunctionName;
}

/** The one route table: the CDK stack and the local server both read it, so a route exists once. */
export const routes: readonly Route[] = [
  { method: 'GET', path: '/health', function: 'meta' },
  { method: 'GET', path: '/openapi.json', function: 'meta' },
  { method: 'POST', path: '/v1/integrations/chat/oauth', function: 'generate-oauth-url' },
  { method: 'POST', path: '/v1/integrations/channel-connections/oauth', function: 'generate-oauth-url' },
  { method: 'POST', path: '/v1/integrations/channel-endpoints/oauth', function: 'generate-oauth-url' },
  { method: 'POST', path: '/v1/integrations/channel-endpoints/link', function: 'generate-oauth-url' },
  { method: 'GET', path: '/connect/{ticket}', function: 'start' },
  { method: 'POST', path: '/connect/{ticket}', function: 'start' },
  { method: 'GET', path: '/v1/integrations/{integrationId}/slack/install', function: 'start' },
  { method: 'POST', path: '/v1/integrations/{integrationId}/slack/install', function: 'start' },
  { method: 'GET', path: '/v1/integrations/chat/oauth/callback/slack', function: 'slack-callback' },
  { method: 'GET', path: '/v1/integrations/chat/oauth/callback/slack/{integrationId}', function: 'slack-callback' },
  { method: 'GET', path: '/v1/integrations/chat/oauth/callback/msteams', function: 'msteams-callback' },
  { method: 'POST', path: '/v1/integrations/chat/oauth/confirm', function: 'confirm-flow' },
  { method: 'GET', path: '/v1/integrations', function: 'integrations' },
  { method: 'POST', path: '/v1/integrations', function: 'integrations' },
  { method: 'GET', path: '/v1/integrations/active', function: 'integrations' },
  { method: 'PUT', path: '/v1/integrations/{integrationId}', function: 'integrations' },
  { method: 'DELETE', path: '/v1/integrations/{integrationId}', function: 'integrations' },
  { method: 'POST', path: '/v1/integrations/{integrationId}/set-primary', function: 'integrations' },
  {
    method: 'POST',
    path: '/v1/integrations/{integrationIdentifier}/slack/authorize',
    function: 'slack-authorize',
  },
  { method: 'POST', path: '/v1/integrations/{integrationId}/slack/events', function: 'slack-events' },
  { method: 'GET', path: '/v1/channel-connections', function: 'channel-connections' },
  { method: 'GET', path: '/v1/channel-connections/{identifier}', function: 'channel-connections' },
  { method: 'POST', path: '/v1/channel-connections', function: 'channel-connections' },
  { method: 'PATCH', path: '/v1/channel-connections/{identifier}', function: 'channel-connections' },
  { method: 'DELETE', path: '/v1/channel-connections/{identifier}', function: 'channel-connections' },
  { method: 'POST', path: '/v1/channel-connections/{identifier}/verify', function: 'channel-connections' },
  { method: 'POST', path: '/v1/channel-connections/{identifier}/token', function: 'channel-connections' },
  { method: 'GET', path: '/v1/channel-connections/{identifier}/channels', function: 'channel-connections' },
  { method: 'GET', path: '/v1/channel-endpoints', function: 'channel-endpoints' },
  { method: 'POST', path: '/v1/channel-endpoints', function: 'channel-endpoints' },
  { method: 'GET', path: '/v1/channel-endpoints/{identifier}', function: 'channel-endpoints' },
  { method: 'PATCH', path: '/v1/channel-endpoints/{identifier}', function: 'channel-endpoints' },
  { method: 'DELETE', path: '/v1/channel-endpoints/{identifier}', function: 'channel-endpoints' },
];

/** Answers every request that no route matches (API Gateway's `$default` route). */
export const fallbackFunction: HttpFunctionName = 'meta';
