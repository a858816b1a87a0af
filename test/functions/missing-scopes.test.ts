import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { changeConfigurations } from '../support/change-integrations.ts';
import { startInstance } from '../support/instance.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { integrationIdOf } from '../support/slack-stores.ts';
import * as teams from '../support/teams.ts';
import { acme, globex, tokenTools } from '../support/tokens.ts';
import { openBrowser } from '../support/visitor.ts';

/** What an integration has come to require, and connections that were approved before. */
let service: TestService;
let tools: ReturnType<typeof tokenTools>;

beforeAll(async () => {
  service = await startTestService();
  tools = tokenTools(service);
});

afterAll(() => service.close());

const scopes = ['chat:write', 'channels:read'];
const requiredScopes = ['chat:write', 'users:read', 'files:read'];
const missingScopes = ['users:read', 'files:read'];
/** Warm functions know an integration as it was for up to half a minute. */
const untilKnown = 31_000;

async function requireMore(environment: TestEnvironment): Promise<void> {
  await changeConfigurations(service, environment, { requiredScopes });
  service.advance(untilKnown);
}

/** An environment whose subscriber connected before its integration required more. */
async function drifted(): Promise<TestEnvironment> {
  const environment = await service.createTestEnvironment({ configurations: { scopes } });
  await service.connect(environment, { connectionIdentifier: 'mine' });
  await requireMore(environment);
  return environment;
}

const call = ({ apiKey }: TestEnvironment, method: string, path: string, body?: unknown) =>
  service.api(apiKey, method, path, body);
const list = async (environment: TestEnvironment, query = '') =>
  (await call(environment, 'GET', `/v1/channel-connections?missingScopes=true${query}`)).json;
const askedScopes = (url: string) => new URL(url).searchParams.get('scope')?.split(',');

