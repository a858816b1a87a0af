import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dynamoConnectionStore } from '../../lib/store/connection-store.ts';
import { deleteIntegrations } from '../support/change-integrations.ts';
import { startInstance } from '../support/instance.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { letSweepFinish } from '../support/settled.ts';
import { acme, globex, tokenTools } from '../support/tokens.ts';
import { openBrowser } from '../support/visitor.ts';

/** `SEQUENCES=200 npx vitest run test/functions/second-customer.test.ts -t 'any order'` takes some minutes. */
const sequences = Number(process.env['SEQUENCES'] ?? 4);

let service: TestService;
let tools: ReturnType<typeof tokenTools>;

beforeEach(async () => {
  service = await startTestService({ withEvents: true });
  tools = tokenTools(service);
});

afterEach(() => service.close());

const collection = '/v1/channel-connections';
const [, bob] = acme.people.map(({ id }) => id);
const returnUrl = 'https://product.example/done';
let worlds = 0;

/** Ann's company is connected to Acme; Bob's, another customer of the same product, may press Allow there as well. */
interface World {
  readonly environment: TestEnvironment;
  /** Of the same operator, with the same Slack app. */
  readonly elsewhere: TestEnvironment;
}

async function build(tokenRotation: boolean): Promise<World> {
  worlds += 1;
  const name = `second-customer-${worlds}`;
  const app = { clientId: name, clientSecret: `canary-of-${name}`, appId: `A0SECOND${worlds}`, tokenRotation };
  // What hurts others most.
  const configurations = { revoke: 'uninstall' as const, returnUrls: [returnUrl] };
  const environment = await service.createTestEnvironment({ app, configurations });
  const elsewhere = await service.createTestEnvironment({ app, configurations });
  await service.connect(environment, {
    subscriberId: 'ann',
    connectionIdentifier: 'anns',
    scope: ['chat:write', 'channels:read', 'incoming-webhook'],
    metadata: 'of-ann',
    autoLinkUser: true,
  });
  const channel = { type: 'slack_channel', endpoint: { channelId: 'C0ANNS' } };
  const target = { integrationIdentifier: 'slack', subscriberId: 'ann', connectionIdentifier: 'anns' };
  const made = await service.api(environment.apiKey, 'POST', '/v1/channel-endpoints', { ...target, ...channel });
  expect(made.status).toBe(201);
  return { environment, elsewhere };
}

/** All that a customer's side of the product can observe. When the shared token was last tried is no customer's own. */
async function seenBy({ environment }: World, subscriberId: string, identifier: string) {
  const { lastVerifiedAt: _, ...shown } = (await tools.shown(environment, identifier)) ?? {};
  const listed = await service.connections(environment, `&subscriberId=${subscriberId}`);
  const { status, json } = await service.api(environment.apiKey, 'POST', `${collection}/${identifier}/token`);
  const { accessToken = '', expiresAt: __, ...token } = json.data ?? {};
  const events = (await service.events()).filter(({ environmentId }) => environmentId === environment.environmentId);
  const row = await dynamoConnectionStore(service.db).find(environment.environmentId, identifier);
  return {
    shown,
    listed: listed.map((each) => each.identifier),
    endpoints: await service.endpoints(environment, `&subscriberId=${subscriberId}`),
    token: { status, ...token, reason: json.reason, works: await tools.worksAtSlack(accessToken) },
    approverId: row?.approverId,
    events: events.filter(({ data }) => data.subscriberId === subscriberId),
  };
}

const connectBob = ({ environment }: World, body: object = {}, choice: object = {}) =>
  service.connect(
    environment,
    { subscriberId: 'bob', connectionIdentifier: 'bobs', ...body },
    { userId: bob, ...choice },
  );

const call = ({ environment }: World, method: string, path: string, body?: object) =>
  service.api(environment.apiKey, method, `${collection}${path}`, body);

const credential = (accessToken: string) => ({ workspace: { id: acme.id }, auth: { accessToken } });

const bring = (world: World, accessToken: string) =>
  call(world, 'POST', '', {
    integrationIdentifier: 'slack',
    subscriberId: 'bob',
    identifier: 'bobs',
    ...credential(accessToken),
  });

const leave = (world: World) => call(world, 'DELETE', '/bobs');

const tokenOfAnn = async (world: World) => (await tools.tokenOf(world.environment)).accessToken;

/** A flow of Bob's that has been approved and waits for its confirmation, which does not come. */
async function approveUnconfirmed({ environment }: World) {
  const visitor = openBrowser(service);
  const url = await service.connectUrl(environment, { subscriberId: 'bob', binding: 'confirm', returnUrl });
  const answer = await visitor.visit(await service.approve(await visitor.proceed(url), { userId: bob }));
  expect(answer.headers.get('location')).toContain('awaiting_confirmation');
}

