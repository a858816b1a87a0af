import { randomUUID } from 'node:crypto';
import type { Novu } from '@novu/api';
import { SDKValidationError } from '@novu/api/models/errors/index.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type TestService } from '../support/service.ts';
import { createTeams, type TeamsEnvironment } from '../support/teams.ts';
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

type NewConnection = Parameters<Novu['channelConnections']['create']>[0];

/** A connection of a subscriber whom no other test has. */
function newConnection(extra: Partial<NewConnection> = {}): NewConnection {
  return {
    integrationIdentifier: 'slack',
    subscriberId: `subscriber-${randomUUID()}`,
    workspace: { id: 'T0ACME', name: 'Acme', botUserId: 'U0BOT' },
    auth: { accessToken: 'canary-access-token' },
    ...extra,
  };
}

const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const unknown = (identifier: string, quote: string) => ({
  status: 404,
  error: 'connection_not_found',
  message: `Channel connection with identifier ${quote}${identifier}${quote} not found`,
});

describe('channelConnections.create', () => {
  it('stores a subscriber’s connection and hides its token', async () => {
    const request = newConnection({ identifier: `anns ${randomUUID()}`, connectionMode: 'subscriber' });

    const { result, headers } = await novu.channelConnections.create(request);

    expect(result).toEqual({
      identifier: request.identifier,
      channel: 'chat',
      providerId: 'slack',
      integrationIdentifier: 'slack',
      subscriberId: request.subscriberId,
      contextKeys: [],
      workspace: request.workspace,
      auth: { accessToken: 'hidden' },
      createdAt: isoTime,
      updatedAt: isoTime,
    });
    expect(headers['content-type']).toEqual(['application/json; charset=utf-8']);
  });

  it('stores a context’s shared connection, without the subscriber that was named', async () => {
    const { result } = await novu.channelConnections.create(
      newConnection({
        connectionMode: 'shared',
        context: { tenant: `acme-${randomUUID()}`, app: { id: 'jira', data: { plan: 'gold' } } },
      }),
    );

    expect(result).toMatchObject({
      identifier: expect.stringMatching(/^chconn-[0-9a-f]{64}$/),
      subscriberId: null,
      contextKeys: ['app:jira', expect.stringMatching(/^tenant:acme-/)],
    });
  });

  it('stores a workspace of which only the id is known', async () => {
    const { result } = await novu.channelConnections.create(newConnection({ workspace: { id: 'T0ACME' } }));

    expect(result.workspace).toEqual({ id: 'T0ACME' });
  });

  it('stores a Teams tenant', async () => {
    const { result } = await novu.channelConnections.create(
      newConnection({ integrationIdentifier: 'msteams', workspace: { id: randomUUID() } }),
    );

    expect(result).toMatchObject({ providerId: 'msteams', integrationIdentifier: 'msteams' });
  });

  it('takes a token that rotates, and shows neither part of it', async () => {
    const { result } = await novu.channelConnections.create(
      newConnection({
        auth: {
          accessToken: 'canary-access-token',
          refreshToken: 'canary-refresh-token',
          expiresAt: new Date(service.now() + 3_600_000).toISOString(),
        },
      }),
    );

    expect(result.auth.accessToken).toBe('hidden');
    expect(JSON.stringify(result)).not.toContain('canary');
  });

  it.each<[Partial<NewConnection>, number, string, string]>([
    [
      { subscriberId: undefined },
      400,
      'subscriber_or_context_required',
      'Either subscriberId or context must be provided',
    ],
    [{ connectionMode: 'shared' }, 400, 'context_required', 'context is required when connectionMode is "shared"'],
    [
      { connectionMode: 'subscriber', subscriberId: undefined, context: { tenant: 'acme' } },
      400,
      'subscriber_required',
      'subscriberId is required when connectionMode is "subscriber"',
    ],
    [{ identifier: `chconn-${'0'.repeat(64)}` }, 400, 'identifier_reserved', 'derived identifier'],
    [{ integrationIdentifier: 'nope' }, 404, 'integration_not_found', 'Integration not found: nope'],
    [{ context: {} }, 422, 'validation_failed', 'Invalid context payload structure'],
    [{ workspace: { id: '' } }, 422, 'validation_failed', 'workspace.id'],
    [{ auth: { accessToken: '' } }, 422, 'validation_failed', 'auth.accessToken'],
    [{ identifier: 'a/b' }, 422, 'validation_failed', 'identifier'],
  ])('refuses %j with %d', async (body, status, error, message) => {
    await expectRefusal(novu.channelConnections.create(newConnection(body)), { status, error, message });
  });

  it('refuses a second connection of the same subject, naming the first', async () => {
    const request = newConnection();
    const { identifier } = (await novu.channelConnections.create(request)).result;

    await expectRefusal(novu.channelConnections.create(request), {
      status: 409,
      error: 'connection_exists',
      message:
        `A channel connection already exists for integration "slack" with subscriberId "${request.subscriberId}" ` +
        `and no context. Connection ID: ${identifier}`,
    });
  });

  it('refuses an identifier that is taken', async () => {
    const identifier = randomUUID();
    await novu.channelConnections.create(newConnection({ identifier }));

    await expectRefusal(novu.channelConnections.create(newConnection({ identifier })), {
      status: 409,
      error: 'conflict',
      message: `Channel connection with identifier "${identifier}" already exists in environment "${environment.environmentId}"`,
    });
  });

  it('is refused by the SDK itself, unsent, where a part is missing', async () => {
    const { auth, ...withoutAuth } = newConnection();

    await expect(novu.channelConnections.create(withoutAuth as NewConnection)).rejects.toThrow(SDKValidationError);
  });
});

