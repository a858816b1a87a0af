import { UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { writesThatTell } from '../../infra/events.ts';
import { type Event, eventSchema } from '../../lib/events/event.ts';
import type { StreamRecord } from '../../lib/events/row-change.ts';
import { dynamoConnectionStore } from '../../lib/store/connection-store.ts';
import { dynamoGrantStore } from '../../lib/store/grant-store.ts';
import { keyOf } from '../../lib/store/keys.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { letSweepFinish } from '../support/settled.ts';
import { signingSecret, slackEvents } from '../support/slack-events.ts';
import * as teams from '../support/teams.ts';
import { acme, globex, tokenTools } from '../support/tokens.ts';

let service: TestService;
let tools: ReturnType<typeof tokenTools>;

beforeAll(async () => {
  service = await startTestService({ withEvents: true });
  tools = tokenTools(service);
});

afterEach(() => service.slack.behave());
afterAll(() => service.close());

const stream = () => service.stream as NonNullable<TestService['stream']>;

/** What is published for an environment while something is done. */
async function eventsOf({ environmentId }: TestEnvironment, work: () => Promise<unknown>): Promise<Event[]> {
  const before = (await service.events()).length;
  await work();
  return (await service.events()).slice(before).filter((event) => event.environmentId === environmentId);
}

/** What was counted for the alarm. */
async function losses() {
  await service.events();
  return stream().lost;
}

/** What the stream says of everything that is written meanwhile. */
async function recordsOf(work: () => Promise<unknown>): Promise<StreamRecord[]> {
  await service.events();
  const from = stream().records.length;
  await work();
  await service.events();
  return stream().records.slice(from);
}

const told = (events: readonly Event[]) => events.map(({ type, data }) => [type, data.identifier]);
const verify = (environment: TestEnvironment, identifier = 'mine') =>
  service.api(environment.apiKey, 'POST', `/v1/channel-connections/${identifier}/verify`);
const remove = (environment: TestEnvironment, identifier = 'mine') =>
  service.api(environment.apiKey, 'DELETE', `/v1/channel-connections/${identifier}`);
const connect = (environment: TestEnvironment, body: object = {}, choice: object = {}) =>
  service.connect(environment, { connectionIdentifier: 'mine', ...body }, choice);

/** Slack says no to the bot's token, and somebody notices. */
async function lose(environment: TestEnvironment, identifier = 'mine') {
  service.slack.uninstall(environment.slackApp.clientId, acme.id);
  service.advance(11_000);
  await verify(environment, identifier);
}

describe('a connection', () => {
  it('is created once, with what the API shows of it and nothing else', async () => {
    const environment = await service.createTestEnvironment();

    const events = await eventsOf(environment, () =>
      connect(environment, { context: { tenant: 'acme' }, metadata: 'of the product', scope: ['chat:write'] }),
    );

    expect(events).toEqual([
      {
        version: 1,
        id: expect.stringMatching(/^[0-9a-f]{64}$/),
        type: 'connection.created',
        time: (await tools.shown(environment)).updatedAt,
        environmentId: environment.environmentId,
        data: {
          identifier: 'mine',
          integrationIdentifier: 'slack',
          providerId: 'slack',
          subscriberId: 'subscriber-1',
          contextKeys: ['tenant:acme'],
          workspace: { id: acme.id, name: acme.name },
          scopes: ['chat:write'],
          status: 'active',
        },
      },
    ]);
  });

  it('is updated by a new approval for the same workspace, which says what it changed', async () => {
    const environment = await service.createTestEnvironment();
    await connect(environment, { scope: ['chat:write'] });

    const again = await eventsOf(environment, () => connect(environment, { scope: ['chat:write'] }));
    const wider = await eventsOf(environment, () =>
      connect(environment, { scope: ['chat:write', 'channels:read'], metadata: 'text' }),
    );

    expect(again).toMatchObject([
      { type: 'connection.updated', data: { identifier: 'mine', status: 'active', changed: ['credential'] } },
    ]);
    expect(wider).toMatchObject([
      { type: 'connection.updated', data: { changed: ['scopes', 'metadata', 'credential'] } },
    ]);
    expect(JSON.stringify(wider)).not.toContain('previousWorkspace');
    expect(JSON.stringify(wider)).not.toContain('"text"');
  });

  it('names both workspaces when it changes its account, and ends in one event', async () => {
    const environment = await service.createTestEnvironment();
    await connect(environment, { autoLinkUser: true });

    const events = await eventsOf(environment, async () => {
      await connect(environment, { autoLinkUser: true }, { workspaceId: globex.id });
      await letSweepFinish(service);
    });

    const ofConnection = events.filter(({ type }) => type.startsWith('connection.'));
    expect(ofConnection).toMatchObject([
      {
        type: 'connection.updated',
        data: {
          workspace: { id: globex.id, name: globex.name },
          previousWorkspace: { id: acme.id, name: acme.name },
          changed: ['workspace', 'credential'],
        },
      },
    ]);
    expect(
      told(events)
        .map(([type]) => type)
        .sort(),
    ).toEqual(['connection.updated', 'endpoint.created', 'endpoint.deleted']);
  });

  it('is deleted once, also when it was the last one of its token, and created when it comes again', async () => {
    const environment = await service.createTestEnvironment();
    await connect(environment);

    const gone = await eventsOf(environment, async () => {
      await remove(environment);
      await letSweepFinish(service);
    });
    const back = await eventsOf(environment, () => connect(environment));

    expect(told(gone)).toEqual([['connection.deleted', 'mine']]);
    expect(gone[0]?.data).toMatchObject({ subscriberId: 'subscriber-1', workspace: { id: acme.id } });
    expect(told(back)).toEqual([['connection.created', 'mine']]);
  });

  it('that shares its token is silent when another one goes', async () => {
    const environment = await service.createTestEnvironment();
    await connect(environment);
    await connect(environment, { subscriberId: 'bob', connectionIdentifier: 'bobs' });

    const events = await eventsOf(environment, async () => {
      await remove(environment, 'bobs');
      await letSweepFinish(service);
    });

    expect(told(events)).toEqual([['connection.deleted', 'bobs']]);
  });

  it('goes with its integration', async () => {
    const environment = await service.createTestEnvironment();
    await connect(environment, { autoLinkUser: true });
    const { _id } = (await service.api(environment.apiKey, 'GET', '/v1/integrations')).json.data[0];

    const events = await eventsOf(environment, async () => {
      await service.api(environment.apiKey, 'DELETE', `/v1/integrations/${_id}`);
      await letSweepFinish(service);
    });

    expect(
      told(events)
        .map(([type]) => type)
        .sort(),
    ).toEqual(['connection.deleted', 'endpoint.deleted']);
  });

  it('that a caller brings is created, and updated with each new credential', async () => {
    const environment = await service.createTestEnvironment();

    const made = await eventsOf(environment, () => tools.brought(environment, { accessToken: 'xoxb-canary-brought' }));
    const identifier = made[0]?.data.identifier ?? '';
    const changed = await eventsOf(environment, () =>
      service.api(environment.apiKey, 'PATCH', `/v1/channel-connections/${identifier}`, {
        workspace: { id: globex.id },
        auth: { accessToken: 'xoxb-canary-brought-again' },
      }),
    );

    expect(made).toMatchObject([{ type: 'connection.created', data: { subscriberId: 'caller', status: 'active' } }]);
    expect(changed).toMatchObject([
      {
        type: 'connection.updated',
        data: {
          previousWorkspace: { id: acme.id },
          workspace: { id: globex.id },
          changed: ['workspace', 'credential'],
        },
      },
    ]);
  });

  describe('of a tenant', () => {
    /** The tenant's administrator has approved, and Microsoft needs time. */
    async function pending() {
      const environment = await teams.createTeams(service);
      service.microsoft.grantRolesAfter(20_000);
      const events = await eventsOf(environment, () => teams.connect(service, environment, { autoLinkUser: true }));
      service.microsoft.grantRolesAfter(0);
      return { environment, events };
    }

    it('is created pending and updated when it is active', async () => {
      const { environment, events } = await pending();

      const active = await eventsOf(environment, async () => {
        service.advance(25_000);
        await service.sweep();
      });

      expect(events).toMatchObject([
        { type: 'connection.created', data: { status: 'pending', statusReason: 'roles_missing' } },
      ]);
      expect(active).toMatchObject([
        { type: 'connection.updated', data: { status: 'active', changed: ['status', 'statusReason'] } },
        { type: 'endpoint.created', data: { type: 'ms_teams_user' } },
      ]);
    });

    it('is deleted with what it waited for when it is given up', async () => {
      const environment = await teams.createTeams(service);
      service.microsoft.grantRolesAfter(2 * 24 * 3_600_000);
      await teams.connect(service, environment);

      const events = await eventsOf(environment, async () => {
        service.advance(25 * 3_600_000);
        await service.sweep();
      });
      service.microsoft.grantRolesAfter(0);

      expect(events).toMatchObject([{ type: 'connection.deleted', data: { statusReason: 'roles_missing' } }]);
    });
  });
});

describe('a connection whose token the provider refuses', () => {
  it('needs a new approval, and so do all that share the token; then they recover together', async () => {
    const environment = await service.createTestEnvironment();
    await connect(environment);
    await connect(environment, { subscriberId: 'bob', connectionIdentifier: 'bobs' });
    const reported = (await losses()).length;

    const lost = await eventsOf(environment, () => lose(environment));
    const again = await eventsOf(environment, () => verify(environment, 'bobs'));
    const recovered = await eventsOf(environment, () => connect(environment));

    expect(told(lost).sort()).toEqual([
      ['connection.reauthorization_required', 'bobs'],
      ['connection.reauthorization_required', 'mine'],
    ]);
    expect(lost[0]?.data).toMatchObject({ status: 'reauthorization_required', statusReason: 'token_revoked' });
    expect(again).toEqual([]);
    expect(told(recovered).sort()).toEqual([
      ['connection.recovered', 'bobs'],
      ['connection.recovered', 'mine'],
      ['connection.updated', 'mine'],
    ]);
    expect((await losses()).slice(reported)).toMatchObject([
      { environmentId: environment.environmentId, connections: 2, reason: 'token_revoked' },
    ]);
  });

  it('needs one after a refresh that is refused, too', async () => {
    const environment = await tools.connected();
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'ok_false', error: 'invalid_refresh_token', times: 1 });

    const events = await eventsOf(environment, () => verify(environment));

    expect(events).toMatchObject([
      { type: 'connection.reauthorization_required', data: { statusReason: 'invalid_refresh_token' } },
    ]);
  });

  it('is revoked when the workspace removes the app, and recovers when it comes back', async () => {
    const environment = await service.createTestEnvironment({ credentials: { signingSecret } });
    const slack = await slackEvents(service, environment);
    await connect(environment);
    await connect(environment, { subscriberId: 'bob', connectionIdentifier: 'bobs' });
    const reported = (await losses()).length;
    service.advance(20_000);

    const removal = slack.uninstalled();
    const removed = await eventsOf(environment, () => slack.send(removal));
    const again = await eventsOf(environment, () => slack.send(removal));
    service.advance(20_000);
    const back = await eventsOf(environment, () => connect(environment));

    expect(told(removed).sort()).toEqual([
      ['connection.reauthorization_required', 'bobs'],
      ['connection.reauthorization_required', 'mine'],
    ]);
    expect(removed[0]?.data).toMatchObject({ status: 'revoked', statusReason: 'app_uninstalled' });
    expect((await losses()).slice(reported)).toMatchObject([{ connections: 2, reason: 'app_uninstalled' }]);
    expect(again).toEqual([]);
    expect(told(back).sort()).toEqual([
      ['connection.recovered', 'bobs'],
      ['connection.recovered', 'mine'],
      ['connection.updated', 'mine'],
    ]);
  });

  it('is lost later than connected, and recovered later than lost, also within the second that Slack tells', async () => {
    const environment = await service.createTestEnvironment({ credentials: { signingSecret } });
    const slack = await slackEvents(service, environment);
    service.freeze(Math.ceil(service.now() / 1000) * 1000 + 500);
    const connected = await eventsOf(environment, () => connect(environment));
    const lost = await eventsOf(environment, () => slack.send(slack.uninstalled()));
    service.freeze();
    service.advance(2_000);
    const back = await eventsOf(environment, () => connect(environment));

    const recovered = back.find(({ type }) => type === 'connection.recovered');
    const times = [connected[0], lost[0], recovered].map((event) => event?.time);
    expect(times).not.toContain(undefined);
    expect(times).toEqual([...new Set(times)].sort());
  });

  it('is updated when there is more to say, and not lost once more', async () => {
    const environment = await service.createTestEnvironment({ credentials: { signingSecret } });
    const slack = await slackEvents(service, environment);
    await connect(environment);
    await lose(environment);
    const reported = (await losses()).length;
    service.advance(20_000);

    const events = await eventsOf(environment, () => slack.send(slack.uninstalled()));

    expect(events).toMatchObject([
      {
        type: 'connection.updated',
        data: { status: 'revoked', statusReason: 'app_uninstalled', changed: ['status', 'statusReason'] },
      },
    ]);
    expect((await losses()).slice(reported)).toEqual([]);
  });

  it('is not told of when it left that token or went, however late the change is looked at', async () => {
    const environment = await service.createTestEnvironment();
    const { environmentId } = environment;
    await connect(environment);
    await connect(environment, { subscriberId: 'bob', connectionIdentifier: 'bobs' });
    const { grantId } = await tools.grantOf(environment);
    const references = await dynamoGrantStore(service.db).references(environmentId, grantId);
    const change = await recordsOf(() => lose(environment));
    const before = await handed(change);
    await connect(environment, {}, { workspaceId: globex.id });
    await remove(environment, 'bobs');

    const late = await handed(change);
    // As a process that ended in between would leave them.
    for (const { subjectKey, asOf } of references) {
      await dynamoGrantStore(service.db).addReference(environmentId, grantId, subjectKey, { asOf });
    }
    const withReferences = await handed(change);

    expect(references).toHaveLength(2);
    expect([before, late, withReferences].map(({ events }) => events.length)).toEqual([2, 0, 0]);
  });

  it('does not recover when it comes to a token that others had lost, or is made anew on it', async () => {
    const environment = await service.createTestEnvironment();
    await connect(environment);
    await connect(environment, { subscriberId: 'bob', connectionIdentifier: 'bobs' }, { workspaceId: globex.id });
    await lose(environment);
    let moved: Event[] = [];

    const records = await recordsOf(async () => {
      moved = await eventsOf(environment, () =>
        connect(environment, { subscriberId: 'bob', connectionIdentifier: 'bobs' }),
      );
      await connect(environment, { subscriberId: 'carol', connectionIdentifier: 'carols' });
    });
    const late = await handed(records);

    expect(told(moved)).toEqual([
      ['connection.recovered', 'mine'],
      ['connection.updated', 'bobs'],
    ]);
    expect(told(late.events)).toEqual([...told(moved), ['connection.created', 'carols']]);
  });
});