/** A callback whose process ends before the k-th of its commands. */
async function dieAt(world: World, k: number) {
  const url = await service.connectUrl(world.environment, { subscriberId: 'bob', autoLinkUser: true });
  const dying = startInstance(service);
  dying.faults.killAt(k);
  await dying.hit(await service.approve(url, { userId: bob })).catch(() => undefined);
}

const acts: Readonly<Record<string, (world: World) => Promise<unknown>>> = {
  'connects, with fewer scopes': (world) => connectBob(world, { scope: ['chat:write'], autoLinkUser: true }),
  'connects, with more scopes': (world) =>
    connectBob(
      world,
      { scope: ['chat:write', 'files:read', 'incoming-webhook'], metadata: 'of-bob' },
      { channelId: acme.channels[1]?.id },
    ),
  'connects as the same person': (world) => connectBob(world, { autoLinkUser: true }, { userId: acme.people[0]?.id }),
  'connects without a bot, for a token of his own': (world) =>
    connectBob(world, { scope: [], installUserScopes: ['search:read'] }),
  'connects with a token of his own beside the bot’s': (world) =>
    connectBob(world, { installUserScopes: ['search:read'] }),
  'moves to another workspace, and comes back': async (world) => {
    await connectBob(world);
    service.advance(1_000);
    await connectBob(world, {}, { workspaceId: globex.id, userId: undefined });
    service.advance(1_000);
    await connectBob(world);
  },
  disconnects: async (world) => {
    await connectBob(world, { autoLinkUser: true });
    expect((await leave(world)).status).toBe(204);
  },
  'disconnects a token of his own': async (world) => {
    await connectBob(world, { scope: [], installUserScopes: ['search:read'] });
    await leave(world);
  },
  'brings a wrong token': (world) => bring(world, 'xoxb-of-nobody-at-all'),
  'brings a wrong token for his connection': async (world) => {
    await connectBob(world);
    expect((await call(world, 'PATCH', '/bobs', credential('xoxb-of-nobody-at-all'))).status).toBe(200);
  },
  'brings the same token, and disconnects it': async (world) => {
    await bring(world, await tokenOfAnn(world));
    await leave(world);
  },
  'brings the same token for his connection, and disconnects it': async (world) => {
    await connectBob(world);
    await call(world, 'PATCH', '/bobs', credential(await tokenOfAnn(world)));
    await leave(world);
  },
  'brings a wrong token, has it checked, and connects': async (world) => {
    await bring(world, 'xoxb-of-nobody-at-all');
    await call(world, 'POST', '/bobs/verify');
    service.advance(1_000);
    await connectBob(world);
  },
  'checks his connection again and again': async (world) => {
    await connectBob(world);
    for (const _ of [1, 2, 3]) {
      service.advance(11_000);
      expect((await call(world, 'POST', '/bobs/verify')).status).toBe(200);
    }
  },
  'makes URLs that nobody opens': ({ environment }) => service.connectUrl(environment, { subscriberId: 'bob' }),
  'presses Cancel': (world) => connectBob(world, {}, { action: 'cancel' }),
  'presses Allow, and never comes back': async ({ environment }) =>
    service.approve(await service.connectUrl(environment, { subscriberId: 'bob' }), { userId: bob }),
  'goes away while the code is exchanged': (world) => dieAt(world, 5),
  'goes away once it is exchanged': (world) => dieAt(world, 6),
  'goes away while the connection is written': (world) => dieAt(world, 10),
  'asks for Ann’s identifier': async (world) => {
    expect((await connectBob(world, { connectionIdentifier: 'anns' })).text).toContain('identifier_conflict');
  },
  'asks for Ann’s identifier, three times': async (world) => {
    for (const _ of [1, 2, 3]) await connectBob(world, { connectionIdentifier: 'anns' });
  },
  'comes with another workspace than asked for, three times': async (world) => {
    for (const _ of [1, 2, 3]) {
      const page = await connectBob(world, { teamId: globex.id }, { workspaceId: acme.id });
      expect(page.text).toContain('team_mismatch');
    }
  },
  'takes webhooks alone, three times': async (world) => {
    for (const _ of [1, 2, 3]) expect((await connectBob(world, { scope: ['incoming-webhook'] })).status).toBe(200);
  },
  'approves what nobody confirms': approveUnconfirmed,
  'approves what nobody confirms, three times': async (world) => {
    for (const _ of [1, 2, 3]) await approveUnconfirmed(world);
  },
  'links himself through Ann’s connection': async ({ environment }) => {
    const asked = { subscriberId: 'bob', connectionIdentifier: 'anns' };
    expect((await service.link(environment, asked, { userId: bob })).status).toBe(400);
  },
  'has the product point an endpoint through Ann’s connection': ({ environment }) =>
    service.api(environment.apiKey, 'POST', '/v1/channel-endpoints', {
      integrationIdentifier: 'slack',
      subscriberId: 'bob',
      connectionIdentifier: 'anns',
      type: 'slack_channel',
      endpoint: { channelId: 'C0BOBS' },
    }),
  'deletes his endpoints': async (world) => {
    await connectBob(world, { autoLinkUser: true, scope: ['chat:write', 'incoming-webhook'] });
    for (const { identifier } of await service.endpoints(world.environment, '&subscriberId=bob')) {
      await service.api(world.environment.apiKey, 'DELETE', `/v1/channel-endpoints/${identifier}`);
    }
  },
  'connects in another environment with the same app, and disconnects': async ({ elsewhere }) => {
    await service.connect(elsewhere, { subscriberId: 'ann', connectionIdentifier: 'anns' });
    await service.api(elsewhere.apiKey, 'DELETE', `${collection}/anns`);
  },
  'deletes the integration of another environment with the same app': async ({ elsewhere }) => {
    await service.connect(elsewhere, { subscriberId: 'ann' });
    await deleteIntegrations(service, elsewhere);
  },
};
const everyAct = Object.keys(acts);

