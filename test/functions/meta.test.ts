import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApiDocument } from '../../infra/openapi/document.ts';
import { startTestService, type TestService } from '../support/service.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

describe('GET /openapi.json', () => {
  it('answers the document to everybody', async () => {
    const answer = await service.request('GET', '/openapi.json');

    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.json).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
  });

  it('answers nothing but 304 to somebody who has it', async () => {
    const { headers } = await service.request('GET', '/openapi.json');
    const etag = headers.get('etag') ?? '';

    const again = await service.request('GET', '/openapi.json', { headers: { 'if-none-match': `"old", W/${etag}` } });
    const other = await service.request('GET', '/openapi.json', { headers: { 'if-none-match': '"old"' } });

    expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', etag]);
    expect(headers.get('cache-control')).toBe('no-cache');
    expect(other.status).toBe(200);
  });
});

describe('what no route matches', () => {
  it.each([
    ['an unknown address', 'GET', '/v1/nothing'],
    ['an unknown method of a known address', 'PUT', '/v1/channel-connections'],
    ['a method that no route has', 'PROPFIND', '/health'],
    ['a slash at the end', 'GET', '/v1/integrations/'],
  ])('is refused: %s', async (_what, method, path) => {
    const answer = await service.request(method, `${path}?state=secret`);

    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.json).toStrictEqual({
      statusCode: 404,
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      path,
      message: `Cannot ${method} ${path}`,
      error: 'not_found',
    });
  });
});
