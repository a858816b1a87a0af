import { randomUUID } from 'node:crypto';
import { HTTPClient, Novu } from '@novu/api';
import { ErrorDto, ValidationErrorDto } from '@novu/api/models/errors/index.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFileKeyWrapper, generateWrappingKey } from '../../infra/local/file-key-wrapper.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { expectRefusal, failureOf, novuAt } from './novu.ts';
import { createTargets, operations, type Targets } from './operations.ts';

let service: TestService;
let environment: TestEnvironment;
let novu: Novu;
let targets: Targets;
const keyWrapper = createFileKeyWrapper(generateWrappingKey());

beforeAll(async () => {
  service = await startTestService({ keyWrapper });
  environment = await service.createTestEnvironment();
  novu = novuAt(service.url, environment.apiKey);
  targets = await createTargets(novu);
});

afterAll(() => service.close());

const honouring = Object.entries(operations).filter(([name, { hasBody }]) => hasBody && name !== 'integrations.update');

describe.each(honouring)('%s', (_name, { call }) => {
  it('is done once for an idempotency key, and gives the same result again', async () => {
    const extras = { key: randomUUID(), text: randomUUID() };

    const first = await call(novu, targets, extras);
    const second = await call(novu, targets, extras);

    expect(second?.result).toEqual(first?.result);
    expect(first?.headers).toMatchObject({ 'idempotency-key': [extras.key] });
    expect(first?.headers).not.toHaveProperty('idempotency-replay');
    expect(second?.headers).toMatchObject({ 'idempotency-key': [extras.key], 'idempotency-replay': ['true'] });
  });

  it('refuses another body under the key', async () => {
    const key = randomUUID();
    await call(novu, targets, { key, text: randomUUID() });

    const failure = await failureOf(call(novu, targets, { key, text: randomUUID() }));

    expect(failure).toBeInstanceOf(ValidationErrorDto);
    expect(failure).toMatchObject({
      statusCode: 422,
      message: `Request with key "${key}" is being reused for a different body`,
      errors: {},
    });
    expect(failure.headers.get('idempotency-key')).toBe(key);
  });

  it('goes by a key that the SDK makes for each call, where none is given', async () => {
    const callOnce = async () => (await call(novu, targets, { text: randomUUID() }))?.headers['idempotency-key']?.[0];

    const keys = [await callOnce(), await callOnce()];

    expect(keys[0]).toMatch(/^\d{13}[a-z0-9]+$/);
    expect(keys[1]).not.toBe(keys[0]);
  });

  it('refuses a key of more than 255 characters', async () => {
    const key = 'k'.repeat(256);

    await expectRefusal(call(novu, targets, { key }), {
      status: 400,
      error: 'idempotency_key_too_long',
      message: `idempotencyKey "${key}" has exceeded the maximum allowed length of 255 characters`,
    });
  });
});

describe('operations without idempotency', () => {
  const reads = Object.entries(operations).filter(([name]) => /\.(list|listActive|retrieve)$/.test(name));

  it.each(reads)('%s reads anew under the same key', async (_name, { call }) => {
    const key = randomUUID();
    await call(novu, targets, { key });

    const given = await call(novu, targets, { key });

    expect(given?.headers).not.toHaveProperty('idempotency-key');
    expect(given?.headers).not.toHaveProperty('idempotency-replay');
  });

  it('integrations.update changes again under the same key', async () => {
    const key = randomUUID();
    const rename = (name: string) => novu.integrations.update({ name }, targets.integrationId, key);
    await rename('One');

    const { result, headers } = await rename('Another');

    expect(result.name).toBe('Another');
    expect(headers).not.toHaveProperty('idempotency-key');
  });

  it('channelEndpoints.delete looks again under the same key', async () => {
    const key = randomUUID();
    const { endpointIdentifier } = await createTargets(novu);
    await novu.channelEndpoints.delete(endpointIdentifier, key);

    const failure = await failureOf(novu.channelEndpoints.delete(endpointIdentifier, key));

    expect(failure).toBeInstanceOf(ErrorDto);
    expect(failure.statusCode).toBe(404);
  });
});

describe('the SDK with its own retries', () => {
  const { unwrapDataKey } = keyWrapper;
  const create = { providerId: 'slack', credentials: { clientId: '1.1', secretKey: 'canary-secret' } };
  /** A warm function keeps its data keys for this time. */
  const fiveMinutes = 5 * 60_000;

  /** As a caller gets it who sets nothing: it tries again after a 409 or a 5xx. */
  function patientNovu(onStatus: (status: number) => void): Novu {
    const httpClient = new HTTPClient().addHook('response', ({ status }) => onStatus(status));
    return new Novu({ serverURL: service.url, secretKey: environment.apiKey, httpClient });
  }

  it('waits for a call with the same key that is still running, and gets its result', async () => {
    service.advance(fiveMinutes);
    const running = Promise.withResolvers<void>();
    const mayGoOn = Promise.withResolvers<void>();
    keyWrapper.unwrapDataKey = async (...environmentAndKey) => {
      running.resolve();
      await mayGoOn.promise;
      return unwrapDataKey(...environmentAndKey);
    };
    const key = randomUUID();
    const statuses: number[] = [];
    const patient = patientNovu((status) => {
      statuses.push(status);
      mayGoOn.resolve();
    });

    const first = novu.integrations.create(create, key);
    await running.promise;
    const second = await patient.integrations.create(create, key);

    expect(second.result).toEqual((await first).result);
    expect(second.headers['idempotency-replay']).toEqual(['true']);
    expect([statuses[0], statuses.at(-1)]).toEqual([409, 201]);
  });

  it('gets over trouble that passes, and does the call once', async () => {
    service.advance(fiveMinutes);
    keyWrapper.unwrapDataKey = async () => {
      keyWrapper.unwrapDataKey = unwrapDataKey;
      throw new Error('KMS does not answer');
    };
    const before = (await novu.integrations.list()).result.length;
    const statuses: number[] = [];

    const { result } = await patientNovu((status) => statuses.push(status)).integrations.create(create);

    expect(statuses).toEqual([503, 201]);
    expect((await novu.integrations.list()).result).toHaveLength(before + 1);
    expect((await novu.integrations.list()).result.map(({ id }) => id)).toContain(result.id);
  });

  it('of the retries that a caller chooses, leaves a 409 alone', async () => {
    const statuses: number[] = [];
    const patient = patientNovu((status) => statuses.push(status));
    const taken = { ...create, identifier: 'slack' };

    await expectRefusal(patient.integrations.create(taken, undefined, { retryCodes: ['429', '5XX'] }), {
      status: 409,
      error: 'conflict',
      message: 'Integration with identifier already exists',
    });
    expect(statuses).toEqual([409]);
  });
});