describe('an endpoint', () => {
  it('is created and deleted once, and silent in between', async () => {
    const environment = await service.createTestEnvironment();
    await connect(environment);
    const webhook = 'https://hooks.example.com/canary-webhook-path';
    const path = '/v1/channel-endpoints';

    const made = await eventsOf(environment, () =>
      service.api(environment.apiKey, 'POST', path, {
        integrationIdentifier: 'slack',
        subscriberId: 'subscriber-1',
        connectionIdentifier: 'mine',
        identifier: 'hook',
        type: 'webhook',
        endpoint: { url: webhook },
      }),
    );
    const changed = await eventsOf(environment, () =>
      service.api(environment.apiKey, 'PATCH', `${path}/hook`, { endpoint: { url: `${webhook}-2` } }),
    );
    const gone = await eventsOf(environment, () => service.api(environment.apiKey, 'DELETE', `${path}/hook`));

    const data = {
      identifier: 'hook',
      integrationIdentifier: 'slack',
      providerId: 'slack',
      subscriberId: 'subscriber-1',
      contextKeys: [],
      type: 'webhook',
      connectionIdentifier: 'mine',
    };
    expect([made, changed, gone]).toMatchObject([[{ type: 'endpoint.created' }], [], [{ type: 'endpoint.deleted' }]]);
    expect([made[0]?.data, gone[0]?.data]).toEqual([data, data]);
  });
});

