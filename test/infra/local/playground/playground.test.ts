import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { createPlayground, type PlaygroundOptions } from '../../../../infra/local/playground/playground.ts';
import type { Event } from '../../../../lib/events/event.ts';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

const connectPath = '/v1/integrations/channel-connections/oauth';
const linkPath = '/v1/integrations/channel-endpoints/oauth';
const issuedUrl = 'http://slack.test/oauth/v2/authorize?state=abc';
const issued = { status: 201, body: { data: { url: issuedUrl } } };
const emptyList = { status: 200, body: { data: [], next: null, previous: null } };
const slack = { identifier: 'slack', name: 'Slack', configurations: {} };
const form = { 'content-type': 'application/x-www-form-urlencoded' };

type Answers = Record<string, { status: number; body: unknown } | Error>;

/** A server with a playground; everything that it does not answer is a 404 of the server's. */
async function setup(answers: Answers = {}, options: Partial<PlaygroundOptions> = {}) {
  const calls: { method: string; path: string; body: unknown }[] = [];
  const all: Answers = {
    'GET /v1/integrations': { status: 200, body: { data: [slack] } },
    'GET /v1/channel-connections?limit=100': emptyList,
    'GET /v1/channel-endpoints?limit=100': emptyList,
    [`POST ${connectPath}`]: issued,
    [`POST ${linkPath}`]: issued,
    ...answers,
  };
  const server = createServer(async (request, response) => {
    const answered = await playground(request, response);
    if (!answered) response.writeHead(404).end('not the playground');
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const playground = createPlayground({
    publicUrl: `http://localhost:${port}`,
    apiKey: "the-key-of-o'brien",
    pretendSlackUrl: 'http://slack.test',
    pretendMicrosoftUrl: 'http://microsoft.test',
    async callApi(method, path, body) {
      calls.push({ method, path, body });
      const answer = all[`${method} ${path}`] ?? { status: 404, body: {} };
      if (answer instanceof Error) throw answer;
      return answer;
    },
    dumpRows: async () => [],
    events: () => [],
    ...options,
  });
  const posted = () => calls.filter(({ method }) => method === 'POST');
  return { port, calls, posted };
}

interface Sent {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly fields?: Record<string, string>;
  readonly body?: string;
}

async function ask(port: number, path: string, { method, headers, fields, body }: Sent = {}) {
  const payload = body ?? (fields && new URLSearchParams(fields).toString());
  const request = httpRequest({
    port,
    path,
    host: '127.0.0.1',
    method: method ?? (payload === undefined ? 'GET' : 'POST'),
    headers: { host: `localhost:${port}`, ...(payload === undefined ? {} : form), ...headers },
  });
  request.end(payload);
  const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream & Response];
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

interface Response {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
}

describe('GET /', () => {
  it('shows both forms, ready to send, and says what to do first', async () => {
    const { port } = await setup();

    const { status, body } = await ask(port, '/');

    expect(status).toBe(200);
    expect(body).toContain('action="/playground/connect"');
    expect(body).toContain('action="/playground/link"');
    expect(body).toContain('<option value="slack" selected>slack</option>');
    expect(body.match(/name="subscriberId" value="user-1"/g)).toHaveLength(2);
    expect(body.match(/None yet/g)).toHaveLength(2);
    expect(body).toContain('href="http://slack.test"');
    expect(body).toContain('<a href="http://microsoft.test">Pretend Microsoft</a>');
    expect(body).not.toContain('No integration yet');
    expect(body).not.toContain('the-key-of');
  });

  it('chooses the first integration where none is called slack', async () => {
    const { port } = await setup({
      'GET /v1/integrations': { status: 200, body: { data: [{ ...slack, identifier: 'my-slack' }] } },
    });

    const { body } = await ask(port, '/');

    expect(body).toContain('<option value="my-slack" selected>');
    expect(body).not.toContain('<option value="slack"');
  });

  it('says what to do where there is no integration', async () => {
    const { port } = await setup({ 'GET /v1/integrations': emptyList });

    const { body } = await ask(port, '/');

    expect(body).toContain('No integration yet: store one with the command that');
  });

  it('says why a connection is pending', async () => {
    const pending = {
      identifier: 'chconn-2',
      workspace: { id: 'tenant-1' },
      status: 'pending',
      statusReason: 'roles_missing',
      createdAt: '2026-11-22T10:31:59.000Z',
    };
    const { port } = await setup({
      'GET /v1/channel-connections?limit=100': { status: 200, body: { data: [pending], next: null } },
    });

    const { body } = await ask(port, '/');

    expect(body).toContain('pending <span class="soft">roles_missing</span>');
  });

  it('lists connections and endpoints', async () => {
    const whom = { subscriberId: null, contextKeys: ['tenant:acme'] };
    const { port } = await setup({
      'GET /v1/channel-connections?limit=100': {
        status: 200,
        body: {
          data: [
            {
              ...whom,
              identifier: 'chconn-1',
              workspace: { id: 'T1', name: 'Acme' },
              auth: { accessToken: 'hidden' },
              status: 'active',
              scopes: ['chat:write', 'users:read'],
              missingScopes: ['reactions:read'],
              createdAt: '2026-11-22T10:31:59.000Z',
            },
          ],
          next: null,
        },
      },
      'GET /v1/channel-endpoints?limit=100': {
        status: 200,
        body: {
          data: [
            {
              ...whom,
              identifier: 'chendp_1',
              type: 'webhook',
              endpoint: { url: 'https://hooks.slack.com/services/T1/B1/secret', channel: '#general' },
              subscriberId: 'user-7',
              connectionIdentifier: 'chconn-1',
            },
          ],
        },
      },
    });

    const { body } = await ask(port, '/');

    const words = body.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ');
    expect(words).toContain(
      'chconn-1 Acme T1 channels shared tenant:acme active chat:write, users:read missing: reactions:read 2026-11-22 10:31 UTC',
    );
    expect(words).toContain('url https://hooks.slack.com, channel #general user-7 tenant:acme chconn-1');
    expect(body).not.toContain('secret');
  });

  it('stays usable when lists cannot be had', async () => {
    const { port } = await setup({
      'GET /v1/integrations': new Error('down'),
      'GET /v1/channel-connections?limit=100': { status: 500, body: { message: 'broken <b>' } },
      'GET /v1/channel-endpoints?limit=100': { status: 200, body: 'nonsense' },
    });

    const { status, body } = await ask(port, '/');

    expect(status).toBe(200);
    expect(body).toContain('GET /v1/integrations answered 503');
    expect(body).toContain('answered 500: broken &#60;b&#62;');
    expect(body).toContain('answered 200: something unexpected');
    expect(body).toContain('<option value="slack" selected>');
  });

  it('runs no script, loads nothing, and is neither kept nor framed', async () => {
    const { port } = await setup();

    const { headers, body } = await ask(port, '/');

    const style = /<style>([\s\S]*)<\/style>/.exec(body)?.[1] ?? '';
    const policy = String(headers['content-security-policy']);
    expect(policy.split('; ')).toEqual([
      "default-src 'none'",
      `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
      "base-uri 'none'",
      "frame-ancestors 'none'",
      `form-action 'self' http://localhost:${port} http://slack.test http://microsoft.test`,
    ]);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
    });
    expect(body).not.toMatch(/<script|\sstyle=|\son\w+=/);
  });

  it.each([
    ['Slack', { pretendSlackUrl: undefined }],
    ['Microsoft', { pretendMicrosoftUrl: undefined }],
  ])(
    'lets forms redirect anywhere where the real %s is used, which redirects to unknown hosts',
    async (name, options) => {
      const { port } = await setup({}, options);

      const { headers, body } = await ask(port, '/');

      expect(headers['content-security-policy']).not.toContain('form-action');
      expect(body).not.toContain(`Pretend ${name}`);
    },
  );
});

