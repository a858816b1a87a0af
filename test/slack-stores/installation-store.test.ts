import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ScanCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { FileInstallationStore, InstallProvider } from '@slack/oauth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localClientConfig } from '../../infra/local/embedded-dynamodb.ts';
import { grantIdOf } from '../../lib/grant/grant.ts';
import { installationStore } from '../../lib/slack-stores/index.ts';
import { dynamoGrantStore } from '../../lib/store/grant-store.ts';
import { keyOf } from '../../lib/store/keys.ts';
import { injectFaults } from '../support/faults.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { anInstallation, anOrgInstallation, aUserInstallation, storesOf } from '../support/slack-stores.ts';
import { describeInstallationStore } from './installation-store.contract.ts';

let service: TestService;
const folder = mkdtempSync(join(tmpdir(), 'chat-connect-installations-'));

beforeAll(async () => {
  service = await startTestService();
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await service.close();
});

describeInstallationStore('installationStore', async () => {
  const { installations } = await storesOf(service, await service.createTestEnvironment());
  return installations;
});

// The library's own: the contract asks for what apps know.
describeInstallationStore(
  'FileInstallationStore',
  async () => new FileInstallationStore({ baseDir: mkdtempSync(join(folder, 'store-')) }) as never,
);

const ofTeam = { teamId: 'T0ONE', enterpriseId: undefined, isEnterpriseInstall: false };
const inOrg = { ...ofTeam, enterpriseId: 'E0ORG' };

async function setup(overrides: Parameters<typeof storesOf>[2] = {}) {
  const environment = await service.createTestEnvironment();
  const stores = await storesOf(service, environment, overrides);
  const { environmentId, integrationId } = stores.options;
  return {
    ...stores,
    environment,
    grantOf: (accountId: string, userId?: string) =>
      dynamoGrantStore(service.db).get(environmentId, grantIdOf(integrationId, accountId, userId)),
  };
}

