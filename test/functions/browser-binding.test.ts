import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contoso } from '../../infra/local/pretend-microsoft/directory.ts';
import { parseHandle } from '../../lib/flow/handle.ts';
import { dynamoFlowStore } from '../../lib/store/flow-store.ts';
import { changeConfigurations } from '../support/change-integrations.ts';
import { handleOf, startInstance } from '../support/instance.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { adele, createTeams, fiona, type TeamsEnvironment, urlOf } from '../support/teams.ts';
import { openBrowser, type Visitor } from '../support/visitor.ts';

let service: TestService;
let environment: TestEnvironment;

beforeAll(async () => {
  service = await startTestService();
  environment = await service.createTestEnvironment({
    configurations: { binding: 'browser', productName: 'Billing Bot' },
  });
});

afterAll(() => service.close());

let subscribers = 0;

/** A flow of a new subscriber whose browser has approved, and is about to follow the redirect to our callback. */
async function approved(body: Record<string, unknown> = {}, choice: Parameters<TestService['approve']>[1] = {}) {
  subscribers += 1;
  const subscriberId = `subscriber-${subscribers}`;
  const visitor = openBrowser(service);
  const startUrl = await service.connectUrl(environment, { subscriberId, ...body });
  const providerUrl = await visitor.proceed(startUrl);
  const callback = await service.approve(providerUrl, choice);
  const connections = () => service.connections(environment, `&subscriberId=${subscriberId}`);
  return { visitor, startUrl, providerUrl, callback, subscriberId, connections };
}

const rowOf = (callback: string) => dynamoFlowStore(service.db).get(handleOf(callback).flowId);

const withQuery = (address: string, query: Record<string, string>) => {
  const url = new URL(address);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
};

/** Browsers that are not the one in which Continue was pressed. */
const strangers: [string, (visitor: Visitor, callback: string) => Promise<Visitor>][] = [
  ['without a cookie', async () => openBrowser(service)],
  [
    'with another value',
    async (visitor) => {
      const stranger = openBrowser(service);
      for (const name of visitor.cookies.keys()) stranger.cookies.set(name, 'A'.repeat(43));
      return stranger;
    },
  ],
  [
    'with an empty value',
    async (visitor) => {
      const stranger = openBrowser(service);
      for (const name of visitor.cookies.keys()) stranger.cookies.set(name, '');
      return stranger;
    },
  ],
  ['with the cookie of another flow', async () => (await approved()).visitor],
  [
    'with the value under the name of another flow',
    async (visitor) => {
      const stranger = openBrowser(service);
      for (const value of visitor.cookies.values()) stranger.cookies.set(`connect-${'A'.repeat(22)}`, value);
      return stranger;
    },
  ],
];

