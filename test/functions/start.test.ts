import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashSecret, parseHandle } from '../../lib/flow/handle.ts';
import { dynamoFlowStore } from '../../lib/store/flow-store.ts';
import { changeConfigurations, deleteIntegrations } from '../support/change-integrations.ts';
import { startInstance } from '../support/instance.ts';
import { type Answer, startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { createTeams, urlOf } from '../support/teams.ts';
import { openBrowser } from '../support/visitor.ts';

let service: TestService;
let environment: TestEnvironment;

beforeAll(async () => {
  service = await startTestService();
  environment = await service.createTestEnvironment({
    configurations: { binding: 'browser', productName: 'Billing Bot' },
  });
});

afterAll(() => service.close());

const startUrl = (body: object = {}) => service.connectUrl(environment, { ...body });

function ticketOf(url: string) {
  const ticket = parseHandle(new URL(url).pathname.split('/').at(-1) ?? '');
  if (!ticket) throw new Error('no ticket');
  return ticket;
}

const rowOf = (url: string) => dynamoFlowStore(service.db).get(ticketOf(url).flowId);

function cookieOf(answer: Answer) {
  const [line = ''] = answer.headers.getSetCookie();
  const [, name, value, attributes = ''] = /^([^=]+)=([^;]*); (.*)$/.exec(line) ?? [];
  return { name, value, attributes: attributes.split('; ') };
}

describe('a URL of the binding browser', () => {
  it('leads to our start page, for as long as any other', async () => {
    const answer = await service.api(environment.apiKey, 'POST', '/v1/integrations/channel-connections/oauth', {
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
    });

    const { url, expiresAt } = answer.json.data;
    expect(url).toMatch(new RegExp(`^${service.url}/connect/[\\w-]{22}\\.[\\w-]{43}$`));
    expect(Date.parse(expiresAt) - service.now()).toBeLessThanOrEqual(300_000);
  });

  it('may be asked for by a request, but no looser one than the integration’s', async () => {
    const direct = await service.createTestEnvironment();
    const ask = (asked: TestEnvironment, binding: string) =>
      service.api(asked.apiKey, 'POST', '/v1/integrations/channel-endpoints/oauth', {
        integrationIdentifier: 'slack',
        subscriberId: 'ann',
        binding,
      });

    const stricter = await ask(direct, 'browser');
    const looser = await ask(environment, 'direct');

    expect(stricter.json.data.url).toContain('/connect/');
    expect(looser.json).toMatchObject({ statusCode: 400, error: 'unsupported_binding' });
  });
});

describe('GET /connect/{ticket}', () => {
  it('says which product asks, for whom, and where it leads', async () => {
    const page = await service.request('GET', await startUrl({ subscriberId: 'ann', context: { tenant: 'acme' } }));

    expect(page.status).toBe(200);
    expect(page.text).toContain('<h1>Connect Slack to Billing Bot?</h1>');
    expect(page.text).toContain('<dt>For</dt><dd>ann</dd>');
    expect(page.text).toContain('<dt>tenant</dt><dd>acme</dd>');
    expect(page.text).toContain('<button>Continue to Slack</button>');
  });

  it('names the integration where there is no product name, and says what a link is for', async () => {
    const other = await createTeams(service, { binding: 'browser' });

    const page = await service.request('GET', await urlOf(service, other, 'link'));

    expect(page.text).toContain('<h1>Link your Microsoft Teams account to Billing Bot?</h1>');
    expect(page.text).toContain('<button>Continue to Microsoft</button>');
  });

  it('shows names with markup as text, in a page that runs and frames nothing', async () => {
    const nasty = await service.createTestEnvironment({
      configurations: { binding: 'browser', productName: '<script>alert(1)</script>' },
    });

    const page = await service.request('GET', await service.connectUrl(nasty, { subscriberId: '"><img src=x>' }));

    expect(page.text).not.toMatch(/<script|<img/);
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none';.*frame-ancestors 'none'$/);
    expect(page.headers.get('x-frame-options')).toBe('DENY');
    expect(page.headers.get('cache-control')).toBe('no-store');
  });

  it('shows the logo of the integration, from its own host alone', async () => {
    const logoUrl = 'https://cdn.example/logo.png';
    const own = await service.createTestEnvironment({ configurations: { binding: 'browser', logoUrl } });

    const page = await service.request('GET', await service.connectUrl(own));

    expect(page.text).toContain(`<img src="${logoUrl}" alt=""`);
    expect(page.headers.get('content-security-policy')).toContain('img-src https://cdn.example;');
  });

  it.each(['GET', 'HEAD'])('by a scanner (%s) changes nothing and burns nothing, however often', async (method) => {
    const url = await startUrl();
    const before = await rowOf(url);

    const answers = await Promise.all(Array.from({ length: 20 }, () => service.request(method, url)));

    expect(answers.flatMap((answer) => answer.headers.getSetCookie())).toEqual([]);
    expect(await rowOf(url)).toEqual(before);
    expect((await openBrowser(service).press(url)).status).toBe(303);
  });

  it('asks nothing of the provider and writes nothing', async () => {
    const url = await startUrl();
    const instance = startInstance(service);
    const calls = service.slack.calls.length;

    const page = await instance.visit(url);

    expect(page.statusCode).toBe(200);
    expect(instance.faults.writes).toBe(0);
    expect(service.slack.calls.length).toBe(calls);
  });

  it('keeps hashes of the ticket, the state and the cookie, and nothing that can be replayed', async () => {
    const visitor = openBrowser(service);
    const url = await startUrl();
    const state = new URL(await visitor.proceed(url)).searchParams.get('state') ?? '';

    const dumps = await Promise.all(
      Object.values(service.db.tables).map((TableName) => service.db.client.send(new ScanCommand({ TableName }))),
    );

    const stored = JSON.stringify(dumps.map(({ Items }) => Items)) + JSON.stringify(service.lines);
    const secrets = [ticketOf(url).secret, state.split('.')[1] ?? '', ...visitor.cookies.values()];
    expect(secrets).toHaveLength(3);
    for (const secret of secrets) {
      expect(stored).toContain(hashSecret(secret));
      expect(stored).not.toContain(secret);
    }
  });
});

describe('Continue', () => {
  it('sends the browser to Slack with a 303, a new state and a cookie for this flow', async () => {
    const url = await startUrl();

    const answer = await openBrowser(service).press(url);

    expect(answer.status).toBe(303);
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    const location = new URL(answer.headers.get('location') ?? '');
    const state = parseHandle(location.searchParams.get('state') ?? '');
    expect(location.origin).toBe(service.slack.url);
    expect(state?.flowId).toBe(ticketOf(url).flowId);
    expect(state?.secret).not.toBe(ticketOf(url).secret);
    const { name, value, attributes } = cookieOf(answer);
    // On plain http, which only loopback may have, there can be neither the prefix nor Secure.
    expect(name).toBe(`connect-${ticketOf(url).flowId}`);
    expect(value).toMatch(/^[\w-]{43}$/);
    expect(attributes).toEqual(['Max-Age=600', 'Path=/', 'HttpOnly', 'SameSite=Lax']);
  });

  it('sets a __Host- cookie on https', async () => {
    const url = await startUrl();
    const deployed = startInstance(service, { publicUrl: 'https://connect.example' });

    const answer = await deployed.press(url, { origin: 'https://connect.example' });

    expect(answer.statusCode).toBe(303);
    expect(answer.cookies).toEqual([
      expect.stringMatching(
        /^__Host-connect-[\w-]{22}=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
      ),
    ]);
  });

  it.each<[string, Record<string, string>]>([
    ['nothing that says where it comes from', {}],
    ['another origin', { origin: 'https://evil.example' }],
    ['another origin and site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['a hidden origin', { origin: 'null' }],
    ['a hidden origin of another site', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
    ['another host of the site', { 'sec-fetch-site': 'same-site' }],
    ['an address bar', { 'sec-fetch-site': 'none' }],
    ['headers that contradict each other', { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' }],
    ['a site that contradicts the origin', { origin: 'own', 'sec-fetch-site': 'cross-site' }],
    ['a look-alike of our origin', { origin: 'own.evil.example' }],
    ['a referrer of ours alone', { referer: 'own' }],
  ])('with %s is refused, and starts nothing', async (_name, headers) => {
    const url = await startUrl();
    const before = await rowOf(url);
    const sent = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace(/^own/, service.url)]),
    );

    const answer = await openBrowser(service).press(url, sent);

    expect(answer.status).toBe(400);
    expect(answer.text).toContain('Please open the link itself');
    expect(answer.headers.getSetCookie()).toEqual([]);
    expect(await rowOf(url)).toEqual(before);
  });

  it.each<[string, Record<string, string>]>([
    ['our origin', { origin: 'own' }],
    ['our origin and site', { origin: 'own', 'sec-fetch-site': 'same-origin' }],
    ['a hidden origin of our site', { origin: 'null', 'sec-fetch-site': 'same-origin' }],
    ['our site', { 'sec-fetch-site': 'same-origin' }],
  ])('with %s is accepted', async (_name, headers) => {
    const sent = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace(/^own/, service.url)]),
    );

    expect((await openBrowser(service).press(await startUrl(), sent)).status).toBe(303);
  });

  it('pressed again replaces state and cookie: the old state is dead, the new one works', async () => {
    const visitor = openBrowser(service);
    const url = await startUrl({ subscriberId: 'twice' });
    const first = await service.approve(await visitor.proceed(url));
    const old = new Map(visitor.cookies);
    const second = await service.approve(await visitor.proceed(url));
    const calls = service.slack.calls.length;

    const stale = await visitor.visit(first);
    const callsOfStale = service.slack.calls.length - calls;
    const page = await visitor.visit(second);

    expect(visitor.cookies.size).toBe(1);
    expect([...old.values()]).not.toEqual([...visitor.cookies.values()]);
    expect([stale.status, callsOfStale]).toEqual([400, 0]);
    expect(page.status).toBe(200);
    expect(await service.connections(environment, '&subscriberId=twice')).toHaveLength(1);
  });

  it('is one conditional write', async () => {
    const instance = startInstance(service);

    await instance.press(await startUrl(), { origin: service.url });

    expect(instance.faults.writes).toBe(1);
  });

  it('whose answer was lost can be pressed again', async () => {
    const url = await startUrl();
    const unlucky = startInstance(service);
    unlucky.faults.failAfter(3);

    const trouble = await unlucky.press(url, { origin: service.url });
    const again = await openBrowser(service).press(url);

    expect(trouble.statusCode).toBe(503);
    expect(again.status).toBe(303);
  });
});

