import { readFile } from 'node:fs/promises';
import { DeleteCommand, ScanCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contoso } from '../../infra/local/pretend-microsoft/directory.ts';
import { hashSecret, parseHandle } from '../../lib/flow/handle.ts';
import { dynamoFlowStore } from '../../lib/store/flow-store.ts';
import { keyOf } from '../../lib/store/keys.ts';
import { changeConfigurations, deleteIntegrations } from '../support/change-integrations.ts';
import { handleOf, startInstance } from '../support/instance.ts';
import { type Answer, startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { adele, createTeams, fiona, megan, type TeamsEnvironment, urlOf } from '../support/teams.ts';
import { openBrowser, type Visitor } from '../support/visitor.ts';

const returnUrl = 'https://product.example/back?tab=chat';

let service: TestService;
let environment: TestEnvironment;

beforeAll(async () => {
  service = await startTestService();
  environment = await createConfirming();
});

afterAll(() => service.close());

const createConfirming = (own: TestService = service, app = {}) =>
  own.createTestEnvironment({
    configurations: { binding: 'confirm', productName: 'Billing Bot', returnUrls: [returnUrl] },
    app,
  });

const confirm = (body: object, apiKey = environment.apiKey, own: TestService = service) =>
  own.api(apiKey, 'POST', '/v1/integrations/chat/oauth/confirm', body);

let subscribers = 0;

interface Approved {
  readonly visitor: Visitor;
  readonly startUrl: string;
  readonly callback: string;
  readonly subscriberId: string;
  readonly in: TestEnvironment;
}

/** A flow of a new subscriber whose browser has approved, and is about to follow the redirect to our callback. */
async function approved(
  body: Record<string, unknown> = {},
  choice: Parameters<TestService['approve']>[1] = {},
  within: TestEnvironment = environment,
  own: TestService = service,
): Promise<Approved> {
  subscribers += 1;
  const subscriberId = `subscriber-${subscribers}`;
  const visitor = openBrowser(own);
  const startUrl = await own.connectUrl(within, { subscriberId, returnUrl, ...body });
  const callback = await own.approve(await visitor.proceed(startUrl), choice);
  return { visitor, startUrl, callback, subscriberId, in: within };
}

const returnedTo = (answer: Answer) => {
  const location = new URL(answer.headers.get('location') ?? '');
  return { address: location.origin + location.pathname, ...Object.fromEntries(location.searchParams) } as {
    address: string;
    status?: string;
    handle?: string;
    error?: string;
  };
};

/** The same, and the browser was sent back to the product with a handle. */
async function handedOver(...request: Parameters<typeof approved>) {
  const flow = await approved(...request);
  const answer = await flow.visitor.visit(flow.callback);
  const handle = returnedTo(answer).handle ?? '';
  expect(parseHandle(handle)).toBeDefined();
  return { ...flow, answer, handle };
}

const rowOf = (callback: string, own: TestService = service) => dynamoFlowStore(own.db).get(handleOf(callback).flowId);

const connectionsOf = ({ subscriberId, in: within }: Approved, own: TestService = service) =>
  own.connections(within, `&subscriberId=${subscriberId}`);

describe('a request for a URL that is to be confirmed', () => {
  const ask = (apiKey: string, body: object) =>
    service.api(apiKey, 'POST', '/v1/integrations/channel-connections/oauth', {
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
      ...body,
    });

  it('needs an address for the handle, and says so', async () => {
    const without = await ask(environment.apiKey, {});
    const direct = await service.createTestEnvironment();
    const asked = await ask(direct.apiKey, { binding: 'confirm' });

    for (const answer of [without, asked]) {
      expect(answer.json).toMatchObject({
        statusCode: 400,
        error: 'return_url_required',
        message: expect.stringContaining('returnUrl'),
      });
    }
  });

  it('takes the integration’s redirectUrl for one', async () => {
    const own = await service.createTestEnvironment({
      configurations: { binding: 'confirm' },
      credentials: { redirectUrl: 'https://product.example/default' },
    });

    const { answer } = await handedOver({ returnUrl: undefined }, {}, own);

    expect(returnedTo(answer).address).toBe('https://product.example/default');
  });
});

describe('the callback of a flow that is to be confirmed', () => {
  it('sends the browser back to the product with a handle, and says nothing of the account', async () => {
    const { answer, handle, callback } = await handedOver();

    expect(answer.status).toBe(303);
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    expect(returnedTo(answer)).toEqual({
      address: 'https://product.example/back',
      tab: 'chat',
      status: 'awaiting_confirmation',
      handle,
    });
    const state = handleOf(callback);
    expect(parseHandle(handle)?.flowId).toBe(state.flowId);
    expect(parseHandle(handle)?.secret).not.toBe(state.secret);
  });

  it('writes nothing but the flow: no connection, endpoint, grant or name', async () => {
    const own = await createConfirming();
    const rowsBefore = await durableRows();

    const flow = await handedOver({ autoLinkUser: true, connectionIdentifier: 'mine' }, {}, own);

    expect(await durableRows()).toBe(rowsBefore);
    expect(await service.connections(own)).toEqual([]);
    expect(await service.endpoints(own)).toEqual([]);
    expect((await service.api(own.apiKey, 'GET', '/v1/channel-connections/mine')).status).toBe(404);
    expect(await rowOf(flow.callback)).toMatchObject({ status: 'AWAITING_CONFIRMATION' });
  });

  async function durableRows() {
    const { Count } = await service.db.client.send(
      new ScanCommand({ TableName: service.db.tables.connections, Select: 'COUNT' }),
    );
    return Count;
  }

  it('keeps hashes of handle, cookie, state and code, and the exchange sealed', async () => {
    const { handle, callback, visitor } = await handedOver();

    const { Items } = await service.db.client.send(new ScanCommand({ TableName: service.db.tables.flows }));

    const stored = JSON.stringify(Items) + JSON.stringify(service.lines);
    const secret = parseHandle(handle)?.secret ?? '';
    expect(stored).toContain(hashSecret(secret));
    const code = new URL(callback).searchParams.get('code') ?? '';
    for (const hidden of [secret, handleOf(callback).secret, code, ...visitor.cookies.values()]) {
      expect(stored).not.toContain(hidden);
    }
    expect(stored).not.toMatch(/xoxb-|Acme/);
  });

  it('visited again gives another handle, in one write, and the one before is dead', async () => {
    const flow = await handedOver();
    const instance = startInstance(service);
    const calls = service.slack.calls.length;

    const again = await instance.hit(flow.callback, cookiesOf(flow.visitor));

    const second = new URL(String(again.headers?.['location'])).searchParams.get('handle') ?? '';
    expect(second).not.toBe(flow.handle);
    expect(instance.faults.writes).toBe(1);
    expect(service.slack.calls.length).toBe(calls);
    const { subscriberId } = flow;
    expect((await confirm({ handle: flow.handle, subscriberId })).json.error).toBe('confirmation_not_found');
    expect((await confirm({ handle: second, subscriberId })).status).toBe(200);
  });

  it('does not lengthen the time for the confirmation by coming again', async () => {
    const own = await startTestService();
    const flow = await handedOver({}, {}, await createConfirming(own), own);
    own.advance(9 * 60_000);
    const { handle } = returnedTo(await flow.visitor.visit(flow.callback));
    own.advance(60_000);

    const late = await confirm({ handle, subscriberId: flow.subscriberId }, flow.in.apiKey, own);

    expect(late.json).toMatchObject({ statusCode: 404, error: 'confirmation_not_found' });
    await own.close();
  });

  it('keeps its cookie as long as the handle can be had', async () => {
    const { answer } = await handedOver();

    expect(answer.headers.getSetCookie()).toEqual([expect.stringMatching(/^connect-.*=[\w-]{43}; Max-Age=(600|599);/)]);
  });

  it('tells the product when the person pressed Cancel', async () => {
    const flow = await approved({}, { action: 'cancel' });

    const answer = await flow.visitor.visit(flow.callback);

    expect(returnedTo(answer)).toMatchObject({ status: 'error', error: 'access_denied' });
    expect(returnedTo(answer).handle).toBeUndefined();
    expect(answer.headers.getSetCookie()).toEqual([expect.stringContaining('Max-Age=0')]);
  });

  it('by many hits of its browser at once makes one exchange, and a handle that works', async () => {
    const flow = await approved();
    const before = service.slack.count('oauth.v2.access');

    const answers = await Promise.all(Array.from({ length: 20 }, () => flow.visitor.visit(flow.callback)));
    const last = returnedTo(await flow.visitor.visit(flow.callback));

    expect(service.slack.count('oauth.v2.access') - before).toBe(1);
    expect(answers.filter((answer) => ![202, 303].includes(answer.status))).toEqual([]);
    expect(await connectionsOf(flow)).toEqual([]);
    expect((await confirm({ handle: last.handle, subscriberId: flow.subscriberId })).status).toBe(200);
  });

  it('that lost the race for the handle leaves the first one alone', async () => {
    const flow = await approved();
    const slow = startInstance(service);
    let first = '';
    slow.before(
      ({ name, input }) => name === 'UpdateItemCommand' && JSON.stringify(input).includes('AWAITING_CONFIRMATION'),
      async () => {
        first = returnedTo(await flow.visitor.visit(flow.callback)).handle ?? '';
      },
    );

    const answer = await slow.hit(flow.callback, cookiesOf(flow.visitor));

    expect(answer.statusCode).toBe(202);
    expect((await confirm({ handle: first, subscriberId: flow.subscriberId })).status).toBe(200);
  });
});

const cookiesOf = (visitor: Visitor) => [...visitor.cookies].map(([name, value]) => `${name}=${value}`);

describe('a confirmation', () => {
  it('by the backend of whom it was begun for makes the connection and gives it', async () => {
    const context = { tenant: 'acme' };
    const flow = await handedOver({ context, connectionIdentifier: 'named', autoLinkUser: true });

    const answer = await confirm({ handle: flow.handle, subscriberId: flow.subscriberId, context });

    expect(answer.status).toBe(200);
    expect(answer.json.data.connection).toMatchObject({
      identifier: 'named',
      subscriberId: flow.subscriberId,
      contextKeys: ['tenant:acme'],
      status: 'active',
      workspace: { id: 'T0ACME0001', name: 'Acme' },
      auth: { accessToken: 'hidden' },
    });
    expect(answer.json.data.endpoints).toMatchObject([{ type: 'slack_user', subscriberId: flow.subscriberId }]);
    const [listed] = await service.connections(
      environment,
      `&subscriberId=${flow.subscriberId}&contextKeys=tenant:acme`,
    );
    expect(listed).toEqual(answer.json.data.connection);
    expect(answer.text).not.toMatch(/xoxb-|xoxp-/);
  });

  it('compares contexts as a set, whatever their data', async () => {
    const flow = await handedOver({ context: { tenant: 'acme', region: { id: 'eu', data: { a: 1 } } } });

    const answer = await confirm({
      handle: flow.handle,
      subscriberId: flow.subscriberId,
      context: { region: 'eu', tenant: { id: 'acme', data: { b: 2 } } },
    });

    expect(answer.status).toBe(200);
  });

  it('of a shared connection names the subscriber who began it too, when there was one', async () => {
    const context = { tenant: 'shared' };
    const flow = await handedOver({ connectionMode: 'shared', context });
    const without = await handedOver({ connectionMode: 'shared', context, subscriberId: undefined });

    const forgotten = await confirm({ handle: flow.handle, context });
    const right = await confirm({ handle: without.handle, context });

    expect(forgotten.status).toBe(403);
    expect(right.json.data.connection).toMatchObject({ subscriberId: null });
  });

  it('repeated gives the same answer, and asks nothing of Slack again', async () => {
    const flow = await handedOver({ autoLinkUser: true });
    const body = { handle: flow.handle, subscriberId: flow.subscriberId };
    const first = await confirm(body);
    const calls = service.slack.calls.length;

    const repeats = await Promise.all(Array.from({ length: 5 }, () => confirm(body)));

    for (const repeat of repeats) {
      expect(repeat.status).toBe(200);
      expect(repeat.json).toEqual(first.json);
    }
    expect(service.slack.calls.length).toBe(calls);
  });

  it('by many at once makes one connection, and each gets it or is told to repeat', async () => {
    const flow = await handedOver({ autoLinkUser: true });
    const body = { handle: flow.handle, subscriberId: flow.subscriberId };

    const answers = await Promise.all(Array.from({ length: 30 }, () => confirm(body)));

    expect(answers.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);
    expect((await confirm(body)).status).toBe(200);
    expect(await connectionsOf(flow)).toHaveLength(1);
  });

  it('is over with the handle: ten minutes after the outcome nobody can use it', async () => {
    const own = await startTestService();
    const flow = await handedOver({}, {}, await createConfirming(own), own);
    const body = { handle: flow.handle, subscriberId: flow.subscriberId };
    await confirm(body, flow.in.apiKey, own);
    own.advance(10 * 60_000);

    const late = await confirm(body, flow.in.apiKey, own);

    expect(late.json.error).toBe('confirmation_not_found');
    expect(await connectionsOf(flow, own)).toHaveLength(1);
    await own.close();
  });

  it.each([
    ['unknown', () => `${'A'.repeat(22)}.${'A'.repeat(43)}`],
    ['of the right flow with another secret', (handle: string) => `${handle.split('.')[0]}.${'A'.repeat(43)}`],
    ['not one', () => 'nonsense'],
    ['empty', () => ''],
    ['the state', (_: string, flow: Approved) => new URL(flow.callback).searchParams.get('state') ?? ''],
    ['the ticket', (_: string, flow: Approved) => flow.startUrl.split('/').at(-1) ?? ''],
    [
      'the cookie',
      (handle: string, flow: Approved) => `${handle.split('.')[0]}.${[...flow.visitor.cookies.values()][0]}`,
    ],
  ])('with a handle that is %s is a 404 and changes nothing', async (_name, change) => {
    const flow = await handedOver();
    const before = await rowOf(flow.callback);

    const answer = await confirm({ handle: change(flow.handle, flow), subscriberId: flow.subscriberId });

    expect(answer.json).toMatchObject({ statusCode: 404, error: 'confirmation_not_found' });
    expect(await rowOf(flow.callback)).toEqual(before);
    expect((await confirm({ handle: flow.handle, subscriberId: flow.subscriberId })).status).toBe(200);
  });

  it('with a key of another environment is a 404, ends nothing and shows nothing', async () => {
    const flow = await handedOver();
    const other = await service.createTestEnvironment();
    const before = await rowOf(flow.callback);

    const right = await confirm({ handle: flow.handle, subscriberId: flow.subscriberId }, other.apiKey);
    const wrong = await confirm({ handle: flow.handle, subscriberId: 'mallory' }, other.apiKey);

    expect([right.json.error, wrong.json.error]).toEqual(['confirmation_not_found', 'confirmation_not_found']);
    expect(await rowOf(flow.callback)).toEqual(before);
    expect((await confirm({ handle: flow.handle, subscriberId: flow.subscriberId })).status).toBe(200);
  });

  it('needs a key, its permission and a body of the right form', async () => {
    const flow = await handedOver();
    const body = { handle: flow.handle, subscriberId: flow.subscriberId };
    const tokens = await service.createApiKey(environment.environmentId, ['tokens', 'manage']);
    const before = await rowOf(flow.callback);

    const answers = await Promise.all([
      service.api(undefined, 'POST', '/v1/integrations/chat/oauth/confirm', body),
      confirm(body, tokens),
      confirm({ ...body, handle: undefined }),
      confirm({ ...body, extra: true }),
      confirm({ ...body, context: {} }),
    ]);

    expect(answers.map(({ status }) => status)).toEqual([401, 403, 422, 422, 422]);
    expect(await rowOf(flow.callback)).toEqual(before);
  });

  it('ignores an idempotency key', async () => {
    const flow = await handedOver();
    const send = (handle: string) =>
      service.request('POST', '/v1/integrations/chat/oauth/confirm', {
        headers: {
          authorization: `ApiKey ${environment.apiKey}`,
          'content-type': 'application/json',
          'idempotency-key': 'one-key',
        },
        body: JSON.stringify({ handle, subscriberId: flow.subscriberId }),
      });

    const wrong = await send('nonsense');
    const right = await send(flow.handle);

    expect([wrong.status, right.status]).toEqual([404, 200]);
  });

  it('of a link_user makes the endpoint, and only then', async () => {
    const visitor = openBrowser(service);
    const url = await service.linkUrl(environment, { subscriberId: 'linked', returnUrl });
    const callback = await service.approve(await visitor.proceed(url));
    const { handle } = returnedTo(await visitor.visit(callback));
    const before = await service.endpoints(environment, '&subscriberId=linked');

    const answer = await confirm({ handle, subscriberId: 'linked' });

    expect(before).toEqual([]);
    expect(answer.json.data).toMatchObject({ endpoints: [{ type: 'slack_user', subscriberId: 'linked' }] });
    expect(answer.json.data.connection).toBeUndefined();
  });

  it('of an incoming webhook gives its endpoint with the URL', async () => {
    const flow = await handedOver({ scope: ['incoming-webhook'] });

    const answer = await confirm({ handle: flow.handle, subscriberId: flow.subscriberId });

    expect(answer.json.data).toMatchObject({ endpoints: [{ type: 'webhook', endpoint: { url: expect.any(String) } }] });
  });

  it('lets the browser read the outcome afterwards', async () => {
    const flow = await handedOver({ connectionIdentifier: 'afterwards' });
    await confirm({ handle: flow.handle, subscriberId: flow.subscriberId });

    const answer = await flow.visitor.visit(flow.callback);

    expect(returnedTo(answer)).toMatchObject({ status: 'success', connectionIdentifier: 'afterwards' });
    expect(returnedTo(answer).handle).toBeUndefined();
  });

  it('finds an integration that is gone, and lets the token go', async () => {
    const own = await createConfirming();
    const flow = await handedOver({}, {}, own);
    await deleteIntegrations(service, own);
    const before = service.slack.count('auth.revoke');

    const answer = await confirm({ handle: flow.handle, subscriberId: flow.subscriberId }, own.apiKey);

    expect(answer.json).toMatchObject({ statusCode: 409, error: 'flow_failed', reason: 'integration_unavailable' });
    expect(service.slack.count('auth.revoke') - before).toBe(1);
    expect(await rowOf(flow.callback)).not.toHaveProperty('exchange');
  });

  it('stays possible when the integration has become looser meanwhile', async () => {
    const own = await createConfirming();
    const flow = await handedOver({}, {}, own);
    await changeConfigurations(service, own, { binding: 'direct' });

    expect((await confirm({ handle: flow.handle, subscriberId: flow.subscriberId }, own.apiKey)).status).toBe(200);
  });
});

describe('the token of a confirmed flow', () => {
  it('is tried with auth.test before it is stored; a dead one fails the flow', async () => {
    const flow = await handedOver();
    service.slack.misbehave({ method: 'auth.test', kind: 'ok_false', error: 'token_revoked', times: 1 });

    const answer = await confirm({ handle: flow.handle, subscriberId: flow.subscriberId });
    service.slack.behave();
    const repeat = await confirm({ handle: flow.handle, subscriberId: flow.subscriberId });

    for (const each of [answer, repeat]) {
      expect(each.json).toMatchObject({ statusCode: 409, error: 'flow_failed', reason: 'token_revoked' });
    }
    expect(await connectionsOf(flow)).toEqual([]);
  });

  it('has its life lowered by the time that it lay sealed', async () => {
    const own = await startTestService();
    const flow = await handedOver({}, {}, await createConfirming(own, { tokenRotation: true }), own);
    const exchangedAt = (await rowOf(flow.callback, own))?.asOf ?? 0;
    own.advance(9 * 60_000);

    await confirm({ handle: flow.handle, subscriberId: flow.subscriberId }, flow.in.apiKey, own);

    const { Items = [] } = await own.db.client.send(new ScanCommand({ TableName: own.db.tables.connections }));
    const grant = Items.find((item) => item['sk'] === 'GRANT');
    // The library adds the rest to the machine's own clock, which the test's is ahead of.
    expect(grant?.['tokenExpiresAt']).toBeLessThanOrEqual(Math.ceil(exchangedAt / 1000) + 43_200 - 9 * 60);
    await own.close();
  });

  it('that cannot be tried is answered with 503, and the same call goes on later', async () => {
    const flow = await handedOver();
    const body = { handle: flow.handle, subscriberId: flow.subscriberId };
    service.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });

    const trouble = await confirm(body);
    service.slack.behave();
    const shown = await connectionsOf(flow);
    const again = await confirm(body);

    expect(trouble.json).toMatchObject({ statusCode: 503, error: 'unavailable' });
    expect(trouble.headers.get('retry-after')).toBe('1');
    expect(shown).toEqual([]);
    expect(again.status).toBe(200);
  });

  it('is finished by the sweep when nobody repeats the call', async () => {
    const own = await startTestService();
    const flow = await handedOver({}, {}, await createConfirming(own), own);
    own.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });
    await confirm({ handle: flow.handle, subscriberId: flow.subscriberId }, flow.in.apiKey, own);
    own.slack.behave();
    own.advance(16_000);

    await own.sweep();

    expect(await connectionsOf(flow, own)).toMatchObject([{ status: 'active' }]);
    await own.close();
  });
});