describe('POST /playground/connect', () => {
  it('asks the API for a URL and sends the browser there', async () => {
    const { port, posted } = await setup();

    const { status, headers } = await ask(port, '/playground/connect', {
      fields: {
        integration: 'slack',
        subscriberId: ' user-1 ',
        contextType: 'tenant',
        contextId: 'acme',
        connectionIdentifier: 'acme-slack',
        connectionMode: 'subscriber',
        autoLinkUser: 'true',
        scopes: 'chat:write, users:read',
      },
    });

    expect(status).toBe(303);
    expect(headers).toMatchObject({ location: issuedUrl, 'cache-control': 'no-store' });
    expect(posted()).toEqual([
      {
        method: 'POST',
        path: connectPath,
        body: {
          integrationIdentifier: 'slack',
          subscriberId: 'user-1',
          connectionIdentifier: 'acme-slack',
          context: { tenant: 'acme' },
          scope: ['chat:write', 'users:read'],
          connectionMode: 'subscriber',
          autoLinkUser: true,
        },
      },
    ]);
  });

  it('leaves out what is empty', async () => {
    const { port, posted } = await setup();

    await ask(port, '/playground/connect', {
      fields: {
        integration: 'slack',
        subscriberId: '',
        contextType: '',
        contextId: '',
        connectionMode: '',
        scopes: '',
      },
    });

    expect(posted()[0]?.body).toEqual({ integrationIdentifier: 'slack' });
  });

  it.each([
    ['named scopes', slack, 'chat:write', ['chat:write', 'incoming-webhook']],
    [
      "the integration's",
      { ...slack, configurations: { scopes: ['team:read'] } },
      '',
      ['team:read', 'incoming-webhook'],
    ],
    [
      'the defaults',
      slack,
      '',
      [
        'chat:write',
        'chat:write.public',
        'channels:read',
        'groups:read',
        'users:read',
        'users:read.email',
        'incoming-webhook',
      ],
    ],
    ['itself', slack, 'incoming-webhook', ['incoming-webhook']],
  ])('adds incoming-webhook to %s', async (_, integration, scopes, expected) => {
    const { port, posted } = await setup({
      'GET /v1/integrations': { status: 200, body: { data: [integration] } },
    });

    await ask(port, '/playground/connect', { fields: { integration: 'slack', scopes, incomingWebhook: 'true' } });

    expect(posted()[0]?.body).toMatchObject({ scope: expected });
  });

  it("sends no scopes for Teams: they are Slack's", async () => {
    const { port, posted } = await setup({
      'GET /v1/integrations': {
        status: 200,
        body: { data: [{ ...slack, identifier: 'teams', providerId: 'msteams' }] },
      },
    });

    await ask(port, '/playground/connect', {
      fields: { integration: 'teams', subscriberId: 'user-1', scopes: 'chat:write', incomingWebhook: 'true' },
    });

    expect(posted()[0]?.body).toEqual({ integrationIdentifier: 'teams', subscriberId: 'user-1' });
  });

  it('shows what the API refused, and the form as it was sent', async () => {
    const message = 'context is required when connectionMode is "shared"';
    const { port } = await setup({
      [`POST ${connectPath}`]: {
        status: 422,
        body: {
          statusCode: 422,
          message,
          error: 'validation_failed',
          errors: { general: { messages: ['a <detail>'] } },
        },
      },
    });

    const { status, body } = await ask(port, '/playground/connect', {
      fields: {
        integration: 'gone',
        subscriberId: '"><script>alert(1)</script>',
        contextType: '<img>',
        connectionMode: 'shared',
        autoLinkUser: 'true',
      },
    });

    expect(status).toBe(422);
    expect(body).toContain('The API answered 422 <code>validation_failed</code>');
    expect(body).toContain(message.replaceAll('"', '&#34;'));
    expect(body).toContain('a &#60;detail&#62;');
    expect(body).toContain('<option value="gone" selected>');
    expect(body).toContain('<option value="shared" selected>');
    expect(body).toContain('name="autoLinkUser" value="true" checked');
    expect(body).toContain('value="&#34;&#62;&#60;script&#62;alert(1)&#60;/script&#62;"');
    expect(body).toContain('value="&#60;img&#62;"');
    expect(body).not.toMatch(/<script|<img/);
  });

  it.each([
    ['fails', { status: 500, body: { message: 'broken' } }, 'The API answered 500'],
    ['cannot be reached', new Error('ECONNREFUSED'), 'The API answered 503'],
    ['gives no URL', { status: 201, body: { data: {} } }, 'The API answered 201'],
  ])('answers 502 when the API %s', async (_, answer, said) => {
    const { port } = await setup({ [`POST ${connectPath}`]: answer });

    const { status, body } = await ask(port, '/playground/connect', { fields: { integration: 'slack' } });

    expect(status).toBe(502);
    expect(body).toContain(said);
  });

  it('shows the last request as a command, and the key only on demand', async () => {
    const { port } = await setup();

    await ask(port, '/playground/connect', { fields: { integration: 'slack', subscriberId: "o'brien" } });
    const { body } = await ask(port, '/');

    const shown = body.replaceAll('&#39;', "'").replaceAll('&#34;', '"');
    expect(shown).toContain(`curl -X POST 'http://localhost:${port}${connectPath}'`);
    expect(shown).toContain('-H "Authorization: ApiKey $API_KEY"');
    expect(shown).toContain(`-d '{"integrationIdentifier":"slack","subscriberId":"o'\\''brien"}'`);
    expect(shown).toContain(
      `<details><summary>The API key of this machine</summary><pre>export API_KEY='the-key-of-o'\\''brien'`,
    );
    expect(shown.match(/the-key-of/g)).toHaveLength(1);
    expect(shown).toContain(`name="subscriberId" value="o'brien"`);
  });

  it('takes 64 KB and no more', async () => {
    const { port, posted } = await setup();
    const fields = 'integration=slack&scopes=';

    const fits = await ask(port, '/playground/connect', { body: fields.padEnd(64 * 1024, 'x') });
    const tooLarge = await ask(port, '/playground/connect', { body: fields.padEnd(64 * 1024 + 1, 'x') });

    expect(fits.status).toBe(303);
    expect(tooLarge.status).toBe(413);
    expect(posted()).toHaveLength(1);
  });
});

