import { type App, type Apps, checkRedirectUri } from './apps.ts';
import { withQuery } from './authorize.ts';
import type { Consents } from './consents.ts';
import { type Account, type Authority, findAuthority } from './directory.ts';
import { EntraError, entraErrorBody, missingParameter } from './errors.ts';

/** An admin-consent request that passed every check, so that its redirect URI may be used. */
export interface ConsentRequest {
  readonly app: App;
  readonly authority: Authority;
  readonly redirectUri: string;
  readonly scope: string;
  readonly state: string | null;
  /** The application permissions asked for: all of the registration with `.default`, none with anything else. */
  readonly roles: readonly string[];
}

export interface ConsentDecision {
  readonly action: string;
  readonly account: Account;
  /** Where the app is approved, if not in the administrator's own tenant. */
  readonly approveFor: string;
  /** What the browser makes of the `tenant` of the redirect: a tenant id, or `none`. */
  readonly claim: string;
}

/**
 * Nothing wrong here ever leads to a redirect: Microsoft shows these errors on a page of its own.
 *
 * @see https://learn.microsoft.com/entra/identity-platform/v2-admin-consent
 * @throws {EntraError}
 */
export function parseConsentRequest(apps: Apps, segment: string, query: URLSearchParams): ConsentRequest {
  const authority = findAuthority(segment);
  if (authority.segment === 'common') {
    throw new EntraError(90014, "Admin consent wants a tenant or 'organizations' in its path, not 'common'.");
  }
  const clientId = query.get('client_id');
  if (!clientId) {
    throw missingParameter('query', 'client_id');
  }
  const app = apps.find(clientId, authority.tenant?.name ?? 'Microsoft');
  const redirectUri = checkRedirectUri(app, query.get('redirect_uri'));
  const scope = query.get('scope');
  if (!scope) {
    throw missingParameter('query', 'scope');
  }
  const isDefault = scope.split(' ').includes('https://graph.microsoft.com/.default');
  return { app, authority, redirectUri, scope, state: query.get('state'), roles: isDefault ? app.requestedRoles : [] };
}

/** The URL that the browser is sent to. */
export function decideConsent(
  consents: Consents,
  request: ConsentRequest,
  decision: ConsentDecision,
  now: number,
): string {
  const { action, account } = decision;
  if (action === 'approve') {
    return mayApprove(account, request)
      ? approve(consents, request, decision)
      : refuse(request, new EntraError(90094, 'Admin consent is required for the permissions requested.'), now);
  }
  const declined = new EntraError(65004, 'The resource owner or authorization server denied the request.');
  switch (action) {
    case 'not_admin':
      return refuse(request, declined, now);
    case 'permission_denied':
      return refuse(request, declined, now, { error: 'permission_denied' });
    default:
      return refuse(request, declined, now, { error: 'access_denied', error_subcode: 'cancel' });
  }
}

/** Application permissions on Graph are beyond an application administrator. */
function mayApprove({ role }: Account, { roles }: ConsentRequest): boolean {
  return role === 'Global Administrator' || (role === 'Application Administrator' && roles.length === 0);
}

function approve(consents: Consents, request: ConsentRequest, { account, approveFor, claim }: ConsentDecision): string {
  const { app, scope, roles } = request;
  const tenantId = approveFor || account.tenant.id;
  consents.add(tenantId, app.clientId, roles);
  const claimed = claim || tenantId;
  return redirection(request, { ...(claimed !== 'none' && { tenant: claimed }), scope });
}

function refuse(request: ConsentRequest, error: EntraError, now: number, values: Record<string, string> = {}): string {
  const { error: code, error_description } = entraErrorBody(error, now);
  return redirection(request, { error: code, error_description, ...values });
}

/** `admin_consent=True` comes with every answer, also with a refusal. */
function redirection({ redirectUri, state }: ConsentRequest, values: Record<string, string>): string {
  return withQuery(redirectUri, { admin_consent: 'True', ...values }, state);
}
