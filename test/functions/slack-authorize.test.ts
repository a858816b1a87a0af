import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { accounts } from '../../infra/local/pretend-slack/directory.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';

const [acme, globex, research, initech] = accounts as [
  (typeof accounts)[0],
  (typeof accounts)[0],
  (typeof accounts)[0],
  (typeof accounts)[0],
];
const hour = 60 * 60_000;

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterEach(() => service.slack.behave());
afterAll(() => service.close());

const authorize = (environment: TestEnvironment, query: object, apiKey = environment.apiKey, integration = 'slack') =>
  service.api(apiKey, 'POST', `/v1/integrations/${integration}/slack/authorize`, query);

const connect = (environment: TestEnvironment, workspaceId: string, body: object = {}) =>
  service.connect(environment, { subscriberId: `of-${workspaceId}`, ...body }, { workspaceId });

/** Whose token it is, as Slack says. */
async function ownerOf(token: string) {
  const answer = await fetch(`${service.slack.url}/api/auth.test`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  });
  return (await answer.json()) as { ok: boolean; team_id?: string; user_id?: string; bot_id?: string };
}

describe('POST /v1/integrations/{integrationIdentifier}/slack/authorize', () => {
  it('gives each workspace its own bot token, with who the bot is', async () => {
    const environment = await service.createTestEnvironment();
    await connect(environment, acme.id);
    await connect(environment, globex.id);

    for (const { id } of [acme, globex]) {
      const { status, json } = await authorize(environment, { teamId: id, isEnterpriseInstall: false });

      expect(status).toBe(200);
      const owner = await ownerOf(json.data.botToken);
      expect(owner).toMatchObject({ ok: true, team_id: id });
      expect(json.data).toEqual({
        botToken: expect.any(String),
        botId: owner.bot_id,
        botUserId: owner.user_id,
        teamId: id,
      });
    }
  });

  it('answers for every workspace of an org-wide install, and prefers the workspace’s own', async () => {
    const environment = await service.createTestEnvironment();
    await connect(environment, initech.id);
    const query = { teamId: research.id, enterpriseId: initech.id, isEnterpriseInstall: false };

    const byOrg = await authorize(environment, query);
    const orgWide = await authorize(environment, { ...query, teamId: null, isEnterpriseInstall: true });
    await connect(environment, research.id);
    const byWorkspace = await authorize(environment, query);

    expect(byOrg.json.data).toMatchObject({ teamId: research.id, enterpriseId: initech.id });
    expect(orgWide.json.data.botToken).toBe(byOrg.json.data.botToken);
    expect(byWorkspace.json.data.botToken).not.toBe(byOrg.json.data.botToken);
    expect(byWorkspace.json.data).toMatchObject({ teamId: research.id, enterpriseId: initech.id });
  });

  it('refreshes a token that is due, once for all who ask, and gives no refresh token away', async () => {
    const environment = await service.createTestEnvironment({ app: { tokenRotation: true } });
    await connect(environment, acme.id);
    const before = await authorize(environment, { teamId: acme.id });
    service.advance(12 * hour);
    const calls = service.slack.count('oauth.v2.access');

    const answers = await Promise.all(Array.from({ length: 16 }, () => authorize(environment, { teamId: acme.id })));

    expect(service.slack.count('oauth.v2.access')).toBe(calls + 1);
    const tokens = new Set(answers.map(({ json }) => json.data.botToken));
    expect(tokens.size).toBe(1);
    expect(tokens.has(before.json.data.botToken)).toBe(false);
    expect(answers[0]?.json.data.botTokenExpiresAt).toBeGreaterThan(service.now() / 1000);
    expect(answers[0]?.text).not.toMatch(/refresh/i);
  });

  it('says that a dead token needs a new install, and never gives an expired one', async () => {
    const environment = await service.createTestEnvironment({ app: { tokenRotation: true } });
    await connect(environment, acme.id);
    service.advance(12 * hour);
    service.slack.misbehave({ method: 'oauth.v2.access', kind: 'ok_false', error: 'invalid_refresh_token', times: 1 });

    const dead = await authorize(environment, { teamId: acme.id });
    const again = await authorize(environment, { teamId: acme.id });

    for (const answer of [dead, again]) {
      expect(answer.status).toBe(409);
      expect(answer.json).toMatchObject({ error: 'reauthorization_required', reason: 'invalid_refresh_token' });
    }
  });

  it('knows nothing of a workspace that is not connected, was disconnected, or is another environment’s', async () => {
    const environment = await service.createTestEnvironment();
    const stranger = await service.createTestEnvironment();
    await connect(environment, acme.id, { connectionIdentifier: 'acme' });

    const theirs = await authorize(stranger, { teamId: acme.id });
    const unknown = await authorize(environment, { teamId: 'T0NOBODY' });
    await service.api(environment.apiKey, 'DELETE', '/v1/channel-connections/acme');
    const gone = await authorize(environment, { teamId: acme.id });

    for (const answer of [theirs, unknown, gone]) {
      expect(answer.status).toBe(404);
      expect(answer.json.error).toBe('installation_not_found');
    }
  });

  it('does not hand out what a caller brought for the workspace', async () => {
    const environment = await service.createTestEnvironment();
    await service.api(environment.apiKey, 'POST', '/v1/channel-connections', {
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
      workspace: { id: acme.id },
      auth: { accessToken: 'canary-brought' },
    });

    expect((await authorize(environment, { teamId: acme.id })).status).toBe(404);
  });

  it('needs the permission tokens, and stops with a revoked key at once', async () => {
    const environment = await service.createTestEnvironment();
    await connect(environment, acme.id);
    const weak = await service.createApiKey(environment.environmentId, ['connect', 'manage']);

    expect((await authorize(environment, { teamId: acme.id }, weak)).status).toBe(403);
  });

  it.each([
    [{}, 'teamId: is required'],
    [{ enterpriseId: null, isEnterpriseInstall: true }, 'enterpriseId: is required'],
    [{ teamId: 1 }, 'teamId'],
    [{ teamId: 'T1', token: 'x' }, 'token'],
  ])('refuses %j', async (query, message) => {
    const environment = await service.createTestEnvironment();

    const answer = await authorize(environment, query);

    expect(answer.status).toBe(422);
    expect(answer.json.errors.general.messages.join()).toContain(message);
  });

  it('is for Slack integrations only', async () => {
    const environment = await service.createTestEnvironment();

    const answer = await authorize(environment, { teamId: acme.id }, environment.apiKey, 'msteams');

    expect([answer.status, answer.json.error]).toEqual([404, 'integration_not_found']);
  });

  it('writes each hand-out into the log, without the token', async () => {
    const environment = await service.createTestEnvironment();
    await connect(environment, acme.id);
    const from = service.lines.length;

    const { json } = await authorize(environment, { teamId: acme.id });

    const lines = service.lines.slice(from);
    const handedOut = lines.filter(({ message }) => message === 'token handed out');
    expect(handedOut).toHaveLength(1);
    expect(handedOut[0]?.fields).toMatchObject({
      environmentId: environment.environmentId,
      apiKeyId: expect.any(String),
      grantId: expect.any(String),
      fingerprint: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(JSON.stringify(lines)).not.toContain(json.data.botToken);
  });
});