describe('a callback', () => {
  it('of the browser that pressed Continue connects', async () => {
    const { visitor, callback, connections } = await approved();

    const page = await visitor.visit(callback);

    expect(page.status).toBe(200);
    expect(page.text).toContain('Acme is connected');
    expect(await connections()).toMatchObject([{ status: 'active' }]);
  });

  it.each(strangers)('%s is refused with no call to Slack, and burns nothing', async (_name, open) => {
    const { visitor, callback, subscriberId, connections } = await approved();
    const stranger = await open(visitor, callback);
    const before = await rowOf(callback);
    const calls = service.slack.calls.length;

    const refused = await stranger.visit(callback);

    expect(refused.status).toBe(400);
    expect(refused.text).toContain('This was started in another browser');
    expect(refused.text).not.toMatch(new RegExp(`Acme|Billing Bot|${subscriberId}`));
    expect(refused.headers.getSetCookie()).toEqual([]);
    expect(service.slack.calls.length).toBe(calls);
    expect(await rowOf(callback)).toEqual(before);
    expect(await connections()).toEqual([]);

    const page = await visitor.visit(callback);

    expect(page.status).toBe(200);
    expect(await connections()).toHaveLength(1);
  });

  it('with the cookie twice is refused: two parties could read it differently', async () => {
    const { visitor, callback } = await approved();
    const [[name, value] = []] = visitor.cookies;
    const calls = service.slack.calls.length;

    const refused = await service.request('GET', callback, {
      headers: { cookie: `${name}=${value}; ${name}=${'A'.repeat(43)}` },
    });

    expect(refused.text).toContain('This was started in another browser');
    expect(service.slack.calls.length).toBe(calls);
    expect((await visitor.visit(callback)).status).toBe(200);
  });

  it('on https takes no cookie without the prefix, which another host of the domain could have planted', async () => {
    const { visitor, callback } = await approved();
    const plain = [...visitor.cookies].map(([name, value]) => `${name}=${value}`);
    const deployed = startInstance(service, { publicUrl: 'https://connect.example' });

    const planted = await deployed.hit(callback, plain);
    const genuine = await deployed.hit(
      callback,
      plain.map((cookie) => `__Host-${cookie}`),
    );

    expect(planted.body).toContain('This was started in another browser');
    expect(genuine.statusCode).toBe(200);
  });

  it('in two tabs finishes two flows', async () => {
    const visitor = openBrowser(service);
    const urls = await Promise.all(
      ['tab-1', 'tab-2'].map((subscriberId) => service.connectUrl(environment, { subscriberId })),
    );
    const callbacks: string[] = [];
    for (const url of urls) callbacks.push(await service.approve(await visitor.proceed(url)));

    const pages = [];
    for (const callback of callbacks) pages.push(await visitor.visit(callback));

    expect(pages.map((page) => page.status)).toEqual([200, 200]);
    expect(await service.connections(environment, '&subscriberId=tab-1')).toHaveLength(1);
    expect(await service.connections(environment, '&subscriberId=tab-2')).toHaveLength(1);
  });

  it('that comes ten minutes after Continue is too late', async () => {
    const own = await startTestService();
    const bound = await own.createTestEnvironment({ configurations: { binding: 'browser' } });
    const visitor = openBrowser(own);
    const callback = await own.approve(await visitor.proceed(await own.connectUrl(bound)));
    own.advance(10 * 60_000);

    const page = await visitor.visit(callback);

    expect(page.text).toContain('This link has expired');
    expect(own.slack.count('oauth.v2.access')).toBe(0);
    await own.close();
  });

  it('is in time when it comes after the start link has ended', async () => {
    const own = await startTestService({ flowTtlSeconds: 5 });
    const bound = await own.createTestEnvironment({ configurations: { binding: 'browser' } });
    const visitor = openBrowser(own);
    const callback = await own.approve(await visitor.proceed(await own.connectUrl(bound)));
    own.advance(9 * 60_000);

    expect((await visitor.visit(callback)).status).toBe(200);
    await own.close();
  });

  it('by many at once, with and without the cookie, is exchanged once, by the browser alone', async () => {
    const { visitor, callback, connections } = await approved();
    const before = service.slack.count('oauth.v2.access');

    const pages = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => ({
        own: index % 2 === 0,
        page: await (index % 2 === 0 ? visitor : openBrowser(service)).visit(callback),
      })),
    );

    expect(service.slack.count('oauth.v2.access') - before).toBe(1);
    for (const { own, page } of pages) {
      if (own) expect(page.status).toBe(200);
      else expect(page.text).not.toContain('Acme');
    }
    expect(await connections()).toHaveLength(1);
  });

  it('meets a Continue that came in between: then nobody is connected by the old state', async () => {
    const { visitor, startUrl, callback, connections } = await approved();
    const cookies = [...visitor.cookies].map(([name, value]) => `${name}=${value}`);
    const instance = startInstance(service);
    instance.before(
      ({ name, input }) => name === 'UpdateItemCommand' && JSON.stringify(input).includes('REDEEMING'),
      () => openBrowser(service).press(startUrl),
    );
    const calls = service.slack.calls.length;

    const page = await instance.hit(callback, cookies);

    expect(page.statusCode).toBe(400);
    expect(service.slack.calls.length).toBe(calls);
    expect(await connections()).toEqual([]);
  });
});

describe('an error of Slack’s', () => {
  it('ends the flow only in its browser', async () => {
    const { visitor, callback, connections } = await approved({}, { action: 'cancel' });
    const before = await rowOf(callback);

    const stranger = await openBrowser(service).visit(callback);
    const untouched = await rowOf(callback);
    const own = await visitor.visit(callback);

    expect(stranger.text).toContain('This was started in another browser');
    expect(untouched).toEqual(before);
    expect(own.text).toContain('Cancelled');
    expect((await rowOf(callback))?.status).toBe('FAILED');
    expect(await connections()).toEqual([]);
  });

  it('made up by somebody who knows the state ends nothing', async () => {
    const { visitor, callback } = await approved();

    await openBrowser(service).visit(withQuery(callback, { error: 'access_denied' }));

    expect((await visitor.visit(callback)).status).toBe(200);
  });
});

