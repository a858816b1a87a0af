import { UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grantIdOf } from '../../lib/grant/grant.ts';
import { dynamoConnectionStore } from '../../lib/store/connection-store.ts';
import { dynamoGrantStore } from '../../lib/store/grant-store.ts';
import { keyOf } from '../../lib/store/keys.ts';
import { dieAfterTombstone, handleOf, startInstance } from '../support/instance.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { expectSettled, expectUsable, letSweepFinish } from '../support/settled.ts';
import { connect as connectTeams, createTeams } from '../support/teams.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

const collection = '/v1/channel-connections';
const acme = 'T0ACME0001';
const globex = 'T0GLOBEX01';

const remove = (environment: TestEnvironment, identifier: string) =>
  service.api(environment.apiKey, 'DELETE', `${collection}/${identifier}`);

const grants = () => dynamoGrantStore(service.db);

async function integrationOf({ apiKey }: TestEnvironment) {
  return (await service.api(apiKey, 'GET', '/v1/integrations')).json.data[0];
}

async function grantIdIn(environment: TestEnvironment, workspaceId = acme, userId?: string): Promise<string> {
  return grantIdOf((await integrationOf(environment))._id, workspaceId, userId);
}

const grantOf = async (environment: TestEnvironment, workspaceId = acme) =>
  grants().get(environment.environmentId, await grantIdIn(environment, workspaceId));

/** Counts, from here on, the calls with a token of the environment's app. */
function calls({ slackApp }: TestEnvironment) {
  const start = service.slack.calls.length;
  const isOwn = (call: { authorization?: string }) => call.authorization?.includes(`-${slackApp.appId}-`);
  return (method: string) =>
    service.slack.calls.slice(start).filter((call) => call.method === method && isOwn(call)).length;
}

describe('DELETE /v1/channel-connections/{identifier}', () => {
  it('hides the connection and its endpoints, frees its identifier and revokes its token', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine', autoLinkUser: true });
    const own = { integrationIdentifier: 'slack', subscriberId: 'bob', connectionIdentifier: 'mine' };
    const endpoint = { ...own, type: 'slack_channel', endpoint: { channelId: 'C0GENERAL' } };
    await service.api(environment.apiKey, 'POST', '/v1/channel-endpoints', endpoint);
    const called = calls(environment);

    const answer = await remove(environment, 'mine');

    expect(answer).toMatchObject({ status: 204, text: '' });
    expect((await service.api(environment.apiKey, 'GET', `${collection}/mine`)).status).toBe(404);
    expect([await service.connections(environment), await service.endpoints(environment)]).toEqual([[], []]);
    expect(called('auth.revoke')).toBe(1);
    expect(await grantOf(environment)).toMatchObject({ status: 'revoked', token: '' });
    await service.connect(environment, { subscriberId: 'another', connectionIdentifier: 'mine' });
    expect(await service.connections(environment)).toMatchObject([{ identifier: 'mine', subscriberId: 'another' }]);
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });

  it('leaves a token alone while another connection lives on it; the last one revokes it, once', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { subscriberId: 'ann', connectionIdentifier: 'anns' });
    await service.connect(environment, { subscriberId: 'bob', connectionIdentifier: 'bobs' });
    const called = calls(environment);

    await remove(environment, 'anns');
    await letSweepFinish(service);
    const between = [called('auth.revoke'), (await grantOf(environment))?.status];
    await remove(environment, 'bobs');
    await letSweepFinish(service);

    expect(between).toEqual([0, 'active']);
    expect([called('auth.revoke'), (await grantOf(environment))?.status]).toEqual([1, 'revoked']);
    await expectSettled(service, environment);
  });

  it('answers 404 for what does not exist, and the second time', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine' });
    await remove(environment, 'mine');

    for (const identifier of ['mine', 'never']) {
      const answer = await remove(environment, identifier);
      expect(answer.status).toBe(404);
      expect(answer.json).toMatchObject({
        message: `Channel connection with identifier '${identifier}' not found`,
        error: 'connection_not_found',
      });
    }
  });

  it('of several at once deletes once', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine' });
    const called = calls(environment);

    const answers = await Promise.all(Array.from({ length: 6 }, () => remove(environment, 'mine')));

    expect(answers.map((answer) => answer.status).sort()).toEqual([204, ...Array(5).fill(404)]);
    expect(called('auth.revoke')).toBe(1);
  });

  it('works by the derived identifier, and the connection can be made anew at once', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { autoLinkUser: true });
    const [{ identifier }] = await service.connections(environment);
    await remove(environment, identifier);
    service.advance(1);

    await service.connect(environment, { connectionIdentifier: 'mine', autoLinkUser: true });
    await letSweepFinish(service);

    expect(await service.connections(environment)).toMatchObject([{ identifier: 'mine', status: 'active' }]);
    expect(await service.endpoints(environment)).toHaveLength(1);
    await expectSettled(service, environment);
  });

  it('only erases what a caller brought', async () => {
    const environment = await service.createTestEnvironment();
    await service.api(environment.apiKey, 'POST', collection, {
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
      identifier: 'mine',
      workspace: { id: acme },
      auth: { accessToken: 'xoxb-brought' },
    });
    const called = calls(environment);

    await remove(environment, 'mine');

    expect(called('auth.revoke')).toBe(0);
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });

  it('ends a Teams connection, of which there is no token to revoke', async () => {
    const environment = await createTeams(service);
    await connectTeams(service, environment, { connectionIdentifier: 'mine', autoLinkUser: true });
    const before = await service.endpoints(environment);

    const answer = await remove(environment, 'mine');

    expect([before.length, answer.status]).toEqual([1, 204]);
    await letSweepFinish(service);
    await expectSettled(service, environment);
    expect(await service.endpoints(environment)).toEqual([]);
  });
});