describe('missingScopes', () => {
  it('are those that the integration requires and the connection was not approved, wherever it is shown', async () => {
    const environment = await drifted();

    const verified = await call(environment, 'POST', '/v1/channel-connections/mine/verify');

    expect(await tools.shown(environment)).toMatchObject({ status: 'active', scopes, missingScopes });
    expect(await service.connections(environment)).toMatchObject([{ missingScopes }]);
    expect(verified.json.data).toMatchObject({ missingScopes, lastVerifiedAt: expect.any(String) });
  });

  it('are in the answer of a confirmation', async () => {
    const returnUrl = 'https://product.example/';
    const environment = await service.createTestEnvironment({
      configurations: { binding: 'confirm', returnUrls: [returnUrl], requiredScopes },
    });
    const browser = openBrowser(service);
    const url = await service.connectUrl(environment, { scope: scopes, returnUrl });
    const end = await browser.visit(await service.approve(await browser.proceed(url)));
    const handle = new URL(end.headers.get('location') ?? '').searchParams.get('handle');

    const answer = await call(environment, 'POST', '/v1/integrations/chat/oauth/confirm', {
      handle,
      subscriberId: 'subscriber-1',
    });

    expect(answer.json.data.connection).toMatchObject({ missingScopes });
  });

  it('are not there while nothing is required, or nothing is missing', async () => {
    const environment = await drifted();
    for (const enough of [[], ['channels:read']]) {
      await changeConfigurations(service, environment, { requiredScopes: enough });

      expect(await tools.shown(environment)).not.toHaveProperty('missingScopes');
      expect((await list(environment)).data).toEqual([]);
    }
  });

  it('go when the subject connects again without naming scopes, which asks for them', async () => {
    const environment = await drifted();
    const url = await service.connectUrl(environment);

    await service.request('GET', await service.approve(url));

    expect(askedScopes(url)).toEqual([...scopes, ...missingScopes]);
    const shown = await tools.shown(environment);
    expect(shown.scopes.toSorted()).toEqual([...scopes, ...missingScopes].toSorted());
    expect(shown).not.toHaveProperty('missingScopes');
  });

  it('stay when the request names its scopes', async () => {
    const environment = await drifted();
    const url = await service.connectUrl(environment, { scope: ['chat:write', 'users:read'] });

    await service.request('GET', await service.approve(url));

    expect(askedScopes(url)).toEqual(['chat:write', 'users:read']);
    expect(await tools.shown(environment)).toMatchObject({ missingScopes: ['files:read'] });
  });

  it('are asked for beside our own scopes where the integration has none', async () => {
    const environment = await service.createTestEnvironment({ configurations: { requiredScopes: ['files:read'] } });

    const asked = askedScopes(await service.connectUrl(environment));

    expect(asked).toEqual(expect.arrayContaining(['chat:write', 'files:read']));
    expect(asked).toHaveLength(7);
  });

  it('of mine do not go because another customer approved more for the same workspace', async () => {
    const environment = await drifted();

    await service.connect(environment, { subscriberId: 'another' });

    const connections = await service.connections(environment);
    expect(connections.map(({ workspace }) => workspace.id)).toEqual([acme.id, acme.id]);
    expect(connections.map((each) => [each.subscriberId, each.missingScopes])).toEqual([
      ['another', undefined],
      ['subscriber-1', missingScopes],
    ]);
  });

  it('of one environment are not asked of another', async () => {
    const bystander = await service.createTestEnvironment({ configurations: { scopes } });
    await service.connect(bystander, { connectionIdentifier: 'mine' });

    const environment = await drifted();

    expect(await tools.shown(environment)).toMatchObject({ missingScopes });
    expect(await tools.shown(bystander)).not.toHaveProperty('missingScopes');
    expect((await list(bystander)).data).toEqual([]);
  });

  it('are not of a person’s token, nor of one that a caller brought', async () => {
    const environment = await drifted();
    await service.connect(environment, { subscriberId: 'person', scope: [], installUserScopes: ['search:read'] });
    await tools.brought(environment, { accessToken: 'xoxb-anything' });
    const replaced = await call(environment, 'PATCH', '/v1/channel-connections/mine', {
      workspace: { id: acme.id },
      auth: { accessToken: 'xoxb-anything' },
    });

    expect(replaced.json.data).toMatchObject({ scopes: [] });
    expect(replaced.json.data).not.toHaveProperty('missingScopes');
    expect(await service.connections(environment)).toHaveLength(3);
    expect((await list(environment)).data).toEqual([]);
  });

  it('are not of Teams, where roles are required', async () => {
    const environment = await teams.createTeams(service, { requiredScopes });

    await teams.connect(service, environment, { connectionIdentifier: 'mine' });

    expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
    expect(await tools.shown(environment)).not.toHaveProperty('missingScopes');
  });
});

describe('the install page', () => {
  async function install(environment: TestEnvironment) {
    const page = `${service.url}/v1/integrations/${await integrationIdOf(service, environment)}/slack/install`;
    const browser = openBrowser(service);
    const url = await browser.proceed(page);
    await browser.visit(await service.approve(url));
    return askedScopes(url);
  }

  it('asks for what is required as well, so that installing again puts a connection right', async () => {
    const environment = await service.createTestEnvironment({ configurations: { scopes } });
    await install(environment);
    await requireMore(environment);
    const before = (await list(environment)).data;

    const asked = await install(environment);

    expect(before).toMatchObject([{ subscriberId: null, missingScopes }]);
    expect(asked).toEqual([...scopes, ...missingScopes]);
    expect((await list(environment)).data).toEqual([]);
  });
});

