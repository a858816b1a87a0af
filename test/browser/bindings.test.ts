import { once } from 'node:events';
import { createServer, request as forward, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LocalService, startLocalService } from '../../infra/local/local-service.ts';
import { phone, startBrowser } from '../support/browser.ts';
import { selfSignedCertificate } from '../support/certificate.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { createTeams, urlOf } from '../support/teams.ts';

let service: TestService;
let environment: TestEnvironment;
let browser: Browser;
let profiles: BrowserContext[];
let complaints: string[];

beforeAll(async () => {
  service = await startTestService();
  environment = await service.createTestEnvironment({
    configurations: { binding: 'browser', productName: 'Billing Bot' },
  });
  browser = await startBrowser();
});

afterAll(async () => {
  await browser.close();
  await service.close();
});

beforeEach(() => {
  profiles = [];
  complaints = [];
});

afterEach(() => Promise.all(profiles.map((profile) => profile.close())));

/** A person with cookies of their own, on a phone, without scripts. */
async function openProfile(options: Parameters<Browser['newContext']>[0] = {}): Promise<BrowserContext> {
  const profile = await browser.newContext({ viewport: phone, javaScriptEnabled: false, ...options });
  profile.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  profiles.push(profile);
  return profile;
}

async function openPage(address: string, profile?: BrowserContext): Promise<Page> {
  const page = await (profile ?? (await openProfile())).newPage();
  await page.goto(address);
  return page;
}

async function press(page: Page, name: string | RegExp): Promise<void> {
  const loaded = page.waitForEvent('load');
  await page.getByRole('button', { name }).first().click();
  await loaded;
}

const headingOf = (page: Page) => page.getByRole('heading', { level: 1 }).textContent();

/** Presses Allow, and keeps Slack's redirect from the browser; gives the address of our callback in it. */
async function pressAllowAndCatch(page: Page): Promise<string> {
  const caught = Promise.withResolvers<string>();
  await page.route('**/oauth/v2/authorize**', async (route) => {
    const answer = await route.fetch({ maxRedirects: 0 });
    caught.resolve(answer.headers()['location'] ?? '');
    await route.abort();
  });
  await page.getByRole('button', { name: 'Allow' }).click();
  return caught.promise;
}

