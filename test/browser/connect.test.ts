import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LocalService, startLocalService } from '../../infra/local/local-service.ts';
import { phone, startBrowser } from '../support/browser.ts';

const silent = { info: () => {}, warn: () => {}, error: () => {} };

let service: LocalService;
let browser: Browser;
let page: Page;
let complaints: string[];

beforeAll(async () => {
  service = await startLocalService(
    { PORT: 0, CHAT_CONNECT_DATA_DIR: ':memory:', FLOW_TTL_SECONDS: 300, real: false },
    silent,
  );
  browser = await startBrowser();
});

afterAll(async () => {
  await browser.close();
  await service.close();
});

beforeEach(async () => {
  const context = await browser.newContext({ viewport: phone, javaScriptEnabled: false });
  page = await context.newPage();
  complaints = [];
  // A blocked style or frame is an error of ours, whatever the page looks like without it.
  context.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  context.on('weberror', (error) => complaints.push(error.error().message));
});

afterEach(() => page.context().close());

async function startConnect(integrationIdentifier = 'slack', subscriberId = 'user-1'): Promise<void> {
  const response = await fetch(`${service.url}/v1/integrations/channel-connections/oauth`, {
    method: 'POST',
    headers: { authorization: `ApiKey ${service.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ integrationIdentifier, subscriberId }),
  });
  await page.goto(((await response.json()) as { data: { url: string } }).data.url);
}

/** The playground's first form opens the flow beside it. */
async function sendConnectForm(): Promise<Page> {
  const opened = page.context().waitForEvent('page');
  await page.getByRole('button', { name: 'Connect', exact: true }).click();
  const flow = await opened;
  await flow
    .getByRole('button', { name: /allow|approve/i })
    .first()
    .waitFor();
  return flow;
}

/** True when nothing of the page lies beyond the right edge of the phone. */
async function fitsThePhone(): Promise<boolean> {
  const box = await page.locator('main').boundingBox();
  return box !== null && box.x >= 0 && box.x + box.width <= phone.width;
}

/** Presses a button and waits for the page that comes of it: a click alone does not wait for a navigation. */
async function press(name: string | RegExp, on: Page = page): Promise<void> {
  const loaded = on.waitForEvent('load');
  await on.getByRole('button', { name }).first().click();
  await loaded;
}

describe('a person on a phone, without scripts', () => {
  it('presses Allow and reads what was connected', async () => {
    await startConnect();

    await press('Allow');

    expect(await page.getByRole('heading').textContent()).toBe('Acme is connected');
    expect(await page.getByText('user-1').isVisible()).toBe(true);
    expect(await page.evaluate('getComputedStyle(document.querySelector("main")).borderTopWidth')).toBe('4px');
    expect(await fitsThePhone()).toBe(true);
    expect(complaints).toEqual([]);
  });

  it('reloads the outcome and sees it again', async () => {
    await startConnect();
    await press('Allow');

    await page.reload();

    expect(await page.getByRole('heading').textContent()).toBe('Acme is connected');
  });

  it('presses Cancel and is told that nothing was changed', async () => {
    await startConnect();

    await press('Cancel');

    expect(await page.getByRole('heading').textContent()).toBe('Cancelled');
    expect(await fitsThePhone()).toBe(true);
  });

  it('goes through the playground, and finds the connection there', async () => {
    await page.goto(service.url);
    const flow = await sendConnectForm();
    expect(await flow.getByText('Local Product').first().isVisible()).toBe(true);
    await press('Allow', flow);
    await page.goto(service.url);

    expect(await page.getByText('Acme').first().isVisible()).toBe(true);
    expect(complaints).toEqual([]);
  });

  it('goes through the playground to Microsoft, where the button names the tenant', async () => {
    await page.goto(service.url);
    await page.getByLabel('Integration').first().selectOption('msteams');

    const flow = await sendConnectForm();

    expect(await flow.getByRole('button', { name: 'Approve for Contoso', exact: true }).isVisible()).toBe(true);
    await flow
      .getByLabel(/Fabrikam/)
      .first()
      .check();
    expect(await flow.getByRole('button', { name: 'Approve for Fabrikam', exact: true }).isVisible()).toBe(true);
    expect(complaints).toEqual([]);
  });

  it('approves for a Microsoft tenant, signs in and reads that it is connected', async () => {
    await startConnect('msteams');

    await press(/approve|accept/i);
    await press(/sign in/i);

    expect(await page.getByRole('heading').textContent()).toMatch(/ is connected$/);
    expect(await fitsThePhone()).toBe(true);
    expect(complaints).toEqual([]);
  });

  it('is told to wait, and not to press anything, when Microsoft does not give the permissions yet', async () => {
    await startConnect('msteams', 'user-2');
    await page.locator('summary').first().click();
    await page.getByLabel(/20 s/).first().check();
    await press(/approve|accept/i);
    await press(/sign in/i);

    expect(await page.getByRole('heading').textContent()).toContain('Waiting for Microsoft');
    expect(await page.getByText('You need not press anything again').isVisible()).toBe(true);
    expect(await fitsThePhone()).toBe(true);
  });

  it('goes through the playground with a confirmation, and is connected only after it', async () => {
    await page.goto(service.url);
    await page.getByLabel('Integration').first().selectOption('slack');
    await page.getByLabel('Subscriber id').first().fill('confirming');
    await page
      .getByLabel(/who may finish/i)
      .first()
      .selectOption('confirm');
    const opened = page.context().waitForEvent('page');
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    const flow = await opened;
    await flow.getByRole('button', { name: /continue/i }).waitFor();
    await press(/continue/i, flow);
    await press('Allow', flow);
    expect(await flow.getByRole('heading', { level: 1 }).textContent()).toBe('Back at your product');
    await page.goto(service.url);
    const before = await page.locator('td', { hasText: 'confirming' }).count();

    await press('Confirm', flow);

    expect(before).toBe(0);
    expect(await flow.locator('td', { hasText: 'confirming' }).isVisible()).toBe(true);
    expect(complaints).toEqual([]);
  });
});
