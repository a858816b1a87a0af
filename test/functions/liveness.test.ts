import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sealToken } from '../../lib/grant/token-vault.ts';
import { dynamoGrantStore } from '../../lib/store/grant-store.ts';
import { environmentVault } from '../../lib/vault/environment-vault.ts';
import { aGrant } from '../support/builders.ts';
import { startInstance } from '../support/instance.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import * as teams from '../support/teams.ts';
import { acme, globex, tokenTools } from '../support/tokens.ts';

/** The sweep asks the providers about what nobody else asks about. */
let service: TestService;
let tools: ReturnType<typeof tokenTools>;

beforeEach(async () => {
  service = await startTestService();
  tools = tokenTools(service);
});

afterEach(() => service.close());

const hour = 60 * 60_000;
/** By then, what was proven just now is to be checked. */
const aCheckLater = 26 * hour;
const notRotating = { app: { tokenRotation: false } };

async function sweepAfter(milliseconds: number): Promise<void> {
  service.advance(milliseconds);
  await service.sweep();
}

const uninstall = ({ slackApp }: TestEnvironment) => service.slack.uninstall(slackApp.clientId, acme.id);
const verifiedAt = async (environment: TestEnvironment) => Date.parse((await tools.shown(environment)).lastVerifiedAt);
const dead = { status: 'reauthorization_required' };

describe('a Slack token that does not rotate', () => {
  it('shows a day after its end that it is dead, without anybody asking', async () => {
    const environment = await tools.connected(notRotating);
    const bystander = await tools.connected(notRotating);
    uninstall(environment);
    await sweepAfter(23 * hour);
    const early = await tools.shown(environment);

    await sweepAfter(3 * hour);

    expect(early).toMatchObject({ status: 'active' });
    expect(await tools.shown(environment)).toMatchObject({ ...dead, statusReason: 'token_revoked' });
    expect(await tools.shown(bystander)).toMatchObject({ status: 'active' });
    expect(service.lines).toContainEqual(
      expect.objectContaining({ level: 'warn', message: 'a grant needs a new approval' }),
    );
    expect(JSON.stringify(service.lines)).not.toContain((await tools.tokenOf(environment)).accessToken);
  });

  it('is tried once a day while it works, which shows', async () => {
    const environment = await tools.connected(notRotating);
    const tests = service.slack.count('auth.test');

    const shown: number[] = [];
    for (let days = 0; days < 3; days += 1) {
      await sweepAfter(aCheckLater);
      await sweepAfter(hour);
      shown.push(await verifiedAt(environment));
    }

    expect(service.slack.count('auth.test') - tests).toBe(3);
    expect(shown.map((time, index) => index === 0 || time - (shown[index - 1] ?? 0) >= 24 * hour)).not.toContain(false);
    expect(service.now() - (shown[2] ?? 0)).toBeLessThan(2 * hour);
  });

  it('is not tried when somebody else has asked within the day', async () => {
    const environment = await tools.connected(notRotating);
    service.advance(23 * hour);
    await service.api(environment.apiKey, 'POST', '/v1/channel-connections/mine/verify');
    const tests = service.slack.count('auth.test');

    await sweepAfter(3 * hour);

    expect(service.slack.count('auth.test')).toBe(tests);
    await sweepAfter(23 * hour);
    expect(service.slack.count('auth.test')).toBe(tests + 1);
  });

  it('is not asked about again once it is dead, until it is approved anew', async () => {
    const environment = await tools.connected(notRotating);
    uninstall(environment);
    await sweepAfter(aCheckLater);
    const tests = service.slack.count('auth.test');

    await sweepAfter(aCheckLater);

    expect(service.slack.count('auth.test')).toBe(tests);
    await service.connect(environment);
    expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
    uninstall(environment);
    await sweepAfter(aCheckLater);
    expect(await tools.shown(environment)).toMatchObject(dead);
  });

  it.each(['http_500', 'rate_limited', 'drop_before', 'html'] as const)(
    'stays as it was after %s, and is tried again hours later',
    async (kind) => {
      const environment = await tools.connected(notRotating);
      service.slack.misbehave({ method: 'auth.test', kind, times: 1 });
      uninstall(environment);
      await sweepAfter(aCheckLater);
      const inTrouble = await tools.shown(environment);

      await sweepAfter(3 * hour);

      expect(inTrouble).toMatchObject({ status: 'active' });
      expect(inTrouble).not.toHaveProperty('lastVerifiedAt');
      expect(await tools.shown(environment)).toMatchObject(dead);
    },
  );

  it.each(['team_added_to_org', 'org_login_required', 'internal_error'])(
    'is not called dead for what %s says of its workspace or of Slack',
    async (error) => {
      const environment = await tools.connected(notRotating);
      service.slack.misbehave({ method: 'auth.test', kind: 'ok_false', error, times: 1 });
      await sweepAfter(aCheckLater);
      const inTrouble = await tools.shown(environment);

      await sweepAfter(3 * hour);

      expect(inTrouble).toMatchObject({ status: 'active' });
      expect(inTrouble).not.toHaveProperty('lastVerifiedAt');
      expect(await verifiedAt(environment)).toBeGreaterThan(service.now() - hour);
    },
  );

  it('of a person is tried as well', async () => {
    const environment = await service.createTestEnvironment(notRotating);
    await service.connect(environment, { connectionIdentifier: 'mine', scope: [], installUserScopes: ['search:read'] });
    uninstall(environment);

    await sweepAfter(aCheckLater);

    expect(await tools.shown(environment)).toMatchObject(dead);
  });

  it('that a caller brought is left alone', async () => {
    const environment = await service.createTestEnvironment(notRotating);
    const identifier = await tools.brought(environment, { accessToken: 'xoxb-anything' });
    const calls = service.slack.calls.length;

    await sweepAfter(aCheckLater);

    expect(service.slack.calls).toHaveLength(calls);
    expect(await tools.shown(environment, identifier)).toMatchObject({ status: 'active' });
  });
});