const servers: { close(): void; closeAllConnections(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** Another site of the internet: a server on an address that is not ours. */
async function startSite(listener: RequestListener, host = '127.0.0.1'): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  return `http://${host}:${(server.address() as AddressInfo).port}`;
}

describe('the start page', () => {
  it('fits a phone, and says everything to those who cannot see it', async () => {
    const page = await openPage(
      await service.connectUrl(environment, {
        subscriberId: `ann@${'long.'.repeat(40)}example`,
        context: { tenant: 'acme' },
      }),
    );

    expect(await page.title()).toBe('Connect Slack to Billing Bot?');
    expect(await page.locator('html').getAttribute('lang')).toBe('en');
    expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1);
    expect(await page.getByRole('main').count()).toBe(1);
    expect(await page.getByRole('button').count()).toBe(1);
    const button = page.getByRole('button', { name: 'Continue to Slack', exact: true });
    const box = await button.boundingBox();
    expect(box?.height).toBeGreaterThanOrEqual(44);
    expect(await page.locator('img:not([alt])').count()).toBe(0);
    expect(await page.locator('[tabindex], [autofocus]').count()).toBe(0);
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement === document.querySelector("button")')).toBe(true);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(phone.width);
    expect(await contrastOf(page)).toBeGreaterThanOrEqual(4.5);
    expect(complaints).toEqual([]);
  });

  it('is readable in the dark, too', async () => {
    const profile = await openProfile({ colorScheme: 'dark' });

    const page = await openPage(await service.connectUrl(environment), profile);

    expect(await contrastOf(page)).toBeGreaterThanOrEqual(4.5);
  });

  /** Of the button's text and its ground, as WCAG computes it. */
  function contrastOf(page: Page): Promise<number> {
    return page.evaluate(`(() => {
      const { color, backgroundColor } = getComputedStyle(document.querySelector('button'));
      const luminance = (css) => {
        const [r, g, b] = css.match(/[\\d.]+/g).map((value) => {
          const part = Number(value) / 255;
          return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const [light, dark] = [luminance(color), luminance(backgroundColor)].sort((a, b) => b - a);
      return (light + 0.05) / (dark + 0.05);
    })()`);
  }

  it('leads to Slack and back, and the outcome is there again after a reload', async () => {
    const page = await openPage(await service.connectUrl(environment, { subscriberId: 'reload' }));

    await press(page, 'Continue to Slack');
    await press(page, 'Allow');
    const first = await headingOf(page);
    await page.reload();

    expect([first, await headingOf(page)]).toEqual(['Acme is connected', 'Acme is connected']);
    expect(complaints).toEqual([]);
  });

  it('leads to both steps at Microsoft and back', async () => {
    const teams = await createTeams(service, { binding: 'browser' });
    const page = await openPage(await urlOf(service, teams, 'connect'));

    await press(page, 'Continue to Microsoft');
    await press(page, /approve|accept/i);
    await press(page, /sign in/i);

    expect(await headingOf(page)).toMatch(/ is connected$/);
    expect(complaints).toEqual([]);
  });

  it('leads on to the product when Microsoft asks nothing, all in one chain of redirects', async () => {
    const product = await startSite((_request, response) =>
      response.setHeader('content-type', 'text/html').end('<h1>Back</h1>'),
    );
    const returnUrl = `${product}/back`;
    const teams = await createTeams(service, { binding: 'browser', returnUrls: [returnUrl] });
    const page = await openPage(await urlOf(service, teams, 'link', { returnUrl }));
    const profile = page.context();
    // As Microsoft does for somebody who is signed in: back at once, with a code.
    const silent = await startSite((_request, response) => {
      response.writeHead(302, { location: signedIn }).end();
    });
    let signedIn = '';
    await page.route('**/connect/*', async (route) => {
      const answer = await route.fetch({ maxRedirects: 0 });
      const location = answer.headers()['location'] ?? '';
      signedIn = await service.microsoft.signIn(location, { username: 'adele@contoso.example' });
      await route.fulfill({ response: answer, headers: { ...answer.headers(), location: silent } });
    });

    await press(page, 'Continue to Microsoft');

    expect(await headingOf(page)).toBe('Back');
    expect(new URL(page.url()).searchParams.get('status')).toBe('success');
    expect(await profile.cookies(service.url)).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it('is shown in no frame', async () => {
    const url = await service.connectUrl(environment);
    const site = await startSite((_request, response) =>
      response.setHeader('content-type', 'text/html').end(`<h1>Win a prize</h1><iframe src="${url}"></iframe>`),
    );

    const page = await openPage(site);

    expect(await page.frameLocator('iframe').getByRole('button').count()).toBe(0);
    expect(complaints.join()).toContain('frame-ancestors');
  });
});

describe('the cookie', () => {
  it('is out of reach of scripts and of other sites', async () => {
    const profile = await openProfile();
    const page = await openPage(await service.connectUrl(environment), profile);

    await press(page, 'Continue to Slack');

    const [cookie] = await profile.cookies(service.url);
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Lax', path: '/', domain: 'localhost' });
    expect(cookie?.expires).toBeGreaterThan(Date.now() / 1000);
    expect(cookie?.expires).toBeLessThanOrEqual(Date.now() / 1000 + 601);
  });

  it('is kept by a browser under its prefix on https, and finishes the flow', async () => {
    const { certificate, privateKey } = selfSignedCertificate('localhost');
    let deployed: LocalService | undefined;
    const server = createHttpsServer({ cert: certificate, key: privateKey }, (request, response) => {
      proxyTo(deployed?.url ?? '', request, response);
    }).listen(0, 'localhost');
    await once(server, 'listening');
    servers.push(server);
    const publicUrl = `https://localhost:${(server.address() as AddressInfo).port}`;
    const silent = { info: () => {}, warn: () => {}, error: () => {} };
    deployed = await startLocalService(
      { PORT: 0, CHAT_CONNECT_DATA_DIR: ':memory:', FLOW_TTL_SECONDS: 300, PUBLIC_URL: publicUrl, real: false },
      silent,
    );
    const issued = await fetch(`${deployed.url}/v1/integrations/channel-connections/oauth`, {
      method: 'POST',
      headers: { authorization: `ApiKey ${deployed.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ integrationIdentifier: 'slack', subscriberId: 'ann', binding: 'browser' }),
    });
    const { data } = (await issued.json()) as { data: { url: string } };
    const profile = await openProfile({ ignoreHTTPSErrors: true });
    const page = await openPage(data.url, profile);

    await press(page, 'Continue to Slack');
    const [cookie] = await profile.cookies(publicUrl);
    await press(page, 'Allow');

    expect(cookie).toMatchObject({ name: expect.stringMatching(/^__Host-connect-/), secure: true, httpOnly: true });
    expect(await headingOf(page)).toBe('Acme is connected');
    await deployed.close();
  });

  function proxyTo(url: string, incoming: IncomingMessage, outgoing: Parameters<RequestListener>[1]) {
    const { method, headers } = incoming;
    const passed = forward(`${url}${incoming.url}`, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(passed);
  }
});

describe('the install page', () => {
  const installAddress = async () => {
    const { json } = await service.api(environment.apiKey, 'GET', '/v1/integrations');
    return `${service.url}/v1/integrations/${json.data[0]._id}/slack/install`;
  };

  it('fits a phone, and has one button that a thumb can hit', async () => {
    const page = await openPage(await installAddress());

    expect(await headingOf(page)).toBe('Add Billing Bot to Slack?');
    expect(await page.getByRole('button').count()).toBe(1);
    const box = await page.getByRole('button', { name: 'Add to Slack', exact: true }).boundingBox();
    expect(box?.height).toBeGreaterThanOrEqual(44);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(phone.width);
    expect(complaints).toEqual([]);
  });

  it('leads to Slack and back, in the browser that pressed its button only', async () => {
    const address = await installAddress();
    const [mine, victims] = [await openPage(address), await openProfile()];

    await press(mine, 'Add to Slack');
    const callback = await pressAllowAndCatch(mine);
    const refused = await openPage(callback, victims);
    await mine.goto(callback);

    expect(await headingOf(refused)).toBe('This was started in another browser');
    expect(await headingOf(mine)).toBe('Acme is connected');
  });
});

describe('two people', () => {
  it('with one callback: whoever has no cookie is refused with no call to Slack, and the honest browser finishes', async () => {
    const honest = await openPage(await service.connectUrl(environment, { subscriberId: 'honest' }));
    await press(honest, 'Continue to Slack');
    const callback = await pressAllowAndCatch(honest);
    const calls = service.slack.calls.length;

    const stranger = await openPage(callback);
    const callsOfStranger = service.slack.calls.length - calls;
    const text = await stranger.locator('body').textContent();
    await honest.goto(callback);

    expect(await headingOf(stranger)).toBe('This was started in another browser');
    expect(text).not.toMatch(/Acme|Billing Bot|honest/);
    expect(callsOfStranger).toBe(0);
    expect(await headingOf(honest)).toBe('Acme is connected');
    expect(await service.connections(environment, '&subscriberId=honest')).toHaveLength(1);
  });

  it('of whom one begins and forwards Slack’s address: the other’s approval connects nothing', async () => {
    const mallory = await openPage(await service.connectUrl(environment, { subscriberId: 'mallory' }));
    await press(mallory, 'Continue to Slack');

    const victim = await openPage(mallory.url());
    await press(victim, 'Allow');

    expect(await headingOf(victim)).toBe('This was started in another browser');
    expect(await service.connections(environment, '&subscriberId=mallory')).toEqual([]);
  });

  it('of whom one makes a link and the other opens it and approves: with confirm nobody is connected', async () => {
    const sessions = { mallory: 'session=mallory', victim: 'session=victim' };
    const seen: { user: string; status: number }[] = [];
    let confirming: TestEnvironment | undefined;
    // The product knows its users by its own sessions.
    const product = await startSite(async (request, response) => {
      const user = /session=(\w+)/.exec(request.headers.cookie ?? '')?.[1] ?? 'nobody';
      const handle = new URL(request.url ?? '', product).searchParams.get('handle');
      const confirmed = await service.api(confirming?.apiKey, 'POST', '/v1/integrations/chat/oauth/confirm', {
        handle,
        subscriberId: user,
      });
      seen.push({ user, status: confirmed.status });
      response.setHeader('content-type', 'text/html').end(`<h1>Hello ${user}: ${confirmed.status}</h1>`);
    });
    const returnUrl = `${product}/back`;
    confirming = await service.createTestEnvironment({
      configurations: { binding: 'confirm', returnUrls: [returnUrl] },
    });
    const profileOf = async (session: string) => {
      const [name = '', value = ''] = session.split('=');
      const profile = await openProfile();
      await profile.addCookies([{ name, value, url: product }]);
      return profile;
    };
    const link = await service.connectUrl(confirming, { subscriberId: 'mallory', returnUrl });

    const victim = await openPage(link, await profileOf(sessions.victim));
    await press(victim, 'Continue to Slack');
    await press(victim, 'Allow');
    const forVictim = await headingOf(victim);
    const mallory = await openPage(victim.url(), await profileOf(sessions.mallory));

    expect(forVictim).toBe('Hello victim: 403');
    // Not even with the very address that the victim was sent to.
    expect(await headingOf(mallory)).toBe('Hello mallory: 409');
    expect(await service.connections(confirming)).toEqual([]);
    expect(seen).toEqual([
      { user: 'victim', status: 403 },
      { user: 'mallory', status: 409 },
    ]);

    const own = await openPage(
      await service.connectUrl(confirming, { subscriberId: 'victim', returnUrl }),
      await profileOf(sessions.victim),
    );
    await press(own, 'Continue to Slack');
    await press(own, 'Allow');

    expect(await headingOf(own)).toBe('Hello victim: 200');
    expect(await service.connections(confirming)).toMatchObject([{ subscriberId: 'victim' }]);
  });
});

describe('one person', () => {
  it('in two tabs finishes both flows', async () => {
    const profile = await openProfile();
    const first = await openPage(await service.connectUrl(environment, { subscriberId: 'first' }), profile);
    const second = await openPage(await service.connectUrl(environment, { subscriberId: 'second' }), profile);

    await press(first, 'Continue to Slack');
    await press(second, 'Continue to Slack');
    await press(second, 'Allow');
    await press(first, 'Allow');

    expect([await headingOf(first), await headingOf(second)]).toEqual(['Acme is connected', 'Acme is connected']);
    expect(await service.connections(environment, '&subscriberId=first')).toHaveLength(1);
    expect(await service.connections(environment, '&subscriberId=second')).toHaveLength(1);
  });

  it('who goes back and presses Continue again finishes with the second try', async () => {
    const page = await openPage(await service.connectUrl(environment, { subscriberId: 'again' }));
    await press(page, 'Continue to Slack');
    await page.goBack();

    await press(page, 'Continue to Slack');
    await press(page, 'Allow');

    expect(await headingOf(page)).toBe('Acme is connected');
  });

  it('on another site cannot be made to press Continue', async () => {
    const url = await service.connectUrl(environment, { subscriberId: 'lured' });
    const site = await startSite((_request, response) =>
      response
        .setHeader('content-type', 'text/html')
        .end(`<form method="post" action="${url}"><button>Win a prize</button></form>`),
    );
    const profile = await openProfile();
    const page = await openPage(site, profile);

    await press(page, 'Win a prize');

    expect(await headingOf(page)).toBe('Please open the link itself');
    expect(await profile.cookies(service.url)).toEqual([]);
    await page.goto(url);
    await press(page, 'Continue to Slack');
    expect(new URL(page.url()).origin).toBe(service.slack.url);
  });
});