describe('a confirmation for somebody else', () => {
  const wrongs: [string, (flow: Approved) => object][] = [
    ['another subscriber', () => ({ subscriberId: 'mallory', context: { tenant: 'acme' } })],
    ['no subscriber', () => ({ context: { tenant: 'acme' } })],
    ['another context', ({ subscriberId }) => ({ subscriberId, context: { tenant: 'globex' } })],
    ['no context', ({ subscriberId }) => ({ subscriberId })],
    ['one context more', ({ subscriberId }) => ({ subscriberId, context: { tenant: 'acme', region: 'eu' } })],
  ];

  it.each(wrongs)(
    '(%s) is a 403, and the flow is over at once: erased, revoked, and of no use to anybody',
    async (_name, wrong) => {
      const context = { tenant: 'acme' };
      const own = await createConfirming();
      const flow = await handedOver({ context }, {}, own);
      const before = service.slack.count('auth.revoke');

      const answer = await confirm({ handle: flow.handle, ...wrong(flow) }, own.apiKey);
      const row = await rowOf(flow.callback);
      const again = await confirm({ handle: flow.handle, ...wrong(flow) }, own.apiKey);
      const right = await confirm({ handle: flow.handle, subscriberId: flow.subscriberId, context }, own.apiKey);

      expect(answer.json).toMatchObject({ statusCode: 403, error: 'confirmation_mismatch' });
      expect(answer.text).not.toMatch(new RegExp(`Acme|T0ACME|${flow.subscriberId}`));
      expect(row).toMatchObject({ status: 'FAILED', failure: 'confirmation_mismatch' });
      expect(row).not.toHaveProperty('exchange');
      expect(again.json.error).toBe('confirmation_mismatch');
      expect(right.json).toMatchObject({ error: 'flow_failed', reason: 'confirmation_mismatch' });
      expect(service.slack.count('auth.revoke') - before).toBe(1);
      expect(await service.connections(own)).toEqual([]);
      expect(returnedTo(await flow.visitor.visit(flow.callback))).toMatchObject({ error: 'confirmation_mismatch' });
    },
  );

  it('after the right one is a 403, and what was confirmed stays', async () => {
    const flow = await handedOver();
    await confirm({ handle: flow.handle, subscriberId: flow.subscriberId });
    const before = service.slack.count('auth.revoke');

    const answer = await confirm({ handle: flow.handle, subscriberId: 'mallory' });

    expect(answer.status).toBe(403);
    expect(service.slack.count('auth.revoke')).toBe(before);
    expect(await connectionsOf(flow)).toHaveLength(1);
  });

  it('while the right one is being finished is a 403, and what was confirmed goes on', async () => {
    const flow = await handedOver();
    const body = { handle: flow.handle, subscriberId: flow.subscriberId };
    service.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });
    await confirm(body);
    service.slack.behave();

    const wrong = await confirm({ ...body, subscriberId: 'mallory' });
    const right = await confirm(body);

    expect([wrong.status, right.status]).toEqual([403, 200]);
  });

  it('at the same time as the right one: one of the two has it, and no connection lives on a revoked token', async () => {
    for (let round = 0; round < 20; round += 1) {
      const own = await createConfirming();
      const flow = await handedOver({}, {}, own);
      const before = service.slack.count('auth.revoke');

      const [right, wrong] = await Promise.all([
        confirm({ handle: flow.handle, subscriberId: flow.subscriberId }, own.apiKey),
        confirm({ handle: flow.handle, subscriberId: 'mallory' }, own.apiKey),
      ]);

      const connected = await service.connections(own);
      expect(wrong.status).toBe(403);
      expect(connected).toHaveLength(right.status === 200 ? 1 : 0);
      expect(service.slack.count('auth.revoke') - before).toBe(right.status === 200 ? 0 : 1);
    }
  });
});

