import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { PutCommand, ScanCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localClientConfig } from '../../infra/local/embedded-dynamodb.ts';
import { contoso } from '../../infra/local/pretend-microsoft/directory.ts';
import { grantIdOf } from '../../lib/grant/grant.ts';
import { dynamoFlowStore } from '../../lib/store/flow-store.ts';
import { injectFaults } from '../support/faults.ts';
import { type Command, handleOf, startInstance } from '../support/instance.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { anInstallation, integrationIdOf, storesOf } from '../support/slack-stores.ts';
import { adele, connect, createTeams, megan, signedIn, urlOf } from '../support/teams.ts';
import { openBrowser } from '../support/visitor.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

const noLongerOffered = { status: 400, text: expect.stringContaining('integration_unavailable') };

const idOf = (environment: TestEnvironment, identifier?: string) => integrationIdOf(service, environment, identifier);

const path = (integrationId: string) => `/v1/integrations/${integrationId}`;

async function remove(environment: TestEnvironment, identifier = 'slack') {
  return service.api(environment.apiKey, 'DELETE', path(await idOf(environment, identifier)));
}

/** Stores the environment's Slack app again, under the same identifier. */
const createAgain = ({ apiKey, slackApp: { clientId, clientSecret } }: TestEnvironment) =>
  service.api(apiKey, 'POST', '/v1/integrations', {
    providerId: 'slack',
    identifier: 'slack',
    credentials: { clientId, secretKey: clientSecret },
  });

const revocations = () => service.slack.count('auth.revoke');

async function rows(): Promise<Record<string, unknown>[]> {
  const TableName = service.db.tables.connections;
  const { Items = [] } = await service.db.client.send(new ScanCommand({ TableName, ConsistentRead: true }));
  return Items;
}

/** What is there of an integration, but for tombstones. */
async function leftOf(integrationId: string) {
  return (await rows()).filter(
    (row) =>
      (row['integrationId'] === integrationId || row['target'] === integrationId) &&
      row['deletedAt'] === undefined &&
      row['status'] !== 'revoked',
  );
}

const isGone = async (integrationId: string) =>
  !(await rows()).some((row) => JSON.stringify([row['pk'], row['target'], row['sk']]).includes(integrationId));

/** Lets time pass as the schedule sees it. */
async function sweepAfter(...pauses: number[]) {
  for (const minutes of pauses) {
    service.advance(minutes * 60_000);
    await service.sweep();
  }
}

/** Until nobody has anything to do with a deletion any more. */
const sweepToTheEnd = () => sweepAfter(2, 14, 25 * 60, 61, 61);

async function seen(environment: TestEnvironment) {
  const connections = await service.connections(environment);
  return {
    integrations: (await service.api(environment.apiKey, 'GET', '/v1/integrations')).json.data,
    // Those that live on are checked each day.
    connections: connections.map(({ lastVerifiedAt, ...rest }) => rest),
    endpoints: await service.endpoints(environment),
  };
}

