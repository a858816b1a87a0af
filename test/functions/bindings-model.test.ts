import { AsyncLocalStorage } from 'node:async_hooks';
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { createFileKeyWrapper, generateWrappingKey } from '../../infra/local/file-key-wrapper.ts';
import { subjectKeyOf } from '../../lib/connection/connection.ts';
import { composeTokens } from '../../lib/connection/token-deps.ts';
import { createEnvironment } from '../../lib/environment/create-environment.ts';
import { ChatConnectError } from '../../lib/errors.ts';
import { confirmFlow } from '../../lib/flow/confirm-flow.ts';
import { confirmationMilliseconds } from '../../lib/flow/flow.ts';
import { type Handle, parseHandle } from '../../lib/flow/handle.ts';
import { issueFlow } from '../../lib/flow/issue-flow.ts';
import { composeResume } from '../../lib/flow/resume-flow-deps.ts';
import { receiveSlackCallback, slackAnswerOf } from '../../lib/flow/slack-callback.ts';
import { beginFlow, openTicket } from '../../lib/flow/start-flow.ts';
import { sweep } from '../../lib/flow/sweep.ts';
import { createIntegration } from '../../lib/integration/create-integration.ts';
import { type Binding, bindings, type Integration } from '../../lib/integration/integration.ts';
import { dynamoConnectionStore } from '../../lib/store/connection-store.ts';
import type { Database } from '../../lib/store/database.ts';
import { dynamoEnvironmentStore } from '../../lib/store/environment-store.ts';
import { dynamoFlowStore } from '../../lib/store/flow-store.ts';
import { dynamoIntegrationStore } from '../../lib/store/integration-store.ts';
import { environmentVault } from '../../lib/vault/environment-vault.ts';
import { memoryDatabase } from '../support/memory-database.ts';

/** `INTERLEAVINGS=10000 npx vitest run test/functions/bindings-model.test.ts` takes about a minute. */
const interleavings = Number(process.env['INTERLEAVINGS'] ?? 2_000);
const timeoutMilliseconds = 60_000 + interleavings * 30;

type Who = 'honest' | 'mallory';
const people: readonly Who[] = ['honest', 'mallory'];

class Killed extends Error {}

/** What runs of one step share: whether its process ends, and before which of its commands. */
const processes = new AsyncLocalStorage<{ commandsLeft: number }>();

const database = memoryDatabase();
let environmentId: string;
let otherEnvironmentId: string;
let integrations: Record<Binding, Integration>;
let slack: FakeSlack;
let service: ReturnType<typeof compose>;
let clock = Date.parse('2040-01-01T00:00:00.000Z');
let scheduler: fc.Scheduler | undefined;
let worlds = 0;

beforeAll(async () => {
  const keyWrapper = createFileKeyWrapper(generateWrappingKey());
  const environments = { environments: dynamoEnvironmentStore(database), keyWrapper, now };
  ({ environmentId } = await createEnvironment(environments, { name: 'model' }));
  ({ environmentId: otherEnvironmentId } = await createEnvironment(environments, { name: 'other' }));
  const creating = {
    integrations: dynamoIntegrationStore(database),
    vault: environmentVault({ db: database, keyWrapper, now }),
    now,
  };
  const created = bindings.map(async (binding) => {
    const integration = await createIntegration(creating, environmentId, {
      providerId: 'slack',
      identifier: binding,
      // One app for each: the same app in two integrations is never revoked.
      credentials: { clientId: binding, secretKey: 'secret', redirectUrl: 'https://product.example/back' },
      configurations: { binding },
    });
    return [binding, integration];
  });
  integrations = Object.fromEntries(await Promise.all(created));
  slack = new FakeSlack();
  service = compose(keyWrapper);
});

const now = () => clock;

/** Slack as far as a connect needs it. A workspace gets the same token again, until it is revoked. */
class FakeSlack {
  readonly #workspaces = new Map<string, string>();
  readonly #alive = new Map<string, string>();
  readonly exchanged = new Map<string, number>();
  #made = 0;

