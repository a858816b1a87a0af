import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Context } from 'aws-lambda';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type AccessLogEntry,
  type ApiServer,
  type ApiServerOptions,
  startApiServer,
} from '../../../infra/local/api-server.ts';
import type { Route } from '../../../infra/routes.ts';
import type { HttpEvent, HttpHandler, HttpResult } from '../../../lib/http/types.ts';

const routes: readonly Route[] = [
  { method: 'GET', path: '/v1/things', function: 'integrations' },
  { method: 'POST', path: '/v1/things', function: 'integrations' },
  { method: 'GET', path: '/v1/things/{identifier}', function: 'channel-connections' },
  { method: 'GET', path: '/v1/things/special', function: 'channel-endpoints' },
  { method: 'GET', path: '/v1/{kind}/fixed', function: 'slack-callback' },
];

const servers: ApiServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** A server all of whose functions are one handler, which by default answers 204. */
async function setup(respond: HttpResult | HttpHandler = { statusCode: 204 }, options: Partial<ApiServerOptions> = {}) {
  const events: HttpEvent[] = [];
  const contexts: Context[] = [];
  const log: AccessLogEntry[] = [];
  const handler: HttpHandler = async (event, context) => {
    events.push(event);
    contexts.push(context);
    return typeof respond === 'function' ? respond(event, context) : respond;
  };
  const server = await startApiServer({
    port: 0,
    routes,
    fallbackFunction: 'meta',
    handlers: {
      'generate-oauth-url': handler,
      start: handler,
      'slack-callback': handler,
      'msteams-callback': handler,
      'confirm-flow': handler,
      'slack-authorize': handler,
      'slack-events': handler,
      integrations: handler,
      'channel-connections': handler,
      'channel-endpoints': handler,
      meta: handler,
    },
    log: (entry) => log.push(entry),
    ...options,
  });
  servers.push(server);
  return { server, events, contexts, log };
}

interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Sends the path as it stands, where fetch would tidy it, and takes repeated headers. */
async function send(
  server: ApiServer,
  path: string,
  options: { method?: string; headers?: readonly string[]; body?: string | Buffer } = {},
): Promise<RawAnswer> {
  const request = httpRequest({
    host: '127.0.0.1',
    port: server.port,
    path,
    method: options.method ?? 'GET',
    headers: [...(options.headers ?? []), 'Host', `localhost:${server.port}`],
    agent: false,
  });
  request.end(options.body);
  const [response] = await once(request, 'response');
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

describe('startApiServer', () => {
  it('serves http://localhost:PORT on the port it took', async () => {
    const { server } = await setup({ statusCode: 200, body: 'here' });

    const response = await fetch(`http://localhost:${server.port}/`);

    expect(server.url).toBe(`http://localhost:${server.port}`);
    expect(await response.text()).toBe('here');
  });

  it('tells its URL to a function that makes the handlers', async () => {
    const handler: HttpHandler = async () => ({ statusCode: 200, body: seen });
    let seen = '';
    const { server } = await setup(undefined, {
      handlers: (url) => {
        seen = url;
        return {
          'generate-oauth-url': handler,
          start: handler,
          'slack-callback': handler,
          'msteams-callback': handler,
          'confirm-flow': handler,
          'slack-authorize': handler,
          'slack-events': handler,
          integrations: handler,
          'channel-connections': handler,
          'channel-endpoints': handler,
          meta: handler,
        };
      },
    });

    const answer = await send(server, '/');

    expect(answer.body).toBe(server.url);
  });

  it('frees its port when the handlers cannot be made', async () => {
    let port = 0;
    const failing = setup(undefined, {
      handlers: (url) => {
        port = Number(new URL(url).port);
        throw new Error('no handlers today');
      },
    });

    await expect(failing).rejects.toThrow('no handlers today');

    await expect(setup(undefined, { port })).resolves.toMatchObject({ server: { port } });
  });

  it('refuses a port that is taken', async () => {
    const { server } = await setup();

    await expect(setup(undefined, { port: server.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('lets running requests end when it is closed', async () => {
    const started = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const { server } = await setup(async () => {
      started.resolve();
      await release.promise;
      return { statusCode: 200, body: 'finished' };
    });
    const answer = send(server, '/');
    await started.promise;

    const closed = server.close();
    release.resolve();

    expect((await answer).body).toBe('finished');
    await closed;
    await expect(send(server, '/')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('gives the extra listener the first look', async () => {
    const { server, events } = await setup(
      { statusCode: 200, body: 'from a function' },
      {
        extra: (request, response) => {
          if (request.url !== '/page') return false;
          response.end('from the page');
          return true;
        },
      },
    );

    const page = await send(server, '/page');
    const api = await send(server, '/v1/things');

    expect([page.body, api.body]).toEqual(['from the page', 'from a function']);
    expect(events).toHaveLength(1);
  });

  it('answers 500 when the extra listener fails', async () => {
    const { server } = await setup(undefined, { extra: () => Promise.reject(new Error('page is broken')) });

    const answer = await send(server, '/page');

    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.body)).toEqual({ message: 'Internal Server Error' });
  });
});

describe('the event', () => {
  it('has the form of payload 2.0', async () => {
    const { server, events } = await setup();

    await send(server, '/v1/things/a%20b?limit=2', { headers: ['User-Agent', 'curl/8', 'X-Any', 'thing'] });

    expect(events).toEqual([
      {
        version: '2.0',
        routeKey: 'GET /v1/things/{identifier}',
        rawPath: '/v1/things/a b',
        rawQueryString: 'limit=2',
        queryStringParameters: { limit: '2' },
        pathParameters: { identifier: 'a b' },
        headers: {
          host: `localhost:${server.port}`,
          'user-agent': 'curl/8',
          'x-any': 'thing',
          'x-forwarded-for': '127.0.0.1',
          'x-forwarded-port': String(server.port),
          'x-forwarded-proto': 'http',
        },
        requestContext: {
          accountId: '000000000000',
          apiId: 'local',
          domainName: 'localhost',
          domainPrefix: 'localhost',
          http: {
            method: 'GET',
            path: '/v1/things/a b',
            protocol: 'HTTP/1.1',
            sourceIp: '127.0.0.1',
            userAgent: 'curl/8',
          },
          requestId: expect.stringMatching(/^[\w+/]{15}=$/),
          routeKey: 'GET /v1/things/{identifier}',
          stage: '$default',
          time: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
          timeEpoch: expect.any(Number),
        },
        isBase64Encoded: false,
      },
    ]);
  });

  it('names the public address where there is one', async () => {
    const { server, events } = await setup(undefined, { publicUrl: 'https://connect.example.com:8443' });

    await send(server, '/v1/things');

    expect(events[0]?.requestContext).toMatchObject({ domainName: 'connect.example.com', domainPrefix: 'connect' });
    expect(events[0]?.headers).toMatchObject({ 'x-forwarded-proto': 'https', 'x-forwarded-port': '8443' });
  });

  it.each(['/prod/v1/things', '/v1/things'])('serves %s where the public address has the path /prod', async (path) => {
    const { server, events } = await setup(undefined, { publicUrl: 'https://connect.example.com/prod' });

    await send(server, path);

    expect(events).toMatchObject([{ routeKey: 'GET /v1/things', rawPath: path }]);
  });

  it.each([
    ['an escaped slash separates segments', '/v1/things/a%2Fb', '$default', '/v1/things/a/b'],
    ['the path is decoded once', '/v1/things/a%252Fb', 'GET /v1/things/{identifier}', '/v1/things/a%2Fb'],
    ['an escaped question mark ends the path', '/v1/things/a%3Fb', 'GET /v1/things/{identifier}', '/v1/things/a'],
    [
      'an escaped number sign is like any character',
      '/v1/things/a%23b',
      'GET /v1/things/{identifier}',
      '/v1/things/a#b',
    ],
    ['UTF-8 is decoded', '/v1/things/%CE%BB', 'GET /v1/things/{identifier}', '/v1/things/λ'],
    ['a plus sign stays one', '/v1/things/a+b', 'GET /v1/things/{identifier}', '/v1/things/a+b'],
  ])('decodes the path: %s', async (_rule, path, routeKey, rawPath) => {
    const { server, events } = await setup();

    await send(server, path);

    expect(events[0]).toMatchObject({ routeKey, rawPath, requestContext: { routeKey, http: { path: rawPath } } });
  });

  it('decodes query parameters, joins repeated ones by commas, and leaves the raw query string alone', async () => {
    const { server, events } = await setup();
    const rawQueryString =
      'repeat=one&repeat=two%2C&url=https%3A%2F%2Fe.com%2F&plus=a+b&escaped=a%2Bb&empty=&bare&&a=b=c';

    await send(server, `/v1/things?${rawQueryString}`);

    expect(events[0]?.rawQueryString).toBe(rawQueryString);
    expect(events[0]?.queryStringParameters).toEqual({
      repeat: 'one,two,',
      url: 'https://e.com/',
      plus: 'a b',
      escaped: 'a+b',
      empty: '',
      bare: '',
      a: 'b=c',
    });
  });

  it('leaves out the query parameters and the cookies where there are none', async () => {
    const { server, events } = await setup();

    await send(server, '/v1/things?');

    expect(events[0]).not.toHaveProperty('queryStringParameters');
    expect(events[0]).not.toHaveProperty('cookies');
    expect(events[0]).not.toHaveProperty('pathParameters');
    expect(events[0]).not.toHaveProperty('body');
  });

  it('keeps a query parameter named __proto__ as a plain one', async () => {
    const { server, events } = await setup();

    await send(server, '/v1/things?__proto__=x');

    expect(Object.entries(events[0]?.queryStringParameters ?? {})).toEqual([['__proto__', 'x']]);
  });

  it('joins repeated headers by commas, in lower case, and puts cookies apart', async () => {
    const { server, events } = await setup();

    await send(server, '/v1/things', {
      headers: ['X-Probe', 'first', 'x-probe', 'second', 'Cookie', 'a=1; b=2', 'Cookie', 'c=3', 'Connection', 'close'],
    });

    expect(events[0]?.headers).toMatchObject({ 'x-probe': 'first,second' });
    expect(events[0]?.headers).not.toHaveProperty('cookie');
    expect(events[0]?.headers).not.toHaveProperty('connection');
    expect(events[0]?.cookies).toEqual(['a=1', 'b=2', 'c=3']);
  });

  it('appends the caller to an x-forwarded-for that came with the request', async () => {
    const { server, events } = await setup();

    await send(server, '/v1/things', { headers: ['X-Forwarded-For', '203.0.113.7'] });

    expect(events[0]?.headers['x-forwarded-for']).toBe('203.0.113.7,127.0.0.1');
  });

  it.each([
    'application/json',
    'Application/JSON; charset=utf-8',
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/javascript',
    'application/xml',
  ])('hands a body of type %s on as text', async (contentType) => {
    const { server, events } = await setup();

    await send(server, '/v1/things', { method: 'POST', headers: ['Content-Type', contentType], body: '{"λ":1}' });

    expect(events[0]).toMatchObject({ body: '{"λ":1}', isBase64Encoded: false });
    expect(events[0]?.headers['content-length']).toBe('8');
  });

  it.each(['application/octet-stream', 'image/png', 'multipart/form-data; boundary=x', ''])(
    'hands a body of type "%s" on as base64',
    async (contentType) => {
      const { server, events } = await setup();
      const body = Buffer.from([0, 255, 128, 10]);

      await send(server, '/v1/things', {
        method: 'POST',
        headers: contentType ? ['Content-Type', contentType] : [],
        body,
      });

      expect(events[0]).toMatchObject({ body: body.toString('base64'), isBase64Encoded: true });
    },
  );
});

describe('the route', () => {
  it.each([
    ['GET', '/v1/things', 'GET /v1/things', 'integrations', undefined],
    ['POST', '/v1/things', 'POST /v1/things', 'integrations', undefined],
    ['GET', '/v1/things/one', 'GET /v1/things/{identifier}', 'channel-connections', { identifier: 'one' }],
    ['GET', '/v1/things/special', 'GET /v1/things/special', 'channel-endpoints', undefined],
    ['GET', '/v1/things/fixed', 'GET /v1/things/{identifier}', 'channel-connections', { identifier: 'fixed' }],
    ['GET', '/v1/others/fixed', 'GET /v1/{kind}/fixed', 'slack-callback', { kind: 'others' }],
    ['GET', '/v1/things/', '$default', 'meta', undefined],
    ['GET', '/v1/things/one/two', '$default', 'meta', undefined],
    ['GET', '/V1/things', '$default', 'meta', undefined],
    ['DELETE', '/v1/things', '$default', 'meta', undefined],
    ['HEAD', '/v1/things', '$default', 'meta', undefined],
    ['OPTIONS', '/v1/things', '$default', 'meta', undefined],
    ['GET', '/', '$default', 'meta', undefined],
  ])('of %s %s is %s', async (method, path, routeKey, functionName, pathParameters) => {
    const { server, events, contexts } = await setup();

    await send(server, path, { method });

    expect(events[0]?.routeKey).toBe(routeKey);
    expect(events[0]?.pathParameters).toEqual(pathParameters);
    expect(contexts[0]?.functionName).toBe(functionName);
  });
});

describe('the context', () => {
  it('is what Lambda would give', async () => {
    const { server, contexts } = await setup();

    await send(server, '/v1/things');

    expect(contexts[0]).toMatchObject({ functionName: 'integrations', functionVersion: '$LATEST' });
    expect(contexts[0]?.awsRequestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(contexts[0]?.getRemainingTimeInMillis()).toBeGreaterThan(0);
  });
});

describe('the answer', () => {
  it('has the status, headers, cookies and body of the result', async () => {
    const { server, events } = await setup({
      statusCode: 303,
      headers: { Location: 'https://example.com/', 'X-Count': 3 },
      cookies: ['a=1; Path=/', 'b=2; Secure'],
      body: 'see there: λ',
    });

    const answer = await send(server, '/v1/things');

    expect(answer.status).toBe(303);
    expect(answer.headers).toMatchObject({
      location: 'https://example.com/',
      'x-count': '3',
      'set-cookie': ['a=1; Path=/', 'b=2; Secure'],
      'content-type': 'text/plain;charset=UTF-8',
      'content-length': '13',
      'apigw-requestid': events[0]?.requestContext.requestId,
    });
    expect(answer.body).toBe('see there: λ');
  });

  it('decodes a base64 body', async () => {
    const { server } = await setup({
      statusCode: 200,
      headers: { 'content-type': 'image/png' },
      body: Buffer.from('picture').toString('base64'),
      isBase64Encoded: true,
    });

    const answer = await send(server, '/v1/things');

    expect(answer.body).toBe('picture');
    expect(answer.headers['content-type']).toBe('image/png');
  });

  it('to HEAD has no body', async () => {
    const { server } = await setup({ statusCode: 200, body: 'not sent' });

    const answer = await send(server, '/v1/things', { method: 'HEAD' });

    expect(answer.status).toBe(200);
    expect(answer.body).toBe('');
  });

  it('is 200 with the result as JSON when the result has no status', async () => {
    const { server } = await setup({ hello: 'there' } as HttpResult);

    const answer = await send(server, '/v1/things');

    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(JSON.parse(answer.body)).toEqual({ hello: 'there' });
  });

  it.each<[string, HttpResult | HttpHandler]>([
    ['rejects', () => Promise.reject(new Error('a secret detail'))],
    [
      'throws',
      () => {
        throw new Error('a secret detail');
      },
    ],
    ['answers with an impossible status', { statusCode: 99 }],
    ['answers with an impossible header', { statusCode: 200, headers: { 'x-bad': 'a\r\nb' } }],
  ])('is a bare 500 when the handler %s', async (_failure, respond) => {
    const { server } = await setup(respond);

    const answer = await send(server, '/v1/things');

    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.body)).toEqual({ message: 'Internal Server Error' });
    expect(answer.headers).not.toHaveProperty('x-bad');
  });

  it.each(['/v1/things/%', '/v1/things/%zz', '/v1/things/%ff', '/v1/things?a=%', '*'])(
    'is 400 when the percent encoding of %s is malformed',
    async (path) => {
      const { server, events } = await setup();

      const answer = await send(server, path);

      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.body)).toEqual({ message: 'Bad Request' });
      expect(events).toEqual([]);
    },
  );

  it('is 413 to a payload over 10 MB, and not to one of 10 MB', async () => {
    const { server, events } = await setup();
    const limit = 10 * 1024 * 1024;
    const headers = ['Content-Type', 'text/plain'];

    const most = await send(server, '/v1/things', { method: 'POST', headers, body: Buffer.alloc(limit, 'a') });
    const tooMuch = await send(server, '/v1/things', { method: 'POST', headers, body: Buffer.alloc(limit + 1, 'a') });

    expect(most.status).toBe(204);
    expect(tooMuch.status).toBe(413);
    expect(JSON.parse(tooMuch.body)).toEqual({ message: 'Request Entity Too Large' });
    expect(events).toHaveLength(1);
  });

  it('comes to others after a client that went away in mid-request', async () => {
    const { server } = await setup();
    const socket = connect(server.port, '127.0.0.1');
    socket.write('POST /v1/things HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf');
    await once(socket, 'connect');
    socket.destroy();
    await once(socket, 'close');

    const answer = await send(server, '/v1/things');

    expect(answer.status).toBe(204);
  });
});

describe('the access log', () => {
  it('has the route key, and neither path nor query', async () => {
    const { server, events, log } = await setup({ statusCode: 201 });

    await send(server, '/v1/things/secret-path?code=secret-code');

    expect(log).toEqual([
      {
        requestId: events[0]?.requestContext.requestId,
        routeKey: 'GET /v1/things/{identifier}',
        functionName: 'channel-connections',
        status: 201,
        durationMilliseconds: expect.any(Number),
      },
    ]);
  });

  it('has what a handler threw', async () => {
    const failure = new Error('broken');
    const { server, log } = await setup(() => Promise.reject(failure));

    await send(server, '/v1/things');

    expect(log).toMatchObject([{ status: 500, error: failure }]);
  });
});