describe('a start link', () => {
  it.each([
    ['unknown', (ticket: string) => `${'A'.repeat(22)}.${ticket.split('.')[1]}`],
    ['of another secret', (ticket: string) => `${ticket.split('.')[0]}.${'A'.repeat(43)}`],
    ['cut short', (ticket: string) => ticket.slice(0, -1)],
    ['with something appended', (ticket: string) => `${ticket}A`],
    ['of dots', () => '....'],
  ])('that is %s shows no names and starts nothing', async (_name, change) => {
    const url = new URL(await startUrl());
    const wrong = `${url.origin}/connect/${change(url.pathname.split('/').at(-1) ?? '')}`;

    const page = await service.request('GET', wrong);
    const pressed = await openBrowser(service).press(wrong);

    expect([page.status, pressed.status]).toEqual([400, 400]);
    expect(page.text + pressed.text).not.toMatch(/Billing Bot|subscriber-1/);
    expect((await openBrowser(service).press(url.href)).status).toBe(303);
  });

  it.each([
    [-1, 303],
    [0, 400],
    [1, 400],
  ])('%d ms from its end answers Continue with %d', async (offset, status) => {
    const own = await startTestService({ flowTtlSeconds: 60 });
    const bound = await own.createTestEnvironment({ configurations: { binding: 'browser' } });
    const url = await own.connectUrl(bound);
    const row = await dynamoFlowStore(own.db).get(ticketOf(url).flowId);
    own.freeze((row?.ticketUsableUntil ?? 0) + offset);

    const answer = await openBrowser(own).press(url);
    const page = await own.request('GET', url);

    expect(answer.status).toBe(status);
    if (status === 400) expect(page.text).toContain('This link has expired');
    await own.close();
  });

  it('of which somebody has approved is used up', async () => {
    const visitor = openBrowser(service);
    const url = await startUrl({ subscriberId: 'used' });
    await visitor.visit(await service.approve(await visitor.proceed(url)));

    const page = await visitor.visit(url);
    const pressed = await visitor.press(url);

    expect([page.status, pressed.status]).toEqual([400, 400]);
    expect(page.text + pressed.text).not.toMatch(/Acme|Billing Bot/);
    expect(await service.connections(environment, '&subscriberId=used')).toHaveLength(1);
  });

  it('is no state: the callback takes none that has not been begun', async () => {
    const url = await startUrl();
    const ticket = url.split('/').at(-1) ?? '';
    const teams = await createTeams(service, { binding: 'browser' });
    const teamsTicket = (await urlOf(service, teams, 'connect')).split('/').at(-1) ?? '';
    const calls = service.slack.calls.length;
    const callbacks = [
      `slack?code=some&state=${ticket}`,
      `slack?error=access_denied&state=${ticket}`,
      `msteams?code=some&state=${teamsTicket}`,
      `msteams?error=access_denied&state=${teamsTicket}`,
      `msteams?admin_consent=True&tenant=${crypto.randomUUID()}&state=${teamsTicket}`,
    ];

    for (const callback of callbacks) {
      const page = await service.request('GET', `/v1/integrations/chat/oauth/callback/${callback}`);
      expect(page.text).toContain('This link cannot be used');
    }

    expect(service.slack.calls.length).toBe(calls);
    expect((await rowOf(url))?.status).toBe('ISSUED');
  });

  it('of an integration that is gone says so', async () => {
    const own = await service.createTestEnvironment({ configurations: { binding: 'browser' } });
    const url = await service.connectUrl(own);
    await deleteIntegrations(service, own);

    const page = await service.request('GET', url);
    const pressed = await openBrowser(service).press(url);

    expect([page.status, pressed.status]).toEqual([400, 400]);
    expect(page.text).toContain('This is no longer offered');
  });

  it('of an integration that has become stricter asks to start again', async () => {
    const own = await service.createTestEnvironment({ configurations: { binding: 'browser' } });
    const url = await service.connectUrl(own);
    await changeConfigurations(service, own, { binding: 'confirm' });

    const page = await service.request('GET', url);
    const pressed = await openBrowser(service).press(url);

    expect([page.status, pressed.status]).toEqual([400, 400]);
    expect(page.text).toContain('Please start again');
  });
});