describe('configurations.revoke', () => {
  it('none: the token is erased here and goes on living at Slack', async () => {
    const environment = await service.createTestEnvironment({ configurations: { revoke: 'none' } });
    await service.connect(environment, { connectionIdentifier: 'mine' });
    const called = calls(environment);

    await remove(environment, 'mine');

    expect([called('auth.revoke'), called('apps.uninstall')]).toEqual([0, 0]);
    expect(await grantOf(environment)).toMatchObject({ status: 'revoked', token: '' });
  });

  it('uninstall: the last connection of a workspace removes the app from it', async () => {
    const environment = await service.createTestEnvironment({ configurations: { revoke: 'uninstall' } });
    await service.connect(environment, { subscriberId: 'ann', connectionIdentifier: 'anns' });
    await service.connect(environment, { subscriberId: 'bob', connectionIdentifier: 'bobs' });
    const called = calls(environment);

    await remove(environment, 'anns');
    const between = called('apps.uninstall');
    await remove(environment, 'bobs');

    expect([between, called('apps.uninstall'), called('auth.revoke')]).toEqual([0, 1, 0]);
    expect(await grantOf(environment)).toMatchObject({ status: 'revoked', token: '' });
  });

  it('uninstall: a flow that fails after its exchange removes the app as well', async () => {
    const environment = await service.createTestEnvironment({ configurations: { revoke: 'uninstall' } });
    await service.connect(environment, { subscriberId: 'ann', connectionIdentifier: 'mine' });
    const called = calls(environment);

    const conflict = { subscriberId: 'bob', connectionIdentifier: 'mine' };
    const page = await service.connect(environment, conflict, { workspaceId: globex });

    expect(page.text).toContain('identifier_conflict');
    expect([called('apps.uninstall'), called('auth.revoke')]).toEqual([1, 0]);
  });

  it('uninstall: is asked for again when Slack refuses, and the log says its reason', async () => {
    const environment = await service.createTestEnvironment({ configurations: { revoke: 'uninstall' } });
    await service.connect(environment, { connectionIdentifier: 'mine' });
    service.slack.registerApp({ ...environment.slackApp, clientSecret: 'another' });
    const called = calls(environment);

    await remove(environment, 'mine');
    const refused = service.lines.findLast((line) => line.message === 'the provider did not confirm a revocation');
    service.slack.registerApp(environment.slackApp);
    await letSweepFinish(service);

    expect(refused?.fields).toMatchObject({ how: 'uninstall', tries: 1, providerError: 'bad_client_secret' });
    expect(called('apps.uninstall')).toBe(2);
    await expectSettled(service, environment);
  });

  /** As an install page that asks a person for a token too: connect URLs do not do so themselves. */
  async function connectWithUserToken(environment: TestEnvironment, body: Record<string, unknown>) {
    const url = new URL(await service.connectUrl(environment, body));
    url.searchParams.set('user_scope', 'search:read');
    const callback = await service.approve(url.href);
    await service.db.client.send(
      new UpdateCommand({
        TableName: service.db.tables.flows,
        Key: keyOf.flow(handleOf(callback).flowId),
        UpdateExpression: 'SET userScopes = :scopes',
        ExpressionAttributeValues: { ':scopes': ['search:read'] },
      }),
    );
    await service.request('GET', callback);
  }

  it('uninstall: not while a person’s token is in use in the workspace', async () => {
    const environment = await service.createTestEnvironment({ configurations: { revoke: 'uninstall' } });
    await service.connect(environment, { subscriberId: 'bob', connectionIdentifier: 'bobs' });
    await connectWithUserToken(environment, { subscriberId: 'ann', connectionIdentifier: 'anns', scope: [] });
    const called = calls(environment);

    await remove(environment, 'bobs');
    const between = [called('apps.uninstall'), called('auth.revoke')];
    await remove(environment, 'anns');
    await letSweepFinish(service);

    expect(between).toEqual([0, 1]);
    expect([called('apps.uninstall'), called('auth.revoke')]).toEqual([0, 2]);
    await expectSettled(service, environment);
  });

  it('uninstall: a connection’s own person does not keep the app', async () => {
    const environment = await service.createTestEnvironment({ configurations: { revoke: 'uninstall' } });
    await connectWithUserToken(environment, { subscriberId: 'ann', connectionIdentifier: 'anns' });
    const { userGrantId } = (await dynamoConnectionStore(service.db).find(environment.environmentId, 'anns')) ?? {};
    const called = calls(environment);

    await remove(environment, 'anns');
    await letSweepFinish(service);

    expect(userGrantId).toBeDefined();
    expect(called('apps.uninstall')).toBe(1);
    expect(await grants().userGrants(environment.environmentId, await grantIdIn(environment))).toEqual([]);
    await expectSettled(service, environment);
  });
});

