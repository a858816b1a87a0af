import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grantIdOf } from '../../lib/grant/grant.ts';
import { dynamoGrantStore } from '../../lib/store/grant-store.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

const path = (identifier: string) => `/v1/channel-connections/${identifier}`;

const remove = (environment: TestEnvironment, identifier: string) =>
  service.api(environment.apiKey, 'DELETE', path(identifier));

const revocations = () => service.slack.count('auth.revoke');

async function grantOf(environment: TestEnvironment, workspaceId = 'T0ACME0001') {
  const [integration] = (await service.api(environment.apiKey, 'GET', '/v1/integrations')).json.data;
  return dynamoGrantStore(service.db).get(environment.environmentId, grantIdOf(integration._id, workspaceId));
}

describe('DELETE /v1/channel-connections/{identifier}', () => {
  it('hides the connection and its endpoints, frees its identifier and revokes its token', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine', autoLinkUser: true });
    const before = revocations();

    const answer = await remove(environment, 'mine');

    expect(answer).toMatchObject({ status: 204, text: '' });
    expect((await service.api(environment.apiKey, 'GET', path('mine'))).status).toBe(404);
    expect([await service.connections(environment), await service.endpoints(environment)]).toEqual([[], []]);
    expect(revocations() - before).toBe(1);
    expect(await grantOf(environment)).toMatchObject({ status: 'revoked', token: '' });
    await service.connect(environment, { subscriberId: 'another', connectionIdentifier: 'mine' });
    expect(await service.connections(environment)).toMatchObject([{ identifier: 'mine', subscriberId: 'another' }]);
  });

  it('leaves a token alone while another connection lives on it; the last one revokes it, once', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { subscriberId: 'ann', connectionIdentifier: 'anns' });
    await service.connect(environment, { subscriberId: 'bob', connectionIdentifier: 'bobs' });
    const before = revocations();

    await remove(environment, 'anns');
    const between = [revocations() - before, (await grantOf(environment))?.status];
    await remove(environment, 'bobs');

    expect(between).toEqual([0, 'active']);
    expect([revocations() - before, (await grantOf(environment))?.status]).toEqual([1, 'revoked']);
  });

  it('answers 404 for what does not exist, and the second time', async () => {
    const environment = await service.createTestEnvironment();
    await service.connect(environment, { connectionIdentifier: 'mine' });
    await remove(environment, 'mine');

    for (const identifier of ['mine', 'never']) {
      const answer = await remove(environment, identifier);
      expect(answer.status).toBe(404);
      expect(answer.json).toMatchObject({
        message: `Channel connection with identifier '${identifier}' not found`,
        error: 'connection_not_found',
      });
    }
  });
});