describe('what nobody sees', () => {
  it('is in no event: refreshes, checks, put-offs, and what is left after a change', async () => {
    const environment = await tools.connected();
    await connect(environment, {}, { workspaceId: globex.id });

    const events = await eventsOf(environment, async () => {
      for (let round = 0; round < 3; round += 1) {
        service.advance(11_000);
        expect((await verify(environment)).status).toBe(200);
      }
      await letSweepFinish(service);
    });

    expect(events).toEqual([]);
  });

  it('is not even handed to the function: what the stream leaves out has no event', async () => {
    await service.events();
    const leftOut = stream().records.filter((record) => !writesThatTell.some((pattern) => matches(pattern, record)));

    const { events } = await handed(leftOut);

    expect(leftOut.length).toBeGreaterThan(5);
    expect(events).toEqual([]);
  });
});

/** Hands writes to the function again, whatever the bus does. */
async function handed(Records: readonly StreamRecord[], publish = (events: readonly Event[]) => events.length) {
  const events: Event[] = [];
  const handler = stream().handlerFor({
    async publish(published) {
      const taken = publish(published);
      events.push(...published.slice(0, taken));
      return taken;
    },
  });
  const answer = await handler({ Records });
  return { events, again: answer.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier) };
}

/** As Lambda filters, as far as ours need it. */
function matches(pattern: object, value: unknown): boolean {
  return Object.entries(pattern).every(([name, expected]) => {
    const actual = (value as Record<string, unknown> | undefined)?.[name];
    if (!Array.isArray(expected)) return matches(expected, actual);
    return expected.some((rule) =>
      typeof rule === 'string' ? rule === actual : actual !== undefined && !rule['anything-but'].includes(actual),
    );
  });
}