describe('who else lives on a token', () => {
  const app = { clientId: 'shared.revocation', clientSecret: 'canary-shared', appId: 'A0SHAREDREV' };

  it('is another environment with the same app, as long as its integration is not being deleted', async () => {
    const one = await service.createTestEnvironment({ app });
    const other = await service.createTestEnvironment({ app });
    for (const environment of [one, other]) await service.connect(environment, { connectionIdentifier: 'mine' });
    const called = calls(one);

    await remove(one, 'mine');
    const whileLiving = [called('auth.revoke'), (await grantOf(one))?.token];
    await service.connect(one, { connectionIdentifier: 'mine' });
    const { _id: integrationId } = await integrationOf(other);
    await service.db.client.send(
      new UpdateCommand({
        TableName: service.db.tables.connections,
        Key: keyOf.integration(integrationId),
        UpdateExpression: 'SET #state = :deleting',
        ExpressionAttributeNames: { '#state': 'state' },
        ExpressionAttributeValues: { ':deleting': 'deleting' },
      }),
    );
    await remove(one, 'mine');

    expect(whileLiving).toEqual([0, '']);
    expect(called('auth.revoke')).toBe(1);
  });

  it.each([
    ['is a connection that is about to be written', 24, 0],
    ['is nobody whose connection never came', 26, 1],
  ])('%s', async (_, hours, revocations) => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine' });
    const { environmentId } = environment;
    const grantId = await grantIdIn(environment);
    await grants().addReference(environmentId, grantId, 'another-subject', {
      asOf: service.now() - hours * 60 * 60_000,
    });
    const called = calls(environment);

    await remove(environment, 'mine');

    expect(called('auth.revoke')).toBe(revocations);
    expect(await grants().references(environmentId, grantId)).toHaveLength(1 - revocations);
  });

  it('is another flow that is about to store the same token, when a flow fails', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine' }, { workspaceId: globex });
    const { environmentId } = environment;
    const grantId = await grantIdIn(environment);
    const called = calls(environment);

    await grants().addReference(environmentId, grantId, 'another-subject', { asOf: service.now() });
    await service.connect(environment, { subscriberId: 'bob', connectionIdentifier: 'mine' });
    const whileWriting = called('auth.revoke');
    await grants().removeReference(environmentId, grantId, 'another-subject', { asOf: service.now() });
    await service.connect(environment, { subscriberId: 'bob', connectionIdentifier: 'mine' });

    expect([whileWriting, called('auth.revoke')]).toEqual([0, 1]);
  });

  it('is a connection of long ago that still names it', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { subscriberId: 'ann', connectionIdentifier: 'anns' });
    service.advance(26 * 60 * 60_000);
    await service.connect(environment, { subscriberId: 'bob', connectionIdentifier: 'bobs' });
    const called = calls(environment);

    await remove(environment, 'bobs');

    expect(called('auth.revoke')).toBe(0);
    await expectUsable(service, environment);
  });
});

