import type { JSONWebKeySet } from 'jose';
import { EntraError } from './errors.ts';

export interface PretendMicrosoftApp {
  /** A GUID. */
  clientId: string;
  clientSecret?: string;
  /** Refused with AADSTS7000222 instead of AADSTS7000215. */
  expiredSecrets?: string[];
  /** What client assertions may be signed with: PEM of a public key or an X.509 certificate, and its SHA-256 thumbprint in hex. */
  certificates?: { publicKey: string; thumbprintSha256: string }[];
  /** A federated credential: the tokens of another issuer that are taken as client assertions. */
  federated?: { issuer: string; subject: string; audience: string; jwks: JSONWebKeySet };
  redirectUris: string[];
  /** Shown on the pages. @default the client id */
  name?: string;
  /** The application permissions of the registration, which an administrator's consent grants. */
  requestedRoles: string[];
  /** Puts `wids` into id_tokens, as `DirectoryRole` does. @default false */
  groupMembershipClaims?: boolean;
  /** The app exists there without anybody's consent. */
  homeTenantId?: string;
  /** @default the client id */
  teamsManifestId?: string;
  /** Where its Teams app is to be found. @default organization */
  teamsApp?: 'organization' | 'store';
}

/** An app that the pretend Microsoft was not told about has no secret until its first token, and takes any redirect URI. */
export interface App extends Omit<PretendMicrosoftApp, 'redirectUris'> {
  redirectUris?: string[];
}

/** The permissions of an app that nobody registered: all that finding and installing a Teams app takes. */
const defaultRoles = [
  'AppCatalog.Read.All',
  'Channel.ReadBasic.All',
  'Team.ReadBasic.All',
  'TeamsAppInstallation.ReadWriteSelfForUser.All',
];

/** The apps by client id; with `anyClient`, a client id that nobody registered becomes an app when it is first seen. */
export class Apps {
  readonly #apps = new Map<string, App>();
  readonly #anyClient: boolean;

  constructor(anyClient: boolean) {
    this.#anyClient = anyClient;
  }

  get all(): App[] {
    return [...this.#apps.values()];
  }

  register(app: PretendMicrosoftApp): void {
    this.#apps.set(app.clientId, structuredClone(app));
  }

  /** @throws {EntraError} 700016 */
  find(clientId: string, directory: string): App {
    if (clientId && this.#anyClient && !this.#apps.has(clientId)) {
      this.#apps.set(clientId, { clientId, requestedRoles: defaultRoles, groupMembershipClaims: true });
    }
    const app = this.#apps.get(clientId);
    if (!app) {
      throw notInDirectory(clientId, directory);
    }
    return app;
  }
}

export function nameOf(app: App): string {
  return app.name ?? app.clientId;
}

export function notInDirectory(clientId: string, directory: string): EntraError {
  const where = `was not found in the directory '${directory}'.`;
  const why = 'This can happen if the application has not been consented to by anybody in the tenant.';
  return new EntraError(700016, `Application with identifier '${clientId}' ${where} ${why}`);
}

/** Entra compares redirect URIs as strings. @throws {EntraError} 500113, 50011 */
export function checkRedirectUri({ clientId, redirectUris }: App, redirectUri: string | null): string {
  if (!redirectUri || !/^https?:$/.test(URL.parse(redirectUri)?.protocol ?? '')) {
    throw new EntraError(500113, 'no reply address is registered for the application.');
  }
  if (redirectUris && !redirectUris.includes(redirectUri)) {
    const mismatch = `does not match the redirect URIs configured for the application '${clientId}'.`;
    throw new EntraError(50011, `The redirect URI '${redirectUri}' specified in the request ${mismatch}`);
  }
  return redirectUri;
}
