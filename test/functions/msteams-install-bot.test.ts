import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PretendMicrosoftApp } from '../../infra/local/pretend-microsoft/apps.ts';
import { contoso, tailspin } from '../../infra/local/pretend-microsoft/directory.ts';
import type { Configurations } from '../../lib/integration/integration.ts';
import { teamsRedirectUri } from '../../lib/providers/msteams/authorization-url.ts';
import { type Command, startInstance } from '../support/instance.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterEach(() => {
  service.microsoft.behave();
  service.microsoft.grantRolesAfter(0);
});

afterAll(() => service.close());

const installationRoles = ['AppCatalog.Read.All', 'TeamsAppInstallation.ReadWriteSelfForUser.All'];
const adele = 'adele@contoso.example';
const megan = 'megan@contoso.example';
const tom = 'tom@tailspintoys.example';
const tina = 'tina@tailspintoys.example';

interface TeamsEnvironment extends TestEnvironment {
  readonly clientId: string;
  readonly clientSecret: string;
}

function registerApp(app: Partial<PretendMicrosoftApp> = {}): PretendMicrosoftApp {
  const registered: PretendMicrosoftApp = {
    clientId: randomUUID(),
    clientSecret: `canary-entra-secret-${randomUUID()}`,
    redirectUris: [teamsRedirectUri(service.url)],
    requestedRoles: installationRoles,
    ...app,
  };
  service.microsoft.registerApp(registered);
  return registered;
}

/** An environment whose app both tenants have approved. */
async function createTeams(
  configurations: Configurations = {},
  app: Partial<PretendMicrosoftApp> = {},
): Promise<TeamsEnvironment> {
  const environment = await service.createTestEnvironment();
  const { clientId, clientSecret = '' } = registerApp(app);
  const created = await service.api(environment.apiKey, 'POST', '/v1/integrations', {
    providerId: 'msteams',
    identifier: 'msteams',
    name: 'Billing Bot',
    credentials: { clientId, secretKey: clientSecret },
    configurations: { installBot: true, ...configurations },
  });
  expect(created.status).toBe(201);
  for (const tenant of [contoso, tailspin]) service.microsoft.consent(tenant.id, clientId);
  return { ...environment, clientId, clientSecret };
}

async function urlOf(environment: TeamsEnvironment, path: string, body: object): Promise<string> {
  const answer = await service.api(environment.apiKey, 'POST', `/v1/integrations/${path}/oauth`, {
    integrationIdentifier: 'msteams',
    subscriberId: 'subscriber-1',
    ...body,
  });
  expect(answer.status).toBe(201);
  return answer.json.data.url;
}

/** Asks for a link and signs in; gives the address of our callback. */
async function signedIn(environment: TeamsEnvironment, username = megan, body: object = {}): Promise<string> {
  return service.microsoft.signIn(await urlOf(environment, 'channel-endpoints', body), { username });
}

async function link(environment: TeamsEnvironment, username = megan, body: object = {}) {
  const callback = await signedIn(environment, username, body);
  return { callback, page: await service.request('GET', callback) };
}

async function connect(environment: TeamsEnvironment, body: object = {}, username = adele) {
  const url = await urlOf(environment, 'channel-connections', { autoLinkUser: true, ...body });
  const claim = await service.microsoft.approveConsent(url, { username });
  const step = await service.request('GET', claim);
  const callback = await service.microsoft.signIn(step.headers.get('location') ?? '', { username });
  return { callback, page: await service.request('GET', callback) };
}

/** Lets time pass as the schedule sees it. */
async function pass(milliseconds: number) {
  service.advance(milliseconds);
  await service.sweep();
}

const graphCalls = () => service.microsoft.calls.filter(({ kind }) => kind === 'graph');
const installations = () => graphCalls().filter(({ method }) => method === 'POST').length;

/** What is done to Graph meanwhile. */
async function counted(act: () => Promise<unknown>): Promise<{ graph: number; installations: number; tokens: number }> {
  const count = () => [graphCalls().length, installations(), service.microsoft.count('token', 'client_credentials')];
  const before = count();
  await act();
  const [graph = 0, posts = 0, tokens = 0] = count().map((now, index) => now - (before[index] ?? 0));
  return { graph, installations: posts, tokens };
}

const statusOf = (page: { headers: Headers }) => {
  const { searchParams } = new URL(page.headers.get('location') ?? '');
  return Object.fromEntries(searchParams);
};