  approve(workspace: string): string {
    this.#made += 1;
    const code = `code-${this.#made}`;
    this.#workspaces.set(code, workspace);
    return code;
  }

  lives = (workspace: string) => [...this.#alive.values()].includes(workspace);

  fetch: typeof fetch = async (input, init) => {
    const headers = new Headers(init?.headers);
    const form = new URLSearchParams(String(init?.body ?? ''));
    const token = headers.get('authorization')?.replace('Bearer ', '') ?? '';
    const answer = String(input).endsWith('oauth.v2.access')
      ? this.#exchange(form.get('code') ?? '')
      : this.#ofToken(token, String(input).endsWith('auth.revoke'));
    return new Response(JSON.stringify(answer), { headers: { 'content-type': 'application/json' } });
  };

  #exchange(code: string) {
    this.exchanged.set(code, (this.exchanged.get(code) ?? 0) + 1);
    const workspace = this.#workspaces.get(code);
    if (workspace === undefined) return { ok: false, error: 'invalid_code' };
    const [living] = [...this.#alive].find(([, each]) => each === workspace) ?? [];
    this.#made += 1;
    const token = living ?? `xoxb-${this.#made}`;
    this.#alive.set(token, workspace);
    return {
      ok: true,
      app_id: 'A1',
      access_token: token,
      scope: 'chat:write',
      bot_user_id: 'B1',
      team: { id: workspace, name: workspace },
      is_enterprise_install: false,
      authed_user: { id: 'U1' },
    };
  }

  #ofToken(token: string, ends: boolean) {
    const workspace = this.#alive.get(token);
    if (workspace === undefined) return { ok: false, error: 'token_revoked' };
    if (ends) this.#alive.delete(token);
    return { ok: true, revoked: ends, team_id: workspace, user_id: 'B1', url: 'https://slack.com/' };
  }
}

/** Every call that leaves the process takes its turn when the scheduler says so, and may be the one that is not made. */
function outside<Arguments extends unknown[], Answer>(call: (...given: Arguments) => Promise<Answer>) {
  return async (...given: Arguments): Promise<Answer> => {
    const own = processes.getStore();
    // The scheduler keeps a promise of each turn too, and nobody would take its rejection.
    const turn = () =>
      endsNow(own) ? settled(Promise.reject(new Killed('the process has ended'))) : settled(call(...given));
    const [taken] = await (scheduler ? scheduler.scheduleFunction(turn)() : turn());
    if (taken.status === 'rejected') throw taken.reason;
    return taken.value;
  };
}

const settled = <Answer>(promise: Promise<Answer>) => Promise.allSettled([promise]);

function endsNow(own: { commandsLeft: number } | undefined): boolean {
  if (!own) return false;
  own.commandsLeft -= 1;
  return own.commandsLeft < 0;
}

function compose(keyWrapper: ReturnType<typeof createFileKeyWrapper>) {
  const send = outside((command: Parameters<DynamoDBDocumentClient['send']>[0]) => database.client.send(command));
  const db: Database = { client: { send } as unknown as DynamoDBDocumentClient, tables: database.tables };
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const parts = {
    db,
    keyWrapper,
    slackBaseUrl: 'https://slack.example',
    microsoftLoginBaseUrl: 'https://login.example',
    microsoftGraphBaseUrl: 'https://graph.example',
    awsAssertion: () => Promise.reject(new Error('not here')),
    isFederated: () => false,
    log,
    fetch: outside(slack.fetch),
    now,
  };
  const resume = composeResume(parts);
  const slackDeps = { ...resume.slack, wait: outside(async () => {}) };
  return {
    flows: dynamoFlowStore(db),
    integrations: dynamoIntegrationStore(db),
    slackBaseUrl: 'https://slack.example',
    microsoftLoginBaseUrl: 'https://login.example',
    publicUrl: 'https://connect.example',
    // What a change of a connection leaves to the sweep is none of a binding's, and neither is whether a grant still works.
    rows: { takeDue: async () => [], takeChecks: async () => [] },
    verifying: composeTokens(parts),
    flowTtlSeconds: 300,
    findIntegration: async (_environmentId: string, identifier: string) => integrations[identifier as Binding],
    slack: slackDeps,
    msteams: resume.msteams,
    log,
    now,
  };
}