describe('silence', () => {
  it('of ten minutes ends the flow: the sweep erases what was sealed, and revokes it', async () => {
    const own = await startTestService();
    const flow = await handedOver({}, {}, await createConfirming(own), own);
    own.advance(10 * 60_000 - 2_000);
    await own.sweep();
    const before = await rowOf(flow.callback, own);
    own.advance(2_000);

    await own.sweep();

    expect(before?.status).toBe('AWAITING_CONFIRMATION');
    const after = await rowOf(flow.callback, own);
    expect(after).toMatchObject({ status: 'FAILED', failure: 'confirmation_missing' });
    expect(after).not.toHaveProperty('exchange');
    expect(own.slack.count('auth.revoke')).toBe(1);
    const late = await confirm({ handle: flow.handle, subscriberId: flow.subscriberId }, flow.in.apiKey, own);
    expect(late.json.error).toBe('confirmation_not_found');
    await own.close();
  });

  it('ends the flow also for a browser that comes before the sweep', async () => {
    const own = await startTestService();
    const flow = await handedOver({}, {}, await createConfirming(own), own);
    own.advance(10 * 60_000);

    const answer = await flow.visitor.visit(flow.callback);

    // The cookie is gone in a real browser by now; this one keeps it.
    expect(returnedTo(answer)).toMatchObject({ status: 'error', error: 'confirmation_missing' });
    expect(own.slack.count('auth.revoke')).toBe(1);
    expect(await connectionsOf(flow, own)).toEqual([]);
    await own.close();
  });

  it('of a browser that was cut off after the exchange is the same, and the sweep never finishes it', async () => {
    const own = await startTestService();
    const flow = await approved({}, {}, await createConfirming(own), own);
    own.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });
    await flow.visitor.visit(flow.callback);
    own.slack.behave();
    for (let minute = 0; minute < 9; minute += 1) {
      own.advance(60_000);
      await own.sweep();
    }
    const before = await rowOf(flow.callback, own);
    own.advance(2 * 60_000);

    await own.sweep();

    expect(before).toMatchObject({ status: 'EXCHANGED' });
    expect(await rowOf(flow.callback, own)).toMatchObject({ status: 'FAILED', failure: 'confirmation_missing' });
    expect(await connectionsOf(flow, own)).toEqual([]);
    expect(own.slack.count('auth.revoke')).toBe(1);
    await own.close();
  });

  it('at the very end: a confirmation in the last millisecond counts, one later does not', async () => {
    const own = await startTestService();
    const within = await createConfirming(own);
    const [early, late] = [await handedOver({}, {}, within, own), await handedOver({}, {}, within, own)];
    const until = async (flow: Approved) => (await rowOf(flow.callback, own))?.usableUntil ?? 0;
    const [endOfEarly, endOfLate] = [await until(early), await until(late)];

    own.freeze(endOfEarly - 1);
    const counts = await confirm({ handle: early.handle, subscriberId: early.subscriberId }, within.apiKey, own);
    own.freeze(endOfLate);
    const doesNot = await confirm({ handle: late.handle, subscriberId: late.subscriberId }, within.apiKey, own);

    expect([counts.status, doesNot.status]).toEqual([200, 404]);
    await own.close();
  });
});

