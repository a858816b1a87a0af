import { accounts } from '../../infra/local/pretend-slack/directory.ts';
import { type Grant, grantIdOf, type Token } from '../../lib/grant/grant.ts';
import { openToken } from '../../lib/grant/token-vault.ts';
import { dynamoGrantStore } from '../../lib/store/grant-store.ts';
import { environmentVault } from '../../lib/vault/environment-vault.ts';
import type { TestEnvironment, TestService } from './service.ts';

export const [acme, globex] = accounts as [(typeof accounts)[0], (typeof accounts)[0]];

/** What tests of tokens that rotate do and look at, behind the API's back where it shows no token. */
export function tokenTools(service: TestService) {
  const { db, keyWrapper, now, slack } = service;

  async function grantOf(environment: TestEnvironment, account = acme): Promise<Grant> {
    const integrations = await service.api(environment.apiKey, 'GET', '/v1/integrations');
    const grantId = grantIdOf(integrations.json.data[0]._id, account.id);
    return (await dynamoGrantStore(db).get(environment.environmentId, grantId)) as Grant;
  }

  return {
    grantOf,
    /** An environment whose subscriber has connected Acme, with tokens that rotate unless it is said otherwise. */
    async connected(options: Parameters<TestService['createTestEnvironment']>[0] = {}) {
      const environment = await service.createTestEnvironment({
        ...options,
        app: { tokenRotation: true, ...options.app },
      });
      await service.connect(environment, { connectionIdentifier: 'mine' });
      return environment;
    },
    /** The connection as the API shows it. */
    shown: async (environment: TestEnvironment, identifier = 'mine') =>
      (await service.api(environment.apiKey, 'GET', `/v1/channel-connections/${identifier}`)).json.data,
    tokenOf: async (environment: TestEnvironment, account = acme): Promise<Token> =>
      openToken(environmentVault({ db, keyWrapper, now }), await grantOf(environment, account)),
    /** Refresh tokens that were sent for the environment's app, in order. */
    sent: ({ slackApp }: TestEnvironment) =>
      slack.calls
        .filter(({ grantType, form }) => grantType === 'refresh_token' && form['client_id'] === slackApp.clientId)
        .map(({ form }) => form['refresh_token']),
    async worksAtSlack(token: string): Promise<boolean> {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await fetch(`${slack.url}/api/auth.test`, { method: 'POST', headers });
      return ((await answer.json()) as { ok: boolean }).ok;
    },
    /** Makes a connection of what a provider gave to the caller. @returns its identifier */
    async brought(
      environment: TestEnvironment,
      { expiresAt, ...tokens }: Token,
      workspaceId = acme.id,
    ): Promise<string> {
      const answer = await service.api(environment.apiKey, 'POST', '/v1/channel-connections', {
        integrationIdentifier: 'slack',
        subscriberId: 'caller',
        workspace: { id: workspaceId },
        auth: { ...tokens, ...(expiresAt && { expiresAt: new Date(expiresAt * 1000).toISOString() }) },
      });
      if (answer.status !== 201) throw new Error(`not made: ${answer.text}`);
      return answer.json.data.identifier;
    },
  };
}