/** Slack keeps two rotating tokens: two that the first one's grant does not learn of end its own. Only a check finds it out. */
const unseen = /goes away|another environment/;

const ofAnn = /of-ann|C0ANNS/;
const ofBob = /of-bob|C0BOBS|U0BOB|files:read|"bobs"/;

describe.each([
  ['stay', false],
  ['rotate', true],
])('a second customer of a workspace, in an app whose tokens %s,', (_, tokenRotation) => {
  it.each(everyAct)('who %s, changes nothing for the first', async (act) => {
    const world = await build(tokenRotation);
    const before = await seenBy(world, 'ann', 'anns');
    expect(before).toMatchObject({ shown: { status: 'active' }, token: { works: true } });
    expect(before.endpoints).toHaveLength(3);
    expect(before.events.map(({ type }) => type)).toContain('connection.created');

    await acts[act]?.(world);
    const atOnce = await seenBy(world, 'ann', 'anns');
    const bobs = await seenBy(world, 'bob', 'bobs');
    await letSweepFinish(service);
    const after = await seenBy(world, 'ann', 'anns');

    expect(atOnce).toEqual(before);
    expect(after).toEqual(before);
    expect(JSON.stringify(after)).not.toMatch(ofBob);
    expect(JSON.stringify(bobs)).not.toMatch(ofAnn);
  });

  it('sees of the workspace what he has approved himself', async () => {
    const world = await build(tokenRotation);
    await connectBob(world, { scope: ['chat:write'] });

    const bobs = await seenBy(world, 'bob', 'bobs');

    expect(bobs).toMatchObject({
      shown: { status: 'active', workspace: { id: acme.id }, scopes: ['chat:write'] },
      listed: ['bobs'],
      endpoints: [],
      token: { status: 200, scopes: ['chat:write'], works: true },
      approverId: bob,
    });
    expect(bobs.shown).not.toHaveProperty('metadata');
  });
});

describe('a second customer', () => {
  it(
    'changes nothing for the first by anything, in any order',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.boolean(),
          fc.shuffledSubarray(everyAct, { minLength: 3, maxLength: 7 }),
          async (tokenRotation, sequence) => {
            fc.pre(!tokenRotation || sequence.filter((act) => unseen.test(act)).length < 2);
            const world = await build(tokenRotation);
            const before = await seenBy(world, 'ann', 'anns');

            for (const act of sequence) {
              service.advance(1_000);
              // What came before may leave an act nothing to do.
              await acts[act]?.(world).catch(() => undefined);
              expect(await seenBy(world, 'ann', 'anns')).toEqual(before);
            }
            await letSweepFinish(service);

            expect(await seenBy(world, 'ann', 'anns')).toEqual(before);
          },
        ),
        { numRuns: sequences },
      );
    },
    60_000 + sequences * 10_000,
  );

  it.each([
    'goes away while the code is exchanged',
    'connects in another environment with the same app, and disconnects',
  ])('who %s, twice where tokens rotate, leaves a token that a check renews', async (act) => {
    const world = await build(true);
    const before = await seenBy(world, 'ann', 'anns');
    for (const _ of [1, 2]) await acts[act]?.(world);
    expect((await seenBy(world, 'ann', 'anns')).token.works).toBe(false);

    const answer = await call(world, 'POST', '/anns/verify');

    expect(answer.status).toBe(200);
    expect(await seenBy(world, 'ann', 'anns')).toEqual(before);
  });
});