describe('an integration that installs its Teams app', () => {
  it('does so once for a person who was linked, and the page says so', async () => {
    const environment = await createTeams();
    let text = '';

    const made = await counted(async () => {
      const { page, callback } = await link(environment);
      text = page.text;
      await service.request('GET', callback);
      await pass(60_000);
    });

    expect(text).toContain('Your Microsoft Teams account is linked');
    expect(text).toContain('app is installed for you');
    expect(made).toEqual({ graph: 2, installations: 1, tokens: 1 });
    expect(await service.endpoints(environment)).toHaveLength(1);
  });

  it('does so once for a person who was linked by connecting', async () => {
    const environment = await createTeams();
    let text = '';

    const made = await counted(async () => {
      text = (await connect(environment)).page.text;
    });

    expect(text).toContain('contoso.example is connected');
    expect(text).toContain('app is installed for you');
    expect(made.installations).toBe(1);
    expect(await service.connections(environment)).toMatchObject([{ status: 'active' }]);
    expect(await service.endpoints(environment)).toHaveLength(1);
  });

  it('installs nothing for a connect that links nobody', async () => {
    const environment = await createTeams();

    const made = await counted(() => connect(environment, { autoLinkUser: false }));

    expect(made).toMatchObject({ graph: 0, installations: 0 });
    expect(await service.connections(environment)).toMatchObject([{ status: 'active' }]);
  });

  it('takes an app that is there already for installed', async () => {
    const environment = await createTeams();
    await link(environment);

    const { page } = await link(environment, megan, { subscriberId: 'subscriber-2' });

    expect(page.text).toContain('app is installed for you');
  });

  it('takes the app from the store when the organization has none of its own', async () => {
    const environment = await createTeams({}, { teamsApp: 'store' });

    const { page } = await link(environment);

    expect(page.text).toContain('app is installed for you');
  });

  it('finds the app by the id in its manifest', async () => {
    const teamsManifestId = randomUUID();
    const environment = await createTeams({ teamsManifestId }, { teamsManifestId });

    const { page } = await link(environment);

    expect(page.text).toContain('app is installed for you');
    expect(graphCalls().at(-2)?.query['$filter']).toContain(`externalId eq '${teamsManifestId}'`);
  });

  it('refuses a manifest id that is no GUID: it would be read as part of a filter', async () => {
    const { apiKey } = await service.createTestEnvironment();

    const answer = await service.api(apiKey, 'POST', '/v1/integrations', {
      providerId: 'msteams',
      credentials: { clientId: randomUUID(), secretKey: 'x' },
      configurations: { teamsManifestId: "x' or 1 eq 1" },
    });

    expect(answer.status).toBe(422);
  });

  it('demands the permissions for that from a tenant that is connected', async () => {
    const environment = await createTeams({}, { requestedRoles: ['Team.ReadBasic.All'] });

    await connect(environment, { autoLinkUser: false });

    expect(await service.connections(environment)).toMatchObject([
      { status: 'pending', statusReason: 'roles_missing' },
    ]);
  });
});

describe('an integration that does not', () => {
  it.each([undefined, false])('(installBot: %s) asks Graph for nothing, and for no token', async (installBot) => {
    const environment = await createTeams({ installBot: installBot as boolean });

    const made = await counted(() => link(environment));

    expect(made).toEqual({ graph: 0, installations: 0, tokens: 0 });
    expect(await service.endpoints(environment)).toHaveLength(1);
  });
});