describe('a connection that lives on the workspace', () => {
  it.each([
    ['abandoned', async (own: TestService, _flow: Approved & { handle: string }) => own.advance(11 * 60_000)],
    [
      'confirmed for somebody else',
      (own: TestService, flow: Approved & { handle: string }) =>
        confirm({ handle: flow.handle, subscriberId: 'mallory' }, flow.in.apiKey, own),
    ],
    [
      'confirmed with a token that fails',
      async (own: TestService, flow: Approved & { handle: string }) => {
        own.slack.misbehave({ method: 'auth.test', kind: 'ok_false', error: 'account_inactive', times: 1 });
        await confirm({ handle: flow.handle, subscriberId: flow.subscriberId }, flow.in.apiKey, own);
        own.slack.behave();
      },
    ],
  ])('is not cut by another flow of it that is %s', async (_name, end) => {
    const own = await startTestService();
    const within = await createConfirming(own);
    const living = await handedOver({}, {}, within, own);
    await confirm({ handle: living.handle, subscriberId: living.subscriberId }, within.apiKey, own);

    await end(own, await handedOver({}, {}, within, own));
    await own.sweep();

    expect(own.slack.count('auth.revoke')).toBe(0);
    expect(await connectionsOf(living, own)).toMatchObject([{ status: 'active' }]);
    await own.close();
  });

  it('of another integration with the same app is not cut either', async () => {
    const own = await startTestService();
    const app = { clientId: 'shared.client', clientSecret: 'canary-shared', appId: 'A0SHARED' };
    const living = await own.createTestEnvironment({ app });
    await own.connect(living);
    const flow = await handedOver({}, {}, await createConfirming(own, app), own);

    await confirm({ handle: flow.handle, subscriberId: 'mallory' }, flow.in.apiKey, own);

    expect(own.slack.count('auth.revoke')).toBe(0);
    expect(await rowOf(flow.callback, own)).not.toHaveProperty('exchange');
    await own.close();
  });
});