/** What happened in one interleaving, as far as the rules speak of it. */
interface World {
  readonly binding: Binding;
  /** Who asked for the link: the connection can only ever be theirs. */
  readonly maker: Who;
  readonly name: string;
  readonly workspace: string;
  readonly ticket: Handle;
  readonly flowId: string;
  /** Every state that was made, with the cookie that was set beside it; all are known to everybody. */
  readonly states: { state: Handle; cookie: string | undefined }[];
  readonly cookies: Map<Who, string>;
  readonly approvals: { code: string; state: Handle; cookie: string | undefined }[];
  readonly handles: string[];
  /** A hit with a genuine code, its state and, where bound, the cookie that was set beside that state. */
  wasFinishedRightly: boolean;
  /** The maker's own session was confirmed by a key of the environment. */
  wasConfirmedRightly: boolean;
}

const subscriberOf = (world: World, who: Who) => `${who}-${world.name}`;

async function createWorld(binding: Binding, maker: Who): Promise<World> {
  worlds += 1;
  const issued = await issueFlow(
    service,
    { environmentId, presentedKey: 'key' },
    { integrationIdentifier: binding, mode: 'connect', subscriberId: `${maker}-${worlds}` },
  );
  const url = new URL(issued.url);
  const first = parseHandle(url.searchParams.get('state') ?? url.pathname.split('/').at(-1) ?? '');
  if (!first) throw new Error('a URL without a handle');
  return {
    binding,
    maker,
    name: String(worlds),
    workspace: `T${worlds}`,
    ticket: first,
    flowId: first.flowId,
    states: binding === 'direct' ? [{ state: first, cookie: undefined }] : [],
    cookies: new Map(),
    approvals: [],
    handles: [],
    wasFinishedRightly: false,
    wasConfirmedRightly: false,
  };
}

/** The one made last is the likeliest to be used. */
const recent = fc.nat({ max: 3 });
const who = fc.constantFrom(...people);
const pick = <Each>(list: readonly Each[], index: number): Each | undefined =>
  list.at(-1 - (index % (list.length || 1)));

const steps = {
  open: fc.record({ act: fc.constant('open' as const), who }),
  proceed: fc.record({ act: fc.constant('proceed' as const), who }),
  approve: fc.record({ act: fc.constant('approve' as const), state: recent }),
  visit: fc.record({ act: fc.constant('visit' as const), who, approval: recent }),
  forge: fc.record({ act: fc.constant('forge' as const), who, state: recent }),
  cancel: fc.record({ act: fc.constant('cancel' as const), who, state: recent }),
  confirm: fc.record({
    act: fc.constant('confirm' as const),
    who,
    handle: recent,
    foreignKey: fc.constantFrom(false, false, false, true),
  }),
  wait: fc.record({
    act: fc.constant('wait' as const),
    milliseconds: fc.constantFrom(1_000, 11_000, 61_000, 299_000, 301_000, 599_000, 601_000),
  }),
  sweep: fc.record({ act: fc.constant('sweep' as const) }),
};
type Step = (typeof steps)[keyof typeof steps] extends fc.Arbitrary<infer Each> ? Each : never;