describe('an installation that has to wait', () => {
  it('for roles leaves the endpoint at once, and is made by itself once they are there', async () => {
    service.microsoft.grantRolesAfter(20_000);
    const environment = await createTeams();

    const { page, callback } = await link(environment);
    const early = await service.endpoints(environment);
    const soon = await counted(() => pass(5_000));
    const later = await counted(async () => {
      await pass(10_000);
      await pass(30_000);
    });
    const shown = await service.request('GET', callback);

    expect(page.status).toBe(200);
    expect(page.headers.get('refresh')).toBe('5');
    expect(page.text).toContain('Linked. The app is being installed');
    expect(early).toHaveLength(1);
    expect(soon.installations).toBe(0);
    expect(later.installations).toBe(1);
    expect(shown.text).toContain('app is installed for you');
    expect(await service.endpoints(environment)).toEqual(early);
  });

  it('goes on after a connection that had to wait first', async () => {
    service.microsoft.grantRolesAfter(20_000);
    const environment = await createTeams();
    const { callback } = await connect(environment);
    const waiting = await service.endpoints(environment);

    const made = await counted(async () => {
      await pass(16_000);
      await pass(30_000);
    });
    const shown = await service.request('GET', callback);

    expect(waiting).toEqual([]);
    expect(made.installations).toBe(1);
    expect(shown.text).toContain('contoso.example is connected');
    expect(shown.text).toContain('app is installed for you');
    expect(await service.endpoints(environment)).toHaveLength(1);
  });

  it.each(['http_503', 'http_500', 'rate_limited', 'drop_before', 'drop_after', 'malformed'] as const)(
    'for Graph (%s) is tried again, by the open page as well',
    async (kind) => {
      const environment = await createTeams();
      service.microsoft.misbehave({ kind, on: 'graph', times: 1 });

      const { page, callback } = await link(environment);
      service.advance(6_000);
      const shown = await service.request('GET', callback);

      expect(page.text).toContain('Linked. The app is being installed');
      expect(page.text).toContain('Microsoft did not answer properly');
      expect(shown.text).toContain('app is installed for you');
      expect(await service.endpoints(environment)).toHaveLength(1);
    },
  );

  it('takes the loss of Graph’s answer for no failure: the app is there', async () => {
    const environment = await createTeams();
    const callback = await signedIn(environment);
    service.microsoft.misbehave({ kind: 'drop_after', on: 'graph', times: 2 });

    await service.request('GET', callback);
    await pass(6_000);
    await pass(10_000);

    expect((await service.request('GET', callback)).text).toContain('app is installed for you');
  });

  it('waits as long as Graph asks for', async () => {
    const environment = await createTeams();
    service.microsoft.misbehave({ kind: 'rate_limited', on: 'graph', times: 1, retryAfterSeconds: 100 });
    await link(environment);

    const within = await counted(() => pass(90_000));
    const after = await counted(() => pass(11_000));

    expect(within.graph).toBe(0);
    expect(after.installations).toBe(1);
  });

  it('is not tried more often because somebody keeps loading the page', async () => {
    const environment = await createTeams();
    service.microsoft.misbehave({ kind: 'http_503', on: 'graph' });
    const { callback } = await link(environment);

    const made = await counted(async () => {
      for (let load = 0; load < 5; load += 1) await service.request('GET', callback);
    });

    expect(made).toEqual({ graph: 0, installations: 0, tokens: 0 });
  });

  it('tells the product that the link is made, and what became of the app', async () => {
    const returnUrl = 'https://product.example/back';
    const environment = await createTeams({ returnUrls: [returnUrl] });

    const blocked = await link(environment, tom, { returnUrl });
    await pass(601_000);
    const given = await service.request('GET', blocked.callback);
    const installed = await link(environment, megan, { returnUrl, subscriberId: 'subscriber-2' });

    expect(statusOf(blocked.page)).toEqual({ status: 'success', botInstallation: 'pending' });
    expect(statusOf(given)).toMatchObject({
      status: 'success',
      botInstallation: 'failed',
      botInstallationError: expect.stringMatching(/^bot_/),
    });
    expect(statusOf(installed.page)).toEqual({ status: 'success', botInstallation: 'installed' });
  });

  it('ends when the permissions are still missing after a day', async () => {
    const environment = await createTeams({}, { requestedRoles: [] });

    const { callback } = await link(environment);
    await pass(23 * 60 * 60_000);
    const waiting = await service.request('GET', callback);
    await pass(61 * 60_000);
    const given = await service.request('GET', callback);

    expect(waiting.text).toContain('being installed');
    expect(given.text).toContain('not in your Teams yet');
    expect(given.text).toContain('roles_missing');
    expect(await service.endpoints(environment)).toHaveLength(1);
  });
});