describe('a repeat', () => {
  it('shows the outcome with state, code and cookie, and with nothing less', async () => {
    const { visitor, callback, subscriberId } = await approved();
    await visitor.visit(callback);
    const before = service.slack.calls.length;

    const same = await visitor.visit(callback);
    const otherCode = await visitor.visit(withQuery(callback, { code: 'another' }));
    const noCookie = await openBrowser(service).visit(callback);
    const { flowId } = handleOf(callback);
    const otherState = await visitor.visit(withQuery(callback, { state: `${flowId}.${'A'.repeat(43)}` }));

    expect(same.text).toContain('Acme is connected');
    for (const page of [otherCode, noCookie, otherState]) {
      expect(page.status).toBe(400);
      expect(page.text).not.toMatch(new RegExp(`Acme|Billing Bot|${subscriberId}`));
    }
    expect(service.slack.calls.length).toBe(before);
  });

  it('finds the cookie as long as the outcome page is shown, and no longer', async () => {
    const { visitor, callback } = await approved();

    const page = await visitor.visit(callback);
    const [cookie] = page.headers.getSetCookie();

    expect(cookie).toMatch(/Max-Age=(600|599);/);
    expect([...visitor.cookies.values()]).toEqual([cookie?.split(/[=;]/)[1]]);
  });

  it('of a flow that went back to the product finds no cookie any more', async () => {
    const returnUrl = 'https://product.example/back';
    const own = await service.createTestEnvironment({
      configurations: { binding: 'browser', returnUrls: [returnUrl] },
    });
    const visitor = openBrowser(service);
    const callback = await service.approve(await visitor.proceed(await service.connectUrl(own, { returnUrl })));

    const done = await visitor.visit(callback);

    expect(done.headers.get('location')).toMatch(/^https:\/\/product\.example\/back\?status=success&/);
    expect(done.headers.getSetCookie()).toEqual([expect.stringMatching(/^connect-[\w-]{22}=; Max-Age=0; Path=\/;/)]);
    expect(visitor.cookies.size).toBe(0);
  });

  it('finishes what was interrupted after the exchange, and only in its browser', async () => {
    const { visitor, callback, connections } = await approved();
    service.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });
    const waiting = await visitor.visit(callback);
    service.slack.behave();
    const calls = service.slack.calls.length;

    const stranger = await openBrowser(service).visit(callback);
    const callsOfStranger = service.slack.calls.length - calls;
    const shownBefore = await connections();
    const page = await visitor.visit(callback);

    expect(waiting.status).toBe(202);
    expect([stranger.status, callsOfStranger]).toEqual([400, 0]);
    expect(shownBefore).toEqual([]);
    expect(page.status).toBe(200);
    expect(await connections()).toHaveLength(1);
  });
});

describe('whoever made the link', () => {
  it.each(['ISSUED', 'REDEEMING', 'EXCHANGED', 'COMPLETED', 'FAILED'] as const)(
    'and knows its state, but not the code, learns and gets nothing while it is %s',
    async (status) => {
      const { visitor, callback, subscriberId } = await approved();
      const flows = dynamoFlowStore(service.db);
      const { flowId } = handleOf(callback);
      if (status === 'REDEEMING') {
        const dying = startInstance(service, { fetch: () => Promise.reject(new Error('gone')) });
        dying.faults.killAt(5);
        await dying
          .hit(
            callback,
            [...visitor.cookies].map((pair) => pair.join('=')),
          )
          .catch(() => undefined);
      }
      if (status === 'EXCHANGED') {
        service.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });
        await visitor.visit(callback);
        service.slack.behave();
      }
      if (status === 'COMPLETED') await visitor.visit(callback);
      if (status === 'FAILED') {
        service.slack.misbehave({ method: 'oauth.v2.access', kind: 'http_500', times: 1 });
        await visitor.visit(callback);
        service.slack.behave();
      }
      const row = await flows.get(flowId);
      expect(row?.status).toBe(status);
      const calls = service.slack.calls.length;

      const tries = [callback, withQuery(callback, { code: 'mine' }), withQuery(callback, { error: 'access_denied' })];
      const pages = await Promise.all(tries.map((address) => openBrowser(service).visit(address)));

      expect(new Set(pages.map((page) => page.text)).size).toBe(1);
      for (const page of pages) {
        expect(page.status).toBe(400);
        expect(page.text).not.toMatch(new RegExp(`Acme|Billing Bot|${subscriberId}`));
        expect(page.headers.get('location')).toBeNull();
      }
      expect(await flows.get(flowId)).toEqual(row);
      expect(service.slack.calls.length).toBe(calls);
    },
  );

  it('and pressed Continue in their own browser is not connected by an approval in another one', async () => {
    const attacker = openBrowser(service);
    const startUrl = await service.connectUrl(environment, { subscriberId: 'attacker' });
    const sentToVictim = await attacker.proceed(startUrl);
    const callback = await service.approve(sentToVictim);

    const page = await openBrowser(service).visit(callback);

    expect(page.text).toContain('This was started in another browser');
    expect(await service.connections(environment, '&subscriberId=attacker')).toEqual([]);
  });
});