describe('a batch of writes', () => {
  /** Writes of three connections, with one event each. */
  async function batch() {
    const environment = await service.createTestEnvironment();
    const all = await recordsOf(async () => {
      for (const name of ['a', 'b', 'c'])
        await connect(environment, { subscriberId: name, connectionIdentifier: name });
    });
    const records = all.filter(({ dynamodb }) => dynamodb.Keys.sk.S === 'CONN');
    const numbers = records.map(({ dynamodb }) => dynamodb.SequenceNumber);
    return { environment, records, numbers };
  }

  it('gives the same events when it is delivered again', async () => {
    const { environment, records } = await batch();
    const first = (await service.events()).filter((event) => event.environmentId === environment.environmentId);

    const again = await handed(records);

    expect(again).toEqual({ events: first, again: [] });
    expect(new Set(first.map(({ id }) => id)).size).toBe(3);
  });

  it('comes again from the first write that the bus did not take', async () => {
    const { records, numbers } = await batch();

    const { events, again } = await handed(records, () => 1);
    const none = await handed(records, () => 0);

    expect(told(events)).toEqual([['connection.created', 'a']]);
    expect([again, none.again]).toEqual([[numbers[1]], [numbers[0]]]);
  });

  it('goes on behind a row that cannot be read, which is logged without what it holds', async () => {
    const { records } = await batch();
    const [first, second, third] = records as [StreamRecord, StreamRecord, StreamRecord];
    const ofAnotherVersion = { ...second.dynamodb.NewImage, schemaVersion: { N: '99' } };
    const poisoned = { dynamodb: { ...second.dynamodb, NewImage: ofAnotherVersion } };
    const from = service.lines.length;

    const { events, again } = await handed([first, poisoned, third]);

    expect(told(events).map(([, identifier]) => identifier)).toEqual(['a', 'c']);
    expect(again).toEqual([]);
    const lines = service.lines.slice(from);
    expect(lines).toMatchObject([
      { level: 'error', fields: { row: expect.stringMatching(/^C#.* CONN$/), errorName: 'UnreadableRowError' } },
    ]);
    expect(JSON.stringify(lines)).not.toMatch(/subscriberId|"b"|Acme/);
  });

  it('tells of the others when one of the connections of a token cannot be read', async () => {
    const { environment } = await batch();
    const { environmentId } = environment;
    const poisoned = await dynamoConnectionStore(service.db).find(environmentId, 'b');
    await service.db.client.send(
      new UpdateCommand({
        TableName: service.db.tables.connections,
        Key: { ...keyOf.connection(environmentId, poisoned?.subjectKey ?? '') },
        UpdateExpression: 'SET schemaVersion = :other',
        ExpressionAttributeValues: { ':other': 99 },
      }),
    );
    const grant = await tools.grantOf(environment);

    const events = await eventsOf(environment, () =>
      dynamoGrantStore(service.db).erase(grant, { asOf: service.now(), flowId: 'uninstalled' }),
    );

    expect(told(events).sort()).toEqual([
      ['connection.reauthorization_required', 'a'],
      ['connection.reauthorization_required', 'c'],
    ]);
    expect(service.lines.at(-1)).toMatchObject({ level: 'error', fields: { connectionKey: poisoned?.subjectKey } });
  });

  it('has no event for a tombstone that goes, and one for a living row that is gone without one', async () => {
    const { environment, records } = await batch();
    const [first] = records as [StreamRecord];
    const row = first.dynamodb.NewImage as Record<string, unknown>;
    const tombstone = { ...row, deletedAt: { N: '1' } };
    const removal = (OldImage: Record<string, unknown>) => ({
      dynamodb: { ...first.dynamodb, OldImage, NewImage: undefined },
    });

    const ofTombstone = await handed([removal(tombstone)]);
    const ofLiving = await handed([removal(row)]);

    expect(ofTombstone).toEqual({ events: [], again: [] });
    expect(ofLiving.events).toMatchObject([
      { type: 'connection.deleted', environmentId: environment.environmentId, data: { identifier: 'a' } },
    ]);
  });
});

describe('every event', () => {
  it('has the form of the schema and an id of its own', async () => {
    const events = await service.events();

    for (const event of events) expect(eventSchema.parse(event)).toEqual(event);
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    expect(new Set(events.map(({ type }) => type)).size).toBe(7);
  });

  it('names the things of its own environment alone', async () => {
    const [one, other] = [await service.createTestEnvironment(), await service.createTestEnvironment()];
    const before = (await service.events()).length;
    await connect(one, { subscriberId: 'of-one', connectionIdentifier: 'ones' });
    await connect(other, { subscriberId: 'of-other', connectionIdentifier: 'others' });
    await lose(one, 'ones');

    const events = (await service.events()).slice(before);

    const named = (environment: TestEnvironment) =>
      JSON.stringify(events.filter(({ environmentId }) => environmentId === environment.environmentId));
    expect(told(events).length).toBe(3);
    expect(named(one)).not.toMatch(/other/);
    expect(named(other)).not.toMatch(/of-one|ones/);
  });

  it('is without tokens, secrets, webhook URLs, sealed values and people, and so is every line of the log', async () => {
    const environment = await tools.connected();
    await connect(environment, { scope: ['chat:write', 'incoming-webhook'], metadata: 'canary-metadata' });
    await remove(environment);

    const said = JSON.stringify([await service.events(), service.lines]);

    expect(said).not.toMatch(/xox[a-z]|eyJ|hooks\.|canary|@/);
  });
});
