import { randomUUID } from 'node:crypto';
import { GetCommand, PutCommand, ScanCommand } from '@aws-sdk/lib-dynamodb';
import type { ConfigurationsDto } from '@novu/api/models/components/configurationsdto.js';
import type { CredentialsDto } from '@novu/api/models/components/credentialsdto.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyOf } from '../../lib/store/keys.ts';
import { startInstance } from '../support/instance.ts';
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
const update = (id: string, body: unknown, apiKey = environment.apiKey) =>
  service.api(apiKey, 'PUT', `/v1/integrations/${id}`, body);
const setPrimary = (id: string, apiKey = environment.apiKey) =>
  service.api(apiKey, 'POST', `/v1/integrations/${id}/set-primary`);

/** An integration of the environment, as creating it answered. */
async function created(body: object = {}) {
  const answer = await create({ ...valid, ...body });
  expect(answer.status).toBe(201);
  return answer.json.data;
}

async function rowOf(integrationId: string) {
  const Key = keyOf.integration(integrationId);
  const { Item } = await service.db.client.send(new GetCommand({ TableName: service.db.tables.connections, Key }));
  return Item;
}

const unknownId = '0123456789abcdef01234567';

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
    [{ ...valid, credentials: { ...valid.credentials, clientID: '1.2' } }, 422, /clientID/],
    [{ ...valid, configurations: { scopes: null } }, 422, /scopes/],
    [{ ...valid, primary: true }, 422, /primary/],
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

  it('names an integration after its provider unless it is told a name', async () => {
    const credentials = { clientId: randomUUID(), secretKey: 'canary-secret' };

    const slack = await create(valid);
    const teams = await create({ providerId: 'msteams', credentials });

    expect(slack.json.data).toMatchObject({
      name: 'Slack',
      active: false,
      identifier: expect.stringMatching(/^slack-/),
    });
    expect(teams.json.data).toMatchObject({ name: 'MS Teams', identifier: expect.stringMatching(/^ms-teams-/) });
  });

  it('takes every field that the contract’s SDK can send, and keeps none that means nothing here', async () => {
    const answer = await create({
      ...valid,
      kind: 'delivery',
      check: true,
      conditions: [],
      credentials: { ...everyCredential, AppIOBaseUrl: 'https://app.io', ...valid.credentials },
      configurations: { ...everyConfiguration, productName: 'Billing' },
    });

    expect(answer.status).toBe(201);
    expect(answer.json.data.configurations).toEqual({ productName: 'Billing' });
    const row = JSON.stringify(await rowOf(answer.json.data._id));
    expect(row).not.toContain('foreign');
  });
});

/** All that the SDK's types have, so that a field which it gains fails the type check. */
const everyCredential: Record<Exclude<keyof CredentialsDto, 'appIOBaseUrl'>, unknown> = {
  apiKey: 'foreign',
  user: 'foreign',
  secretKey: 'own',
  hmacSecretKeyEncoding: 'text',
  domain: 'foreign',
  password: 'foreign',
  host: 'foreign',
  port: 'foreign',
  secure: true,
  region: 'foreign',
  accountSid: 'foreign',
  messageProfileId: 'foreign',
  token: 'foreign',
  from: 'foreign',
  senderName: 'foreign',
  projectName: 'foreign',
  applicationId: 'A0OWN',
  clientId: 'own',
  requireTls: true,
  ignoreTls: true,
  tlsOptions: {},
  baseUrl: 'foreign',
  webhookUrl: 'foreign',
  redirectUrl: 'https://product.example/own',
  hmac: false,
  serviceAccount: 'foreign',
  ipPoolName: 'foreign',
  configurationSetName: 'foreign',
  apiKeyRequestHeader: 'foreign',
  secretKeyRequestHeader: 'foreign',
  idPath: 'foreign',
  datePath: 'foreign',
  apiToken: 'foreign',
  authenticateByToken: true,
  authenticationTokenKey: 'foreign',
  instanceId: 'foreign',
  alertUid: 'foreign',
  title: 'foreign',
  imageUrl: 'foreign',
  state: 'foreign',
  externalLink: 'foreign',
  channelId: 'foreign',
  phoneNumberIdentification: 'foreign',
  accessKey: 'foreign',
  appSid: 'foreign',
  senderId: 'foreign',
  tenantId: 'own',
  signingSecret: 'own',
  outboundIntegrationId: 'foreign',
  outboundConnectedAt: 'foreign',
  whatsNextCompletedAt: 'foreign',
  useFromAddressOverride: true,
  fromAddressOverride: 'foreign',
  emailSlugPrefix: 'foreign',
  externalEnvironmentId: 'foreign',
  externalVaultId: 'foreign',
  externalWorkspaceId: 'foreign',
};
const everyConfiguration: Record<keyof ConfigurationsDto, unknown> = {
  inboundWebhookEnabled: true,
  inboundWebhookSigningKey: 'foreign',
  payloadSchema: 'foreign',
};