describe('DELETE /v1/integrations/{integrationId}', () => {
  it('takes the integration away with its connections, endpoints and tokens, and answers those that remain', async () => {
    const environment = await service.createTestEnvironment();
    const created = await service.api(environment.apiKey, 'POST', '/v1/integrations', {
      providerId: 'slack',
      identifier: 'other',
      credentials: { clientId: 'other', secretKey: 'canary-other' },
    });
    const integrationId = await idOf(environment);
    await service.connect(environment, { connectionIdentifier: 'mine', autoLinkUser: true });
    await service.connect(environment, { subscriberId: undefined, context: { tenant: 'acme' } });
    await service.connect(environment, { subscriberId: 'bob' }, { workspaceId: 'T0GLOBEX01' });
    await service.connect(environment, { subscriberId: 'webhook alone', scope: ['incoming-webhook'] });
    const made = await service.api(environment.apiKey, 'POST', '/v1/channel-endpoints', {
      integrationIdentifier: 'slack',
      subscriberId: 'by the caller',
      type: 'slack_channel',
      endpoint: { channelId: 'C0GENERAL' },
    });
    const before = [await seen(environment), revocations()] as const;

    const answer = await remove(environment);

    expect([made.status, before[0].connections.length, before[0].endpoints.length]).toEqual([201, 3, 3]);
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ data: [{ ...created.json.data, credentials: {} }] });
    expect(await seen(environment)).toEqual({ integrations: answer.json.data, connections: [], endpoints: [] });
    expect(revocations() - before[1]).toBe(2);
    expect((await leftOf(integrationId)).map(({ sk }) => sk).sort()).toEqual(['ALIAS', `I#${integrationId}`]);
  });

  it('makes every route forget it', async () => {
    const environment = await service.createTestEnvironment();
    const integrationId = await idOf(environment);
    await remove(environment);
    // So long, a warm function may remember it.
    service.advance(31_000);

    const answers = [
      await service.api(environment.apiKey, 'PUT', path(integrationId), { name: 'Back' }),
      await service.api(environment.apiKey, 'DELETE', path(integrationId)),
      await service.api(environment.apiKey, 'POST', `${path(integrationId)}/set-primary`),
      await service.api(environment.apiKey, 'POST', '/v1/integrations/channel-connections/oauth', {
        integrationIdentifier: 'slack',
        subscriberId: 'ann',
      }),
      await service.api(environment.apiKey, 'POST', '/v1/channel-endpoints', {
        integrationIdentifier: 'slack',
        subscriberId: 'ann',
        type: 'slack_user',
        endpoint: { userId: 'U0ANN' },
      }),
    ];

    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404]);
    expect(answers[1]?.json).toMatchObject({
      message: `Entity with id ${integrationId} not found`,
      error: 'integration_not_found',
    });
    const active = await service.api(environment.apiKey, 'GET', '/v1/integrations/active');
    expect(active.json.data).toEqual([]);
  });

  it.each(['0123456789abcdef01234567', 'active', 'not-an-id'])('does not know %s', async (id) => {
    const environment = await service.createTestEnvironment();

    const answer = await service.api(environment.apiKey, 'DELETE', path(id));

    expect(answer.status).toBe(404);
    expect(answer.json.message).toBe(`Entity with id ${id} not found`);
  });

  it('needs the permission manage, of the integration’s own environment', async () => {
    const environment = await service.createTestEnvironment();
    const stranger = await service.createTestEnvironment();
    await service.connect(environment, { autoLinkUser: true });
    const integrationId = await idOf(environment);
    const before = await seen(environment);
    const reader = await service.createApiKey(environment.environmentId, ['connect', 'tokens']);

    const answers = [
      await service.api(stranger.apiKey, 'DELETE', path(integrationId)),
      await service.api(reader, 'DELETE', path(integrationId)),
      await service.api(undefined, 'DELETE', path(integrationId)),
    ];

    expect(answers.map(({ status }) => status)).toEqual([404, 403, 401]);
    expect(await seen(environment)).toEqual(before);
  });

  it('leaves alone what belongs to other integrations, also of the same app', async () => {
    const environment = await service.createTestEnvironment();
    const app = environment.slackApp;
    const sameApp = await service.createTestEnvironment({ app });
    await service.connect(environment, { subscriberId: 'ann' });
    await service.connect(sameApp, { subscriberId: 'ann', connectionIdentifier: 'theirs', autoLinkUser: true });
    const teams = await createTeams(service);
    await service.connect(teams, { subscriberId: 'ann', connectionIdentifier: 'of slack' });
    await connect(service, teams, { subscriberId: 'ann', connectionIdentifier: 'of teams', autoLinkUser: true });
    const before = [await seen(sameApp), revocations()];

    await remove(environment);
    await remove(teams);
    await sweepToTheEnd();

    // The workspace has one token for the app, and the other environment lives on it.
    expect([await seen(sameApp), revocations() - Number(before[1])]).toEqual([before[0], 1]);
    const left = await seen(teams);
    expect(left.connections).toMatchObject([{ identifier: 'of teams' }]);
    expect(left.endpoints).toHaveLength(1);
  });

  it('erases tokens that callers brought, and revokes them nowhere', async () => {
    const environment = await service.createTestEnvironment();
    const integrationId = await idOf(environment);
    const brought = await service.api(environment.apiKey, 'POST', '/v1/channel-connections', {
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
      workspace: { id: 'T0ACME0001' },
      auth: { accessToken: 'xoxb-brought' },
    });
    const before = revocations();

    await remove(environment);

    expect(brought.status).toBe(201);
    expect([await service.connections(environment), revocations() - before]).toEqual([[], 0]);
    expect((await rows()).filter((row) => row['integrationId'] === integrationId && row['token'])).toEqual([]);
  });

  it('does not let one token that cannot be opened keep the others', async () => {
    const environment = await service.createTestEnvironment();
    const integrationId = await idOf(environment);
    await service.connect(environment, { subscriberId: 'ann' });
    await service.connect(environment, { subscriberId: 'bob' }, { workspaceId: 'T0GLOBEX01' });
    const TableName = service.db.tables.connections;
    const grantId = grantIdOf(integrationId, 'T0ACME0001');
    const damaged = (await leftOf(integrationId)).find((row) => row['sk'] === 'GRANT' && row['grantId'] === grantId);
    await service.db.client.send(new PutCommand({ TableName, Item: { ...damaged, token: 'damaged' } }));
    const before = revocations();

    const answer = await remove(environment);
    await sweepToTheEnd();

    expect([answer.status, await service.connections(environment), revocations() - before]).toEqual([200, [], 1]);
    expect((await leftOf(integrationId)).map(({ token }) => token)).toContain('damaged');
    expect(service.lines).toContainEqual(
      expect.objectContaining({ level: 'error', message: expect.stringContaining('could not be ended') }),
    );
  });

  it('ends with one answer of success when many ask at once', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment);
    const integrationId = await idOf(environment);
    const before = revocations();

    const answers = await Promise.all(
      Array.from({ length: 5 }, () => service.api(environment.apiKey, 'DELETE', path(integrationId))),
    );

    expect(answers.map(({ status }) => status).sort()).toEqual([200, 404, 404, 404, 404]);
    expect(revocations() - before).toBe(1);
  });

  it('is not undone by an update that had read the integration before', async () => {
    const environment = await service.createTestEnvironment();
    const integrationId = await idOf(environment);
    const slow = startInstance(service);
    slow.before(
      ({ name, input }) => name === 'PutItemCommand' && input.Item?.sk === 'INT',
      () => remove(environment),
    );

    const answer = await slow.api(environment.apiKey, 'PUT', path(integrationId), { name: 'Back' });

    expect(answer.statusCode).toBe(404);
    expect((await seen(environment)).integrations).toEqual([]);
  });

  it('takes an answer of DynamoDB that was lost for what it was', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment);
    const unlucky = startInstance(service, { maxAttempts: 2 });
    unlucky.loseAnswer(({ name, input }) => name === 'UpdateItemCommand' && input.Key?.sk === 'INT');

    const answer = await unlucky.api(environment.apiKey, 'DELETE', path(await idOf(environment)));

    expect(answer.statusCode).toBe(200);
    expect((await seen(environment)).connections).toEqual([]);
  });

  it('answers after some seconds however much there is, and leaves the rest to the sweep', async () => {
    const environment = await service.createTestEnvironment();
    for (let each = 0; each < 25; each += 1) await service.connect(environment, { subscriberId: `subscriber-${each}` });
    const slow = startInstance(service);
    slow.before(isTombstone, async () => service.advance(6_000));

    const answer = await slow.api(environment.apiKey, 'DELETE', path(await idOf(environment)));

    const left = (await service.connections(environment)).length;
    expect(answer.statusCode).toBe(200);
    expect([left > 0, left < 25]).toEqual([true, true]);
    await sweepAfter(2);
    expect(await service.connections(environment)).toEqual([]);
  });

  it('leaves no secret behind, in no answer and no line', async () => {
    const environment = await service.createTestEnvironment({ app: { tokenRotation: true } });
    const integrationId = await idOf(environment);
    await service.connect(environment, { scope: ['chat:write', 'incoming-webhook'] });

    const answer = await remove(environment);
    await sweepToTheEnd();

    const said = JSON.stringify([answer.text, service.lines, await rows()]);
    expect(said).not.toMatch(/xoxb-|xoxe|canary/);
    expect(await isGone(integrationId)).toBe(true);
  });
});

