import { randomUUID } from 'node:crypto';
import type { Novu } from '@novu/api';
import { SDKValidationError } from '@novu/api/models/errors/index.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type TestService } from '../support/service.ts';
import { connect, createTeams, type TeamsEnvironment } from '../support/teams.ts';
import { identifiersOf, itIsAList } from './list.ts';
import { expectRefusal, novuAt } from './novu.ts';

let service: TestService;
let environment: TeamsEnvironment;
let novu: Novu;

beforeAll(async () => {
  service = await startTestService();
  environment = await createTeams(service);
  novu = novuAt(service.url, environment.apiKey);
});

afterAll(() => service.close());

type NewEndpoint = Parameters<Novu['channelEndpoints']['create']>[0];

const of = { integrationIdentifier: 'slack', subscriberId: 'ann' };
const slackUser = { ...of, type: 'slack_user', endpoint: { userId: 'U0ANN' } } as const;
const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const unknown = (identifier: string) => ({
  status: 404,
  error: 'endpoint_not_found',
  message: `Channel endpoint with identifier "${identifier}" not found in environment "${environment.environmentId}"`,
});

describe('channelEndpoints.create', () => {
  it('stores where a subscriber is reached, through a connection', async () => {
    const connectionIdentifier = randomUUID();
    await service.connect(environment, { connectionIdentifier });
    const request: NewEndpoint = {
      ...slackUser,
      identifier: `anns ${randomUUID()}`,
      connectionIdentifier,
      context: { tenant: 'acme', app: { id: 'jira', data: { plan: 'gold' } } },
      createSubscriberIfMissing: true,
    };

    const { result, headers } = await novu.channelEndpoints.create(request);

    expect(result).toEqual({
      ...slackUser,
      identifier: request.identifier,
      channel: 'chat',
      providerId: 'slack',
      connectionIdentifier,
      contextKeys: ['app:jira', 'tenant:acme'],
      createdAt: isoTime,
      updatedAt: isoTime,
    });
    expect(headers['content-type']).toEqual(['application/json; charset=utf-8']);
  });

  it('leaves to null and to a made-up identifier what is not given', async () => {
    const { result } = await novu.channelEndpoints.create(slackUser);

    expect(result).toMatchObject({
      identifier: expect.stringMatching(/^chendp_[\w-]{12}$/),
      connectionIdentifier: null,
      contextKeys: [],
    });
  });

  it.each<NewEndpoint>([
    { ...of, type: 'slack_user', endpoint: { userId: 'U0ANN' } },
    { ...of, type: 'slack_channel', endpoint: { channelId: 'C0GENERAL' } },
    { ...of, type: 'webhook', endpoint: { url: 'https://hooks.product.example/a' } },
    { ...of, type: 'webhook', endpoint: { url: 'https://hooks.product.example/a', channel: '#general' } },
    { ...of, integrationIdentifier: 'msteams', type: 'ms_teams_user', endpoint: { userId: randomUUID() } },
    {
      ...of,
      integrationIdentifier: 'msteams',
      type: 'ms_teams_channel',
      endpoint: { teamId: randomUUID(), channelId: '19:abc@thread.tacv2' },
    },
  ])('stores $type with $endpoint, and gives the same back', async (request) => {
    const { result } = await novu.channelEndpoints.create(request);

    expect(result).toMatchObject({ type: request.type, endpoint: request.endpoint });
    expect(Object.keys(result.endpoint)).toEqual(Object.keys(request.endpoint));
    expect((await novu.channelEndpoints.retrieve(result.identifier)).result).toEqual(result);
  });

  it.each<NewEndpoint>([
    { ...of, type: 'phone', endpoint: { phoneNumber: '+3612345678' } },
    { ...of, type: 'telegram_chat', endpoint: { chatId: '1' } },
    { ...of, type: 'line_user', endpoint: { userId: 'U1' } },
    { ...of, type: 'webex_room', endpoint: { roomId: 'r' } },
    { ...of, type: 'webex_person', endpoint: { personId: 'p' } },
    { ...of, type: 'pagerduty_service', endpoint: { routingKey: 'a'.repeat(32), region: 'us' } },
    { ...of, type: 'opsgenie_integration', endpoint: { apiKey: randomUUID(), region: 'eu' } },
    { ...of, type: 'grafana_oncall_integration', endpoint: { url: 'https://grafana.example' } },
    { ...of, type: 'tool_webhook', endpoint: { url: 'https://tool.example' } },
  ])('refuses $type, which is of a provider that is not here', async (request) => {
    await expectRefusal(novu.channelEndpoints.create(request), {
      status: 422,
      error: 'validation_failed',
      message: 'type: must be one of',
    });
  });

  it.each<[Partial<NewEndpoint>, number, string, string]>([
    [{ integrationIdentifier: 'nope' }, 404, 'integration_not_found', 'Integration not found: nope'],
    [{ connectionIdentifier: 'nope' }, 404, 'connection_not_found', 'Channel connection not found: nope'],
    [{ integrationIdentifier: 'msteams' }, 422, 'validation_failed', 'for an integration of msteams, not slack_user'],
    [{ subscriberId: '' }, 422, 'validation_failed', 'subscriberId: must not be empty'],
    [{ context: {} }, 422, 'validation_failed', 'Invalid context payload structure'],
    [
      { type: 'slack_user', endpoint: { userId: '' } },
      422,
      'validation_failed',
      'Endpoint must match the required format for type "slack_user"',
    ],
    [
      { type: 'webhook', endpoint: { url: 'http://10.0.0.1/' } },
      422,
      'validation_failed',
      'Endpoint must match the required format for type "webhook"',
    ],
  ])('refuses %j with %d', async (body, status, error, message) => {
    const request = { ...slackUser, ...body } as NewEndpoint;

    await expectRefusal(novu.channelEndpoints.create(request), { status, error, message });
  });

  it('refuses a connection of another integration', async () => {
    const connectionIdentifier = randomUUID();
    await connect(service, environment, { connectionIdentifier });

    await expectRefusal(novu.channelEndpoints.create({ ...slackUser, connectionIdentifier }), {
      status: 404,
      error: 'connection_not_found',
      message: `Channel connection not found: ${connectionIdentifier}`,
    });
  });

  it('refuses an identifier that is taken', async () => {
    const identifier = randomUUID();
    await novu.channelEndpoints.create({ ...slackUser, identifier });

    await expectRefusal(novu.channelEndpoints.create({ ...slackUser, identifier }), {
      status: 409,
      error: 'conflict',
      message: `Channel endpoint with identifier "${identifier}" already exists in environment "${environment.environmentId}"`,
    });
  });

  it('is refused by the SDK itself, unsent, without a subscriber', async () => {
    const { subscriberId, ...withoutSubscriber } = slackUser;

    await expect(novu.channelEndpoints.create(withoutSubscriber as NewEndpoint)).rejects.toThrow(SDKValidationError);
  });
});

