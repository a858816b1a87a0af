import { randomUUID } from 'node:crypto';
import type { Novu } from '@novu/api';
import { SDKError } from '@novu/api/models/errors/index.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { expectRefusal, failureOf, novuAt } from './novu.ts';

let service: TestService;
let environment: TestEnvironment;
let novu: Novu;

beforeAll(async () => {
  service = await startTestService();
  environment = await service.createTestEnvironment();
  novu = novuAt(service.url, environment.apiKey);
});

afterAll(() => service.close());

const credentials = { clientId: '1.1', secretKey: 'canary-client-secret' };
const slack = { providerId: 'slack', channel: 'chat', credentials } as const;
const unknownId = '0123456789abcdef01234567';

async function createIntegration(extra: object = {}) {
  return (await novu.integrations.create({ ...slack, identifier: `slack-${randomUUID()}`, ...extra })).result;
}

const shown = () => ({
  id: expect.stringMatching(/^[0-9a-f]{24}$/),
  environmentId: environment.environmentId,
  organizationId: expect.any(String),
  providerId: 'slack',
  channel: 'chat',
  configurations: {},
  active: false,
  deleted: false,
  primary: false,
});

describe('integrations.create', () => {
  it('stores a Slack app and shows it without its credentials', async () => {
    const { result, headers } = await novu.integrations.create({
      ...slack,
      name: 'Our App',
      identifier: 'our-app',
      environmentId: environment.environmentId,
      active: true,
      check: false,
      kind: 'delivery',
      conditions: [],
      configurations: {},
    });

    expect(result).toEqual({ ...shown(), name: 'Our App', identifier: 'our-app', active: true });
    expect(headers['content-type']).toEqual(['application/json; charset=utf-8']);
  });

  it('names it after its provider, and makes an identifier, where none are given', async () => {
    const { result } = await novu.integrations.create(slack);

    expect(result).toEqual({ ...shown(), name: 'Slack', identifier: expect.stringMatching(/^slack-\w+$/) });
  });

  it('stores an Entra app', async () => {
    const { result } = await novu.integrations.create({
      providerId: 'msteams',
      channel: 'chat',
      credentials: { clientId: randomUUID(), secretKey: 'canary-entra-secret', tenantId: randomUUID() },
    });

    expect(result).toMatchObject({ providerId: 'msteams', name: 'MS Teams' });
  });

  it('takes every credential that the SDK knows for Slack, and passes over those of other channels', async () => {
    const result = await createIntegration({
      credentials: {
        ...credentials,
        applicationId: 'A0ACME',
        signingSecret: 'canary-signing-secret',
        redirectUrl: 'https://product.example/done',
        hmac: false,
        apiKey: 'of an email provider',
        tlsOptions: {},
        hmacSecretKeyEncoding: 'text',
        appIOBaseUrl: 'https://push.example',
      },
    });

    expect(result.active).toBe(false);
  });

  it.each([
    [{ identifier: 'slack' }, 409, 'conflict', 'Integration with identifier already exists'],
    [{ environmentId: unknownId }, 403, 'forbidden', 'API key authentication is scoped to a single environment'],
    [{ providerId: 'mailgun' }, 422, 'validation_failed', 'providerId: must be "slack" or "msteams"'],
    [{ channel: 'sms' }, 422, 'validation_failed', 'channel: must be "chat"'],
    [{ kind: 'agent' }, 422, 'validation_failed', 'kind'],
    [{ credentials: undefined }, 422, 'validation_failed', 'credentials: is required'],
    [{ credentials: { clientId: '1.1' } }, 422, 'validation_failed', 'credentials.secretKey: is required'],
    [{ credentials: { secretKey: 'canary' } }, 422, 'validation_failed', 'credentials.clientId: is required'],
  ])('refuses %j with %d', async (body, status, error, message) => {
    await expectRefusal(novu.integrations.create({ ...slack, ...(body as object) }), { status, error, message });
  });
});

