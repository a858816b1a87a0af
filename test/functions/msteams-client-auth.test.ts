import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PretendMicrosoftApp } from '../../infra/local/pretend-microsoft/apps.ts';
import { contoso } from '../../infra/local/pretend-microsoft/directory.ts';
import type { Configurations, Credentials } from '../../lib/integration/integration.ts';
import { teamsRedirectUri } from '../../lib/providers/msteams/authorization-url.ts';
import { awsAssertion } from '../../lib/providers/msteams/aws-assertion.ts';
import { federatedClients, type IsFederated } from '../../lib/providers/msteams/federated-clients.ts';
import { webIdentityTokens } from '../../lib/providers/msteams/web-identity-token.ts';
import { selfSignedCertificate } from '../support/certificate.ts';
import { accountIssuer, type FakeSts, roleArn, startFakeSts } from '../support/fake-sts.ts';
import { type Answer, startTestService, type TestEnvironment, type TestService } from '../support/service.ts';

const roles = ['Team.ReadBasic.All'];
const username = 'adele@contoso.example';
const certificate = selfSignedCertificate();
const certificatePem = certificate.certificate + certificate.privateKey;

let clock = () => Date.now();
let mayUseRole: IsFederated = () => true;
let sts: FakeSts;
let service: TestService;
/** As on one machine: nobody gives tokens of a role. */
let local: TestService;

beforeAll(async () => {
  sts = await startFakeSts(() => clock());
  service = await startTestService({
    isFederated: (...pair) => mayUseRole(...pair),
    awsAssertion: ({ log, now }) => {
      clock = now;
      return awsAssertion({ log, now, requestToken: webIdentityTokens(sts.client) });
    },
  });
  local = await startTestService();
});

afterEach(() => {
  // What one test was given, no other test may live on.
  service.advance(4 * 60_000);
});

afterAll(async () => {
  await service.close();
  await local.close();
  await sts.close();
});

interface App {
  readonly configurations: Configurations;
  readonly credentials?: Credentials;
  readonly entra?: Partial<PretendMicrosoftApp>;
}

async function create(on: TestService, { configurations, credentials, entra }: App) {
  const environment = await on.createTestEnvironment();
  const app = { clientId: randomUUID(), redirectUris: [teamsRedirectUri(on.url)], requestedRoles: roles, ...entra };
  on.microsoft.registerApp(app);
  const created = await on.api(environment.apiKey, 'POST', '/v1/integrations', {
    providerId: 'msteams',
    identifier: 'msteams',
    credentials: { clientId: app.clientId, ...credentials },
    configurations: { requiredRoles: roles, ...configurations },
  });
  return { environment, created };
}

async function connect(on: TestService, environment: TestEnvironment, subscriberId = 'subscriber-1'): Promise<Answer> {
  const asked = await on.api(environment.apiKey, 'POST', '/v1/integrations/channel-connections/oauth', {
    integrationIdentifier: 'msteams',
    subscriberId,
  });
  const consent = await on.request('GET', await on.microsoft.approveConsent(asked.json.data.url, { username }));
  const callback = await on.microsoft.signIn(consent.headers.get('location') ?? '', { username });
  return on.request('GET', callback);
}

describe('clientAuth: certificate', () => {
  const { thumbprintSha256 } = certificate;
  const entra = { certificates: [{ publicKey: certificate.certificate, thumbprintSha256 }] };
  const configurations = { clientAuth: 'certificate' } as const;

  it('connects a tenant without a client secret', async () => {
    const { environment } = await create(service, {
      configurations,
      credentials: { certificate: certificatePem },
      entra,
    });

    const page = await connect(service, environment);

    expect(page.status).toBe(200);
    expect(await service.connections(environment)).toMatchObject([{ status: 'active', workspace: { id: contoso.id } }]);
  });

  it('takes the key before the certificate as well', async () => {
    const credentials = { certificate: certificate.privateKey + certificate.certificate };
    const { environment } = await create(service, { configurations, credentials, entra });

    const page = await connect(service, environment);

    expect(page.status).toBe(200);
  });

  it('ends in plain words when Microsoft does not know the certificate', async () => {
    const { environment } = await create(service, {
      configurations,
      credentials: { certificate: certificatePem },
      entra: { certificates: [] },
    });

    const page = await connect(service, environment);

    expect(page.status).toBe(400);
    expect(page.text).toContain('could not prove itself to Microsoft');
    expect(page.text).toContain('AADSTS700027');
  });

  const ellipticCurve = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  it.each([
    ['no private key', certificate.certificate],
    ['no certificate', certificate.privateKey],
    ['the key of another certificate', certificate.certificate + selfSignedCertificate().privateKey],
    [
      'a key that cannot sign PS256',
      certificate.certificate + ellipticCurve.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ],
    ['text that is no PEM', 'not a certificate'],
    ['damaged PEM', certificatePem.replace('MII', 'AAA')],
  ])('is refused on creation with %s', async (_name, pem) => {
    const { created } = await create(service, { configurations, credentials: { certificate: pem } });

    expect(created.status).toBe(422);
    expect(created.json.error).toBe('validation_failed');
    expect(created.text).toContain('credentials.certificate');
    expect(created.text).not.toContain('-----BEGIN');
  });

  it('is refused on creation without a certificate', async () => {
    const { created } = await create(service, { configurations, credentials: { secretKey: 'a secret' } });

    expect(created.status).toBe(422);
    expect(created.text).toContain('credentials.certificate: is required');
  });
});

