import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashApiKey, permissions } from '../../lib/environment/api-key.ts';
import { dynamoApiKeyStore } from '../../lib/store/environment-store.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';

const deprecated = '/v1/integrations/chat/oauth';
const connect = '/v1/integrations/channel-connections/oauth';
const linkUser = '/v1/integrations/channel-endpoints/oauth';
const link = '/v1/integrations/channel-endpoints/link';

const apiKey = 'sk_test_0123456789';
const acme = {
  context: { tenant: 'acme' },
  contextHash: '48f013423b43cfae42a6bc8e2f4be014eb39b05fe6fcfa63222030f9e7ab2a34',
};

let service: TestService;
/** Its integration `slack` demands a context hash, its `open` does not; `apiKey` is a key of it. */
let environment: TestEnvironment;

beforeAll(async () => {
  service = await startTestService();
  environment = await service.createTestEnvironment({ credentials: { hmac: true } });
  await dynamoApiKeyStore(service.db).put({
    keyId: 'vectors',
    environmentId: environment.environmentId,
    keyHash: hashApiKey(apiKey),
    name: 'vectors',
    permissions: [...permissions],
    createdAt: new Date().toISOString(),
  });
  await service.api(apiKey, 'POST', '/v1/integrations', {
    providerId: 'slack',
    identifier: 'open',
    credentials: { clientId: environment.slackApp.clientId, secretKey: 'canary' },
  });
});

afterAll(() => service.close());

const post = (path: string, body: object, key = apiKey) =>
  service.api(key, 'POST', path, { integrationIdentifier: 'slack', subscriberId: 'ann', ...body });

describe.each([
  [connect, 201],
  [linkUser, 201],
  [link, 200],
])('an integration with hmac, at %s', (path, success) => {
  it.each([
    [acme.contextHash, acme.context],
    ['b5925e222741f1cbbb71f7becb79b82a0c7977fb1ac60277a08294768db14553', { app: 'jira', tenant: 'acme' }],
    ['b5925e222741f1cbbb71f7becb79b82a0c7977fb1ac60277a08294768db14553', { tenant: 'acme', app: 'jira' }],
    [
      '9e767da7e4f46a85da8a15bc8910813d9b289c5af4e8a99261e1b91d7785921c',
      { t: { id: 'a', data: { n: 1, b: true, z: null, arr: [2, 'x'] } } },
    ],
  ])('takes %s for %j', async (contextHash, context) => {
    const answer = await post(path, { context, contextHash });

    expect(answer.status).toBe(success);
    expect(answer.json.data.url).toContain(environment.slackApp.clientId);
  });

  it.each([
    [{}, 'A context is required when HMAC validation is enabled.'],
    [{ contextHash: acme.contextHash }, 'A context is required when HMAC validation is enabled.'],
    [{ context: acme.context }, 'A valid contextHash is required when HMAC validation is enabled.'],
    [{ ...acme, contextHash: '' }, 'A valid contextHash is required when HMAC validation is enabled.'],
    [{ ...acme, context: { tenant: 'other' } }, 'Please provide a valid context HMAC hash'],
    [{ ...acme, context: { tenant: { id: 'acme' } } }, 'Please provide a valid context HMAC hash'],
    [{ ...acme, contextHash: acme.contextHash.toUpperCase() }, 'Please provide a valid context HMAC hash'],
  ])('refuses %j', async (body, message) => {
    const answer = await post(path, body);

    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ message, error: 'context_hash_invalid' });
  });

  it('takes a hash under no other key than the one that is presented', async () => {
    const otherKey = await service.createApiKey(environment.environmentId);
    const contextHash = createHmac('sha256', otherKey).update('{"tenant":"acme"}').digest('hex');

    expect((await post(path, acme, otherKey)).status).toBe(400);
    expect((await post(path, { ...acme, contextHash }, otherKey)).status).toBe(success);
  });

  it('is found before its hash is looked at, and the form of a context before the integration', async () => {
    const unknown = await post(path, { integrationIdentifier: 'nope' });
    const malformed = await post(path, { integrationIdentifier: 'nope', context: {} });

    expect(unknown.json.error).toBe('integration_not_found');
    expect(malformed.json.error).toBe('validation_failed');
  });

  it('demands nothing of those who ask for an integration without hmac', async () => {
    const plain = await post(path, { integrationIdentifier: 'open' });
    const wrong = await post(path, { integrationIdentifier: 'open', ...acme, contextHash: 'wrong' });

    expect([plain.status, wrong.status]).toEqual([success, success]);
  });
});

describe('the order of the rules', () => {
  it('puts the hash before whom a connection is for', async () => {
    const answer = await post(connect, {
      subscriberId: undefined,
      connectionMode: 'subscriber',
      context: acme.context,
    });
    const next = await post(connect, { subscriberId: undefined, connectionMode: 'subscriber', ...acme });

    expect(answer.json.error).toBe('context_hash_invalid');
    expect(next.json.error).toBe('subscriber_required');
  });
});

describe('the deprecated route', () => {
  it('has no context hash, and demands none', async () => {
    expect((await post(deprecated, {})).status).toBe(201);
    expect((await post(deprecated, { context: acme.context, mode: 'link_user' })).status).toBe(201);
    expect((await post(deprecated, acme)).status).toBe(422);
  });
});