describe('an integration that has become stricter', () => {
  it.each([
    ['direct', 'browser'],
    ['direct', 'confirm'],
    ['browser', 'confirm'],
  ] as const)('since a %s flow began (%s) refuses it, with nothing exchanged', async (began, now) => {
    const own = await service.createTestEnvironment({ configurations: { binding: began } });
    const visitor = openBrowser(service);
    const url = await service.connectUrl(own);
    const callback = await service.approve(began === 'direct' ? url : await visitor.proceed(url));
    await changeConfigurations(service, own, { binding: now });
    const calls = service.slack.calls.length;

    const page = await visitor.visit(callback);

    expect(page.status).toBe(400);
    expect(page.text).toContain('Please start again');
    expect(service.slack.calls.length).toBe(calls);
    expect(await service.connections(own)).toEqual([]);
  });

  it('refuses what was exchanged before, and lets the token go', async () => {
    const own = await service.createTestEnvironment({ configurations: { binding: 'browser' } });
    const visitor = openBrowser(service);
    const callback = await service.approve(await visitor.proceed(await service.connectUrl(own)));
    service.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });
    await visitor.visit(callback);
    service.slack.behave();
    await changeConfigurations(service, own, { binding: 'confirm' });
    const before = service.slack.count('auth.revoke');

    const page = await visitor.visit(callback);

    expect(page.text).toContain('Please start again');
    expect(await service.connections(own)).toEqual([]);
    expect(service.slack.count('auth.revoke') - before).toBe(1);
  });

  it('that has become looser lets a stricter flow finish as it began', async () => {
    const own = await service.createTestEnvironment({ configurations: { binding: 'browser' } });
    const visitor = openBrowser(service);
    const callback = await service.approve(await visitor.proceed(await service.connectUrl(own)));
    await changeConfigurations(service, own, { binding: 'direct' });

    const stranger = await openBrowser(service).visit(callback);
    const page = await visitor.visit(callback);

    expect(stranger.status).toBe(400);
    expect(page.status).toBe(200);
  });
});

describe('a link_user', () => {
  it('is bound to its browser too', async () => {
    const visitor = openBrowser(service);
    const url = await service.linkUrl(environment, { subscriberId: 'linked' });
    const callback = await service.approve(await visitor.proceed(url));

    const stranger = await openBrowser(service).visit(callback);
    const page = await visitor.visit(callback);

    expect(stranger.status).toBe(400);
    expect(page.text).toContain('Your Slack account is linked');
    expect(await service.endpoints(environment, '&subscriberId=linked')).toHaveLength(1);
  });
});

