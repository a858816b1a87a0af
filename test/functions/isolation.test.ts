import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { routes } from '../../infra/routes.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';

let service: TestService;
let victim: TestEnvironment;
let attacker: TestEnvironment;

beforeAll(async () => {
  service = await startTestService();
  victim = await service.createTestEnvironment();
  await service.connect(victim, { subscriberId: 'ann', connectionIdentifier: 'theirs', autoLinkUser: true });
});

afterAll(() => service.close());

/** Everything that the victim's own key reads, to be the same before and after. */
async function seenByVictim() {
  return Promise.all([
    service.connections(victim),
    service.endpoints(victim),
    service.api(victim.apiKey, 'GET', '/v1/integrations').then((answer) => answer.json),
  ]);
}

describe('an environment', () => {
  it('sees and changes nothing of another one over any route, by any identifier of it', async () => {
    attacker = await service.createTestEnvironment();
    const before = await seenByVictim();
    const [[connection], [endpoint], { data: integrations }] = before;
    const known = [connection.identifier, 'theirs', endpoint.identifier, integrations[0]._id, 'ann'];
    const covered = new Set<string>();

    for (const route of routes) {
      for (const identifier of known) {
        const path = route.path.replace(/\{[^}]+\}/, encodeURIComponent(identifier));
        const query = route.method === 'GET' ? `?subscriberId=ann&connectionIdentifier=${identifier}` : '';
        const body = { integrationIdentifier: identifier, subscriberId: 'ann', connectionIdentifier: identifier };
        const plain = await service.api(attacker.apiKey, route.method, path, route.method === 'GET' ? undefined : body);
        const filtered = await service.api(attacker.apiKey, route.method, path + query);
        covered.add(`${route.method} ${route.path}`);
        for (const answer of [plain, filtered]) {
          expect(answer.text).not.toContain(connection.workspace.botUserId);
          expect(answer.text).not.toContain(endpoint.endpoint.userId);
          expect(answer.text).not.toContain(victim.slackApp.clientId);
          if (answer.status === 200 && answer.json?.data)
            expect(JSON.stringify(answer.json.data)).not.toContain('theirs');
        }
      }
    }

    expect(covered.size).toBe(routes.length);
    expect(await seenByVictim()).toEqual(before);
  });

  it('may use the same identifiers, subscribers and workspaces for itself, and nothing meets', async () => {
    attacker = await service.createTestEnvironment();
    const before = await seenByVictim();

    await service.connect(attacker, { subscriberId: 'ann', connectionIdentifier: 'theirs', autoLinkUser: true });

    expect(await service.connections(attacker)).toMatchObject([{ identifier: 'theirs', subscriberId: 'ann' }]);
    expect(await seenByVictim()).toEqual(before);
  });

  it('cannot link to another one’s connection', async () => {
    attacker = await service.createTestEnvironment();
    const [theirs] = await service.connections(victim);

    const page = await service.link(attacker, { subscriberId: 'ann', connectionIdentifier: theirs.identifier });

    expect(page.text).toContain('connection_not_found');
    expect(await service.endpoints(attacker)).toEqual([]);
  });

  it('keeps its token when another one leaves the workspace with the same app', async () => {
    const app = { clientId: 'shared.client', clientSecret: 'canary-shared', appId: 'A0SHARED' };
    const one = await service.createTestEnvironment({ app });
    const other = await service.createTestEnvironment({ app });
    await service.connect(one);
    await service.connect(other);
    const before = service.slack.count('auth.revoke');

    await service.connect(other, {}, { workspaceId: 'T0GLOBEX01' });

    expect(service.slack.count('auth.revoke')).toBe(before);
  });
});

describe('what stands in the tables', () => {
  it('can neither be read nor replayed: no token, secret, code, state or API key', async () => {
    const environment = await service.createTestEnvironment({ app: { tokenRotation: true } });
    const callback = await service.approve(
      await service.connectUrl(environment, { scope: ['chat:write', 'incoming-webhook'] }),
    );
    await service.request('GET', callback);
    const open = await service.approve(await service.connectUrl(environment));

    const dumps = await Promise.all(
      Object.values(service.db.tables).map((TableName) => service.db.client.send(new ScanCommand({ TableName }))),
    );

    const text = JSON.stringify(dumps.map((dump) => dump.Items)) + JSON.stringify(service.lines);
    const secrets = [callback, open].flatMap((address) => {
      const query = new URL(address).searchParams;
      const state = query.get('state') ?? '';
      return [query.get('code') ?? '', state, state.split('.')[1] ?? ''];
    });
    for (const secret of [...secrets, environment.apiKey, environment.slackApp.clientSecret]) {
      expect(text).not.toContain(secret);
    }
    expect(text).not.toMatch(/xoxb-|xoxp-|xoxe|xoxe-1-/);
    const [webhook] = await service.endpoints(environment);
    expect(text).not.toContain(webhook.endpoint.url);
  });
});
