import { GetWebIdentityTokenCommand, STSClient, type STSClientConfig } from '@aws-sdk/client-sts';

/** What Entra demands of a token that it is to exchange. The role of a function may ask for no other. */
const audience = 'api://AzureADTokenExchange';
const lifeSeconds = 300;

/** Asks the STS of the function's own region for a token that names the function's role. Three tries of two seconds. */
export function webIdentityTokens(config: STSClientConfig = {}): () => Promise<string> {
  const client = new STSClient({
    // The global endpoint does not offer the operation.
    useGlobalEndpoint: false,
    maxAttempts: 3,
    // Without throwOnRequestTimeout the time limit is only a warning.
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 2_000, throwOnRequestTimeout: true },
    ...config,
  });
  return async () => {
    const { WebIdentityToken: token } = await client.send(
      // RS256 because Entra accepts no elliptic curve.
      new GetWebIdentityTokenCommand({
        Audience: [audience],
        DurationSeconds: lifeSeconds,
        SigningAlgorithm: 'RS256',
      }),
    );
    if (!token) throw new TypeError('STS answered without a token');
    return token;
  };
}