describe('Microsoft Teams', () => {
  let teams: TeamsEnvironment;

  beforeAll(async () => {
    teams = await createTeams(service, { binding: 'browser' });
  });

  /** A flow whose browser has been to the consent. */
  async function consented(subscriberId: string) {
    const visitor = openBrowser(service);
    const startUrl = await urlOf(service, teams, 'connect', { subscriberId });
    const claim = await service.microsoft.approveConsent(await visitor.proceed(startUrl), { username: adele });
    return { visitor, startUrl, claim, connections: () => service.connections(teams, `&subscriberId=${subscriberId}`) };
  }

  it('wants the cookie at the consent and at the sign-in', async () => {
    const { visitor, claim, connections } = await consented('both');
    const calls = service.microsoft.calls.length;

    const strangersConsent = await openBrowser(service).visit(claim);
    const signIn = await visitor.visit(claim);
    const callback = await service.microsoft.signIn(signIn.headers.get('location') ?? '', { username: adele });
    const callsBefore = service.microsoft.count('token');
    const strangersSignIn = await openBrowser(service).visit(callback);
    const callsOfStranger = service.microsoft.count('token') - callsBefore;
    const page = await visitor.visit(callback);

    expect(strangersConsent.text).toContain('This was started in another browser');
    expect(strangersConsent.headers.get('location')).toBeNull();
    expect(signIn.status).toBe(303);
    expect(signIn.headers.getSetCookie()).toEqual([expect.stringMatching(/Max-Age=600;/)]);
    expect(strangersSignIn.text).toContain('This was started in another browser');
    expect(callsOfStranger).toBe(0);
    expect(page.status).toBe(200);
    expect(await connections()).toMatchObject([{ workspace: { id: contoso.id }, status: 'active' }]);
    expect(service.microsoft.calls.length).toBeGreaterThan(calls);
  });

  it('lets the consent be repeated in its browser alone', async () => {
    const { visitor, claim, connections } = await consented('repeat');
    const first = await visitor.visit(claim);

    const stranger = await openBrowser(service).visit(claim);
    const again = await visitor.visit(claim);
    const stale = await service.microsoft.signIn(first.headers.get('location') ?? '', { username: adele });
    const fresh = await service.microsoft.signIn(again.headers.get('location') ?? '', { username: adele });

    expect(stranger.text).toContain('This was started in another browser');
    expect((await visitor.visit(stale)).status).toBe(400);
    expect((await visitor.visit(fresh)).status).toBe(200);
    expect(await connections()).toHaveLength(1);
  });

  it('is not ended by a refusal of somebody else’s, at either step', async () => {
    const { visitor, claim, connections } = await consented('refusals');
    const refusal = (address: string) =>
      withQuery(address, { error: 'access_denied', error_description: 'AADSTS65004: no' });

    await openBrowser(service).visit(refusal(claim));
    await openBrowser(service).visit(withQuery(claim, { admin_consent: 'False' }));
    const signIn = await visitor.visit(claim);
    const callback = await service.microsoft.signIn(signIn.headers.get('location') ?? '', { username: adele });
    await openBrowser(service).visit(refusal(callback));
    await visitor.visit(callback);

    expect(await connections()).toHaveLength(1);
  });

  it('begins anew with Continue, also after the consent, and forgets what was claimed', async () => {
    const { visitor, startUrl, claim, connections } = await consented('anew');
    const signIn = await visitor.visit(claim);
    const old = await service.microsoft.signIn(signIn.headers.get('location') ?? '', { username: adele });

    const location = new URL(await visitor.proceed(startUrl));
    const stale = await visitor.visit(old);
    const row = await dynamoFlowStore(service.db).get(
      parseHandle(location.searchParams.get('state') ?? '')?.flowId ?? '',
    );

    expect(location.pathname).toBe('/organizations/v2.0/adminconsent');
    expect(stale.status).toBe(400);
    expect(row).toMatchObject({ stage: 'consent', status: 'ISSUED' });
    expect(row?.claimedTenantId).toBeUndefined();
    expect(await connections()).toEqual([]);
  });

  it('links a person in their own browser', async () => {
    const visitor = openBrowser(service);
    const url = await urlOf(service, teams, 'link', { subscriberId: 'person' });
    const callback = await service.microsoft.signIn(await visitor.proceed(url), { username: fiona });

    const stranger = await openBrowser(service).visit(callback);
    const page = await visitor.visit(callback);

    expect(stranger.status).toBe(400);
    expect(page.status).toBe(200);
    expect(await service.endpoints(teams, '&subscriberId=person')).toHaveLength(1);
  });

  it('keeps the cookie while its page waits for Microsoft', async () => {
    service.microsoft.setRoles(contoso.id, teams.entraApp.clientId, []);
    const { visitor, claim } = await consented('waiting');
    const signIn = await visitor.visit(claim);
    const callback = await service.microsoft.signIn(signIn.headers.get('location') ?? '', { username: adele });
    service.microsoft.setRoles(contoso.id, teams.entraApp.clientId, []);

    const pending = await visitor.visit(callback);
    const again = await visitor.visit(callback);
    const stranger = await openBrowser(service).visit(callback);

    expect(pending.headers.get('refresh')).toBe('5');
    expect(again.headers.get('refresh')).toBe('5');
    expect(stranger.text).toContain('This was started in another browser');
    service.microsoft.setRoles(contoso.id, teams.entraApp.clientId, ['Team.ReadBasic.All']);
  });
});