describe('POST /playground/link', () => {
  it('asks the API for a URL and sends the browser there', async () => {
    const { port, posted } = await setup();

    const { status, headers } = await ask(port, '/playground/link', {
      fields: {
        integration: 'slack',
        subscriberId: 'user-1',
        connectionIdentifier: 'acme-slack',
        autoLinkUser: 'true',
      },
    });

    expect(status).toBe(303);
    expect(headers.location).toBe(issuedUrl);
    expect(posted()).toEqual([
      {
        method: 'POST',
        path: linkPath,
        body: { integrationIdentifier: 'slack', subscriberId: 'user-1', connectionIdentifier: 'acme-slack' },
      },
    ]);
  });
});

describe('a flow that is to be confirmed', () => {
  const confirmPath = '/v1/integrations/chat/oauth/confirm';
  const fields = { handle: 'the.handle', subscriberId: 'user-1', contextType: 'tenant', contextId: 'acme' };

  it('is asked for with the address of the playground', async () => {
    const { port, posted } = await setup();

    await ask(port, '/playground/connect', { fields: { integration: 'slack', subscriberId: 'u', binding: 'confirm' } });
    await ask(port, '/playground/link', { fields: { integration: 'slack', subscriberId: 'u', binding: 'browser' } });

    expect(posted().map(({ body }) => body)).toMatchObject([
      { binding: 'confirm', returnUrl: `http://localhost:${port}/playground/confirm` },
      { binding: 'browser', returnUrl: undefined },
    ]);
  });

  it('comes back to a form that confirms nothing by being opened', async () => {
    const { port, posted } = await setup();
    await ask(port, '/playground/link', { fields: { integration: 'slack', ...fields } });

    const { status, body } = await ask(port, '/playground/confirm?status=awaiting_confirmation&handle=a%22%3E');

    expect(status).toBe(200);
    expect(body).toContain('name="handle" value="a&#34;&#62;"');
    expect(body).toContain('name="subscriberId" value="user-1"');
    expect(body).toContain('name="contextId" value="acme"');
    expect(posted().map(({ path }) => path)).toEqual([linkPath]);
  });

  it('that failed comes back with what the query says', async () => {
    const { port } = await setup();

    const { body } = await ask(port, '/playground/confirm?status=error&error=%3Cb%3E');

    expect(body).toContain('<code>error</code> &#60;b&#62;');
    expect(body).not.toContain('<button>');
  });

  it('is confirmed by its button, with what stands in the form', async () => {
    const { port, posted } = await setup({
      [`POST ${confirmPath}`]: { status: 200, body: { data: { endpoints: [] } } },
    });

    const answer = await ask(port, '/playground/confirm', { fields });

    expect([answer.status, answer.headers.location]).toEqual([303, '/']);
    expect(posted()).toEqual([
      {
        method: 'POST',
        path: confirmPath,
        body: { handle: 'the.handle', subscriberId: 'user-1', context: { tenant: 'acme' } },
      },
    ]);
  });

  it('shows why the API refused the confirmation', async () => {
    const refusal = { message: 'for another subscriber', error: 'confirmation_mismatch' };
    const { port } = await setup({ [`POST ${confirmPath}`]: { status: 403, body: refusal } });

    const { status, body } = await ask(port, '/playground/confirm', { fields });

    expect(status).toBe(403);
    expect(body).toContain('confirmation_mismatch');
  });
});