describe('GET /v1/integrations', () => {
  it('lists the environment’s integrations with empty credentials', async () => {
    const own = await service.createTestEnvironment();

    const answer = await service.api(own.apiKey, 'GET', '/v1/integrations');

    expect(answer.status).toBe(200);
    expect(answer.json.data).toMatchObject([{ identifier: 'slack', credentials: {} }]);
    expect(answer.text).not.toContain('canary');
  });
});

describe('GET /v1/integrations/active', () => {
  it('lists those that are active, with empty credentials', async () => {
    const own = await service.createTestEnvironment();
    await create({ ...valid, identifier: 'on', active: true }, own.apiKey);

    const answer = await service.api(own.apiKey, 'GET', '/v1/integrations/active');

    expect(answer.status).toBe(200);
    expect(answer.json.data).toMatchObject([{ identifier: 'on', active: true, credentials: {} }]);
    expect((await service.api(own.apiKey, 'GET', '/v1/integrations')).json.data).toHaveLength(2);
  });

  it('needs the permission connect or manage', async () => {
    const apiKey = await service.createApiKey(environment.environmentId, ['tokens']);

    expect((await service.api(apiKey, 'GET', '/v1/integrations/active')).status).toBe(403);
  });
});

describe('PUT /v1/integrations/{integrationId}', () => {
  it('changes what is given, keeps the rest, and answers without credentials', async () => {
    const before = await created({ configurations: { productName: 'Billing', scopes: ['chat:write'] } });
    service.advance(1_000);

    const answer = await update(before._id, { name: 'New name', active: true });

    expect(answer.status).toBe(200);
    expect(answer.json.data).toEqual({
      ...before,
      name: 'New name',
      active: true,
      updatedAt: expect.not.stringMatching(before.updatedAt),
    });
    const list = await service.api(environment.apiKey, 'GET', '/v1/integrations');
    expect(list.json.data).toContainEqual({ ...answer.json.data, credentials: {} });
  });

  it('merges configurations key by key, where null removes one and {} changes nothing', async () => {
    const { _id } = await created({ configurations: { productName: 'Billing', scopes: ['chat:write'] } });

    const merged = await update(_id, { configurations: { scopes: ['users:read'], accountChange: 'refuse' } });
    const removed = await update(_id, { configurations: { productName: null, allowedScopes: null } });
    const unchanged = await update(_id, { configurations: {} });

    expect(merged.json.data.configurations).toEqual({
      productName: 'Billing',
      scopes: ['users:read'],
      accountChange: 'refuse',
    });
    expect(removed.json.data.configurations).toEqual({ scopes: ['users:read'], accountChange: 'refuse' });
    expect(unchanged.json.data.configurations).toEqual(removed.json.data.configurations);
  });

  it('replaces the credentials as a whole, sealed anew', async () => {
    const { _id } = await created({
      credentials: { ...valid.credentials, signingSecret: 'canary-signing', hmac: true },
    });
    const before = await rowOf(_id);

    const answer = await update(_id, { credentials: { ...valid.credentials, secretKey: 'canary-renewed' } });

    expect(answer.status).toBe(200);
    expect(answer.json.data).not.toHaveProperty('credentials');
    const after = await rowOf(_id);
    expect(after?.['credentials']).toEqual({ clientId: valid.credentials.clientId });
    expect(Object.keys(after?.['sealedCredentials'])).toEqual(['secretKey']);
    expect(after?.['sealVersion']).not.toBe(before?.['sealVersion']);
  });

  it('exchanges codes with the new secret from then on', async () => {
    const own = await service.createTestEnvironment();
    const [{ _id }] = (await service.api(own.apiKey, 'GET', '/v1/integrations')).json.data;
    const renewed = { ...own.slackApp, clientSecret: 'canary-renewed' };
    service.slack.registerApp(renewed);
    const refused = await service.connect(own);

    await update(_id, { credentials: { clientId: renewed.clientId, secretKey: renewed.clientSecret } }, own.apiKey);

    expect((await service.connect(own)).status).toBe(200);
    expect(refused.text).toContain('provider_misconfigured');
  });

  it('takes every field that the contract’s SDK can send', async () => {
    const { _id, identifier, _environmentId } = await created();

    const answer = await update(_id, {
      name: 'All of it',
      identifier,
      _environmentId,
      active: false,
      check: true,
      conditions: [{ isNegated: false, type: 'GROUP', value: 'AND', children: [] }],
      credentials: { ...everyCredential, AppIOBaseUrl: 'https://app.io', ...valid.credentials },
      configurations: everyConfiguration,
    });

    expect(answer.status).toBe(200);
    expect(answer.json.data.configurations).toEqual({});
    expect(JSON.stringify(await rowOf(_id))).not.toContain('foreign');
  });

  it.each([
    [{ name: '' }, 422, /name/],
    [{ providerId: 'slack' }, 422, /providerId/],
    [{ primary: true }, 422, /primary/],
    [{ credentials: { clientId: '1.2' } }, 422, /credentials\.secretKey: is required/],
    [{ credentials: {} }, 422, /credentials\.clientId: is required/],
    [{ credentials: { ...valid.credentials, clientID: '1.2' } }, 422, /clientID/],
    [{ credentials: { ...valid.credentials, certificate: 'no PEM' } }, 422, /credentials\.certificate: must be PEM/],
    [{ configurations: { bindings: 'direct' } }, 422, /bindings/],
    [{ configurations: { scopes: 'chat:write' } }, 422, /scopes/],
    [{ _environmentId: unknownId, name: 'Taken over' }, 403, /scoped to a single environment/],
    [{ identifier: 'another' }, 400, /identifier of an integration cannot be changed/],
    [{}, 400, /^No properties found for update$/],
    [{ check: true }, 400, /^No properties found for update$/],
  ])('refuses %j with %d and changes nothing', async (body, status, message) => {
    const { _id } = await created();
    const before = await rowOf(_id);

    const answer = await update(_id, body);

    expect(answer.status).toBe(status);
    const said = status === 422 ? answer.json.errors.general.messages.join('\n') : answer.json.message;
    expect(said).toMatch(message);
    expect(await rowOf(_id)).toEqual(before);
  });

  it.each([
    [{ identifier: 'another' }, 'identifier_immutable'],
    [{}, 'no_properties'],
    [undefined, 'no_properties'],
  ])('calls what is wrong with %j %s', async (body, error) => {
    const { _id } = await created();

    expect((await update(_id, body)).json).toMatchObject({ statusCode: 400, error });
  });

  it('holds a Teams app to what it proves itself with', async () => {
    const clientId = randomUUID();
    const credentials = { clientId, secretKey: 'canary-secret' };
    const { _id } = await created({ providerId: 'msteams', credentials });

    const withoutCertificate = await update(_id, { configurations: { clientAuth: 'certificate' } });
    const noGuid = await update(_id, { credentials: { ...credentials, clientId: 'not-a-guid' } });
    const byRole = await update(_id, { credentials: { clientId }, configurations: { clientAuth: 'aws' } });
    const backToNothing = await update(_id, { configurations: { clientAuth: null } });

    expect(withoutCertificate.text).toContain('credentials.certificate: is required');
    expect(noGuid.text).toContain('a GUID');
    expect(byRole.status).toBe(200);
    expect(backToNothing.text).toContain('credentials.secretKey: is required');
  });

  it.each([unknownId, 'active', 'not-an-id'])('does not know %s', async (id) => {
    const answer = await update(id, { name: 'New name' });

    expect(answer.status).toBe(404);
    expect(answer.json).toMatchObject({ message: `Entity with id ${id} not found`, error: 'integration_not_found' });
  });

  it('does not let another environment’s key change or find anything', async () => {
    const { _id } = await created();
    const before = await rowOf(_id);
    const { apiKey } = await service.createTestEnvironment();

    const answers = [
      await update(_id, { name: 'Taken over', credentials: valid.credentials }, apiKey),
      await update(_id, {}, apiKey),
      await setPrimary(_id, apiKey),
    ];

    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
    expect(await rowOf(_id)).toEqual(before);
  });

  it('needs the permission manage', async () => {
    const { _id } = await created();
    const apiKey = await service.createApiKey(environment.environmentId, ['connect', 'tokens']);

    expect((await update(_id, { name: 'New name' }, apiKey)).status).toBe(403);
    expect((await setPrimary(_id, apiKey)).status).toBe(403);
  });

  it('loses none of many changes at once', async () => {
    const { _id } = await created();
    const changes = [
      { name: 'At once' },
      { active: true },
      { credentials: { ...valid.credentials, applicationId: 'A0AFTER' } },
      { configurations: { productName: 'At once' } },
      { configurations: { scopes: ['users:read'] } },
      { configurations: { accountChange: 'refuse' } },
    ];

    const answers = await Promise.all(changes.map((change) => update(_id, change)));

    expect(answers.map(({ status }) => status)).toEqual(changes.map(() => 200));
    expect(await rowOf(_id)).toMatchObject({
      name: 'At once',
      active: true,
      credentials: { applicationId: 'A0AFTER' },
      configurations: { productName: 'At once', scopes: ['users:read'], accountChange: 'refuse' },
    });
  });

  it('gives up, changing nothing, when others never stop', async () => {
    const { _id } = await created();
    const busy = startInstance(service);
    busy.beforeEach(
      ({ name, input }) => name === 'PutItemCommand' && input.Item?.integrationId === _id,
      () => update(_id, { configurations: { productName: randomUUID() } }),
    );

    const answer = await busy.api(environment.apiKey, 'PUT', `/v1/integrations/${_id}`, { name: 'Never' });

    expect(answer.statusCode).toBe(409);
    expect(await rowOf(_id)).toMatchObject({ name: 'Slack' });
  });

  it('changes an integration that was stored without a revision', async () => {
    const { _id } = await created();
    const { revision: _, ...Item } = (await rowOf(_id)) as Record<string, unknown>;
    await service.db.client.send(new PutCommand({ TableName: service.db.tables.connections, Item }));

    expect((await update(_id, { name: 'New name' })).status).toBe(200);
    expect(await rowOf(_id)).toMatchObject({ name: 'New name' });
  });
});