describe('a revocation that Slack does not confirm', () => {
  it.each(['http_500', 'drop_after', 'ok_false', 'malformed', 'rate_limited'] as const)(
    'because of %s hides the connection all the same, and is tried again by the sweep until it is',
    async (kind) => {
      const environment = await service.createTestEnvironment();
      await service.connect(environment, { connectionIdentifier: 'mine' });
      service.slack.misbehave({ method: 'auth.revoke', kind, times: 2 });
      const called = calls(environment);

      const answer = await remove(environment, 'mine');
      const left = await grantOf(environment);
      service.advance(61_000);
      await service.sweep();
      service.advance(121_000);
      await service.sweep();

      expect(answer.status).toBe(204);
      expect(left).toMatchObject({ status: 'revoking', revocation: { how: 'token', tries: 1 } });
      expect(left?.token).not.toBe('');
      expect(called('auth.revoke')).toBe(3);
      expect(await grantOf(environment)).toMatchObject({ status: 'revoked', token: '' });
      expect(service.lines.at(-1)?.message).toBe('token revoked');
      service.slack.behave();
    },
  );

  it('is not tried while somebody connects the workspace again, whose token it would be', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine' });
    service.slack.misbehave({ method: 'auth.revoke', kind: 'http_500', times: 1 });
    await remove(environment, 'mine');
    const callback = await service.approve(await service.connectUrl(environment));
    const waiting = await service.request('GET', callback);
    const called = calls(environment);

    service.advance(61_000);
    await service.sweep();
    await service.sweep();
    const page = await service.request('GET', callback);
    await letSweepFinish(service);

    expect([waiting.status, page.status]).toEqual([202, 200]);
    expect(called('auth.revoke')).toBe(0);
    expect(await service.connections(environment)).toMatchObject([{ status: 'active' }]);
    await expectSettled(service, environment);
  });

  it('is tried less and less often, and given up after a month; the log says so', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine' });
    service.slack.misbehave({ method: 'auth.revoke', kind: 'http_500' });
    const called = calls(environment);
    await remove(environment, 'mine');

    for (let day = 0; day < 29; day += 1) {
      service.advance(24 * 60 * 60_000);
      await service.sweep();
    }
    const afterDays = called('auth.revoke');
    for (let day = 0; day < 14; day += 1) {
      service.advance(24 * 60 * 60_000);
      await service.sweep();
    }

    expect(afterDays).toBe(30);
    expect(called('auth.revoke')).toBe(40);
    expect(await grantOf(environment)).toMatchObject({ status: 'revoked', token: '' });
    const last = service.lines.findLast((line) => line.level === 'error');
    expect(last?.message).toBe('a token was erased that the provider never ended');
    service.slack.behave();
    await expectSettled(service, environment);
  });
});