describe('GET /playground/rows', () => {
  it('groups rows by kind and shortens sealed values', async () => {
    const sealed = `eyJhbGciOiJkaXIi.${'.aXY.Y2lwaGVydGV4dA'.repeat(1)}.dGFn`;
    const { port } = await setup(
      {},
      {
        dumpRows: async () => [
          {
            table: 'connections',
            rows: [
              { pk: 'G#env#1', sk: 'REF#2' },
              { pk: 'G#env#1', sk: 'GRANT', token: sealed, kept: { deep: [sealed] } },
              { pk: 'E#env', sk: 'ENV', name: '<b>' },
              { pk: 'NEW#1', sk: 'X' },
            ],
          },
          { table: 'flows', rows: [] },
        ],
      },
    );

    const { status, body } = await ask(port, '/playground/rows');

    expect(status).toBe(200);
    expect(body).not.toContain(sealed);
    expect(
      body.match(new RegExp(`eyJhbGciOiJk…&?.{0,6} <mark>sealed, ${sealed.length} characters</mark>`, 'g')),
    ).toHaveLength(2);
    expect(body).toContain('&#60;b&#62;');
    const kinds = [...body.matchAll(/<summary>(.*?) <span class="soft">(.*?)<\/span>/g)].map(
      ([, kind, count]) => `${kind}: ${count}`,
    );
    expect(kinds).toEqual(['Environment: 1 row', 'Grant: 1 row', 'Reference to a grant: 1 row', 'Other: 1 row']);
    expect(body).toContain('Empty. Connect a workspace');
  });
});