describe('channelEndpoints.retrieve', () => {
  it.each(['plain', 'with space', 'ünï:cödé+&=#"'])('finds the identifier %s', async (name) => {
    const identifier = `${name} ${randomUUID()}`;
    const created = await novu.channelEndpoints.create({ ...slackUser, identifier });

    expect((await novu.channelEndpoints.retrieve(identifier)).result).toEqual(created.result);
  });

  it('refuses an unknown identifier', async () => {
    await expectRefusal(novu.channelEndpoints.retrieve('nope'), unknown('nope'));
  });
});

describe('channelEndpoints.update', () => {
  it('points elsewhere', async () => {
    const created = (await novu.channelEndpoints.create(slackUser)).result;

    const { result } = await novu.channelEndpoints.update({ endpoint: { userId: 'U0BOB' } }, created.identifier);

    expect(result).toEqual({ ...created, endpoint: { userId: 'U0BOB' }, updatedAt: isoTime });
    expect((await novu.channelEndpoints.retrieve(created.identifier)).result).toEqual(result);
  });

  it('refuses an unknown identifier, and a target of another type', async () => {
    const { identifier } = (await novu.channelEndpoints.create(slackUser)).result;

    await expectRefusal(novu.channelEndpoints.update({ endpoint: { userId: 'U0BOB' } }, 'nope'), unknown('nope'));
    await expectRefusal(novu.channelEndpoints.update({ endpoint: { channelId: 'C0GENERAL' } }, identifier), {
      status: 400,
      error: 'endpoint_format_mismatch',
      message: 'Endpoint must match the required format for type "slack_user"',
    });
  });
});