const isTombstone = ({ name, input }: Command) =>
  name === 'PutItemCommand' && input.Item?.sk === 'CONN' && input.Item?.deletedAt !== undefined;

describe('a call that had read an integration before it was deleted', () => {
  it('may leave an endpoint, which goes when the deletion is repeated', async () => {
    const environment = await service.createTestEnvironment();
    const slow = startInstance(service);
    slow.before(
      ({ name, input }) => name === 'PutItemCommand' && input.Item?.sk === 'EP',
      async () => {
        await remove(environment);
        await sweepAfter(2);
      },
    );

    const endpoint = { type: 'slack_user', endpoint: { userId: 'U0ANN' } };
    const request = { integrationIdentifier: 'slack', subscriberId: 'ann', ...endpoint };
    await slow.api(environment.apiKey, 'POST', '/v1/channel-endpoints', request);

    expect(await service.endpoints(environment)).toHaveLength(1);
    await sweepAfter(14);
    expect(await service.endpoints(environment)).toEqual([]);
  });
});

describe('an installation of a Bolt app', () => {
  it.each(Array.from({ length: 14 }, (_, index) => index + 1))(
    'whose storing ended before command %d goes with its integration, down to its tokens',
    async (k) => {
      const environment = await service.createTestEnvironment();
      const integrationId = await idOf(environment);
      const client = new DynamoDBClient({ ...localClientConfig(service.db.endpoint), maxAttempts: 1 });
      const { installations } = await storesOf(service, environment, { client });
      injectFaults(client as never).killAt(k);
      const user = { token: 'xoxp-ann', scopes: ['search:read'], id: 'U0ANN' };
      await installations.storeInstallation(anInstallation({ user })).catch(() => {});

      await remove(environment);
      await sweepToTheEnd();

      expect(await service.connections(environment)).toEqual([]);
      expect((await rows()).filter((row) => row['integrationId'] === integrationId && row['token'])).toEqual([]);
      expect(await isGone(integrationId)).toBe(true);
    },
  );
});

