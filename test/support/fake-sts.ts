import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { STSClientConfig } from '@aws-sdk/client-sts';
import { exportJWK, type JSONWebKeySet, SignJWT } from 'jose';

export const accountIssuer = 'https://11111111-2222-3333-4444-555555555555.tokens.sts.global.api.aws';
export const roleArn = 'arn:aws:iam::123456789012:role/ChatConnect-msteamscallbackRole';
const namespace = 'https://sts.amazonaws.com/doc/2011-06-15/';

export interface FakeSts {
  /** How an STS client reaches it. */
  readonly client: STSClientConfig;
  /** The keys of the account's issuer. */
  readonly jwks: JSONWebKeySet;
  /** The forms that were sent, in order. */
  readonly calls: readonly Readonly<Record<string, string>>[];
  /** What it refuses the next call with: a code of STS and its status. */
  failNext(code: string, status: number): void;
  close(): Promise<void>;
}

/** GetWebIdentityToken of AWS STS over HTTP, for a caller whose role may do what the stack allows. */
export async function startFakeSts(now: () => number = Date.now): Promise<FakeSts> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const calls: Record<string, string>[] = [];
  const failures: { code: string; status: number }[] = [];
  const server = createServer(async (request, response) => {
    const form = Object.fromEntries(new URLSearchParams(await text(request)));
    calls.push(form);
    const failure = failures.shift() ?? (isAllowed(form) ? undefined : { code: 'AccessDenied', status: 403 });
    const answer = failure ? refusal(failure.code) : await issue(form);
    response.writeHead(failure?.status ?? 200, { 'content-type': 'text/xml' }).end(answer);
  });

  async function issue(form: Readonly<Record<string, string>>): Promise<string> {
    const issuedAt = Math.floor(now() / 1000);
    const expiresAt = issuedAt + Number(form['DurationSeconds']);
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: 'RS256', kid: 'sts-1', typ: 'JWT' })
      .setIssuer(accountIssuer)
      .setSubject(roleArn)
      .setAudience(form['Audience.member.1'] ?? '')
      .setIssuedAt(issuedAt)
      .setExpirationTime(expiresAt)
      .sign(privateKey);
    const expiration = new Date(expiresAt * 1000).toISOString();
    const result = `<WebIdentityToken>${token}</WebIdentityToken><Expiration>${expiration}</Expiration>`;
    return `<GetWebIdentityTokenResponse xmlns="${namespace}"><GetWebIdentityTokenResult>${result}</GetWebIdentityTokenResult></GetWebIdentityTokenResponse>`;
  }

  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    client: {
      endpoint: `http://127.0.0.1:${port}`,
      region: 'local',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    },
    jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'sts-1', alg: 'RS256' }] },
    calls,
    failNext: (code, status) => failures.push({ code, status }),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function isAllowed(form: Readonly<Record<string, string>>): boolean {
  const audiences = Object.entries(form).filter(([name]) => name.startsWith('Audience.'));
  return (
    form['Action'] === 'GetWebIdentityToken' &&
    audiences.length > 0 &&
    audiences.every(([, audience]) => audience === 'api://AzureADTokenExchange') &&
    Number(form['DurationSeconds']) <= 300 &&
    form['SigningAlgorithm'] === 'RS256'
  );
}

function refusal(code: string): string {
  const type = code === 'InternalFailure' ? 'Receiver' : 'Sender';
  return `<ErrorResponse xmlns="${namespace}"><Error><Type>${type}</Type><Code>${code}</Code><Message>${code} of the fake</Message></Error><RequestId>r1</RequestId></ErrorResponse>`;
}