describe('channelEndpoints.delete', () => {
  it('removes an endpoint', async () => {
    const { identifier } = (await novu.channelEndpoints.create(slackUser)).result;

    const deleted = await novu.channelEndpoints.delete(identifier);

    expect(deleted).toBeUndefined();
    await expectRefusal(novu.channelEndpoints.retrieve(identifier), unknown(identifier));
    await expectRefusal(novu.channelEndpoints.delete(identifier), unknown(identifier));
  });
});

describe('channelEndpoints.list', () => {
  let listed: Novu;

  beforeAll(async () => {
    const own = await createTeams(service);
    listed = novuAt(service.url, own.apiKey);
    await service.connect(own, { subscriberId: 'ann', connectionIdentifier: 'anns connection' });
    const create = (extra: Partial<NewEndpoint>) => {
      service.advance(1);
      return listed.channelEndpoints.create({ ...slackUser, ...extra } as NewEndpoint);
    };
    await create({ identifier: 'anns', connectionIdentifier: 'anns connection' });
    await create({ identifier: 'anns acme', context: { tenant: 'acme', app: 'jira' } });
    await create({ identifier: 'anns channel', type: 'slack_channel', endpoint: { channelId: 'C0GENERAL' } });
    await create({
      identifier: 'bobs teams',
      subscriberId: 'bob',
      integrationIdentifier: 'msteams',
      type: 'ms_teams_user',
      endpoint: { userId: randomUUID() },
    });
    await create({ identifier: 'chens', subscriberId: 'chen', context: { tenant: 'acme' } });
  });

  const all = ['chens', 'bobs teams', 'anns channel', 'anns acme', 'anns'];

  it.each<[Parameters<Novu['channelEndpoints']['list']>[0], string[]]>([
    [{}, all],
    [{ orderDirection: 'ASC', orderBy: 'createdAt', includeCursor: false, limit: 100 }, all.toReversed()],
    [{ subscriberId: 'ann' }, ['anns channel', 'anns acme', 'anns']],
    [{ connectionIdentifier: 'anns connection' }, ['anns']],
    [{ connectionIdentifier: 'anns connection', subscriberId: 'bob' }, []],
    [{ contextKeys: ['tenant:acme', 'app:jira'] }, ['anns acme']],
    [{ contextKeys: ['tenant:acme'] }, ['chens']],
    // The SDK sends nothing for an empty list.
    [{ contextKeys: [] }, all],
    [{ contextKeys: [''] }, ['bobs teams', 'anns channel', 'anns']],
    [{ integrationIdentifier: 'msteams' }, ['bobs teams']],
    [{ integrationIdentifier: 'nope' }, []],
    [{ providerId: 'slack', channel: 'chat', subscriberId: 'chen' }, ['chens']],
    [{ after: 'unknown' }, []],
  ])('with %j finds %j', async (query, expected) => {
    expect(identifiersOf(await listed.channelEndpoints.list(query))).toEqual(expected);
  });

  itIsAList((query) => listed.channelEndpoints.list(query), all);
});