const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: steps.open, weight: 1 },
  { arbitrary: steps.proceed, weight: 4 },
  { arbitrary: steps.approve, weight: 5 },
  { arbitrary: steps.visit, weight: 8 },
  { arbitrary: steps.forge, weight: 1 },
  { arbitrary: steps.cancel, weight: 1 },
  { arbitrary: steps.confirm, weight: 6 },
  { arbitrary: steps.wait, weight: 2 },
  { arbitrary: steps.sweep, weight: 2 },
);
/** Steps of a group go at once, command by command in any order; a process may end before any of its commands. */
const group = fc.array(
  fc.record({
    step,
    commandsLeft: fc.oneof({ arbitrary: fc.constant(Number.POSITIVE_INFINITY), weight: 4 }, fc.nat(20)),
  }),
  { minLength: 1, maxLength: 3 },
);

/** Does what a step says, and holds every answer to what it may tell. */
async function take(world: World, given: Step): Promise<void> {
  switch (given.act) {
    case 'open': {
      await openTicket(service, world.ticket);
      return;
    }
    case 'proceed': {
      const begun = await beginFlow(service, world.ticket);
      if (begun.kind !== 'begun') return;
      const state = parseHandle(new URL(begun.location).searchParams.get('state') ?? '');
      if (!state) throw new Error('a redirect without a state');
      world.states.push({ state, cookie: begun.cookie });
      world.cookies.set(given.who, begun.cookie);
      return;
    }
    case 'approve': {
      const chosen = pick(world.states, given.state);
      if (chosen) world.approvals.push({ ...chosen, code: slack.approve(world.workspace) });
      return;
    }
    case 'visit': {
      const chosen = pick(world.approvals, given.approval);
      if (chosen) await hit(world, given.who, chosen.state, { code: chosen.code }, chosen.cookie);
      return;
    }
    case 'forge': {
      const chosen = pick(world.states, given.state);
      if (chosen) await hit(world, given.who, chosen.state, { code: 'made-up' });
      return;
    }
    case 'cancel': {
      const chosen = pick(world.states, given.state);
      if (chosen) await hit(world, given.who, chosen.state, { error: 'access_denied' });
      return;
    }
    case 'confirm':
      return confirm(world, given);
    case 'sweep':
      await sweep(service);
      return;
    case 'wait':
      clock += given.milliseconds;
  }
}

async function hit(
  world: World,
  visitor: Who,
  state: Handle,
  query: { code: string } | { error: string },
  besideState?: string,
): Promise<void> {
  const answer = slackAnswerOf(query);
  if (!answer) throw new Error('an answer of nothing');
  const cookie = world.cookies.get(visitor);
  const isRightBrowser = world.binding === 'direct' || (cookie !== undefined && cookie === besideState);
  const isGenuine = 'code' in query && query.code !== 'made-up';
  // Before the call: what it writes may be seen while it runs.
  if (isGenuine && isRightBrowser) world.wasFinishedRightly = true;
  const outcome = await receiveSlackCallback(service.slack, state, answer, cookie);
  if (outcome.kind === 'awaiting') {
    expect({ isGenuine, isRightBrowser, binding: world.binding }).toEqual({
      isGenuine: true,
      isRightBrowser: true,
      binding: 'confirm',
    });
    world.handles.push(outcome.handle);
  }
  if ('flow' in outcome && outcome.flow.outcome) expect(isGenuine && isRightBrowser).toBe(true);
}

async function confirm(world: World, given: Extract<Step, { act: 'confirm' }>): Promise<void> {
  const handle = pick(world.handles, given.handle);
  if (handle === undefined) return;
  const isRight = given.who === world.maker && !given.foreignKey;
  if (isRight) world.wasConfirmedRightly = true;
  try {
    await confirmFlow(service, given.foreignKey ? otherEnvironmentId : environmentId, {
      handle,
      subscriberId: subscriberOf(world, given.who),
    });
    expect(isRight).toBe(true);
  } catch (error) {
    if (!(error instanceof ChatConnectError)) throw error;
    if (given.foreignKey) expect(error.code).toBe('confirmation_not_found');
  }
}

async function connectionOf(world: World, person: Who) {
  const subject = {
    integrationId: integrations[world.binding].integrationId,
    subscriberId: subscriberOf(world, person),
    contextKeys: [],
  };
  return dynamoConnectionStore(database).get(environmentId, subjectKeyOf(subject));
}

