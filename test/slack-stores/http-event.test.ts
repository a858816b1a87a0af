import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { answerHttpEvent, type HttpApiEvent } from '../../lib/slack-stores/index.ts';

const event: HttpApiEvent = {
  rawPath: '/slack/oauth_redirect',
  rawQueryString: 'code=1&state=2',
  headers: { host: 'attacker.example', accept: 'text/html' },
  cookies: ['a=1', 'b=2'],
  requestContext: { http: { method: 'GET' } },
};

const answered = (answer: (response: ServerResponse, request: IncomingMessage) => void) =>
  answerHttpEvent(event, async (request, response) => answer(response, request));

describe('answerHttpEvent', () => {
  it('gives the request as Node does, but for the host, which the caller names', async () => {
    let seen: Partial<IncomingMessage> = {};

    await answered((response, request) => {
      seen = request;
      response.end();
    });

    expect(seen).toEqual({
      method: 'GET',
      url: '/slack/oauth_redirect?code=1&state=2',
      headers: { host: 'localhost', accept: 'text/html', cookie: 'a=1; b=2' },
    });
  });

  it('gives back what was answered, with cookies apart, and keeps it out of caches and referrers', async () => {
    const result = await answered((response) => {
      response.setHeader('Set-Cookie', ['a=1', 'b=2']);
      response.writeHead(302, { Location: 'https://product.example/done' });
      response.write('<p>');
      response.end('done</p>');
    });

    expect(result).toEqual({
      statusCode: 302,
      headers: {
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        location: 'https://product.example/done',
      },
      cookies: ['a=1', 'b=2'],
      body: '<p>done</p>',
    });
  });

  it('lets headers be read, replaced and removed until they are sent', async () => {
    const { headers } = await answered((response) => {
      response.setHeader('X-One', 1);
      expect([response.getHeader('x-one'), response.hasHeader('X-ONE')]).toEqual([1, true]);
      response.removeHeader('X-One');
      response.setHeader('Cache-Control', 'private');
      response.end();
    });

    expect(headers).toEqual({ 'cache-control': 'private', 'referrer-policy': 'no-referrer' });
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['a second head', (response) => response.writeHead(500)],
    ['a header', (response) => response.setHeader('x-late', '1')],
    ['a removal', (response) => response.removeHeader('x-late')],
  ])('refuses %s after the headers were sent, as Node does', async (_, late) => {
    const result = answered((response) => {
      response.writeHead(200);
      response.end('done');
      late(response);
    });

    await expect(result).rejects.toMatchObject({ code: 'ERR_HTTP_HEADERS_SENT' });
  });

  it('fails where nobody ended the response, instead of answering half of it', async () => {
    await expect(answered((response) => void response.writeHead(200))).rejects.toThrow('not ended');
  });
});