describe('an installation that cannot be', () => {
  async function givenUp(environment: TeamsEnvironment, username?: string) {
    const { callback, page } = await link(environment, username);
    await pass(30_000);
    const meanwhile = await service.request('GET', callback);
    await pass(10 * 60_000);
    return { early: page, meanwhile, page: await service.request('GET', callback) };
  }

  it.each<[string, string, Partial<PretendMicrosoftApp>, string, string]>([
    ['the store’s app is forbidden by a policy', tom, { teamsApp: 'store' }, 'bot_blocked', 'Permission policies'],
    ['no catalog has the app', tina, {}, 'bot_not_in_catalog', 'Teams admin center, Teams apps, Manage apps'],
  ])('because %s leaves the endpoint, and the page explains', async (_name, username, app, reason, remedy) => {
    const environment = await createTeams({}, app);

    const { early, meanwhile, page } = await givenUp(environment, username);

    for (const waiting of [early, meanwhile]) {
      expect(waiting.text).toContain('Linked. The app is being installed');
      expect(waiting.text).toContain(remedy);
    }
    expect(page.status).toBe(200);
    expect(page.headers.get('refresh')).toBeNull();
    expect(page.text).toContain('not in your Teams yet');
    expect(page.text).toContain(remedy);
    expect(page.text).toContain('link your account again');
    expect(page.text).toContain(reason);
    expect(await service.endpoints(environment)).toMatchObject([{ endpoint: { tenantId: tailspin.id } }]);
    expect(service.lines).toContainEqual(
      expect.objectContaining({ message: 'bot installation given up', fields: expect.objectContaining({ reason }) }),
    );
  });

  it('because the manifest names another app registration says so to the product', async () => {
    const { clientId: teamsManifestId } = registerApp();
    const environment = await createTeams({ teamsManifestId });

    const { page } = await givenUp(environment);

    expect(page.text).toContain('webApplicationInfo.id');
    expect(page.text).toContain('bot_app_mismatch');
    expect(await service.endpoints(environment)).toHaveLength(1);
  });

  it('because the tenant does not know the app leaves the endpoint', async () => {
    const environment = await createTeams();
    const callback = await signedIn(environment);
    service.microsoft.withdrawConsent(contoso.id, environment.clientId);

    const page = await service.request('GET', callback);
    await pass(601_000);
    const given = await service.request('GET', callback);

    expect(page.text).toContain('Linked');
    expect(given.text).toContain('app_not_in_tenant');
    expect(await service.endpoints(environment)).toHaveLength(1);
  });
});

describe('a process that ends', () => {
  const isHold = ({ input }: Command) => input.ExpressionAttributeValues?.[':pending']?.step === 'installation';
  const isEnd = ({ input }: Command) => input.ExpressionAttributeValues?.[':status'] === 'COMPLETED';

  it.each<[string, (command: Command) => boolean, number]>([
    ['after the endpoint, before the installation is noted', isHold, 1],
    ['after the installation, before the end of the flow', isEnd, 2],
  ])('%s is finished by the sweep', async (_name, isNext, tries) => {
    const environment = await createTeams();
    const callback = await signedIn(environment);
    const dying = startInstance(service);
    dying.before(isNext, async () => {
      dying.faults.killAt(1);
      throw new Error('the process has ended');
    });

    const made = await counted(async () => {
      await dying.hit(callback);
      expect(await service.endpoints(environment)).toHaveLength(1);
      await pass(20_000);
      await pass(20_000);
    });

    expect(made.installations).toBe(tries);
    expect((await service.request('GET', callback)).text).toContain('app is installed for you');
    expect(await service.endpoints(environment)).toHaveLength(1);
  });

  it.each(Array.from({ length: 16 }, (_, index) => index + 1))(
    'before DynamoDB command %d never leaves a person linked without the app',
    async (k) => {
      const environment = await createTeams();
      const callback = await signedIn(environment);
      const dying = startInstance(service);
      dying.faults.killAt(k);

      await dying.hit(callback).catch(() => undefined);
      await pass(20_000);
      await pass(20_000);
      const page = await service.request('GET', callback);

      const isLinked = (await service.endpoints(environment)).length === 1;
      expect(page.text).toContain(isLinked ? 'app is installed for you' : 'exchange_outcome_unknown');
    },
  );
});

describe('tokens and secrets', () => {
  it('of an installation stand in no log line and on no page, also when Graph refuses', async () => {
    const environment = await createTeams();
    const from = service.lines.length;

    const linked = await link(environment);
    const refused = await link(environment, tom, { subscriberId: 'subscriber-2' });
    await pass(601_000);
    const given = await service.request('GET', refused.callback);

    const said = linked.page.text + refused.page.text + given.text + JSON.stringify(service.lines.slice(from));
    const bearers = graphCalls().map(({ authorization = '' }) => authorization.replace('Bearer ', ''));
    expect(bearers.length).toBeGreaterThan(2);
    for (const secret of [environment.clientSecret, ...bearers, 'eyJ', 'Bearer', megan, tom]) {
      expect(said).not.toContain(secret);
    }
  });
});
