import { createHash } from 'node:crypto';
import { onTestFinished } from 'vitest';
import type { PretendMicrosoftApp } from '../../../../infra/local/pretend-microsoft/apps.ts';
import { contoso } from '../../../../infra/local/pretend-microsoft/directory.ts';
import {
  type PretendMicrosoftOptions,
  startPretendMicrosoft,
} from '../../../../infra/local/pretend-microsoft/server.ts';

export const app: PretendMicrosoftApp = {
  clientId: '5f0f1a2b-0000-4000-8000-000000000001',
  clientSecret: 'local-secret',
  name: 'Courier',
  redirectUris: ['http://localhost:3000/callback'],
  requestedRoles: [
    'AppCatalog.Read.All',
    'Channel.ReadBasic.All',
    'Organization.Read.All',
    'Team.ReadBasic.All',
    'TeamsAppInstallation.ReadWriteSelfForUser.All',
  ],
};

export const graphScope = 'https://graph.microsoft.com/.default';
export const verifier = 'v'.repeat(43);
const challenge = createHash('sha256').update(verifier).digest('base64url');

/** Undefined leaves a parameter out. */
type Values = Record<string, string | undefined>;

/** Every field that a test reads; which of them an answer has is what the tests assert. */
interface TokenAnswer {
  status: number;
  access_token: string;
  id_token: string;
  error?: string;
  error_description: string;
  error_codes?: number[];
}

interface GraphAnswer {
  status: number;
  id: string;
  value: { id: string; displayName: string; externalId: string | null }[];
  error?: { code: string; message: string };
  '@odata.nextLink'?: string;
}

function given(parameters: Values): [string, string][] {
  return Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined);
}

/** A pretend Microsoft with one app, and the steps of a connection against it; it is closed when the test is over. */
export async function setup(options: PretendMicrosoftOptions = {}) {
  const clock = { now: Date.parse('2026-01-01T00:00:00Z') };
  const microsoft = await startPretendMicrosoft({ apps: [app], now: () => clock.now, ...options });
  onTestFinished(() => microsoft.close());
  const { clientId: client_id, clientSecret: client_secret, redirectUris } = app;
  const redirect_uri = redirectUris[0];

  function consentUrl(parameters: Values = {}, authority = 'organizations'): string {
    const url = new URL(`/${authority}/v2.0/adminconsent`, microsoft.url);
    url.search = `${new URLSearchParams(given({ client_id, redirect_uri, scope: graphScope, state: 's1', ...parameters }))}`;
    return url.href;
  }

  function authorizeUrl(parameters: Values = {}, authority = 'organizations'): string {
    const url = new URL(`/${authority}/oauth2/v2.0/authorize`, microsoft.url);
    const defaults = {
      client_id,
      redirect_uri,
      response_type: 'code',
      response_mode: 'query',
      scope: 'openid profile',
      state: 's2',
      nonce: 'n1',
      code_challenge: challenge,
      code_challenge_method: 'S256',
    };
    url.search = `${new URLSearchParams(given({ ...defaults, ...parameters }))}`;
    return url.href;
  }

  async function token(form: Values, authority: string = contoso.id): Promise<TokenAnswer> {
    const response = await fetch(`${microsoft.url}/${authority}/oauth2/v2.0/token`, {
      method: 'POST',
      body: new URLSearchParams(given({ client_id, client_secret, ...form })),
    });
    return { ...((await response.json()) as TokenAnswer), status: response.status };
  }

  function appToken(authority: string = contoso.id, form: Values = {}) {
    return token({ grant_type: 'client_credentials', scope: graphScope, ...form }, authority);
  }

  function redeem(code: string, form: Values = {}, authority = 'organizations') {
    return token({ grant_type: 'authorization_code', code, redirect_uri, code_verifier: verifier, ...form }, authority);
  }

  async function getCode(
    choice: Parameters<typeof microsoft.signIn>[1] = {},
    parameters: Values = {},
    authority = 'organizations',
  ) {
    const location = await microsoft.signIn(authorizeUrl(parameters, authority), choice);
    return new URL(location).searchParams.get('code') ?? '';
  }

  async function graph(path: string, accessToken: string, init: RequestInit = {}): Promise<GraphAnswer> {
    const response = await fetch(path.startsWith('http') ? path : `${microsoft.graphUrl}/v1.0${path}`, {
      ...init,
      headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
    });
    const text = await response.text();
    return { ...(text ? (JSON.parse(text) as GraphAnswer) : ({} as GraphAnswer)), status: response.status };
  }

  return { microsoft, clock, consentUrl, authorizeUrl, token, appToken, redeem, getCode, graph };
}

/** The query of a redirect. */
export function queryOf(location: string): Record<string, string> {
  return Object.fromEntries(new URL(location).searchParams);
}