describe('whoever made the link', () => {
  const statuses = ['ISSUED', 'REDEEMING', 'EXCHANGED', 'AWAITING_CONFIRMATION', 'COMPLETED', 'FAILED'] as const;

  /** Brings a flow of a victim's browser into a status. */
  async function flowIn(status: (typeof statuses)[number]) {
    const flow = await approved();
    const cookies = cookiesOf(flow.visitor);
    if (status === 'REDEEMING') {
      const dying = startInstance(service);
      dying.faults.killAt(5);
      await dying.hit(flow.callback, cookies).catch(() => undefined);
    }
    if (status === 'EXCHANGED') {
      service.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });
      await flow.visitor.visit(flow.callback);
      service.slack.behave();
    }
    if (status === 'AWAITING_CONFIRMATION' || status === 'COMPLETED') {
      const { handle } = returnedTo(await flow.visitor.visit(flow.callback));
      if (status === 'COMPLETED') await confirm({ handle, subscriberId: flow.subscriberId });
    }
    if (status === 'FAILED') {
      service.slack.misbehave({ method: 'oauth.v2.access', kind: 'http_500', times: 1 });
      await flow.visitor.visit(flow.callback);
      service.slack.behave();
    }
    return flow;
  }

  it.each(statuses)('knowing the state, and not the code, learns and gets nothing while it is %s', async (status) => {
    const flow = await flowIn(status);
    const row = await rowOf(flow.callback);
    expect(row?.status).toBe(status);
    const calls = service.slack.calls.length;
    const attacker = openBrowser(service);
    const address = new URL(flow.callback);
    address.searchParams.set('code', 'attackers-own');
    const refusal = new URL(flow.callback);
    refusal.searchParams.set('error', 'access_denied');

    const pages = [
      await attacker.visit(address.href),
      await attacker.visit(refusal.href),
      // Even with the victim's code, which she cannot have.
      await attacker.visit(flow.callback),
    ];

    expect(new Set(pages.map((page) => page.text)).size).toBe(1);
    for (const page of pages) {
      expect(page.status).toBe(400);
      expect(page.headers.get('location')).toBeNull();
      expect(page.text).not.toMatch(new RegExp(`Acme|Billing Bot|${flow.subscriberId}`));
    }
    expect(await rowOf(flow.callback)).toEqual(row);
    expect(service.slack.calls.length).toBe(calls);
  });

  it('and has the cookie as well gets no handle without the code of the approval', async () => {
    const flow = await flowIn('AWAITING_CONFIRMATION');
    const row = await rowOf(flow.callback);
    const address = new URL(flow.callback);
    address.searchParams.set('code', 'attackers-own');

    const page = await flow.visitor.visit(address.href);

    expect(page.status).toBe(400);
    expect(page.headers.get('location')).toBeNull();
    expect(await rowOf(flow.callback)).toEqual(row);
  });

  it('gets nothing when somebody else opens it and approves: the product confirms for whom its session is', async () => {
    const flow = await handedOver({ subscriberId: 'attacker' });

    const answer = await confirm({ handle: flow.handle, subscriberId: 'victim' });

    expect(answer.status).toBe(403);
    expect(await service.connections(environment, '&subscriberId=attacker')).toEqual([]);
    expect(await service.connections(environment, '&subscriberId=victim')).toEqual([]);
  });
});