describe('the client id of an integration', () => {
  async function ofOwnEnvironment() {
    const own = await service.createTestEnvironment();
    const [{ _id }] = (await service.api(own.apiKey, 'GET', '/v1/integrations')).json.data;
    const change = (clientId: string) =>
      update(_id, { credentials: { clientId, secretKey: 'canary-secret' } }, own.apiKey);
    return { own, integrationId: _id as string, change };
  }

  it('cannot be changed while there are connections, and the secret can', async () => {
    const { own, integrationId, change } = await ofOwnEnvironment();
    await service.connect(own);
    const before = await rowOf(integrationId);

    const refused = await change('2.3');

    expect(refused.status).toBe(409);
    expect(refused.json).toMatchObject({
      error: 'client_id_in_use',
      message: expect.stringContaining('while the integration has connections'),
    });
    expect(await rowOf(integrationId)).toEqual(before);
    expect((await change(own.slackApp.clientId)).status).toBe(200);
  });

  it('takes its use along when it changes', async () => {
    const { own, integrationId, change } = await ofOwnEnvironment();

    expect((await change('2.3')).status).toBe(200);

    expect(await usesOf(integrationId)).toEqual([keyOf.clientUse('slack', '2.3', integrationId)]);
    expect(await rowOf(integrationId)).toMatchObject({ credentials: { clientId: '2.3' } });
    const url = await service.connectUrl(own);
    expect(new URL(url).searchParams.get('client_id')).toBe('2.3');
  });

  it('keeps its use when one change goes there and another one back', async () => {
    const { own, integrationId, change } = await ofOwnEnvironment();
    const slow = startInstance(service);
    // The first change is written and about to let go of the old client id.
    slow.before(
      ({ name }) => name === 'DeleteItemCommand',
      () => change(own.slackApp.clientId),
    );

    const credentials = { clientId: '2.3', secretKey: 'canary-secret' };
    await slow.api(own.apiKey, 'PUT', `/v1/integrations/${integrationId}`, { credentials });

    expect(await rowOf(integrationId)).toMatchObject({ credentials: { clientId: own.slackApp.clientId } });
    expect(await usesOf(integrationId)).toContainEqual(keyOf.clientUse('slack', own.slackApp.clientId, integrationId));
  });

  // Key, integration, data key, connections, old use, new use, row, old use.
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'and its use agree when the process ends before command %d of a change, and a repeat completes it',
    async (k) => {
      const { own, integrationId, change } = await ofOwnEnvironment();
      const dying = startInstance(service);
      dying.faults.killAt(k);
      const credentials = { clientId: '2.3', secretKey: 'canary-secret' };

      await dying.api(own.apiKey, 'PUT', `/v1/integrations/${integrationId}`, { credentials });

      const row = await rowOf(integrationId);
      expect(dying.faults.reads + dying.faults.writes).toBe(k);
      expect(await usesOf(integrationId)).toContainEqual(
        keyOf.clientUse('slack', row?.['credentials'].clientId, integrationId),
      );
      expect((await change('2.3')).status).toBe(200);
      expect(await rowOf(integrationId)).toMatchObject({ credentials: { clientId: '2.3' } });
      expect(await usesOf(integrationId)).toContainEqual(keyOf.clientUse('slack', '2.3', integrationId));
    },
  );
});

