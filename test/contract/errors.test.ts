import type { Novu } from '@novu/api';
import { ErrorDto, SDKError } from '@novu/api/models/errors/index.js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
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

const all = Object.entries(operations);

describe.each(all)('%s', (_name, { call }) => {
  it('refuses an unknown API key, and none', async () => {
    const unauthorized = { status: 401, error: 'unauthorized' };

    await expectRefusal(call(novuAt(service.url, 'cc_unknown'), targets), {
      ...unauthorized,
      message: 'API Key not found',
    });
    await expectRefusal(call(novuAt(service.url), targets), {
      ...unauthorized,
      message: 'Missing authorization header',
    });
  });

  it('refuses an API key without the permission', async () => {
    const apiKey = await service.createApiKey(environment.environmentId, ['tokens']);

    await expectRefusal(call(novuAt(service.url, apiKey), targets), {
      status: 403,
      error: 'forbidden',
      message: /^This API key lacks the permission "(connect|manage)"/,
    });
  });
});

describe.each(all.filter(([, { namesTarget }]) => namesTarget))('%s', (name, { call }) => {
  it('does not find what is of another environment', async () => {
    const stranger = await service.createTestEnvironment();

    const failure = await failureOf(call(novuAt(service.url, stranger.apiKey), targets));

    expect(failure.statusCode).toBe(404);
    // For these two the SDK has no type of a 404.
    const isUntyped = ['integrations.update', 'integrations.setAsPrimary'].includes(name);
    expect(failure).toBeInstanceOf(isUntyped ? SDKError : ErrorDto);
  });
});

describe.each(all.filter(([, { hasBody }]) => hasBody))('%s', (_name, { call }) => {
  it('refuses a body that is too large, or not said to be JSON', async () => {
    await expectRefusal(call(novu, targets, { text: 'x'.repeat(256 * 1024) }), {
      status: 413,
      error: 'body_too_large',
      message: 'The body is larger than 256 KB.',
    });
    await expectRefusal(call(novu, targets, { options: { headers: { 'content-type': 'text/plain' } } }), {
      status: 415,
      error: 'unsupported_media_type',
      message: 'The body must be sent as application/json.',
    });
  });
});

describe('trouble on the side of the service', () => {
  const { unwrapDataKey } = keyWrapper;
  afterEach(() => {
    keyWrapper.unwrapDataKey = unwrapDataKey;
  });

  /** A warm function keeps its data keys for this time. */
  const fiveMinutes = 5 * 60_000;

  it('that passes is a 503, for which the SDK has no type', async () => {
    service.advance(fiveMinutes);
    keyWrapper.unwrapDataKey = async () => {
      throw new Error('KMS does not answer');
    };

    const failure = await failureOf(
      novu.integrations.create({ providerId: 'slack', credentials: { clientId: '1.1', secretKey: 'canary' } }),
    );

    expect(failure).toBeInstanceOf(SDKError);
    expect(failure.statusCode).toBe(503);
    expect(failure.headers.get('retry-after')).toBe('1');
    expect(JSON.parse(failure.body)).toMatchObject({ statusCode: 503, error: 'unavailable' });
  });

  it('that does not pass is a 500 with an id for the logs', async () => {
    const { identifier } = (
      await novu.channelEndpoints.create({
        integrationIdentifier: 'slack',
        subscriberId: 'ann',
        type: 'webhook',
        endpoint: { url: 'https://hooks.product.example/a' },
      })
    ).result;
    service.advance(fiveMinutes);
    keyWrapper.unwrapDataKey = async () => new Uint8Array(32);

    const failure = await failureOf(novu.channelEndpoints.retrieve(identifier));

    expect(failure).toBeInstanceOf(ErrorDto);
    expect(failure).toMatchObject({
      statusCode: 500,
      message: 'Internal server error, contact support and provide them with the errorId',
    });
    const { errorId } = failure as ErrorDto;
    expect(service.lines).toContainEqual(expect.objectContaining({ fields: expect.objectContaining({ errorId }) }));
  });
});