describe('a connection that is made anew after a deletion that crashed', () => {
  it('answers 204 when the connection is hidden, and logs what is left', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine', autoLinkUser: true });

    const answer = await dieAfterTombstone(service, environment);

    expect(answer.statusCode).toBe(204);
    expect(service.lines.map((line) => line.message)).toContain('the rest of a change is left to the sweep');
    expect(await service.connections(environment)).toEqual([]);
    await letSweepFinish(service);
    await expectSettled(service, environment);
    expect(await service.endpoints(environment)).toEqual([]);
  });

  it('takes over what is left: old endpoints go, its own stay, and the token that it shares lives', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine', autoLinkUser: true });
    const [old] = await service.endpoints(environment);
    await dieAfterTombstone(service, environment);
    service.advance(1_000);
    const called = calls(environment);

    await service.connect(environment, { autoLinkUser: true }, { userId: 'U0BOBACME0001' });
    const atOnce = await service.endpoints(environment);
    await letSweepFinish(service);

    expect(atOnce).toHaveLength(1);
    expect(atOnce[0].identifier).not.toBe(old.identifier);
    expect(await service.endpoints(environment)).toEqual(atOnce);
    expect(called('auth.revoke')).toBe(0);
    await expectSettled(service, environment);
  });

  it('in another workspace ends the token of the first one', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine' });
    await dieAfterTombstone(service, environment);
    service.advance(1_000);
    const called = calls(environment);

    await service.connect(environment, {}, { workspaceId: globex });

    expect(called('auth.revoke')).toBe(1);
    expect(await grantOf(environment)).toMatchObject({ status: 'revoked' });
    await letSweepFinish(service);
    await expectSettled(service, environment);
  });
});

describe('a callback that a deletion overtakes', () => {
  it.each([
    ['before it writes the connection', 'CONN'],
    ['before it writes the grant', 'GRANT'],
    ['before it links the person', 'EP'],
  ])('%s does not bring the connection back', async (_, kind) => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine' });
    const callback = await service.approve(await service.connectUrl(environment, { autoLinkUser: true }));
    const slow = startInstance(service);
    slow.before(
      ({ name, input }) => /^(Put|Update)/.test(name) && (input.Item?.sk ?? input.Key?.sk) === kind,
      async () => {
        service.advance(10);
        expect((await remove(environment, 'mine')).status).toBe(204);
      },
    );

    const page = await slow.hit(callback);

    expect(page.statusCode).toBe(400);
    expect(page.body).toContain('deleted_meanwhile');
    expect(await service.connections(environment)).toEqual([]);
    await letSweepFinish(service);
    await expectSettled(service, environment);
    expect(await service.endpoints(environment)).toEqual([]);
    expect((await grantOf(environment))?.token).toBe('');
  });

  it('does not keep a token for an integration that is being deleted', async () => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.connectUrl(environment));
    const dying = startInstance(service);
    // The grant is the last row that it writes.
    dying.before(
      ({ name, input }) => name === 'UpdateItemCommand' && input.Key.sk === 'GRANT',
      async () => dying.faults.killAt(1),
    );
    await dying.hit(callback).catch(() => undefined);
    const { _id: integrationId } = await integrationOf(environment);
    await service.db.client.send(
      new UpdateCommand({
        TableName: service.db.tables.connections,
        Key: keyOf.integration(integrationId),
        UpdateExpression: 'SET #state = :deleting',
        ExpressionAttributeNames: { '#state': 'state' },
        ExpressionAttributeValues: { ':deleting': 'deleting' },
      }),
    );
    const called = calls(environment);

    await letSweepFinish(service);

    expect(called('auth.revoke')).toBe(1);
    await expectSettled(service, environment);
  });
});

describe('a process that ends', () => {
  it.each(Array.from({ length: 24 }, (_, index) => index + 1))(
    'before DynamoDB command %d of the sweep costs a minute',
    async (k) => {
      const environment = await service.createTestEnvironment();
      await service.connect(environment, { connectionIdentifier: 'mine', autoLinkUser: true });
      service.slack.misbehave({ method: 'auth.revoke', kind: 'http_500', times: 1 });
      await remove(environment, 'mine');
      service.advance(61_000);
      const dying = startInstance(service);
      dying.faults.killAt(k);

      await dying.sweep().catch(() => undefined);
      await letSweepFinish(service);

      await expectSettled(service, environment);
    },
  );
});