describe('installationStore', () => {
  describe('of an install that brings one kind of token', () => {
    it('keeps the bot when a person installs without one', async () => {
      const { installations } = await setup();
      await installations.storeInstallation(anInstallation());

      await installations.storeInstallation(aUserInstallation('U0BOB'));

      const { bot, user } = await installations.fetchInstallation({ ...ofTeam, userId: 'U0BOB' });
      expect([bot?.token, user.token]).toEqual(['xoxb-canary-one', 'xoxp-canary-U0BOB']);
    });

    it('keeps a person’s token when they install the bot alone', async () => {
      const { installations } = await setup();
      await installations.storeInstallation(aUserInstallation('U0ANN'));

      await installations.storeInstallation(anInstallation());

      const { bot, user } = await installations.fetchInstallation({ ...ofTeam, userId: 'U0ANN' });
      expect([bot?.token, user.token]).toEqual(['xoxb-canary-one', 'xoxp-canary-U0ANN']);
    });

    it('has nothing for a person who gave no token where there is no bot', async () => {
      const { installations } = await setup();
      await installations.storeInstallation(aUserInstallation('U0ANN'));

      await expect(installations.fetchInstallation({ ...ofTeam, userId: 'U0BOB' })).rejects.toMatchObject({
        code: 'installation_not_found',
      });
    });
  });

  describe('inside of an enterprise', () => {
    it('answers for a workspace with the org-wide bot, until the workspace has one', async () => {
      const { installations } = await setup();
      await installations.storeInstallation(anOrgInstallation());

      const before = await installations.fetchInstallation(inOrg);
      await installations.storeInstallation(anInstallation({ enterprise: { id: 'E0ORG' } }));
      const after = await installations.fetchInstallation(inOrg);
      await installations.deleteInstallation(inOrg);
      const again = await installations.fetchInstallation(inOrg);

      expect([before, after, again].map(({ bot }) => bot?.token)).toEqual([
        'xoxb-canary-org',
        'xoxb-canary-one',
        'xoxb-canary-org',
      ]);
      expect(before).toMatchObject({ team: undefined, isEnterpriseInstall: true });
    });

    it('joins the org-wide bot with what a person gave in their workspace', async () => {
      const { installations } = await setup();
      await installations.storeInstallation(anOrgInstallation());
      await installations.storeInstallation(aUserInstallation('U0ANN', { enterprise: { id: 'E0ORG' } }));

      const { bot, user } = await installations.fetchInstallation({ ...inOrg, userId: 'U0ANN' });

      expect([bot?.token, user.token]).toEqual(['xoxb-canary-org', 'xoxp-canary-U0ANN']);
    });

    it('has InstallProvider echo the workspace that was asked about', async () => {
      const { installations } = await setup();
      await installations.storeInstallation(anOrgInstallation());
      const provider = new InstallProvider({
        clientId: '1',
        clientSecret: 'unused',
        stateSecret: 'unused',
        installationStore: installations,
      });

      expect(await provider.authorize(inOrg)).toMatchObject({
        teamId: 'T0ONE',
        enterpriseId: 'E0ORG',
        botToken: 'xoxb-canary-org',
      });
    });

    it('does not take a workspace’s install for an org-wide one', async () => {
      const { installations } = await setup();
      await installations.storeInstallation(anInstallation({ enterprise: { id: 'E0ORG' } }));

      const asked = { teamId: undefined, enterpriseId: 'E0ORG', isEnterpriseInstall: true };

      await expect(installations.fetchInstallation(asked)).rejects.toMatchObject({ code: 'installation_not_found' });
    });
  });

  describe('of whose it is', () => {
    it('keeps environments and integrations apart, also in one workspace', async () => {
      const { environment, installations } = await setup();
      const other = await setup();
      const created = await service.api(environment.apiKey, 'POST', '/v1/integrations', {
        providerId: 'slack',
        identifier: 'second',
        credentials: { clientId: '2.2', secretKey: 'canary' },
      });
      const second = await storesOf(service, environment, { integrationId: created.json.data._id });
      await installations.storeInstallation(anInstallation());
      await installations.storeInstallation(aUserInstallation('U0ANN'));

      for (const foreign of [other.installations, second.installations]) {
        for (const query of [ofTeam, { ...ofTeam, userId: 'U0ANN' }, inOrg]) {
          await expect(foreign.fetchInstallation(query)).rejects.toMatchObject({ code: 'installation_not_found' });
        }
        await foreign.deleteInstallation(ofTeam);
        await foreign.deleteInstallation({ ...ofTeam, userId: 'U0ANN' });
      }

      const { bot, user } = await installations.fetchInstallation({ ...ofTeam, userId: 'U0ANN' });
      expect([bot?.token, user.token]).toEqual(['xoxb-canary-one', 'xoxp-canary-U0ANN']);
    });

    it.each<[string, (mine: TestEnvironment, other: TestEnvironment) => Promise<Parameters<typeof storesOf>[2]>]>([
      ['unknown', async () => ({ integrationId: '0'.repeat(24) })],
      ['another environment’s', async (_, other) => ({ environmentId: other.environmentId })],
      [
        'not Slack’s',
        async (mine) => {
          const created = await service.api(mine.apiKey, 'POST', '/v1/integrations', {
            providerId: 'msteams',
            credentials: { clientId: '00000000-0000-4000-8000-000000000000', secretKey: 'canary' },
          });
          return { integrationId: created.json.data._id };
        },
      ],
    ])('has nothing to do with an integration that is %s', async (_, overridesOf) => {
      const environment = await service.createTestEnvironment();
      const other = await service.createTestEnvironment();
      const { installations } = await storesOf(service, environment, await overridesOf(environment, other));

      const refusal = { code: 'integration_not_found' };
      await expect(installations.fetchInstallation(ofTeam)).rejects.toMatchObject(refusal);
      await expect(installations.storeInstallation(anInstallation())).rejects.toMatchObject(refusal);
    });

    it('stops within half a minute at an integration that is being deleted', async () => {
      const { installations, options } = await setup();
      await installations.storeInstallation(anInstallation());
      await service.db.client.send(
        new UpdateCommand({
          TableName: service.db.tables.connections,
          Key: { ...keyOf.integration(options.integrationId) },
          UpdateExpression: 'SET #state = :deleting',
          ExpressionAttributeNames: { '#state': 'state' },
          ExpressionAttributeValues: { ':deleting': 'deleting' },
        }),
      );

      service.advance(30_000);

      await expect(installations.fetchInstallation(ofTeam)).rejects.toMatchObject({ code: 'integration_not_found' });
    });

    it('takes no installation of another app, where the integration names its own', async () => {
      const environment = await service.createTestEnvironment({ credentials: { applicationId: 'A0MINE' } });
      const { installations } = await storesOf(service, environment);

      await expect(installations.storeInstallation(anInstallation())).rejects.toMatchObject({ code: 'wrong_app' });
      await installations.storeInstallation(anInstallation({ appId: 'A0MINE' }));
    });
  });

  it.each<[string, object]>([
    ['without team and enterprise', { team: undefined }],
    ['of an org without its id', { isEnterpriseInstall: true }],
    ['without any token', { bot: undefined }],
    ['of nobody’s token', { bot: undefined, user: { id: '', token: 'xoxp-canary' } }],
    ['of a classic app', { authVersion: 'v1' }],
    ['whose bot has no token', { bot: { scopes: [], id: 'B1', userId: 'U1' } }],
    ['whose token is a number', { bot: { token: 42, scopes: [], id: 'B1', userId: 'U1' } }],
    ['without a person', { user: undefined }],
    ['with a token longer than any of Slack’s', { user: { id: 'U1', token: `canary${'x'.repeat(5_000)}` } }],
  ])('takes no installation %s, and repeats nothing of it', async (_, wrong) => {
    const { installations } = await setup();

    const stored = installations.storeInstallation(anInstallation(wrong));

    await expect(stored).rejects.toMatchObject({ code: 'installation_invalid' });
    await expect(stored).rejects.not.toThrow(/canary|42/);
  });

  it('takes null for what is missing, as document databases give it', async () => {
    const { installations } = await setup();
    const user = { id: 'U0ANN', token: null, scopes: null };

    await installations.storeInstallation(anInstallation({ enterprise: null, metadata: null, user } as never));

    expect(await installations.fetchInstallation(ofTeam)).toEqual(anInstallation());
  });

  describe('of what it deletes', () => {
    it('finds nothing wrong with what is not there, or not there any more', async () => {
      const { installations } = await setup();
      await installations.deleteInstallation(ofTeam);
      await installations.storeInstallation(anInstallation());

      await installations.deleteInstallation(ofTeam);
      await installations.deleteInstallation(ofTeam);
      await installations.deleteInstallation({ ...ofTeam, userId: 'U0ANN' });

      await expect(installations.fetchInstallation(ofTeam)).rejects.toThrow('No installation');
    });

    it('demands to know which account', async () => {
      const { installations } = await setup();

      const nothing = { teamId: undefined, enterpriseId: undefined, isEnterpriseInstall: false } as never;

      await expect(installations.deleteInstallation(nothing)).rejects.toMatchObject({ code: 'installation_not_found' });
    });

    it('erases every token, of the connections too that flows made', async () => {
      const { environment, installations, grantOf } = await setup();
      await service.connect(environment);
      const query = { ...ofTeam, teamId: 'T0ACME0001' };
      const team = { id: 'T0ACME0001', name: 'Acme' };
      await installations.storeInstallation(aUserInstallation('U0ANN', { team }));
      await installations.storeInstallation(aUserInstallation('U0BOB', { team }));

      await installations.deleteInstallation(query);

      for (const userId of [undefined, 'U0ANN', 'U0BOB']) {
        expect(await grantOf('T0ACME0001', userId)).toMatchObject({ status: 'revoked', token: '' });
      }
      expect(service.slack.count('auth.revoke')).toBe(0);
      expect((await service.connections(environment)).map(({ subscriberId }) => subscriberId)).toEqual([
        'subscriber-1',
      ]);
    });

    it('takes the endpoints of its connection along', async () => {
      const { environment, installations } = await setup();
      await installations.storeInstallation(anInstallation({ team: { id: 'T0ACME0001', name: 'Acme' } }));
      const [{ identifier }] = await service.connections(environment);
      expect((await service.link(environment, { connectionIdentifier: identifier })).status).toBe(200);
      expect(await service.endpoints(environment)).toHaveLength(1);

      await installations.deleteInstallation({ ...ofTeam, teamId: 'T0ACME0001' });

      expect(await service.endpoints(environment)).toEqual([]);
    });
  });

  it('ends with its connections, which can be disconnected one by one', async () => {
    const { environment, installations } = await setup();
    const query = { ...ofTeam, teamId: 'T0ACME0001' };
    const team = { id: 'T0ACME0001', name: 'Acme' };
    const user = { token: 'xoxp-ann', scopes: ['search:read'], id: 'U0ANN' };
    await installations.storeInstallation(anInstallation({ team, user, metadata: 'plan=gold' }));
    const connections = await service.connections(environment);
    const { identifier } = connections.find(({ scopes }) => scopes.includes('chat:write'));

    await service.api(environment.apiKey, 'DELETE', `/v1/channel-connections/${identifier}`);

    const left = await installations.fetchInstallation({ ...query, userId: 'U0ANN' });
    expect([left.bot, left.user.token]).toEqual([undefined, 'xoxp-ann']);
    await service.connect(environment);
    const again = await installations.fetchInstallation(query);
    expect(again.bot?.token).toMatch(/^xoxb-A0/);
    expect(again.metadata).toBeUndefined();
  });

  it('takes back what it gave for a workspace that a flow connected', async () => {
    const { environment, installations } = await setup();
    await service.connect(environment);
    const query = { ...ofTeam, teamId: 'T0ACME0001' };
    const fetched = await installations.fetchInstallation(query);

    await installations.storeInstallation({ ...fetched, metadata: 'plan=gold' });

    expect(await installations.fetchInstallation(query)).toEqual({ ...fetched, metadata: 'plan=gold' });
  });

  it('keeps no secret where a reader of the table sees it', async () => {
    const { installations } = await setup();
    await installations.storeInstallation(
      anInstallation({
        user: { token: 'xoxp-canary', refreshToken: 'xoxe-canary', expiresAt: 4_102_444_800, scopes: [], id: 'U0ANN' },
        incomingWebhook: { url: 'https://hooks.slack.example/canary' },
        metadata: 'canary-metadata',
      }),
    );

    const { Items = [] } = await service.db.client.send(new ScanCommand({ TableName: service.db.tables.connections }));

    expect(JSON.stringify(Items)).not.toContain('canary');
    expect(Items.every((row) => row['schemaVersion'] === 1)).toBe(true);
    expect(service.lines.map((line) => JSON.stringify(line)).join()).not.toContain('canary');
  });

  describe('of a process that ends', () => {
    it.each(Array.from({ length: 14 }, (_, index) => index + 1))(
      'before its DynamoDB command %d: a second try is the whole installation, and deleting it leaves nothing',
      async (k) => {
        const client = new DynamoDBClient({ ...localClientConfig(service.db.endpoint), maxAttempts: 1 });
        const { environment, installations, options, grantOf } = await setup();
        const faulty = installationStore({ ...options, client });
        const faults = injectFaults(client as never);
        const installation = anInstallation({ user: { token: 'xoxp-ann', scopes: ['search:read'], id: 'U0ANN' } });

        faults.killAt(k);
        await faulty.storeInstallation(installation).catch(() => {});
        await installations.storeInstallation(installation);
        expect(await installations.fetchInstallation({ ...ofTeam, userId: 'U0ANN' })).toEqual(installation);
        expect(await service.connections(environment)).toHaveLength(2);

        faults.killAt(k);
        await faulty.deleteInstallation(ofTeam).catch(() => {});
        await installations.deleteInstallation(ofTeam);
        for (const userId of [undefined, 'U0ANN']) {
          expect(await grantOf('T0ONE', userId)).toMatchObject({ status: 'revoked', token: '' });
        }
        expect(await service.connections(environment)).toEqual([]);
      },
    );
  });

  it('ends with one whole installation when many are stored at once', async () => {
    const { environment, installations } = await setup();
    const many = Array.from({ length: 20 }, (_, index) =>
      anInstallation({ user: { token: `xoxp-${index}`, scopes: ['search:read'], id: `U0P${index}` } }),
    );

    await Promise.all(many.map((installation) => installations.storeInstallation(installation)));

    for (const { user } of many) {
      expect(await installations.fetchInstallation({ ...ofTeam, userId: user.id })).toMatchObject({
        user,
        bot: anInstallation().bot,
      });
    }
    expect(await service.connections(environment)).toHaveLength(21);
  });
});
