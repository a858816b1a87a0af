import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { openBrowser } from '../support/visitor.ts';

const registered = [
  'https://product.example/done',
  'https://product.example/done/deep?tab=chat&a=1',
  'https://product.example:8443/done',
  'http://localhost:4000/done',
];

let service: TestService;
let environment: TestEnvironment;

beforeAll(async () => {
  service = await startTestService();
  environment = await service.createTestEnvironment({
    configurations: { returnUrls: registered },
    credentials: { redirectUrl: 'https://product.example/default' },
  });
});

afterAll(() => service.close());

const ask = (returnUrl: unknown) =>
  service.api(environment.apiKey, 'POST', '/v1/integrations/channel-connections/oauth', {
    integrationIdentifier: 'slack',
    subscriberId: 'ann',
    returnUrl,
  });

const create = (returnUrl: string) =>
  service.api(environment.apiKey, 'POST', '/v1/integrations', {
    providerId: 'slack',
    credentials: { clientId: '1.2', secretKey: 'secret' },
    configurations: { returnUrls: [returnUrl] },
  });

describe('a request’s returnUrl', () => {
  it.each(registered)('may be %s, which is registered', async (returnUrl) => {
    expect((await ask(returnUrl)).status).toBe(201);
  });

  it.each([
    // User info
    'https://product.example@evil.example/done',
    'https://product.example:x@evil.example/done',
    'https://product.example%40evil.example/done',
    'https://user@product.example/done',
    'https://user:password@product.example/done',
    'https://@product.example/done',
    // Backslashes and slashes
    'https://product.example\\@evil.example/done',
    'https://evil.example\\.product.example/done',
    'https:\\\\product.example\\done',
    'https:/product.example/done',
    'https:///product.example/done',
    'https:product.example/done',
    '//product.example/done',
    '//evil.example/done',
    '/done',
    'https://product.example//done',
    'https://product.example/done//',
    'https://product.example/done/',
    'https://product.example/done\\',
    // Dots in hosts and paths
    'https://product.example./done',
    'https://product。example/done',
    'https://product．example/done',
    'https://product｡example/done',
    'https://product.example.evil.example/done',
    'https://evilproduct.example/done',
    'https://sub.product.example/done',
    'https://product.example/./done',
    'https://product.example/x/../done',
    'https://product.example/%2e/done',
    'https://product.example/done/..',
    'https://product.example/done/%2e%2e/other',
    // Letters that look alike, and case
    'https://ｐroduct.example/done',
    'https://product.example/ｄone',
    'https://prοduct.example/done',
    'https://xn--prduct-vve.example/done',
    'https://product.ex\u00ADample/done',
    'https://PRODUCT.example/done',
    'HTTPS://product.example/done',
    'https://product.example/Done',
    // Encoded characters
    'https://product.example/d%6fne',
    'https://product.example/done%00',
    'https://product.example/done%2f',
    'https://product%2eexample/done',
    'https%3A%2F%2Fproduct.example%2Fdone',
    'https://product.example/done%0d%0aset-cookie:a=b',
    // Tabs, line ends and spaces
    'https://product.example/do\tne',
    'https://product.example/done\n',
    'ht\ntps://product.example/done',
    ' https://product.example/done',
    'https://product.example/done ',
    '\u0001https://product.example/done',
    'https://product.example/done\u0000',
    '\uFEFFhttps://product.example/done',
    // Query and fragment
    'https://product.example/done#',
    'https://product.example/done#@evil.example',
    'https://product.example/done?',
    'https://product.example/done?next=https://evil.example',
    'https://product.example/done;evil',
    'https://product.example/done/deep?a=1&tab=chat',
    'https://product.example/done/deep?tab=chat&a=1&a=2',
    'https://product.example/done/deep?tab=chat&amp;a=1',
    // Ports
    'https://product.example:443/done',
    'https://product.example:8443/done/',
    'https://product.example:8444/done',
    'https://product.example:08443/done',
    'https://product.example:/done',
    // Other schemes
    'http://product.example/done',
    'javascript://product.example/%0aalert(1)',
    'javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'file:///product.example/done',
    'ftp://product.example/done',
    'wss://product.example/done',
    'blob:https://product.example/done',
    'view-source:https://product.example/done',
    // Spellings of loopback
    'http://127.0.0.1:4000/done',
    'http://127.1:4000/done',
    'http://2130706433:4000/done',
    'http://0x7f.0.0.1:4000/done',
    'http://[::1]:4000/done',
    'http://[::ffff:127.0.0.1]:4000/done',
    'http://localhost.:4000/done',
    'http://LOCALHOST:4000/done',
    'http://localhost:4001/done',
    'http://localhost/done',
    'http://localhost.evil.example:4000/done',
    'http://0.0.0.0:4000/done',
    // The integration's own default, and nothing
    'https://product.example/default',
    '',
    '*',
    'null',
    'https://*.example/done',
  ])('may not be %j', async (returnUrl) => {
    const answer = await ask(returnUrl);

    expect(answer.json).toMatchObject({ statusCode: 400, error: 'invalid_return_url' });
  });

  it.each([[null], [1], [['https://product.example/done']], [{ href: 'https://product.example/done' }]])(
    'may not be %j, which is no text',
    async (returnUrl) => {
      expect((await ask(returnUrl)).status).toBe(422);
    },
  );

  it('is not taken from another environment’s list', async () => {
    const other = await service.createTestEnvironment();

    const answer = await service.api(other.apiKey, 'POST', '/v1/integrations/channel-endpoints/oauth', {
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
      returnUrl: registered[0],
    });

    expect(answer.json.error).toBe('invalid_return_url');
  });
});

