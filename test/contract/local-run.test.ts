import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalServer, startLocalServer } from '../infra/admin/local-server.ts';
import { novuAt } from './novu.ts';

let folder: string;
let server: LocalServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'chat-connect-contract-'));
  server = await startLocalServer(folder);
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('npm start', () => {
  it('serves the SDK from the URL to the connection and the endpoint', async () => {
    const novu = novuAt(server.apiUrl, await readFile(join(folder, 'api-key'), 'utf8'));
    const integrations = (await novu.integrations.listActive()).result;
    const { result } = await novu.integrations.generateConnectOAuthUrl({
      integrationIdentifier: 'slack',
      subscriberId: 'ann',
      autoLinkUser: true,
    });

    const allow = new URLSearchParams({ account: 'T0ACME0001', user: 'U0ANNACME0001', action: 'allow' });
    // Follows Slack's redirect to the callback.
    const page = await fetch(result.url, { method: 'POST', body: allow });

    expect(integrations.map(({ identifier }) => identifier).sort()).toEqual(['msteams', 'slack']);
    expect(page.status).toBe(200);
    const [connection] = (await novu.channelConnections.list({ subscriberId: 'ann' })).result.data;
    const [endpoint] = (await novu.channelEndpoints.list({ subscriberId: 'ann' })).result.data;
    expect(connection).toMatchObject({ integrationIdentifier: 'slack', workspace: { id: 'T0ACME0001', name: 'Acme' } });
    expect(endpoint).toMatchObject({
      connectionIdentifier: connection?.identifier,
      type: 'slack_user',
      endpoint: { userId: 'U0ANNACME0001' },
    });
  });
});