describe('the row of a deleted integration', () => {
  it('stays, hidden, for as long as a flow of it could end', async () => {
    const environment = await service.createTestEnvironment();
    const integrationId = await idOf(environment);
    await remove(environment);

    await sweepAfter(2, 14, 24 * 60);

    expect(await isGone(integrationId)).toBe(false);
    await sweepAfter(60);
    expect(await isGone(integrationId)).toBe(true);
  });

  it('stays until the provider has confirmed the end of the last token', async () => {
    const environment = await service.createTestEnvironment();
    const integrationId = await idOf(environment);
    await service.connect(environment);
    service.slack.misbehave({ method: 'auth.revoke', kind: 'http_500' });
    await remove(environment);
    await sweepToTheEnd();
    service.slack.behave();
    const wasGone = await isGone(integrationId);
    const before = revocations();

    await sweepAfter(25 * 60, 61);

    expect(wasGone).toBe(false);
    expect(revocations() - before).toBe(1);
    expect(await isGone(integrationId)).toBe(true);
  });
});

describe('an integration that is created under the identifier of a deleted one', () => {
  it('works at once, sees nothing of the old one, and outlives its end', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine', autoLinkUser: true });
    await service.connect(environment, { subscriberId: 'old' });
    await remove(environment);
    const before = revocations();

    const created = await createAgain(environment);
    service.advance(31_000);
    await service.connect(environment, { connectionIdentifier: 'mine', autoLinkUser: true });

    const fresh = await seen(environment);
    expect(created.status).toBe(201);
    expect(fresh.connections).toMatchObject([{ identifier: 'mine' }]);
    expect(fresh.endpoints).toHaveLength(1);
    await sweepToTheEnd();
    expect(await seen(environment)).toEqual(fresh);
    expect(revocations()).toBe(before);
  });

  it('can have the connection identifiers of the old one before the sweep has come to them', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine' });
    const dying = startInstance(service);
    dying.before(isTombstone, async () => dying.faults.killAt(1));
    await dying.api(environment.apiKey, 'DELETE', path(await idOf(environment)));
    await createAgain(environment);
    service.advance(31_000);

    const page = await service.connect(environment, { subscriberId: 'another', connectionIdentifier: 'mine' });

    expect(page.status).toBe(200);
    await sweepAfter(2);
    expect(await service.connections(environment)).toMatchObject([{ identifier: 'mine', subscriberId: 'another' }]);
  });
});