describe('channelConnections.retrieve', () => {
  it.each(['plain', 'with space', 'ünï:cödé+&=#"'])('finds the identifier %s', async (name) => {
    const identifier = `${name} ${randomUUID()}`;
    const created = await novu.channelConnections.create(newConnection({ identifier }));

    expect((await novu.channelConnections.retrieve(identifier)).result).toEqual(created.result);
  });

  it('refuses an unknown identifier', async () => {
    await expectRefusal(novu.channelConnections.retrieve('nope'), unknown('nope', "'"));
  });
});

describe('channelConnections.update', () => {
  it('replaces workspace and token as a whole', async () => {
    const created = (await novu.channelConnections.create(newConnection())).result;

    const { result } = await novu.channelConnections.update(
      { workspace: { id: 'T0GLOBEX' }, auth: { accessToken: 'canary-other-token' } },
      created.identifier,
    );

    expect(result).toEqual({ ...created, workspace: { id: 'T0GLOBEX' }, updatedAt: isoTime });
    expect((await novu.channelConnections.retrieve(created.identifier)).result).toEqual(result);
  });

  it('refuses an unknown identifier, and an empty token', async () => {
    const { identifier } = (await novu.channelConnections.create(newConnection())).result;
    const workspace = { id: 'T0ACME' };

    await expectRefusal(
      novu.channelConnections.update({ workspace, auth: { accessToken: 'canary' } }, 'nope'),
      unknown('nope', '"'),
    );
    await expectRefusal(novu.channelConnections.update({ workspace, auth: { accessToken: '' } }, identifier), {
      status: 422,
      error: 'validation_failed',
      message: 'auth.accessToken',
    });
  });
});

describe('channelConnections.delete', () => {
  it('ends a connection', async () => {
    const { identifier } = (await novu.channelConnections.create(newConnection())).result;

    const deleted = await novu.channelConnections.delete(identifier);

    expect(deleted).toBeUndefined();
    await expectRefusal(novu.channelConnections.retrieve(identifier), unknown(identifier, "'"));
    await expectRefusal(novu.channelConnections.delete(identifier), unknown(identifier, "'"));
  });
});

describe('channelConnections.list', () => {
  let listed: Novu;

  beforeAll(async () => {
    listed = novuAt(service.url, (await createTeams(service)).apiKey);
    const create = (extra: Partial<NewConnection>) => {
      service.advance(1);
      return listed.channelConnections.create(newConnection(extra));
    };
    await create({ identifier: 'anns', subscriberId: 'ann' });
    await create({ identifier: 'anns acme', subscriberId: 'ann', context: { tenant: 'acme' } });
    await create({ identifier: 'bobs teams', subscriberId: 'bob', integrationIdentifier: 'msteams' });
    await create({ identifier: 'acmes', connectionMode: 'shared', context: { tenant: 'acme', app: 'jira' } });
    await create({ identifier: 'chens', subscriberId: 'chen' });
  });

  const all = ['chens', 'acmes', 'bobs teams', 'anns acme', 'anns'];

  it.each<[Parameters<Novu['channelConnections']['list']>[0], string[]]>([
    [{}, all],
    [{ orderDirection: 'ASC', orderBy: 'createdAt', includeCursor: false, limit: 100 }, all.toReversed()],
    [{ subscriberId: 'ann' }, ['anns acme', 'anns']],
    [{ subscriberId: 'ann', connectionMode: 'shared', contextKeys: ['tenant:acme', 'app:jira'] }, ['acmes']],
    [{ subscriberId: 'ann', connectionMode: 'subscriber', contextKeys: ['tenant:acme'] }, ['anns acme']],
    [{ contextKeys: ['tenant:acme', 'app:jira'] }, ['acmes']],
    [{ contextKeys: ['app:jira', 'tenant:acme'] }, ['acmes']],
    [{ contextKeys: ['tenant:acme'] }, ['anns acme']],
    // The SDK sends nothing for an empty list.
    [{ contextKeys: [] }, all],
    [{ contextKeys: [''] }, ['chens', 'bobs teams', 'anns']],
    [{ integrationIdentifier: 'msteams' }, ['bobs teams']],
    [{ integrationIdentifier: 'nope' }, []],
    [{ providerId: 'slack', channel: 'chat', subscriberId: 'chen' }, ['chens']],
    [{ after: 'unknown' }, []],
  ])('with %j finds %j', async (query, expected) => {
    expect(identifiersOf(await listed.channelConnections.list(query))).toEqual(expected);
  });

  itIsAList((query) => listed.channelConnections.list(query), all);
});