describe('a second use', () => {
  it('of a state, a ticket or a handle activates nothing again', async () => {
    const flow = await handedOver({ autoLinkUser: true });
    const body = { handle: flow.handle, subscriberId: flow.subscriberId };
    const { json } = await confirm(body);
    const { connection, endpoints } = json.data;
    await removeRows(json.data);
    const calls = service.slack.calls.length;

    await flow.visitor.visit(flow.callback);
    await flow.visitor.press(flow.startUrl);
    const repeat = await confirm(body);
    await service.sweep();

    expect(connection.identifier).toBeDefined();
    expect(endpoints).toHaveLength(1);
    expect(repeat.json).toEqual({ data: { endpoints: [] } });
    expect(service.slack.calls.length).toBe(calls);
    expect(await connectionsOf(flow)).toEqual([]);
    expect(await service.endpoints(environment, `&subscriberId=${flow.subscriberId}`)).toEqual([]);
  });

  async function removeRows(made: { connection: Answer['json']; endpoints: Answer['json'][] }) {
    const subjectKey = made.connection.identifier.replace('chconn-', '');
    const keys = [
      keyOf.connection(environment.environmentId, subjectKey),
      ...made.endpoints.map((endpoint) => keyOf.endpoint(environment.environmentId, endpoint.identifier)),
    ];
    for (const Key of keys) {
      await service.db.client.send(new DeleteCommand({ TableName: service.db.tables.connections, Key }));
    }
  }
});