describe('a process that ends in a deletion', () => {
  const commandsOfADeletion = 22;

  it.each(Array.from({ length: commandsOfADeletion }, (_, index) => index + 1))(
    'before DynamoDB command %d leaves all or nothing visible of the integration, and the sweep does the rest',
    async (k) => {
      const environment = await service.createTestEnvironment();
      await service.connect(environment, { connectionIdentifier: 'mine', autoLinkUser: true });
      await service.connect(environment, { subscriberId: 'alone', scope: ['incoming-webhook'] });
      const integrationId = await idOf(environment);
      const before = [await seen(environment), revocations()] as const;
      const dying = startInstance(service);
      dying.faults.killAt(k);

      await dying.api(environment.apiKey, 'DELETE', path(integrationId));

      expect(dying.faults.reads + dying.faults.writes).toBeGreaterThanOrEqual(k);
      const after = await seen(environment);
      if (after.integrations.length > 0) {
        expect(after).toEqual(before[0]);
        await remove(environment);
      }
      await sweepAfter(2);
      expect(await seen(environment)).toEqual({ integrations: [], connections: [], endpoints: [] });
      await sweepToTheEnd();
      // Twice when the process ended before it could note the first time.
      expect([1, 2]).toContain(revocations() - before[1]);
      expect(await isGone(integrationId)).toBe(true);
    },
  );

  // After the eight that look for what is due.
  it.each([9, 10, 11, 12, 13, 14, 15, 16])(
    'before command %d of the sweep that takes the row away is followed by one that does',
    async (k) => {
      const environment = await service.createTestEnvironment();
      const integrationId = await idOf(environment);
      await remove(environment);
      await sweepAfter(2, 14);
      service.advance(25 * 60 * 60_000);
      const dying = startInstance(service);
      dying.faults.killAt(k);
      await dying.sweep().catch(() => undefined);
      expect(dying.faults.reads + dying.faults.writes).toBeGreaterThanOrEqual(k);

      const created = await createAgain(environment);
      await sweepAfter(2);

      expect(created.status).toBe(201);
      expect(await isGone(integrationId)).toBe(true);
      expect((await seen(environment)).integrations).toMatchObject([{ identifier: 'slack' }]);
    },
  );
});

