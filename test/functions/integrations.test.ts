import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';

let service: TestService;
let environment: TestEnvironment;

beforeAll(async () => {
  service = await startTestService();
  environment = await service.createTestEnvironment();
});

afterAll(() => service.close());

const valid = { providerId: 'slack', channel: 'chat', credentials: { clientId: '1.2', secretKey: 'canary-secret' } };
const create = (body: unknown, apiKey = environment.apiKey) => service.api(apiKey, 'POST', '/v1/integrations', body);

describe('POST /v1/integrations', () => {
  it('answers what the contract’s clients read, without credentials', async () => {
    const answer = await create({ ...valid, name: 'Our Slack App', active: true });

    expect(answer.status).toBe(201);
    expect(answer.json.data).toMatchObject({
      _id: expect.stringMatching(/^[0-9a-f]{24}$/),
      _environmentId: environment.environmentId,
      _organizationId: expect.any(String),
      name: 'Our Slack App',
      identifier: expect.stringMatching(/^our-slack-app-[A-Za-z0-9]+$/),
      providerId: 'slack',
      channel: 'chat',
      active: true,
      deleted: false,
      primary: false,
    });
    expect(answer.json.data).not.toHaveProperty('credentials');
    expect(answer.text).not.toContain('canary-secret');
  });

  it.each([
    [{ ...valid, providerId: 'email' }, 422, /providerId/],
    [{ ...valid, channel: 'sms' }, 422, /channel/],
    [{ ...valid, credentials: { clientId: '1.2' } }, 422, /credentials\.secretKey: is required/],
    [{ ...valid, credentials: { secretKey: 's' } }, 422, /credentials\.clientId: is required/],
    [{ providerId: 'slack' }, 422, /credentials: is required/],
    [{ ...valid, credentials: { ...valid.credentials, redirectUrl: 'http://product.example' } }, 422, /https URL/],
    [{ ...valid, credentials: { ...valid.credentials, redirectUrl: 'https://a@product.example' } }, 422, /https URL/],
    [{ ...valid, configurations: { bindings: 'direct' } }, 422, /bindings/],
    [{ ...valid, configurations: { binding: 'popup' } }, 422, /binding/],
    [{ ...valid, configurations: { scopes: ['a b'] } }, 422, /scope name/],
    [{ ...valid, identifier: 'a/b' }, 422, /must not contain/],
    [{ ...valid, identifier: '..' }, 422, /must not be/],
    [{ ...valid, _environmentId: '000000000000000000000000' }, 403, /scoped to a single environment/],
  ])('refuses %j with %d', async (body, status, message) => {
    const answer = await create(body);

    expect(answer.status).toBe(status);
    const said = status === 422 ? answer.json.errors.general.messages.join('\n') : answer.json.message;
    expect(said).toMatch(message);
  });

  it.each([
    'http://cdn.example/a.png',
    'https://cdn.example',
    'https://user@cdn.example/a.png',
    'https://cdn.example;script-src *.evil.example/a',
    'https://cdn,evil/a',
    'https://cdn.example/ü.png',
    '//cdn.example/a.png',
    'javascript:alert(1)',
  ])('refuses the logo %s, which would not be safe in a page', async (logoUrl) => {
    const answer = await create({ ...valid, configurations: { logoUrl } });

    expect(answer.status).toBe(422);
    expect(answer.text).toContain('configurations.logoUrl: must be an https URL');
  });

  it('refuses an identifier that is taken, and gives it to one of many who ask at once', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => create({ ...valid, identifier: 'wanted' })));

    expect(answers.map((answer) => answer.status).sort()).toEqual([201, ...Array(9).fill(409)]);
    const refused = answers.find((answer) => answer.status === 409);
    expect(refused?.json).toMatchObject({
      message: 'Integration with identifier already exists',
      error: 'conflict',
    });
  });

  it('needs the permission manage', async () => {
    const apiKey = await service.createApiKey(environment.environmentId, ['connect', 'tokens']);

    expect((await create(valid, apiKey)).status).toBe(403);
  });
});

describe('GET /v1/integrations', () => {
  it('lists the environment’s integrations with empty credentials', async () => {
    const own = await service.createTestEnvironment();

    const answer = await service.api(own.apiKey, 'GET', '/v1/integrations');

    expect(answer.status).toBe(200);
    expect(answer.json.data).toMatchObject([{ identifier: 'slack', credentials: {} }]);
    expect(answer.text).not.toContain('canary');
  });
});