describe('a process that ends', () => {
  const wanted = { connectionIdentifier: 'mine', autoLinkUser: true };

  /** DynamoDB commands of each, when nothing goes wrong. */
  const commands = { callback: 6, confirmation: 18, mismatch: 15, sweep: 26 } as const;
  const each = (name: keyof typeof commands) => Array.from({ length: commands[name] }, (_, index) => index + 1);

  it('can end before every command, and these are all', async () => {
    const own = await startTestService();
    const within = await createConfirming(own);
    const instance = startInstance(own);
    const counted: Record<string, number> = {};
    const count = async (name: string, act: () => Promise<unknown>) => {
      instance.faults.reset();
      await act();
      counted[name] = instance.faults.reads + instance.faults.writes;
    };
    const flow = await approved(wanted, {}, within, own);

    await count('callback', () => instance.hit(flow.callback, cookiesOf(flow.visitor)));
    const { handle } = returnedTo(await flow.visitor.visit(flow.callback));
    await count('confirmation', () => instance.confirm(within.apiKey, { handle, subscriberId: flow.subscriberId }));
    const mismatched = await handedOver(wanted, {}, await createConfirming(own), own);
    await count('mismatch', () => instance.confirm(mismatched.in.apiKey, { handle: mismatched.handle }));
    await handedOver(wanted, {}, await createConfirming(own), own);
    own.advance(10 * 60_000);
    await count('sweep', () => instance.sweep());

    expect(counted).toEqual(commands);
    await own.close();
  });

  async function expectConfirmable(own: TestEnvironment, flow: Approved) {
    expect(await service.connections(own)).toEqual([]);
    const answer = await flow.visitor.visit(flow.callback);
    const back = returnedTo(answer);
    if (back.status === 'error') {
      // The one window that cannot be closed: Slack has answered, and the answer was not kept.
      expect(back.error).toBe('exchange_outcome_unknown');
      expect(await service.connections(own)).toEqual([]);
      return;
    }
    const confirmed = await confirm({ handle: back.handle, subscriberId: flow.subscriberId }, own.apiKey);
    expect(confirmed.json.data).toMatchObject({ connection: { identifier: 'mine' }, endpoints: [{}] });
  }

  it.each(each('callback'))(
    'before command %d of the callback leaves a flow that the next hit hands over or ends',
    async (k) => {
      const own = await createConfirming();
      const flow = await approved(wanted, {}, own);
      const before = service.slack.count('oauth.v2.access');
      const dying = startInstance(service);
      dying.faults.killAt(k);

      await dying.hit(flow.callback, cookiesOf(flow.visitor)).catch(() => undefined);
      service.advance(11_000);

      await expectConfirmable(own, flow);
      expect(service.slack.count('oauth.v2.access') - before).toBeLessThanOrEqual(1);
    },
  );

  it.each(each('confirmation'))(
    'before command %d of the confirmation leaves a flow that a repeat completes',
    async (k) => {
      const own = await createConfirming();
      const flow = await handedOver(wanted, {}, own);
      const body = { handle: flow.handle, subscriberId: flow.subscriberId };
      const dying = startInstance(service);
      dying.faults.killAt(k);
      await dying.confirm(own.apiKey, body).catch(() => undefined);

      const repeat = await confirm(body, own.apiKey);

      expect(repeat.json.data).toMatchObject({ connection: { identifier: 'mine', status: 'active' }, endpoints: [{}] });
      expect(await service.connections(own)).toHaveLength(1);
      expect(await service.endpoints(own)).toHaveLength(1);
    },
  );

  it.each(each('confirmation'))(
    'before command %d of the confirmation leaves a flow that the sweep completes, or ends',
    async (k) => {
      const own = await startTestService();
      const flow = await handedOver(wanted, {}, await createConfirming(own), own);
      const dying = startInstance(own);
      dying.faults.killAt(k);
      await dying
        .confirm(flow.in.apiKey, { handle: flow.handle, subscriberId: flow.subscriberId })
        .catch(() => undefined);
      const wasConfirmed = (await rowOf(flow.callback, own))?.confirmedAt !== undefined;
      own.advance(11 * 60_000);

      await own.sweep();

      expect(await connectionsOf(flow, own)).toHaveLength(wasConfirmed ? 1 : 0);
      expect(await rowOf(flow.callback, own)).toMatchObject(
        wasConfirmed ? { status: 'COMPLETED' } : { status: 'FAILED', failure: 'confirmation_missing' },
      );
      expect(own.slack.count('auth.revoke')).toBe(wasConfirmed ? 0 : 1);
      await own.close();
    },
  );

  it.each(each('mismatch'))(
    'before command %d of a mismatch leaves a flow that never connects, and ends',
    async (k) => {
      const own = await startTestService();
      const flow = await handedOver(wanted, {}, await createConfirming(own), own);
      const dying = startInstance(own);
      dying.faults.killAt(k);
      await dying.confirm(flow.in.apiKey, { handle: flow.handle, subscriberId: 'mallory' }).catch(() => undefined);
      const decided = (await rowOf(flow.callback, own))?.failure !== undefined;

      const right = await confirm({ handle: flow.handle, subscriberId: flow.subscriberId }, flow.in.apiKey, own);
      own.advance(2 * 60_000);
      await own.sweep();

      // Once it is decided there is no way back; before, nothing has happened.
      expect(right.status).toBe(decided ? 409 : 200);
      expect(await connectionsOf(flow, own)).toHaveLength(decided ? 0 : 1);
      expect(await rowOf(flow.callback, own)).not.toHaveProperty('exchange');
      await own.close();
    },
  );

  it.each(each('sweep'))('before command %d of the sweep leaves a lapsed flow that the next sweep ends', async (k) => {
    const own = await startTestService();
    const flow = await handedOver(wanted, {}, await createConfirming(own), own);
    own.advance(10 * 60_000);
    const dying = startInstance(own);
    dying.faults.killAt(k);
    await dying.sweep().catch(() => undefined);
    own.advance(2 * 60_000);

    await own.sweep();

    expect(await rowOf(flow.callback, own)).toMatchObject({ status: 'FAILED', failure: 'confirmation_missing' });
    expect(await rowOf(flow.callback, own)).not.toHaveProperty('exchange');
    expect(own.slack.count('auth.revoke')).toBeGreaterThanOrEqual(1);
    expect(await connectionsOf(flow, own)).toEqual([]);
    await own.close();
  });

  it.each(each('confirmation'))(
    'whose answer to command %d of the confirmation was lost is completed by a repeat',
    async (k) => {
      const own = await createConfirming();
      const flow = await handedOver(wanted, {}, own);
      const body = { handle: flow.handle, subscriberId: flow.subscriberId };
      const unlucky = startInstance(service);
      unlucky.faults.failAfter(k);
      await unlucky.confirm(own.apiKey, body);

      expect((await confirm(body, own.apiKey)).json.data).toMatchObject({ connection: { identifier: 'mine' } });
    },
  );
});