describe('a flow of Slack’s whose integration is deleted', () => {
  async function approved() {
    const environment = await service.createTestEnvironment();
    const integrationId = await idOf(environment);
    const callback = await service.approve(await service.connectUrl(environment, { autoLinkUser: true }));
    const exchanges = service.slack.count('oauth.v2.access');
    return {
      environment,
      integrationId,
      callback,
      exchanged: () => service.slack.count('oauth.v2.access') - exchanges,
      status: async () => (await dynamoFlowStore(service.db).get(handleOf(callback).flowId))?.status,
    };
  }

  /** Nothing of the flow is there, then and later. */
  async function expectNothing(environment: TestEnvironment, integrationId: string) {
    expect(await seen(environment)).toEqual({ integrations: [], connections: [], endpoints: [] });
    await sweepToTheEnd();
    expect(await seen(environment)).toEqual({ integrations: [], connections: [], endpoints: [] });
    expect((await rows()).filter((row) => row['integrationId'] === integrationId && row['token'])).toEqual([]);
    expect(await isGone(integrationId)).toBe(true);
  }

  it('ends before anything is exchanged when it is ISSUED', async () => {
    const { environment, integrationId, callback, exchanged } = await approved();
    await remove(environment);

    expect(await service.request('GET', callback)).toMatchObject(noLongerOffered);

    expect(exchanged()).toBe(0);
    await expectNothing(environment, integrationId);
  });

  it('ends when it is REDEEMING, and its token is revoked', async () => {
    const { environment, integrationId, callback, exchanged } = await approved();
    const before = revocations();
    const slow = startInstance(service);
    slow.before(
      ({ name, input }) => name === 'UpdateItemCommand' && input.ExpressionAttributeValues?.[':status'] === 'EXCHANGED',
      () => remove(environment),
    );

    const page = await slow.hit(callback);

    expect(page).toMatchObject({ statusCode: 400, body: noLongerOffered.text });
    expect([exchanged(), revocations() - before]).toEqual([1, 1]);
    await expectNothing(environment, integrationId);
  });

  it.each(['the next hit', 'the sweep'])('ends when it is EXCHANGED, by %s, and its token is revoked', async (by) => {
    const { environment, integrationId, callback, exchanged, status } = await approved();
    const before = revocations();
    service.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });
    await service.request('GET', callback);
    service.slack.behave();
    expect(await status()).toBe('EXCHANGED');
    await remove(environment);

    service.advance(by === 'the sweep' ? 120_000 : 0);
    if (by === 'the sweep') await service.sweep();

    expect(await service.request('GET', callback)).toMatchObject(noLongerOffered);
    expect([exchanged(), revocations() - before, await status()]).toEqual([1, 1, 'FAILED']);
    await expectNothing(environment, integrationId);
  });

  it.each(['the browser that comes again', 'the sweep'])(
    'ends when it is AWAITING_CONFIRMATION, by %s, and its token is revoked',
    async (by) => {
      const returnUrl = 'https://product.example/back';
      const environment = await service.createTestEnvironment({
        configurations: { binding: 'confirm', returnUrls: [returnUrl] },
      });
      const integrationId = await idOf(environment);
      const browser = openBrowser(service);
      const startUrl = await service.connectUrl(environment, { returnUrl });
      const callback = await service.approve(await browser.proceed(startUrl));
      const awaiting = await browser.visit(callback);
      const before = revocations();

      await remove(environment);
      if (by === 'the sweep') await sweepAfter(2, 10);
      const again = await browser.visit(callback);

      expect(awaiting.headers.get('location')).toContain('awaiting_confirmation');
      const error = by === 'the sweep' ? 'confirmation_missing' : 'integration_unavailable';
      expect(again.headers.get('location')).toBe(`${returnUrl}?status=error&error=${error}`);
      expect(revocations() - before).toBe(1);
      await expectNothing(environment, integrationId);
    },
  );

  it.each([6, 7, 8, 9, 10, 11, 12, 13])(
    'leaves nothing when its process ends before command %d and the integration is deleted then',
    async (k) => {
      const { environment, integrationId, callback } = await approved();
      const dying = startInstance(service);
      dying.faults.killAt(k);
      await dying.hit(callback);
      await remove(environment);

      const page = await service.request('GET', callback);

      expect(page.status).toBe(400);
      await expectNothing(environment, integrationId);
    },
  );

  it('leaves nothing when it was about to write its rows, once the deletion is repeated', async () => {
    const { environment, integrationId, callback } = await approved();
    const before = revocations();
    const slow = startInstance(service);
    slow.before(
      ({ name, input }) => name === 'UpdateItemCommand' && String(input.Key?.sk).startsWith('REF#'),
      () => remove(environment),
    );

    await slow.hit(callback);

    expect(await service.connections(environment)).toHaveLength(1);
    await sweepAfter(2);
    expect(revocations() - before).toBe(1);
    await expectNothing(environment, integrationId);
  });

  it('keeps its page when it is COMPLETED, and its connection is gone', async () => {
    const { environment, integrationId, callback } = await approved();
    await service.request('GET', callback);
    await remove(environment);

    const page = await service.request('GET', callback);

    expect(page.status).toBe(200);
    await expectNothing(environment, integrationId);
  });

  it('links nobody', async () => {
    const environment = await service.createTestEnvironment();
    const callback = await service.approve(await service.linkUrl(environment));
    await remove(environment);

    expect(await service.request('GET', callback)).toMatchObject(noLongerOffered);
    expect(await service.endpoints(environment)).toEqual([]);
  });
});