describe('a Slack token that rotates', () => {
  it('is kept alive while nobody uses it', async () => {
    const environment = await tools.connected();

    for (let days = 0; days < 3; days += 1) await sweepAfter(aCheckLater);

    expect(tools.sent(environment)).toHaveLength(3);
    expect(new Set(tools.sent(environment)).size).toBe(3);
    expect(await tools.worksAtSlack((await tools.tokenOf(environment)).accessToken)).toBe(true);
    expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
  });

  it('is left to those who use it', async () => {
    const environment = await tools.connected();
    const token = () => service.api(environment.apiKey, 'POST', '/v1/channel-connections/mine/token', {});
    for (let halfDays = 0; halfDays < 5; halfDays += 1) {
      await sweepAfter(12 * hour);
      expect((await token()).status).toBe(200);
    }

    expect(tools.sent(environment)).toHaveLength(5);
  });

  it('shows that its chain is broken', async () => {
    const environment = await tools.connected();
    uninstall(environment);

    await sweepAfter(aCheckLater);
    await sweepAfter(aCheckLater);

    expect(await tools.shown(environment)).toMatchObject({ ...dead, statusReason: 'invalid_refresh_token' });
    expect(tools.sent(environment)).toHaveLength(1);
  });

  it('recovers by itself when it was the app that Slack refused', async () => {
    const environment = await tools.connected();
    const { json } = await service.api(environment.apiKey, 'GET', '/v1/integrations');
    const put = (secretKey: string) =>
      service.api(environment.apiKey, 'PUT', `/v1/integrations/${json.data[0]._id}`, {
        credentials: { clientId: environment.slackApp.clientId, secretKey },
      });
    await put('mistyped');
    await sweepAfter(aCheckLater);
    const refused = await tools.shown(environment);
    await put(environment.slackApp.clientSecret);

    await sweepAfter(aCheckLater);

    expect(refused).toMatchObject({ ...dead, statusReason: 'bad_client_secret' });
    expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
  });

  it('stays as it was while Slack is in trouble', async () => {
    const environment = await tools.connected();
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'http_500', times: 1 });
    await sweepAfter(aCheckLater);
    const inTrouble = await tools.shown(environment);

    await sweepAfter(3 * hour);

    expect(inTrouble).toMatchObject({ status: 'active' });
    expect(inTrouble).not.toHaveProperty('lastVerifiedAt');
    expect(await verifiedAt(environment)).toBeGreaterThan(service.now() - hour);
  });

  it('is refreshed once by two sweeps, and by whoever asks at the same time', async () => {
    const environment = await tools.connected();
    service.advance(aCheckLater);

    const [, , answer] = await Promise.all([
      service.sweep(),
      startInstance(service).sweep(),
      service.api(environment.apiKey, 'POST', '/v1/channel-connections/mine/token', {}),
    ]);

    expect(answer.status).toBe(200);
    expect(tools.sent(environment)).toHaveLength(1);
  });
});