describe('GET /playground/events', () => {
  it('shows what was published, as it was', async () => {
    const event: Event = {
      version: 1,
      id: 'the-id',
      type: 'endpoint.deleted',
      time: '2026-11-02T09:15:31.204Z',
      environmentId: 'env',
      data: {
        identifier: '<b>',
        integrationIdentifier: 'slack',
        providerId: 'slack',
        subscriberId: 'user-1',
        contextKeys: [],
        type: 'slack_user',
        connectionIdentifier: null,
      },
    };
    const { port } = await setup({}, { events: () => [event] });

    const { status, body } = await ask(port, '/playground/events');

    expect(status).toBe(200);
    expect(body).toContain('09:15:31.204 UTC');
    expect(body).toContain('the-id');
    expect(body).not.toContain('<b>');
  });

  it('says what to do while there is nothing', async () => {
    const { port } = await setup();

    expect((await ask(port, '/playground/events')).body).toContain('None yet. Connect');
  });
});

describe('other paths', () => {
  it.each(['/v1/integrations', '/health', '/playground', '/playgrounds/x', '//'])(
    'leaves %s to the API',
    async (path) => {
      const { port } = await setup();

      const { body } = await ask(port, path, { headers: { host: 'elsewhere.test' } });

      expect(body).toBe('not the playground');
    },
  );

  it('leaves POST / to the API', async () => {
    const { port } = await setup();

    expect((await ask(port, '/', { fields: {} })).body).toBe('not the playground');
  });

  it.each([
    ['GET', '/playground/connect'],
    ['POST', '/playground/rows'],
    ['GET', '/playground/'],
    ['DELETE', '/playground/link'],
  ])('has no %s %s', async (method, path) => {
    const { port, calls } = await setup();

    const { status } = await ask(port, path, { method });

    expect(status).toBe(404);
    expect(calls).toEqual([]);
  });

  it('answers HEAD like GET, without the body', async () => {
    const { port } = await setup();

    expect(await ask(port, '/', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  });
});

describe('who may use the playground', () => {
  it.each(['localhost', '127.0.0.1', '[::1]', 'LOCALHOST'])(
    'answers a browser that calls this machine %s',
    async (name) => {
      const { port } = await setup();

      expect((await ask(port, '/', { headers: { host: `${name}:${port}` } })).status).toBe(200);
    },
  );

  it('answers at the public URL where that is a name of this machine', async () => {
    const { port } = await setup({}, { publicUrl: 'http://localhost:8080' });

    expect((await ask(port, '/', { headers: { host: 'localhost:8080' } })).status).toBe(200);
  });

  it.each([
    'rebound.test',
    'rebound.test:PORT',
    'localhost',
    'localhost:1',
    'localhost:PORT@rebound.test',
    'localhost:PORT.rebound.test',
    '127.0.0.1.rebound.test:PORT',
    'localhost.:PORT',
  ])('refuses the host "%s": DNS rebinding', async (template) => {
    const { port, calls } = await setup();
    const host = template.replace('PORT', String(port));

    const answers = await Promise.all([
      ask(port, '/', { headers: { host } }),
      ask(port, '/playground/rows', { headers: { host } }),
      ask(port, '/playground/connect', { headers: { host }, fields: { integration: 'slack' } }),
    ]);

    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403]);
    expect(calls).toEqual([]);
  });

  it('refuses the world where the public URL is a tunnel, however the tunnel rewrites the host', async () => {
    const { port, calls } = await setup({}, { publicUrl: 'https://tunnel.test' });

    const asPublic = await ask(port, '/', { headers: { host: 'tunnel.test' } });
    const rewritten = await ask(port, '/', { headers: { 'x-forwarded-for': '203.0.113.9' } });
    expect([asPublic.status, rewritten.status]).toEqual([403, 403]);
    expect(asPublic.body).toContain(`http://localhost:${port}/`);
    expect(calls).toEqual([]);

    expect((await ask(port, '/')).status).toBe(200);
  });

  it.each([
    { origin: 'https://evil.test' },
    { origin: 'null' },
    { origin: 'http://localhost:1' },
    { origin: 'https://localhost:PORT' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'http://localhost:PORT', 'sec-fetch-site': 'cross-site' },
  ])('refuses a form of another site: %j', async (template) => {
    const { port, calls } = await setup();
    const headers = Object.fromEntries(
      Object.entries(template).map(([name, value]) => [name, String(value).replace('PORT', String(port))]),
    );

    const { status } = await ask(port, '/playground/connect', { headers, fields: { integration: 'slack' } });

    expect(status).toBe(403);
    expect(calls).toEqual([]);
  });

  it('takes its own form', async () => {
    const { port } = await setup();
    const headers = { origin: `http://localhost:${port}`, 'sec-fetch-site': 'same-origin' };

    const { status } = await ask(port, '/playground/connect', { headers, fields: { integration: 'slack' } });

    expect(status).toBe(303);
  });
});