async function usesOf(integrationId: string) {
  const { Items = [] } = await service.db.client.send(
    new ScanCommand({
      TableName: service.db.tables.connections,
      FilterExpression: 'begins_with(pk, :app) AND integrationId = :id',
      ExpressionAttributeValues: { ':app': 'APP#', ':id': integrationId },
      ConsistentRead: true,
    }),
  );
  return Items.map(({ pk, sk }) => ({ pk, sk }));
}

describe('POST /v1/integrations/{integrationId}/set-primary', () => {
  it('says that chat has no primary integration', async () => {
    const answer = await setPrimary((await created())._id);

    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({
      message: 'Channel chat does not support primary',
      error: 'primary_unsupported',
    });
  });

  it('does not know an unknown id', async () => {
    const answer = await setPrimary(unknownId);

    expect(answer.status).toBe(404);
    expect(answer.json.message).toBe(`Integration with id ${unknownId} not found`);
  });

  it('refuses what is no id', async () => {
    const answer = await setPrimary('slack');

    expect(answer.status).toBe(422);
    expect(answer.json.errors).toMatchObject({ integrationId: { messages: ['integrationId must be a mongodb id'] } });
  });
});

describe('an integration’s secrets', () => {
  it('stand in no answer, log line or row', async () => {
    const { _id } = await created({ credentials: { ...valid.credentials, signingSecret: 'canary-signing' } });
    const renewed = { clientId: '1.2', secretKey: 'canary-renewed', previousSecretKey: 'canary-secret' };

    const answers = [
      await update(_id, { credentials: renewed }),
      await update(_id, { credentials: { ...renewed, clientID: 'canary-refused' } }),
      await setPrimary(_id),
      await service.api(environment.apiKey, 'GET', '/v1/integrations'),
      await service.api(environment.apiKey, 'GET', '/v1/integrations/active'),
    ];

    const { Items } = await service.db.client.send(new ScanCommand({ TableName: service.db.tables.connections }));
    expect(JSON.stringify([answers.map(({ text }) => text), service.lines, Items])).not.toContain('canary');
  });
});