describe('a grant that changes while it is checked', () => {
  const records = ({ name, input }: { name: string; input: { UpdateExpression?: string } }) =>
    name === 'UpdateItemCommand' && /SET .*#verifiedAt/.test(input.UpdateExpression ?? '');

  it('is not revived when its connection was deleted', async () => {
    const environment = await tools.connected(notRotating);
    const checking = startInstance(service);
    checking.before(records, async () => {
      const { status } = await service.api(environment.apiKey, 'DELETE', '/v1/channel-connections/mine');
      expect(status).toBe(204);
    });
    service.advance(aCheckLater);

    await checking.sweep();

    expect(await tools.grantOf(environment)).toMatchObject({ status: 'revoked', token: '' });
    const tests = service.slack.count('auth.test');
    await sweepAfter(aCheckLater);
    expect(service.slack.count('auth.test')).toBe(tests);
  });

  it('is not called dead for the token that it had before', async () => {
    const environment = await tools.connected(notRotating);
    uninstall(environment);
    const checking = startInstance(service);
    checking.before(records, async () => {
      await service.connect(environment);
    });
    service.advance(aCheckLater);

    await checking.sweep();

    expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
  });

  it('stays dead when somebody learnt so while Slack still said the opposite', async () => {
    const environment = await tools.connected(notRotating);
    let isAsked = false;
    const checking = startInstance(service, {
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        if (isAsked || !String(input).endsWith('auth.test')) return response;
        isAsked = true;
        uninstall(environment);
        service.advance(1_000);
        await service.api(environment.apiKey, 'POST', '/v1/channel-connections/mine/verify');
        return response;
      },
    });
    service.advance(aCheckLater);

    await checking.sweep();

    expect(isAsked).toBe(true);
    expect(await tools.shown(environment)).toMatchObject({ ...dead, statusReason: 'token_revoked' });
  });

  it('ends with the token that the check got, when its connection was deleted', async () => {
    const environment = await tools.connected();
    let deleting: Promise<unknown> | undefined;
    let got = '';
    const checking = startInstance(service, {
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        if (!String(input).endsWith('oauth.v2.access')) return response;
        got = ((await response.clone().json()) as { access_token: string }).access_token;
        deleting ??= service.api(environment.apiKey, 'DELETE', '/v1/channel-connections/mine');
        await vi.waitUntil(async () => (await service.connections(environment)).length === 0, { timeout: 10_000 });
        return response;
      },
    });
    service.advance(aCheckLater);

    await checking.sweep();
    await deleting;
    await sweepAfter(2 * 60_000);

    expect(await tools.worksAtSlack(got)).toBe(false);
    expect(await tools.grantOf(environment)).toMatchObject({ status: 'revoked', token: '' });
  });
});

describe('a Teams connection', () => {
  async function connectedTenant() {
    const environment = await teams.createTeams(service);
    await teams.connect(service, environment, { connectionIdentifier: 'mine' });
    const { workspace } = await tools.shown(environment);
    return { environment, tenantId: workspace.id, clientId: environment.entraApp.clientId };
  }

  it('shows that the consent was withdrawn, and recovers when it is given again', async () => {
    const { environment, tenantId, clientId } = await connectedTenant();
    const token = () => service.api(environment.apiKey, 'POST', '/v1/channel-connections/mine/token', {});
    service.advance(aCheckLater);
    // Remembered from now on; a check does not look there.
    expect((await token()).status).toBe(200);
    service.microsoft.withdrawConsent(tenantId, clientId);
    await service.sweep();
    const withdrawn = await tools.shown(environment);
    await sweepAfter(aCheckLater);
    const still = await tools.shown(environment);
    service.microsoft.consent(tenantId, clientId);

    await sweepAfter(aCheckLater);

    for (const shown of [withdrawn, still]) {
      expect(shown).toMatchObject({ ...dead, statusReason: 'app_not_in_tenant' });
    }
    expect(Date.parse(still.lastVerifiedAt)).toBeGreaterThan(Date.parse(withdrawn.lastVerifiedAt));
    expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
  });

  it('stays as it was while Microsoft is in trouble', async () => {
    const { environment } = await connectedTenant();
    service.microsoft.misbehave({ kind: 'http_503', times: 1 });

    await sweepAfter(aCheckLater);

    expect(await tools.shown(environment)).toMatchObject({ status: 'active' });
    expect(await tools.shown(environment)).not.toHaveProperty('lastVerifiedAt');
  });
});

describe('many checks', () => {
  const many = 45;

  /** Grants of an environment that Slack does not know, as if they had been stored just now. */
  async function storeGrants({ environmentId }: TestEnvironment, integrationId: string): Promise<void> {
    const { db, keyWrapper, now } = service;
    const vault = environmentVault({ db, keyWrapper, now });
    for (let index = 0; index < many; index += 1) {
      const grant = aGrant({ environmentId, integrationId, account: { id: `T0NR${index}`, kind: 'workspace' } });
      const sealed = await sealToken(vault, environmentId, grant.grantId, { accessToken: `xoxb-${index}` }, 'flow');
      await dynamoGrantStore(db).putIfNewer({ ...grant, ...sealed }, now());
    }
  }

  it('keep no settlement waiting, and are all done in the end', async () => {
    const environment = await tools.connected(notRotating);
    await storeGrants(environment, (await tools.grantOf(environment)).integrationId);
    service.slack.misbehave({ method: 'auth.revoke', kind: 'http_500', times: 1 });
    await service.connect(environment, {}, { workspaceId: globex.id });
    expect(await tools.grantOf(environment)).toMatchObject({ status: 'revoking' });
    const before = service.slack.count('auth.test');
    service.advance(aCheckLater);

    await service.sweep();

    const inOneRun = service.slack.count('auth.test') - before;
    expect(await tools.grantOf(environment)).toMatchObject({ status: 'revoked' });
    expect(inOneRun).toBeGreaterThan(20);
    expect(inOneRun).toBeLessThanOrEqual(40);
    for (let run = 0; run < 2; run += 1) await service.sweep();
    // And the one of the workspace that is connected now.
    expect(service.slack.count('auth.test') - before).toBe(many + 1);
  });
});
