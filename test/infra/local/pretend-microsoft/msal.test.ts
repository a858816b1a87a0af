import { generateKeyPairSync } from 'node:crypto';
import {
  ConfidentialClientApplication,
  CryptoProvider,
  type INetworkModule,
  type NetworkResponse,
  type NodeAuthOptions,
  ServerError,
} from '@azure/msal-node';
import { exportJWK, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import type { PretendMicrosoftApp } from '../../../../infra/local/pretend-microsoft/apps.ts';
import { contoso, fabrikam } from '../../../../infra/local/pretend-microsoft/directory.ts';
import { app, graphScope, queryOf, setup } from './harness.ts';

const loginHost = 'https://login.microsoftonline.com';
const { clientId, clientSecret = '' } = app;
const redirectUri = app.redirectUris[0] ?? '';
const scopes = [graphScope];
const keyPair = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** MSAL refuses an authority on http, so it keeps Microsoft's, and only its requests go elsewhere. */
function networkClientFor(baseUrl: string): INetworkModule {
  async function send<T>(url: string, init: RequestInit): Promise<NetworkResponse<T>> {
    const response = await fetch(url.replace(loginHost, baseUrl), { ...init, signal: AbortSignal.timeout(5_000) });
    const body = (await response.json()) as T;
    return { status: response.status, headers: Object.fromEntries(response.headers), body };
  }
  return {
    sendGetRequestAsync: (url, { headers = {} } = {}) => send(url, { headers }),
    sendPostRequestAsync: (url, { headers = {}, body = '' } = {}) => send(url, { method: 'POST', headers, body }),
  };
}

/** A pretend Microsoft that the app may use in Contoso, and MSAL for a tenant of it. */
async function setupMsal(
  credential: Partial<NodeAuthOptions> = { clientSecret },
  change: Partial<PretendMicrosoftApp> = {},
) {
  // MSAL dates its assertions by the clock of the machine.
  const context = await setup({ apps: [{ ...app, ...change }], now: Date.now });
  context.microsoft.consent(contoso.id, clientId);
  const client = (tenant: string) =>
    new ConfidentialClientApplication({
      auth: { clientId, authority: `${loginHost}/${tenant}`, ...credential },
      system: { networkClient: networkClientFor(context.microsoft.url) },
    });
  return { ...context, client };
}

describe('msal-node', () => {
  it('acquires a token by client credentials, without discovery', async () => {
    const { microsoft, client, graph } = await setupMsal();

    const result = await client(contoso.id).acquireTokenByClientCredential({ scopes });
    const answer = await graph('/organization', result?.accessToken ?? '');

    expect(answer.value.map(({ id }) => id)).toEqual([contoso.id]);
    expect(microsoft.calls.map(({ kind }) => kind)).toEqual(['token', 'graph']);
  });

  it('acquires a token by code with PKCE and nonce, from its own authorization URL', async () => {
    const { microsoft, client } = await setupMsal();
    const { verifier, challenge } = await new CryptoProvider().generatePkceCodes();
    const request = { scopes: ['openid', 'profile'], redirectUri, state: 's2', nonce: 'n1' };
    const challenged = { ...request, codeChallenge: challenge, codeChallengeMethod: 'S256' };
    const address = await client('organizations').getAuthCodeUrl(challenged);

    const location = await microsoft.signIn(address.replace(loginHost, microsoft.url), {
      username: 'megan@contoso.example',
    });
    const payload = { code: '', ...queryOf(location) };
    const result = await client('organizations').acquireTokenByCode(
      { ...request, code: payload.code, codeVerifier: verifier },
      payload,
    );

    expect(result).toMatchObject({
      tenantId: contoso.id,
      idTokenClaims: { iss: `${loginHost}/${contoso.id}/v2.0`, nonce: 'n1' },
      account: { username: 'megan@contoso.example' },
    });
    expect(microsoft.count('metadata')).toBe(0);
  });

  it('rejects an id_token with another nonce, and nothing else that is wrong with one', async () => {
    const { microsoft, client, getCode } = await setupMsal();
    const redeem = async () => {
      const request = { scopes: ['openid', 'profile'], redirectUri, nonce: 'n1', codeVerifier: 'v'.repeat(43) };
      return client('organizations').acquireTokenByCode({ ...request, code: await getCode() });
    };

    microsoft.badIdToken('wrong_nonce');
    const wrongNonce = redeem();
    await expect(wrongNonce).rejects.toMatchObject({ errorCode: 'nonce_mismatch' });
    microsoft.badIdToken('foreign_key');
    const foreignKey = await redeem();

    expect(foreignKey?.tenantId).toBe(contoso.id);
  });

  it.each([
    ['a tenant that never consented', fabrikam.id, 'unauthorized_client', 700016],
    ['a consent that was withdrawn', contoso.id, 'invalid_client', 7000229],
  ])('gets the error code of %s', async (_, tenant, errorCode, errorNo) => {
    const { microsoft, client } = await setupMsal();
    microsoft.withdrawConsent(contoso.id, clientId);

    const failure = client(tenant).acquireTokenByClientCredential({ scopes });

    await expect(failure).rejects.toBeInstanceOf(ServerError);
    await expect(failure).rejects.toMatchObject({ errorCode, errorNo });
  });

  it('gets the error code of a wrong secret', async () => {
    const { client } = await setupMsal({ clientSecret: 'wrong' });

    const failure = client(contoso.id).acquireTokenByClientCredential({ scopes });

    await expect(failure).rejects.toMatchObject({ errorCode: 'invalid_client', errorNo: 7000215 });
  });

  it('authenticates by certificate', async () => {
    const thumbprintSha256 = 'AB'.repeat(32);
    const privateKey = keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const publicKey = keyPair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const credential = { clientCertificate: { thumbprintSha256, privateKey } };
    const { client } = await setupMsal(credential, { certificates: [{ publicKey, thumbprintSha256 }] });

    const result = await client(contoso.id).acquireTokenByClientCredential({ scopes });

    expect(result?.accessToken).toBeTruthy();
  });

  it('authenticates by the token of a federated issuer', async () => {
    const trust = { issuer: 'https://sts.example', subject: 'role/callback', audience: 'api://AzureADTokenExchange' };
    const jwks = { keys: [await exportJWK(keyPair.publicKey)] };
    const clientAssertion = () =>
      new SignJWT()
        .setProtectedHeader({ alg: 'RS256' })
        .setIssuer(trust.issuer)
        .setSubject(trust.subject)
        .setAudience(trust.audience)
        .setExpirationTime('5 minutes')
        .sign(keyPair.privateKey);
    const { client } = await setupMsal({ clientAssertion }, { federated: { ...trust, jwks } });

    const result = await client(contoso.id).acquireTokenByClientCredential({ scopes });

    expect(result?.accessToken).toBeTruthy();
  });
});
