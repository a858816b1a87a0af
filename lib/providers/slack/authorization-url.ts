/** What a connect asks for when neither the request nor the integration names scopes. */
export const defaultBotScopes = [
  'chat:write',
  'chat:write.public',
  'channels:read',
  'groups:read',
  'users:read',
  'users:read.email',
] as const;

/** What link_user asks for by default. */
export const defaultUserScopes = ['identity.basic'] as const;

export interface SlackAuthorizationRequest {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly state: string;
  /** Bot scopes for a connect, user scopes for link_user; never both here. */
  readonly scopes: { readonly bot: readonly string[] } | { readonly user: readonly string[] };
}

/**
 * Where a browser goes to approve.
 * @see https://docs.slack.dev/authentication/installing-with-oauth
 */
export function slackAuthorizationUrl(slackBaseUrl: string, request: SlackAuthorizationRequest): string {
  const query = new URLSearchParams({
    state: request.state,
    client_id: request.clientId,
    redirect_uri: request.redirectUri,
  });
  if ('bot' in request.scopes) query.set('scope', request.scopes.bot.join(','));
  else query.set('user_scope', request.scopes.user.join(','));
  return `${slackBaseUrl}/oauth/v2/authorize?${query}`;
}

/** What has to be registered at Slack. Made from configuration, never from a request's host. */
export function slackRedirectUri(publicUrl: string): string {
  return `${publicUrl}/v1/integrations/chat/oauth/callback/slack`;
}
