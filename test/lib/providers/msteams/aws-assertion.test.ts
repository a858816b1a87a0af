import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { Log } from '../../../../lib/log.ts';
import { awsAssertion } from '../../../../lib/providers/msteams/aws-assertion.ts';
import { webIdentityTokens } from '../../../../lib/providers/msteams/web-identity-token.ts';
import { accountIssuer, roleArn, startFakeSts } from '../../../support/fake-sts.ts';

const sts = await startFakeSts();
const log: Log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };

afterEach(() => vi.unstubAllEnvs());
afterAll(() => sts.close());

describe('awsAssertion', () => {
  it('gets a token of STS by itself, as on Lambda', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL_STS', String(sts.client.endpoint));
    vi.stubEnv('AWS_REGION', 'eu-west-1');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKEXAMPLE');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'example');

    const token = await awsAssertion({ log })();

    const claims = decodeJwt(token);
    expect(decodeProtectedHeader(token).alg).toBe('RS256');
    expect(claims).toMatchObject({ iss: accountIssuer, sub: roleArn, aud: 'api://AzureADTokenExchange' });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(300);
  });

  it('asks once however many wait, and again after four minutes', async () => {
    let now = 0;
    const requestToken = vi.fn(async () => `token ${requestToken.mock.calls.length}`);
    const assertion = awsAssertion({ log, now: () => now, requestToken });

    const first = await Promise.all([assertion(), assertion(), assertion()]);
    now = 239_999;
    const kept = await assertion();
    now = 240_000;
    const next = await assertion();

    expect([...first, kept]).toEqual(Array(4).fill('token 1'));
    expect(next).toBe('token 2');
  });

  it('does not remember a failure', async () => {
    const requestToken = vi.fn<() => Promise<string>>().mockRejectedValueOnce(new Error('a hiccup'));
    requestToken.mockResolvedValue('token');
    const assertion = awsAssertion({ log, requestToken });

    const failure = assertion();
    await expect(failure).rejects.toThrow('a hiccup');

    await expect(assertion()).resolves.toBe('token');
  });
});

describe('webIdentityTokens', () => {
  it.each(['eu-west-1', 'us-east-1'])('asks the STS of the region, in %s', async (region) => {
    const hosts: string[] = [];
    const requestToken = webIdentityTokens({
      ...sts.client,
      endpoint: undefined,
      region,
      maxAttempts: 1,
      requestHandler: {
        handle: async (request: { hostname: string }) => {
          hosts.push(request.hostname);
          throw new Error('not sent');
        },
      },
    } as unknown as Parameters<typeof webIdentityTokens>[0]);

    await expect(requestToken()).rejects.toThrow('not sent');

    expect(hosts).toEqual([`sts.${region}.amazonaws.com`]);
  });

  it('tries three times', async () => {
    const before = sts.calls.length;
    sts.failNext('InternalFailure', 500);
    sts.failNext('InternalFailure', 500);

    const token = await webIdentityTokens(sts.client)();

    expect(token).toMatch(/^eyJ/);
    expect(sts.calls.length - before).toBe(3);
  });
});