describe('an integration’s returnUrls', () => {
  it.each([
    'https://product.example',
    'https://product.example/',
    'https://product.example:8443/done?a=b',
    'http://localhost/done',
    'http://localhost:4000/done',
    'http://127.0.0.1:4000/done',
    'http://[::1]:4000/done',
  ])('may hold %s', async (returnUrl) => {
    expect((await create(returnUrl)).status).toBe(201);
  });

  it.each([
    'http://product.example/done',
    'http://localhost.evil.example/done',
    'http://localhost@evil.example/done',
    'http://127.0.0.1.evil.example/done',
    'http://localhost./done',
    'http://0.0.0.0/done',
    'http://[::ffff:127.0.0.1]/done',
    'http://169.254.169.254/latest',
    'https://user@product.example/done',
    'https://:password@product.example/done',
    'https://product.example/done#part',
    'https://product.example\\done',
    'https:\\\\product.example/done',
    'https:product.example',
    'https:/product.example/done',
    'https:///product.example/done',
    'https:////product.example/done',
    'https://product.example/do ne',
    'https://product.example/done\n',
    '\u0001https://product.example/done',
    'https://product.example/\u0007done',
    '//product.example/done',
    '/done',
    'done',
    '',
    'https://',
    'javascript:alert(1)',
    'javascript://product.example/%0aalert(1)',
    'data:text/html,hello',
    'file:///etc/passwd',
    `https://product.example/${'a'.repeat(2048)}`,
  ])('may not hold %j', async (returnUrl) => {
    const answer = await create(returnUrl);

    expect(answer.status).toBe(422);
    expect(answer.text).toContain('configurations.returnUrls.0');
  });
});

describe('the way back', () => {
  it.each(registered)('to %s keeps its origin, path and query, and adds the outcome', async (returnUrl) => {
    const done = await service.connect(environment, { returnUrl });

    const location = new URL(done.headers.get('location') ?? '');
    const from = new URL(returnUrl);
    expect(location.origin + location.pathname).toBe(from.origin + from.pathname);
    expect(Object.fromEntries(location.searchParams)).toMatchObject({
      ...Object.fromEntries(from.searchParams),
      status: 'success',
    });
  });

  it('is never the request’s to change: parameters of the callback go nowhere', async () => {
    const callback = new URL(
      await service.approve(await service.connectUrl(environment, { returnUrl: registered[0] })),
    );
    for (const name of ['returnUrl', 'redirect_uri', 'redirectUrl', 'return_to', 'next', 'url']) {
      callback.searchParams.set(name, 'https://evil.example');
    }

    const done = await service.request('GET', callback.href);

    expect(done.headers.get('location')).toMatch(/^https:\/\/product\.example\/done\?status=success&/);
    expect(done.headers.get('location')).not.toContain('evil');
  });

  it('overwrites what was registered under the names of the outcome, and says each once', async () => {
    const returnUrl = 'https://product.example/back?status=success&handle=x&handle=y';
    const own = await service.createTestEnvironment({
      configurations: { returnUrls: [returnUrl], binding: 'confirm' },
    });
    const visitor = openBrowser(service);
    const url = await service.connectUrl(own, { returnUrl });

    const back = await visitor.visit(await service.approve(await visitor.proceed(url)));

    const query = new URL(back.headers.get('location') ?? '').searchParams;
    expect(query.getAll('status')).toEqual(['awaiting_confirmation']);
    expect(query.getAll('handle')).toEqual([expect.stringMatching(/^[\w-]{22}\.[\w-]{43}$/)]);
  });

  it('holds no code, state, token or name of the workspace', async () => {
    const callback = await service.approve(await service.connectUrl(environment, { returnUrl: registered[0] }));
    const query = new URL(callback).searchParams;

    const location = (await service.request('GET', callback)).headers.get('location') ?? '';

    for (const hidden of [query.get('code'), query.get('state'), 'Acme', 'T0ACME', 'xox']) {
      expect(location).not.toContain(hidden);
    }
  });
});
