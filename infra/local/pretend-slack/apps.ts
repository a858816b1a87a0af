import { derivedId, isEqual } from './tokens.ts';

export interface PretendSlackApp {
  clientId: string;
  clientSecret: string;
  appId: string;
  /** The app's Redirect URLs; the first is used when the authorization request names none. */
  redirectUris: string[];
  /** Shown on the consent page. @default the client id */
  name?: string;
  /** @default false */
  tokenRotation?: boolean;
  /** Where the app has its events sent. @default nowhere */
  events?: { readonly url: string; readonly signingSecret: string };
}

/** An app that the pretend Slack was not told about has no secret until its first exchange, and takes any redirect URI. */
export interface App extends Omit<PretendSlackApp, 'clientSecret' | 'redirectUris'> {
  clientSecret?: string;
  redirectUris?: string[];
}

/** The apps by client id; with `anyClient`, a client id that nobody registered becomes an app when it is first seen. */
export class Apps {
  readonly #apps = new Map<string, App>();
  readonly #anyClient: boolean;

  constructor(anyClient: boolean) {
    this.#anyClient = anyClient;
  }

  register(app: PretendSlackApp): void {
    this.#apps.set(app.clientId, structuredClone(app));
  }

  find(clientId: string | null | undefined): App | undefined {
    if (clientId && this.#anyClient && !this.#apps.has(clientId)) {
      this.#apps.set(clientId, { clientId, appId: derivedId('A', clientId) });
    }
    return clientId ? this.#apps.get(clientId) : undefined;
  }

  withId(appId: string | null): App | undefined {
    return [...this.#apps.values()].find((app) => app.appId === appId);
  }

  nameOf(appId: string): string {
    const app = this.withId(appId);
    return app?.name ?? app?.clientId ?? appId;
  }
}

export function hasSecret(app: App, secret: string | undefined): boolean {
  return Boolean(secret) && (app.clientSecret === undefined || isEqual(app.clientSecret, secret ?? ''));
}

/**
 * Equal to a Redirect URL of the app or below it; another scheme, host or port, or a fragment, is refused.
 *
 * @see https://docs.slack.dev/authentication/installing-with-oauth
 */
export function allowsRedirectUri(app: App, redirectUri: string): boolean {
  const url = URL.parse(redirectUri);
  if (!url || !/^https?:$/.test(url.protocol) || redirectUri.includes('#') || url.username || url.password) {
    return false;
  }
  return (app.redirectUris ?? [url.origin]).some((registered) => {
    const base = URL.parse(registered);
    const directory = base?.pathname.replace(/\/$/, '');
    return base?.origin === url.origin && (url.pathname === base.pathname || url.pathname.startsWith(`${directory}/`));
  });
}