describe('GET /playground/channels', () => {
  it('lists the channels of a connection, by what people call them', async () => {
    const data = [{ id: 'C1', name: '<b>alerts', type: 'public_channel' }];
    const { port } = await setup({
      'GET /v1/channel-connections/acme%20slack/channels?limit=100': { status: 200, body: { data, next: null } },
    });

    const { status, body } = await ask(port, '/playground/channels?connection=acme+slack');

    expect(status).toBe(200);
    expect(body).toContain('&#60;b&#62;alerts');
    expect(body).toContain('title="C1"');
  });

  it('names the team that a channel of Teams is given with', async () => {
    const data = [{ id: '19:abc', name: 'Operations / General', type: 'team_channel', teamId: 'team-1' }];
    const { port } = await setup({
      'GET /v1/channel-connections/acme/channels?limit=100': { status: 200, body: { data, next: null } },
    });

    const { body } = await ask(port, '/playground/channels?connection=acme');

    expect(body).toContain('title="19:abc"');
    expect(body).toContain('title="team-1"');
  });

  it('says what the API says', async () => {
    const message = 'The connection lacks the scope channels:read';
    const { port } = await setup({
      'GET /v1/channel-connections/acme/channels?limit=100': { status: 409, body: { message } },
    });

    expect((await ask(port, '/playground/channels?connection=acme')).body).toContain(`answered 409: ${message}`);
  });
});