describe('GET /v1/channel-connections?missingScopes=true', () => {
  it('filters each page after it was read: a short one goes on', async () => {
    const environment = await service.createTestEnvironment({ configurations: { scopes } });
    const enough = { scope: [...scopes, ...missingScopes] };
    const approvals = { first: {}, second: {}, third: enough, fourth: enough, fifth: {} };
    for (const [subscriberId, body] of Object.entries(approvals)) {
      await service.connect(environment, { subscriberId, ...body });
    }
    await requireMore(environment);

    const pages: string[][] = [];
    for (let next: string | null = ''; next !== null; ) {
      const page = await list(environment, `&limit=2${next === '' ? '' : `&after=${next}`}`);
      pages.push(page.data.map(({ subscriberId }: { subscriberId: string }) => subscriberId));
      expect(page.totalCount).toBe(5);
      next = page.next;
    }

    expect(pages).toEqual([['fifth'], ['second'], ['first']]);
  });

  it('goes with other filters', async () => {
    const environment = await drifted();
    await service.connect(environment, { subscriberId: 'ann', scope: scopes }, { workspaceId: globex.id });

    const { data } = await list(environment, '&subscriberId=ann');

    expect(data).toMatchObject([{ subscriberId: 'ann', missingScopes }]);
  });

  it('knows no cursor of the list without it', async () => {
    const environment = await drifted();
    await service.connect(environment, { subscriberId: 'ann', scope: scopes });
    const { json } = await call(environment, 'GET', '/v1/channel-connections?limit=1');

    expect((await list(environment, `&after=${json.next}`)).data).toEqual([]);
  });

  it.each(['false', '', '1', 'TRUE'])('refuses %j', async (value) => {
    const environment = await service.createTestEnvironment();

    const answer = await call(environment, 'GET', `/v1/channel-connections?missingScopes=${value}`);

    expect(answer.status).toBe(422);
    expect(JSON.stringify(answer.json.errors)).toContain('missingScopes');
  });

  it('needs no more reads for more connections', async () => {
    const environment = await service.createTestEnvironment({ configurations: { scopes, requiredScopes } });
    const reads = async () => {
      const instance = startInstance(service);
      const { body = '' } = await instance.api(environment.apiKey, 'GET', '/v1/channel-connections');
      return { rows: JSON.parse(body).data.length, reads: instance.faults.reads };
    };
    await service.connect(environment);
    const one = await reads();
    for (const subscriberId of ['ann', 'bob', 'cid']) await service.connect(environment, { subscriberId });

    expect(one.rows).toBe(1);
    expect(await reads()).toEqual({ rows: 4, reads: one.reads });
  });
});

describe('requiredScopes', () => {
  const slack = { providerId: 'slack', credentials: { clientId: '1.1', secretKey: 'secret' } };
  const create = (environment: TestEnvironment, configurations: object) =>
    call(environment, 'POST', '/v1/integrations', { ...slack, configurations });

  it('have to be within allowedScopes, whichever of the two changes', async () => {
    const environment = await service.createTestEnvironment();
    const created = await create(environment, { allowedScopes: ['chat:write', 'users:read'] });
    const put = (configurations: object) =>
      call(environment, 'PUT', `/v1/integrations/${created.json.data._id}`, { configurations });
    const refusals = [
      await create(environment, { allowedScopes: ['chat:write'], requiredScopes: ['chat:write', 'files:read'] }),
      await put({ requiredScopes: ['files:read'] }),
    ];
    const accepted = [await put({ requiredScopes: ['users:read'] })];
    refusals.push(await put({ allowedScopes: ['files:read'] }));
    accepted.push(await put({ allowedScopes: ['files:read'], requiredScopes: ['files:read'] }));
    accepted.push(await put({ allowedScopes: null, requiredScopes: ['anything'] }));

    for (const refused of refusals) {
      expect(refused.status).toBe(422);
      expect(refused.json.errors.general.messages[0]).toMatch(
        /^configurations\.requiredScopes: configurations\.allowedScopes does not have (files|users):read$/,
      );
    }
    expect(accepted.map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it.each([[['incoming-webhook']], [['chat write']], ['chat:write']])('refuses %j', async (given) => {
    const environment = await service.createTestEnvironment();

    const answer = await create(environment, { requiredScopes: given });

    expect(answer.status).toBe(422);
    expect(answer.json.error).toBe('validation_failed');
  });
});