describe('integrations.list and listActive', () => {
  it('show the environment’s integrations with empty credentials', async () => {
    const active = await createIntegration({ active: true });
    const inactive = await createIntegration();

    const all = (await novu.integrations.list()).result;
    const allActive = (await novu.integrations.listActive()).result;

    const ids = (list: typeof all) => list.map(({ id }) => id);
    expect(ids(all)).toEqual(expect.arrayContaining([active.id, inactive.id]));
    expect(ids(allActive)).toContain(active.id);
    expect(ids(allActive)).not.toContain(inactive.id);
    expect([...all, ...allActive].map((each) => each.credentials)).toEqual(
      Array(all.length + allActive.length).fill({}),
    );
  });

  it('show an environment without integrations as an empty list', async () => {
    const { integrations } = novuAt(service.url, (await service.createTestEnvironment()).apiKey);
    const [only] = (await integrations.list()).result;

    const left = await integrations.delete(only?.id ?? '');

    expect(left.result).toEqual([]);
    expect((await integrations.list()).result).toEqual([]);
    expect((await integrations.listActive()).result).toEqual([]);
  });
});

describe('integrations.update', () => {
  it('changes name, activity and credentials', async () => {
    const { id = '', identifier } = await createIntegration();

    const { result } = await novu.integrations.update(
      {
        name: 'New name',
        identifier,
        environmentId: environment.environmentId,
        active: true,
        check: false,
        conditions: [],
        configurations: {},
        credentials: { ...credentials, secretKey: 'canary-new-secret' },
      },
      id,
    );

    expect(result).toEqual({ ...shown(), id, identifier, name: 'New name', active: true });
    expect((await novu.integrations.list()).result).toContainEqual({ ...result, credentials: {} });
  });

  it.each([
    [{}, 400, 'no_properties', 'No properties found for update'],
    [{ identifier: 'another' }, 400, 'identifier_immutable', 'cannot be changed'],
    [{ name: 'x', environmentId: unknownId }, 403, 'forbidden', 'API key authentication is scoped'],
    [{ credentials: { clientId: '1.1' } }, 422, 'validation_failed', 'credentials.secretKey: is required'],
    [{ name: '' }, 422, 'validation_failed', 'name'],
  ])('refuses %j with %d', async (body, status, error, message) => {
    const { id = '' } = await createIntegration();

    await expectRefusal(novu.integrations.update(body, id), { status, error, message });
  });

  it('refuses another client id while there are connections', async () => {
    await service.connect(environment);
    const id = (await novu.integrations.list()).result.find(({ identifier }) => identifier === 'slack')?.id ?? '';

    await expectRefusal(novu.integrations.update({ credentials: { ...credentials, clientId: '2.2' } }, id), {
      status: 409,
      error: 'client_id_in_use',
      message: 'cannot be changed while the integration has connections',
    });
  });

  it('refuses an unknown id; the SDK has no type for that 404', async () => {
    const failure = await failureOf(novu.integrations.update({ name: 'x' }, unknownId));

    expect(failure).toBeInstanceOf(SDKError);
    expect(JSON.parse(failure.body)).toMatchObject({
      statusCode: 404,
      message: `Entity with id ${unknownId} not found`,
      error: 'integration_not_found',
    });
  });
});

describe('integrations.delete', () => {
  it('answers with the integrations that are left', async () => {
    const { id = '' } = await createIntegration();

    const { result } = await novu.integrations.delete(id);

    expect(result).toEqual((await novu.integrations.list()).result);
    expect(result.map((each) => each.id)).not.toContain(id);
  });

  it('refuses an unknown id, and one that is deleted', async () => {
    const { id = '' } = await createIntegration();
    await novu.integrations.delete(id);

    for (const gone of [unknownId, id]) {
      await expectRefusal(novu.integrations.delete(gone), {
        status: 404,
        error: 'integration_not_found',
        message: `Entity with id ${gone} not found`,
      });
    }
  });
});

describe('integrations.setAsPrimary', () => {
  it('is refused: chat has no primary integration', async () => {
    const { id = '' } = await createIntegration();

    await expectRefusal(novu.integrations.setAsPrimary(id), {
      status: 400,
      error: 'primary_unsupported',
      message: 'Channel chat does not support primary',
    });
  });

  it('refuses an unknown id; the SDK has no type for that 404', async () => {
    const failure = await failureOf(novu.integrations.setAsPrimary(unknownId));

    expect(failure).toBeInstanceOf(SDKError);
    expect(JSON.parse(failure.body)).toMatchObject({
      statusCode: 404,
      message: `Integration with id ${unknownId} not found`,
    });
  });

  it('refuses what is no id', async () => {
    await expectRefusal(novu.integrations.setAsPrimary('slack'), {
      status: 422,
      error: 'validation_failed',
      message: 'integrationId must be a mongodb id',
    });
  });
});
