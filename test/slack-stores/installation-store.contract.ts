import type { InstallationQuery, InstallationStore } from '@slack/oauth';
import { describe, expect, it } from 'vitest';
import { anInstallation, anOrgInstallation, aUserInstallation } from '../support/slack-stores.ts';

const ofTeam: InstallationQuery<boolean> = { teamId: 'T0ONE', enterpriseId: undefined, isEnterpriseInstall: false };
const ofOrg: InstallationQuery<boolean> = { teamId: undefined, enterpriseId: 'E0ORG', isEnterpriseInstall: true };

/** What apps expect of an installation store of @slack/oauth, whoever made it. */
export function describeInstallationStore(name: string, create: () => Promise<Required<InstallationStore>>): void {
  describe(`${name} as an installation store`, () => {
    it('gives back what was stored for a workspace', async () => {
      const store = await create();
      const installation = anInstallation({
        user: { token: 'xoxp-ann', scopes: ['search:read'], id: 'U0ANN' },
        incomingWebhook: {
          url: 'https://hooks.slack.example/services/T/B/x',
          channel: '#general',
          channelId: 'C1',
          configurationUrl: 'https://one.slack.example/services/B1',
        },
        metadata: 'plan=gold',
      });

      await store.storeInstallation(installation);

      expect(await store.fetchInstallation(ofTeam)).toEqual(installation);
      expect(await store.fetchInstallation({ ...ofTeam, userId: 'U0ANN' })).toEqual(installation);
    });

    it('gives back what was stored for a workspace of an enterprise', async () => {
      const store = await create();
      const installation = anInstallation({ enterprise: { id: 'E0ORG', name: 'Org' } });

      await store.storeInstallation(installation);

      expect(await store.fetchInstallation({ ...ofTeam, enterpriseId: 'E0ORG' })).toEqual(installation);
    });

    it('gives back what was stored for an enterprise, for whichever workspace of it', async () => {
      const store = await create();
      await store.storeInstallation(anOrgInstallation());

      expect(await store.fetchInstallation(ofOrg)).toEqual(anOrgInstallation());
      expect(await store.fetchInstallation({ ...ofOrg, teamId: 'T0ANY' })).toEqual(anOrgInstallation());
    });

    it('gives each person the token that is theirs, and nobody another’s', async () => {
      const store = await create();
      const personal = (userId: string) =>
        anInstallation({ user: { token: `xoxp-${userId}`, scopes: ['search:read'], id: userId } });

      await store.storeInstallation(personal('U0ANN'));
      await store.storeInstallation(personal('U0BOB'));

      for (const userId of ['U0ANN', 'U0BOB']) {
        const { bot, user } = await store.fetchInstallation({ ...ofTeam, userId });
        expect(bot?.token).toBe('xoxb-canary-one');
        expect(user.token).toBe(`xoxp-${userId}`);
      }
      const { bot, user } = await store.fetchInstallation({ ...ofTeam, userId: 'U0CHEN' });
      expect(bot?.token).toBe('xoxb-canary-one');
      expect(user).toMatchObject({ token: undefined, scopes: undefined });
    });

    it('keeps workspaces and enterprises apart', async () => {
      const store = await create();
      await store.storeInstallation(anInstallation());
      await store.storeInstallation(anOrgInstallation());
      const two = {
        team: { id: 'T0TWO', name: 'Two' },
        bot: { token: 'xoxb-two', scopes: [], id: 'B2', userId: 'U2' },
      };
      await store.storeInstallation(anInstallation(two));

      const tokens = await Promise.all(
        [ofTeam, { ...ofTeam, teamId: 'T0TWO' }, ofOrg].map((query) => store.fetchInstallation(query)),
      );

      expect(tokens.map(({ bot }) => bot?.token)).toEqual(['xoxb-canary-one', 'xoxb-two', 'xoxb-canary-org']);
    });

    it('replaces a whole installation by the next one', async () => {
      const store = await create();
      await store.storeInstallation(
        anInstallation({ metadata: 'old', incomingWebhook: { url: 'https://hooks.slack.example/old' } }),
      );
      const next = anInstallation({
        bot: { token: 'xoxb-new', scopes: ['chat:write', 'users:read'], id: 'B0NEW', userId: 'U0NEW' },
      });

      await store.storeInstallation(next);

      expect(await store.fetchInstallation(ofTeam)).toEqual(next);
    });

    it('keeps the token of a person who installed without a bot', async () => {
      const store = await create();
      await store.storeInstallation(aUserInstallation('U0ANN'));

      const { bot, user } = await store.fetchInstallation({ ...ofTeam, userId: 'U0ANN' });

      expect(bot).toBeUndefined();
      expect(user.token).toBe('xoxp-canary-U0ANN');
      expect((await store.fetchInstallation(ofTeam)).user.token).toBe('xoxp-canary-U0ANN');
    });

    it.each([
      ['a workspace', ofTeam],
      ['an enterprise', ofOrg],
    ])('says by ids what of %s is missing', async (_, query) => {
      const store = await create();

      await expect(store.fetchInstallation({ ...query, userId: 'U0ANN' })).rejects.toThrow(
        new RegExp(`No installation.*(${query.teamId ?? query.enterpriseId}).*U0ANN`),
      );
    });

    it('deletes all of a workspace, and of no other', async () => {
      const store = await create();
      await store.storeInstallation(anInstallation());
      await store.storeInstallation(aUserInstallation('U0BOB'));
      await store.storeInstallation(anInstallation({ team: { id: 'T0TWO' } }));

      await store.deleteInstallation(ofTeam);

      await expect(store.fetchInstallation(ofTeam)).rejects.toThrow('No installation');
      await expect(store.fetchInstallation({ ...ofTeam, userId: 'U0BOB' })).rejects.toThrow('No installation');
      expect((await store.fetchInstallation({ ...ofTeam, teamId: 'T0TWO' })).bot).toBeDefined();
    });

    it('deletes all of an enterprise', async () => {
      const store = await create();
      await store.storeInstallation(anOrgInstallation());
      await store.storeInstallation(anInstallation());

      await store.deleteInstallation(ofOrg);

      await expect(store.fetchInstallation(ofOrg)).rejects.toThrow('No installation');
      expect((await store.fetchInstallation(ofTeam)).bot).toBeDefined();
    });

    it('deletes what one person gave, and nothing else', async () => {
      const store = await create();
      const personal = (userId: string) =>
        anInstallation({ user: { token: `xoxp-${userId}`, scopes: ['search:read'], id: userId } });
      await store.storeInstallation(personal('U0ANN'));
      await store.storeInstallation(personal('U0BOB'));

      await store.deleteInstallation({ ...ofTeam, userId: 'U0ANN' });

      expect((await store.fetchInstallation({ ...ofTeam, userId: 'U0ANN' })).user.token).toBeUndefined();
      const left = await store.fetchInstallation({ ...ofTeam, userId: 'U0BOB' });
      expect([left.bot?.token, left.user.token]).toEqual(['xoxb-canary-one', 'xoxp-U0BOB']);
    });

    it('takes a workspace in again after it was deleted', async () => {
      const store = await create();
      await store.storeInstallation(anInstallation());
      await store.deleteInstallation(ofTeam);

      await store.storeInstallation(anInstallation());

      expect((await store.fetchInstallation(ofTeam)).bot?.token).toBe('xoxb-canary-one');
    });
  });
}