describe('clientAuth: aws', () => {
  const configurations = { clientAuth: 'aws' } as const;
  const trust = () => ({
    issuer: accountIssuer,
    subject: roleArn,
    audience: 'api://AzureADTokenExchange',
    jwks: sts.jwks,
  });

  it('connects a tenant without any secret, and asks STS once for all that Entra is asked', async () => {
    const { environment, created } = await create(service, { configurations, entra: { federated: trust() } });
    const [calls, tokens] = [sts.calls.length, service.microsoft.count('token')];

    const pages = await Promise.all(['a', 'b', 'c'].map((subscriber) => connect(service, environment, subscriber)));

    expect(created.status).toBe(201);
    expect(pages.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await service.connections(environment)).toMatchObject([{ status: 'active' }, {}, {}]);
    expect(service.microsoft.count('token') - tokens).toBe(6);
    expect(sts.calls.slice(calls)).toEqual([
      {
        Action: 'GetWebIdentityToken',
        Version: '2011-06-15',
        'Audience.member.1': 'api://AzureADTokenExchange',
        DurationSeconds: '300',
        SigningAlgorithm: 'RS256',
      },
    ]);
  });

  it('asks STS again after four minutes', async () => {
    const { environment } = await create(service, { configurations, entra: { federated: trust() } });
    const before = sts.calls.length;

    await connect(service, environment);
    service.advance(4 * 60_000 - 30_000);
    await connect(service, environment);
    const within = sts.calls.length - before;
    service.advance(31_000);
    const page = await connect(service, environment);

    expect(within).toBe(1);
    expect(sts.calls.length - before).toBe(2);
    expect(page.status).toBe(200);
  });

  it('lets the sweep finish what waits for Microsoft', async () => {
    const { environment } = await create(service, { configurations, entra: { federated: trust() } });
    service.microsoft.grantRolesAfter(20_000);
    await connect(service, environment);
    const before = await service.connections(environment);
    service.microsoft.grantRolesAfter(0);

    service.advance(46_000);
    await service.sweep();

    expect(before).toMatchObject([{ status: 'pending' }]);
    expect(await service.connections(environment)).toMatchObject([{ status: 'active' }]);
  });

  it.each([
    ['another issuer', { issuer: 'https://other.tokens.sts.global.api.aws' }, 'AADSTS700211'],
    ['another audience', { audience: 'api://other' }, 'AADSTS700212'],
    ['the role of another function', { subject: `${roleArn}2` }, 'AADSTS700213'],
  ])('ends in plain words when the app trusts %s', async (_name, change, code) => {
    const { environment } = await create(service, { configurations, entra: { federated: { ...trust(), ...change } } });

    const page = await connect(service, environment);

    expect(page.status).toBe(400);
    expect(page.text).toContain('could not prove itself to Microsoft');
    expect(page.text).toContain(code);
    expect(await service.connections(environment)).toEqual([]);
  });

  it.each([
    ['AccessDenied', 403],
    ['OutboundWebIdentityFederationDisabledException', 403],
  ])('is a wrong set-up when AWS answers %s, and the log says so', async (code, status) => {
    const { environment } = await create(service, { configurations, entra: { federated: trust() } });
    sts.failNext(code, status);

    const page = await connect(service, environment);

    expect(page.status).toBe(400);
    expect(page.text).toContain('provider_misconfigured');
    expect(service.lines).toContainEqual({
      level: 'error',
      message: 'AWS STS gives no token to prove the app with',
      fields: expect.objectContaining({ errorMessage: `${code} of the fake` }),
    });
  });

  it('leaves the link usable while AWS is in trouble', async () => {
    const { environment } = await create(service, { configurations, entra: { federated: trust() } });
    for (let attempt = 0; attempt < 3; attempt += 1) sts.failNext('InternalFailure', 500);
    const asked = await service.api(environment.apiKey, 'POST', '/v1/integrations/channel-endpoints/oauth', {
      integrationIdentifier: 'msteams',
      subscriberId: 'subscriber-1',
    });
    const callback = await service.microsoft.signIn(asked.json.data.url, { username });

    const trouble = await service.request('GET', callback);
    const reload = await service.request('GET', callback);

    expect(trouble.status).toBe(503);
    expect(reload.status).toBe(200);
  });

  it('writes no token to the log', () => {
    expect(JSON.stringify(service.lines)).not.toMatch(/eyJ/);
  });

  it('fails on one machine, where the log says why', async () => {
    const { environment, created } = await create(local, { configurations });

    const page = await connect(local, environment);

    expect(created.status).toBe(201);
    expect(page.text).toContain('provider_misconfigured');
    expect(local.lines).toContainEqual(
      expect.objectContaining({ level: 'error', message: expect.stringContaining('works in a function on AWS only') }),
    );
  });

  it('spares no Slack app its secret', async () => {
    const environment = await service.createTestEnvironment();

    const created = await service.api(environment.apiKey, 'POST', '/v1/integrations', {
      providerId: 'slack',
      credentials: { clientId: '1.1' },
      configurations,
    });

    expect(created.status).toBe(422);
    expect(created.text).toContain('credentials.secretKey: is required');
  });
});

describe('the list of federated clients', () => {
  it('keeps another environment from acting as an app that trusts the role', async () => {
    const { environment } = await create(service, { configurations: { clientAuth: 'aws' } });
    mayUseRole = federatedClients('000000000000000000000000/11111111-1111-4111-8111-111111111111');

    const page = await connect(service, environment);

    mayUseRole = () => true;
    expect(page.status).toBe(400);
    expect(page.text).toContain('provider_misconfigured');
    expect(await service.connections(environment)).toEqual([]);
  });

  it('allows the pairs that it names, in whatever case, and nothing when it is empty', () => {
    const listed = federatedClients('aaa/C1,bbb/c2');

    expect([listed('aaa', 'c1'), listed('bbb', 'C2')]).toEqual([true, true]);
    expect([listed('aaa', 'c2'), listed('bbb', 'c1'), listed('', ''), federatedClients('')('aaa', 'c1')]).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});
