import * as z from 'zod/mini';
import type { InstallationReason } from '../../flow/flow.ts';
import type { Integration } from '../../integration/integration.ts';
import { NoAnswerError } from './fetch-whole.ts';
import { callGraph, type GraphAnswer, type GraphDeps } from './graph.ts';

/** Application permissions that finding and installing the Teams app takes; the least that Graph accepts. */
const installationRoles = ['AppCatalog.Read.All', 'TeamsAppInstallation.ReadWriteSelfForUser.All'] as const;

/** Which of them a token lacks nobody needs to ask Graph for. */
export function canInstall(roles: readonly string[]): boolean {
  return installationRoles.every((role) => roles.includes(role));
}

/** What a tenant must have granted before its connection is active. */
export function requiredRolesOf({ configurations }: Integration): readonly string[] {
  const { requiredRoles = [], installBot = false } = configurations;
  return installBot ? [...requiredRoles, ...installationRoles] : requiredRoles;
}

/** `id` in the manifest of the Teams app. */
export function manifestIdOf({ configurations, credentials }: Integration): string {
  return configurations.teamsManifestId ?? credentials.clientId ?? '';
}

export interface BotInstallation {
  readonly accessToken: string;
  readonly manifestId: string;
  /** The person's object id in the tenant of the token. */
  readonly userId: string;
}

/** Why the app could not be installed now. */
export interface InstallationProblem {
  readonly reason: InstallationReason;
  readonly retryAfterSeconds?: number | undefined;
  /** Graph's own code and request id, for the log. */
  readonly providerError?: string | undefined;
  readonly correlationId?: string | undefined;
}

/** What the value that names an app is made from; Graph reads it as a name, wherever the call itself goes. */
const graph = 'https://graph.microsoft.com';
const callMilliseconds = 5_000;
/** All calls of one try together: a browser waits for the first one. */
const tryMilliseconds = 10_000;

/**
 * Installs the Teams app for a person: the one of the organization's catalog, else the store's. Repeating it is harmless.
 * @returns undefined when the app is installed
 */
export async function installBot(
  deps: GraphDeps,
  { accessToken, manifestId, userId }: BotInstallation,
): Promise<InstallationProblem | undefined> {
  const until = Date.now() + tryMilliseconds;
  const call = (path: string, body?: object) => {
    const timeoutMilliseconds = Math.max(1, Math.min(callMilliseconds, until - Date.now()));
    return callGraph(deps, { path, accessToken, timeoutMilliseconds, ...(body && { body }) });
  };
  try {
    for (const { filter, isIt } of placesOf(manifestId)) {
      const listed = await call(`/appCatalogs/teamsApps?$filter=${encodeURIComponent(filter)}`);
      if (listed.status !== 200) return problemOf(listed);
      const apps = catalogSchema.safeParse(listed.json);
      if (!apps.success) return { reason: 'provider_unavailable' };
      const app = apps.data.value.find(isIt);
      if (!app) continue;
      const bound = { 'teamsApp@odata.bind': `${graph}/v1.0/appCatalogs/teamsApps/${app.id}` };
      const answer = await call(`/users/${userId}/teamwork/installedApps`, bound);
      return isInstalled(answer) ? undefined : problemOf(answer);
    }
    return { reason: 'bot_not_in_catalog' };
  } catch (error) {
    if (error instanceof NoAnswerError) return { reason: 'provider_unavailable' };
    throw error;
  }
}

const catalogSchema = z.looseObject({
  value: z.array(
    z.looseObject({
      id: z.string().check(z.regex(/^[\w.-]{1,128}$/)),
      externalId: z.nullish(z.string()),
      distributionMethod: z.string(),
    }),
  ),
});
type CatalogApp = z.infer<typeof catalogSchema>['value'][number];

/** An organization's catalog gives an app an id of its own; in the store, the id is the manifest's. */
function placesOf(manifestId: string): readonly { filter: string; isIt(app: CatalogApp): boolean }[] {
  const isManifest = (id: string | null | undefined) => id?.toLowerCase() === manifestId.toLowerCase();
  return [
    {
      filter: `externalId eq '${manifestId}' and distributionMethod eq 'organization'`,
      isIt: (app) => app.distributionMethod === 'organization' && isManifest(app.externalId),
    },
    {
      filter: `id eq '${manifestId}' and distributionMethod eq 'store'`,
      isIt: (app) => app.distributionMethod === 'store' && isManifest(app.id),
    },
  ];
}

/** 409: it was installed before. */
function isInstalled({ status }: GraphAnswer): boolean {
  return [200, 201, 204, 409].includes(status);
}

function problemOf({ status, error, retryAfterSeconds }: GraphAnswer): InstallationProblem {
  return {
    reason: reasonOf(status, error?.message ?? ''),
    retryAfterSeconds,
    providerError: error?.code,
    correlationId: error?.requestId,
  };
}

/** Texts of Graph's, which Microsoft may change, choose an explanation and how long to try, and nothing else. */
function reasonOf(status: number, message: string): InstallationReason {
  // A token that was made a moment ago may not be known everywhere.
  if (status === 401 || status === 429 || status >= 500) return 'provider_unavailable';
  // @see https://github.com/MicrosoftDocs/microsoft-graph-docs/issues/20972
  if (status === 400 && /settings.?store|CreateOrUpdateUserAppEntitlement/i.test(message))
    return 'provider_unavailable';
  if (status === 403) {
    if (/not allowed to manage/i.test(message)) return 'bot_app_mismatch';
    return /missing (role|scope) permissions|API requires one of/i.test(message) ? 'roles_missing' : 'bot_blocked';
  }
  return status === 404 ? 'bot_user_unknown' : 'bot_refused';
}