describe('Microsoft Teams', () => {
  let teams: TeamsEnvironment;

  beforeAll(async () => {
    teams = await createTeams(service, { binding: 'confirm', returnUrls: [returnUrl] });
  });

  /** A flow whose browser has been to the consent and to the sign-in, and is back with a handle. */
  async function signedIn(subscriberId: string, body: object = {}, username = adele, own = service, within = teams) {
    const visitor = openBrowser(own);
    const url = await urlOf(own, within, 'connect', { subscriberId, returnUrl, ...body });
    const claim = await own.microsoft.approveConsent(await visitor.proceed(url), { username: adele });
    const signIn = await visitor.visit(claim);
    const callback = await own.microsoft.signIn(signIn.headers.get('location') ?? '', { username });
    const answer = await visitor.visit(callback);
    const connections = () => own.connections(within, `&subscriberId=${subscriberId}`);
    return { visitor, callback, answer, ...returnedTo(answer), connections };
  }

  const confirmTeams = (handle: string | undefined, subscriberId: string) =>
    confirm({ handle, subscriberId }, teams.apiKey);

  it('asks for the confirmation before anything else, also before an app-only token', async () => {
    const flow = await signedIn('confirmed', { autoLinkUser: true });
    const calls = service.microsoft.count('token');
    const before = await flow.connections();

    const answer = await confirmTeams(flow.handle, 'confirmed');

    expect(flow.status).toBe('awaiting_confirmation');
    expect(before).toEqual([]);
    expect(answer.json.data).toMatchObject({
      connection: { status: 'active', workspace: { id: contoso.id } },
      endpoints: [{ type: 'ms_teams_user' }],
    });
    expect(service.microsoft.count('token') - calls).toBe(1);
  });

  it('answers a confirmation with the pending connection, and only then tries again', async () => {
    const own = await startTestService();
    const within = await createTeams(own, { binding: 'confirm', returnUrls: [returnUrl] });
    const flow = await signedIn('pending', { autoLinkUser: true }, adele, own, within);
    own.microsoft.setRoles(contoso.id, within.entraApp.clientId, []);
    own.advance(5 * 60_000);
    await own.sweep();
    const tokens = own.microsoft.count('token');
    const body = { handle: flow.handle, subscriberId: 'pending' };

    const answer = await confirm(body, within.apiKey, own);
    const repeat = await confirm(body, within.apiKey, own);
    const triesBefore = own.microsoft.count('token') - tokens;
    own.microsoft.setRoles(contoso.id, within.entraApp.clientId, ['Team.ReadBasic.All']);
    own.advance(5_000);
    await own.sweep();
    const afterwards = await confirm(body, within.apiKey, own);

    expect(answer.status).toBe(200);
    expect(answer.json.data).toMatchObject({
      connection: { status: 'pending', statusReason: 'roles_missing' },
      endpoints: [],
    });
    expect(repeat.json).toEqual(answer.json);
    expect(triesBefore).toBe(1);
    expect(afterwards.json.data).toMatchObject({ connection: { status: 'active' }, endpoints: [{}] });
    await own.close();
  });

  it('refuses who is of another tenant before anybody is asked to confirm', async () => {
    const flow = await signedIn('mismatch', {}, fiona);

    expect(flow).toMatchObject({ status: 'error', error: 'tenant_mismatch' });
    expect(flow.handle).toBeUndefined();
  });

  it('ends a flow that is confirmed for somebody else, and the tenant is not connected', async () => {
    const flow = await signedIn('honest');

    const answer = await confirmTeams(flow.handle, 'mallory');
    const right = await confirmTeams(flow.handle, 'honest');

    expect([answer.status, right.status]).toEqual([403, 409]);
    expect(await flow.connections()).toEqual([]);
  });

  it('gives another handle to the browser that comes again with the same sign-in', async () => {
    const flow = await signedIn('again');

    const { handle } = returnedTo(await flow.visitor.visit(flow.callback));

    expect((await confirmTeams(flow.handle, 'again')).status).toBe(404);
    expect((await confirmTeams(handle, 'again')).status).toBe(200);
  });

  it('fails with what is missing, and leaves the active connection alone', async () => {
    await confirmTeams((await signedIn('twice')).handle, 'twice');
    const second = await signedIn('twice', {}, megan);
    service.microsoft.setRoles(contoso.id, teams.entraApp.clientId, []);

    const answer = await confirmTeams(second.handle, 'twice');
    service.microsoft.setRoles(contoso.id, teams.entraApp.clientId, ['Team.ReadBasic.All']);

    expect(answer.json).toMatchObject({ statusCode: 409, error: 'flow_failed', reason: 'not_ready' });
    expect(await second.connections()).toMatchObject([{ status: 'active' }]);
  });
});

describe('the sample of docs/bindings.md', () => {
  /** What the document shows, as a module. */
  async function sample() {
    const text = await readFile(new URL('../../docs/bindings.md', import.meta.url), 'utf8');
    const [, code = ''] = /```js\n(.*?)```/s.exec(text) ?? [];
    return import(`data:text/javascript,${encodeURIComponent(code)}`);
  }

  it('connects the user of its session, and nobody else', async () => {
    const { finishConnecting } = await sample();
    const product = { apiUrl: service.url, apiKey: environment.apiKey };
    const own = await handedOver();
    const victims = await handedOver({ subscriberId: 'mallory' });
    const cancelled = await approved({}, { action: 'cancel' });
    const locationOf = (answer: Answer) => answer.headers.get('location');

    const connected = await finishConnecting(locationOf(own.answer), { userId: own.subscriberId }, product);
    const refused = await finishConnecting(locationOf(victims.answer), { userId: 'victim' }, product);
    const ended = await finishConnecting(
      locationOf(await cancelled.visitor.visit(cancelled.callback)),
      { userId: cancelled.subscriberId },
      product,
    );

    expect(connected).toMatchObject({ connection: { subscriberId: own.subscriberId, status: 'active' } });
    expect(refused).toEqual({ error: 'confirmation_mismatch' });
    expect(ended).toEqual({ error: 'access_denied' });
  });
});