describe('a flow of Microsoft’s whose integration is deleted', () => {
  it('ends at the consent', async () => {
    const environment = await createTeams(service);
    const url = await urlOf(service, environment, 'connect');
    const claim = await service.microsoft.approveConsent(url, { username: adele });
    await remove(environment, 'msteams');

    expect(await service.request('GET', claim)).toMatchObject(noLongerOffered);
  });

  it('ends at the sign-in', async () => {
    const environment = await createTeams(service);
    const callback = await signedIn(service, environment);
    await remove(environment, 'msteams');

    expect(await service.request('GET', callback)).toMatchObject(noLongerOffered);
    expect(await service.connections(environment)).toEqual([]);
  });

  it.each(['the open page', 'the sweep'])('ends when it is pending, by %s', async (by) => {
    const environment = await createTeams(service);
    const integrationId = await idOf(environment, 'msteams');
    service.microsoft.grantRolesAfter(20_000);
    const callback = await signedIn(service, environment, { connectionIdentifier: 'mine' });
    const pending = await service.request('GET', callback);
    service.microsoft.grantRolesAfter(0);

    await remove(environment, 'msteams');
    service.advance(46_000);
    if (by === 'the sweep') await service.sweep();

    expect(pending.text).toContain('Waiting for Microsoft');
    expect(await service.request('GET', callback)).toMatchObject(noLongerOffered);
    expect(await service.connections(environment)).toEqual([]);
    await sweepToTheEnd();
    expect(await isGone(integrationId)).toBe(true);
  });

  it('installs nothing any more for a person whom it had linked', async () => {
    const environment = await createTeams(service, { installBot: true });
    service.microsoft.consent(contoso.id, environment.entraApp.clientId);
    service.microsoft.grantRolesAfter(20_000);
    const url = await urlOf(service, environment, 'link');
    const callback = await service.microsoft.signIn(url, { username: megan });
    const installing = await service.request('GET', callback);
    service.microsoft.grantRolesAfter(0);
    const posts = () =>
      service.microsoft.calls.filter(({ kind, method }) => kind === 'graph' && method === 'POST').length;
    const before = posts();

    await remove(environment, 'msteams');
    service.advance(46_000);
    await service.sweep();

    expect(installing.text).toContain('being installed');
    expect((await dynamoFlowStore(service.db).get(handleOf(callback).flowId))?.status).toBe('COMPLETED');
    expect(posts()).toBe(before);
    expect(await service.endpoints(environment)).toEqual([]);
  });
});