/** What holds after every group, whatever was interrupted. */
async function expectRules(world: World): Promise<void> {
  for (const person of people) {
    const connection = await connectionOf(world, person);
    if (!connection) continue;
    expect({ person, ...world }).toMatchObject({ person: world.maker, wasFinishedRightly: true });
    if (world.binding === 'confirm') expect(world).toMatchObject({ wasConfirmedRightly: true });
    const flow = await dynamoFlowStore(database).get(world.flowId);
    expect(['EXCHANGED', 'COMPLETED']).toContain(flow?.status);
    expect(flow?.failure).toBeUndefined();
    if (world.binding === 'confirm') {
      expect((flow?.confirmedAt ?? Number.NaN) - (flow?.asOf ?? 0)).toBeLessThan(confirmationMilliseconds);
    }
    expect(slack.lives(world.workspace)).toBe(true);
  }
  const exchanges = world.approvals.map(({ code }) => slack.exchanged.get(code) ?? 0);
  expect(exchanges.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(1);
}

/** Nothing stays open: what was exchanged is a connection, or is let go. */
async function expectTheEnd(world: World): Promise<string> {
  for (const milliseconds of [11 * 60_000, 2 * 60_000, 2 * 60_000]) {
    clock += milliseconds;
    await sweep(service);
  }
  await expectRules(world);
  const flow = await dynamoFlowStore(database).get(world.flowId);
  expect(['ISSUED', 'COMPLETED', 'FAILED']).toContain(flow?.status);
  expect(flow).not.toHaveProperty('exchange');
  const isConnected = (await connectionOf(world, world.maker)) !== undefined;
  expect(isConnected).toBe(flow?.status === 'COMPLETED');
  // An answer that was lost before it was sealed is the one thing that cannot be let go.
  if (flow?.asOf !== undefined) expect(slack.lives(world.workspace)).toBe(isConnected);
  return flow?.failure ?? flow?.status ?? 'none';
}

describe('any interleaving of starting, approving, coming back, confirming, waiting and sweeping', () => {
  const ends = new Map<string, number>();

  it.each(bindings)(
    'with the binding %s activates no connection that its rules forbid',
    async (binding) => {
      const course = fc.record({
        turns: fc.scheduler(),
        maker: who,
        beginner: who,
        progress: fc.nat({ max: 3 }),
        groups: fc.array(group, { minLength: 2, maxLength: 7 }),
      });
      await fc.assert(
        fc.asyncProperty(course, async ({ turns, maker, beginner, progress, groups }) => {
          const world = await createWorld(binding, maker);
          for (const each of beginning(beginner).slice(0, progress)) await take(world, each);
          for (const together of groups) {
            scheduler = turns;
            await turns.waitFor(Promise.all(together.map((each) => run(world, each))));
            scheduler = undefined;
            await expectRules(world);
          }
          const end = await expectTheEnd(world);
          ends.set(`${binding} ${end}`, (ends.get(`${binding} ${end}`) ?? 0) + 1);
        }),
        { numRuns: Math.ceil(interleavings / bindings.length) },
      );
    },
    timeoutMilliseconds,
  );

  it('is tried with flows that are finished, too', () => {
    if (process.env['INTERLEAVINGS'] !== undefined) console.log(ends);
    for (const binding of bindings) expect(ends.get(`${binding} COMPLETED`)).toBeGreaterThan(0);
  });
});

/** The honest way, of which some part is behind a flow when the interleaving begins. */
const beginning = (person: Who): Step[] => [
  { act: 'proceed', who: person },
  { act: 'approve', state: 0 },
  { act: 'visit', who: person, approval: 0 },
];

async function run(world: World, given: { step: Step; commandsLeft: number }): Promise<void> {
  try {
    await processes.run({ commandsLeft: given.commandsLeft }, () => take(world, given.step));
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  }
}
