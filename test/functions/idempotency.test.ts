import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sha256Hex } from '../../lib/crypto.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';

let service: TestService;
let environment: TestEnvironment;

beforeAll(async () => {
  service = await startTestService();
});

beforeEach(async () => {
  environment = await service.createTestEnvironment();
});

afterAll(() => service.close());

const integration = { providerId: 'slack', credentials: { clientId: '1.2', secretKey: 'canary-secret' } };
const connectPath = '/v1/integrations/channel-connections/oauth';
const connect = { integrationIdentifier: 'slack', subscriberId: 'subscriber-1' };

interface Call {
  readonly method?: string;
  readonly path?: string;
  readonly body?: unknown;
  readonly apiKey?: string;
}

function call(key: string, { method = 'POST', path = '/v1/integrations', body = integration, apiKey }: Call = {}) {
  return service.request(method, path, {
    headers: {
      authorization: `ApiKey ${apiKey ?? environment.apiKey}`,
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
  });
}

async function integrations() {
  return (await service.api(environment.apiKey, 'GET', '/v1/integrations')).json.data;
}

async function records() {
  const { Items = [] } = await service.db.client.send(new ScanCommand({ TableName: service.db.tables.flows }));
  return Items.filter((row) => String(row['pk']).startsWith(`IDEM#${environment.environmentId}#`));
}

describe('a POST with an idempotency key', () => {
  it('is done once, and a repeat gets the same answer with every header', async () => {
    const first = await call('k1');
    const second = await call('k1');

    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.json).toEqual(first.json);
    expect(await integrations()).toHaveLength(2);
    expect(first.headers.get('idempotency-key')).toBe('k1');
    expect(first.headers.has('idempotency-replay')).toBe(false);
    expect(second.headers.get('idempotency-replay')).toBe('true');
    const varying = ['idempotency-replay', 'x-request-id', 'date'];
    const headersOf = (answer: typeof first) => [...answer.headers.keys()].filter((name) => !varying.includes(name));
    expect(headersOf(second)).toEqual(headersOf(first));
  });

  it('makes one resource of 100 at once: the others are told to come again, or get its answer', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => call('k100')));

    expect(await integrations()).toHaveLength(2);
    const made = answers.filter(({ status }) => status === 201);
    expect(new Set(made.map(({ json }) => json.data._id)).size).toBe(1);
    for (const { status, json, headers } of answers.filter((answer) => answer.status !== 201)) {
      expect(status).toBe(409);
      expect(json.error).toBe('idempotency_in_progress');
      expect(headers.get('retry-after')).toBe('1');
      expect(headers.get('idempotency-key')).toBe('k100');
    }
    expect((await call('k100')).json.data._id).toBe(made[0]?.json.data._id);
  });

  it('refuses another body under the key, and the first answer stays', async () => {
    const first = await call('k2');

    const other = await call('k2', { body: { ...integration, name: 'Other' } });

    expect(other.status).toBe(422);
    expect(other.json).toMatchObject({
      error: 'idempotency_key_reused',
      errors: {},
      message: 'Request with key "k2" is being reused for a different body',
    });
    expect((await call('k2')).json).toEqual(first.json);
    expect(await integrations()).toHaveLength(2);
  });

  it('keeps no failure: the same key works once the request does', async () => {
    const refused = await call('k3', { body: { providerId: 'slack' } });
    const conflict = await call('k4', { body: { ...integration, identifier: 'slack' } });

    expect([refused.status, conflict.status]).toEqual([422, 409]);
    expect(refused.headers.get('idempotency-key')).toBe('k3');
    expect(conflict.json.error).toBe('conflict');
    expect(await records()).toEqual([]);
    expect((await call('k3')).status).toBe(201);
  });

  it('means something for its environment, path and API key only', async () => {
    const other = await service.createTestEnvironment();
    const second = await service.createApiKey(environment.environmentId);

    const answers = [
      await call('k5'),
      await call('k5', { apiKey: other.apiKey }),
      await call('k5', { apiKey: second }),
      await call('k5', { path: connectPath, body: connect }),
    ];

    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect(answers.some(({ headers }) => headers.has('idempotency-replay'))).toBe(false);
    expect(new Set(answers.slice(0, 3).map(({ json }) => json.data._id)).size).toBe(3);
  });

  it('is answered afresh after a day', async () => {
    const first = await call('k6');
    service.advance(24 * 60 * 60_000 + 1);

    const later = await call('k6');

    expect(later.status).toBe(201);
    expect(later.json.data._id).not.toBe(first.json.data._id);
  });

  it('takes 255 characters, and writes nothing for more', async () => {
    expect((await call('k'.repeat(255))).status).toBe(201);
    const before = await records();

    const long = await call('k'.repeat(256));

    expect(long.status).toBe(400);
    expect(long.json.error).toBe('idempotency_key_too_long');
    expect(long.json.message).toMatch(/exceeded the maximum allowed length of 255 characters$/);
    expect(await records()).toEqual(before);
  });

  it('counts an empty key for none', async () => {
    const answers = [await call(''), await call('')];

    expect(new Set(answers.map(({ json }) => json.data._id)).size).toBe(2);
    expect(await records()).toEqual([]);
  });

  it('is no business of somebody without a key of ours', async () => {
    const answer = await call('k7', { apiKey: 'canary-unknown' });

    expect(answer.status).toBe(401);
    expect(answer.headers.has('idempotency-key')).toBe(false);
  });

  it('is ignored by a GET', async () => {
    const answers = [await call('k8', { method: 'GET' }), await call('k8', { method: 'GET' })];

    for (const answer of answers) {
      expect(answer.status).toBe(200);
      expect(answer.headers.has('idempotency-key')).toBe(false);
      expect(answer.headers.has('idempotency-replay')).toBe(false);
    }
  });

  it('leaves nothing in the tables that could be replayed or tried out', async () => {
    const answer = await call('canary-key-9');

    const [record] = await records();

    const text = JSON.stringify(record);
    expect(text).not.toContain(answer.json.data._id);
    expect(text).not.toContain('canary-secret');
    expect(text).not.toContain('canary-key-9');
    expect(text).not.toContain(sha256Hex(JSON.stringify(integration)));
  });
});

describe('an OAuth URL with an idempotency key', () => {
  const url = (key: string, body: object = connect) => call(key, { path: connectPath, body });

  it('is the same for all who ask with the key, as long as it works', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => url('u1')));
    const later = await url('u1');

    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(201));
    expect(new Set([...answers, later].map(({ json }) => json.data.url)).size).toBe(1);
    expect(later.headers.get('idempotency-replay')).toBe('true');
    const callback = await service.approve(later.json.data.url);
    expect((await service.request('GET', callback)).status).toBe(200);
  });

  it('is a new one when the old one has expired', async () => {
    const first = await url('u2');
    service.advance(300_000);

    const second = await url('u2');

    expect(second.status).toBe(201);
    expect(second.json.data.url).not.toBe(first.json.data.url);
    expect(second.headers.has('idempotency-replay')).toBe(false);
  });

  it('is refused for another body', async () => {
    await url('u3');

    const other = await url('u3', { ...connect, subscriberId: 'subscriber-2' });

    expect(other.status).toBe(422);
    expect(other.json.errors).toEqual({});
  });

  it('cannot be had from what stands in the tables', async () => {
    const answer = await url('u4');
    const state = new URL(answer.json.data.url).searchParams.get('state') ?? '';

    const text = JSON.stringify(await records());

    expect(text).not.toContain(state);
    expect(text).not.toContain(state.split('.')[1]);
  });
});
