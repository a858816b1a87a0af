import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { installBot } from '../../../../lib/providers/msteams/install-bot.ts';

const manifestId = '6f0e5e3c-1111-4222-8333-444455556666';
const userId = '0a0e5e3c-1111-4222-8333-444455556666';
const installation = { accessToken: 'token', manifestId, userId };
const listed = { value: [{ id: 'app-1', externalId: manifestId, distributionMethod: 'organization' }] };

/** A Graph that lists what is given, and answers the installation as given. */
function graphThat(catalog: unknown, status: number, message = '', headers: Record<string, string> = {}) {
  const calls: { url: string; method: string; body: string }[] = [];
  const send = (async (input: string | URL | Request, init?: RequestInit) => {
    calls.push({ url: String(input), method: init?.method ?? 'GET', body: String(init?.body ?? '') });
    if (init?.method !== 'POST') return Response.json(catalog);
    const body = message ? JSON.stringify({ error: { code: 'Some', message } }) : null;
    return new Response(body, { status, headers });
  }) as typeof fetch;
  return { calls, install: () => installBot({ graphBaseUrl: 'http://localhost:1', fetch: send }, installation) };
}

describe('installBot', () => {
  it('names the app by Graph’s own address, wherever the call goes', async () => {
    const { calls, install } = graphThat(listed, 201);

    expect(await install()).toBeUndefined();

    expect(calls).toEqual([
      {
        url: `http://localhost:1/v1.0/appCatalogs/teamsApps?$filter=externalId%20eq%20'${manifestId}'%20and%20distributionMethod%20eq%20'organization'`,
        method: 'GET',
        body: '',
      },
      {
        url: `http://localhost:1/v1.0/users/${userId}/teamwork/installedApps`,
        method: 'POST',
        body: '{"teamsApp@odata.bind":"https://graph.microsoft.com/v1.0/appCatalogs/teamsApps/app-1"}',
      },
    ]);
  });

  it.each([200, 201, 204, 409])('takes %d for installed', async (status) => {
    expect(await graphThat(listed, status).install()).toBeUndefined();
  });

  it.each([
    [400, 'Bad request', 'bot_refused'],
    [400, 'CreateOrUpdateUserAppEntitlementForUser failed', 'provider_unavailable'],
    [400, 'Failed to get the settings-store', 'provider_unavailable'],
    [401, 'Access token validation failure.', 'provider_unavailable'],
    [403, "Missing role permissions on the request. API requires one of 'X'.", 'roles_missing'],
    [403, "AAD App Id 'x' is not allowed to manage the Teams App 'y'.", 'bot_app_mismatch'],
    [403, 'App is blocked by app permission policy.', 'bot_blocked'],
    [404, "User 'x' was not found.", 'bot_user_unknown'],
    [412, 'Precondition failed', 'bot_refused'],
    [429, 'Too many requests', 'provider_unavailable'],
    [503, 'The service is unavailable.', 'provider_unavailable'],
  ])('takes %d (%s) for %s', async (status, message, reason) => {
    expect(await graphThat(listed, status, message).install()).toMatchObject({ reason });
  });

  it('hands on how long Graph asks to wait', async () => {
    const { install } = graphThat(listed, 429, 'Too many requests', { 'retry-after': '17' });

    expect(await install()).toMatchObject({ retryAfterSeconds: 17 });
  });

  it('installs no other app than the one that it looked for, whatever is listed', async () => {
    const others = { value: [{ id: 'app-2', externalId: userId, distributionMethod: 'organization' }] };
    const { calls, install } = graphThat(others, 201);

    expect(await install()).toEqual({ reason: 'bot_not_in_catalog' });
    expect(calls.every(({ method }) => method === 'GET')).toBe(true);
  });

  it.each([{ value: [{ id: '../me', externalId: manifestId, distributionMethod: 'organization' }] }, {}, 'x'])(
    'takes a list that is none for trouble (%j)',
    async (catalog) => {
      expect(await graphThat(catalog, 201).install()).toEqual({ reason: 'provider_unavailable' });
    },
  );

  it.each([
    ['a redirect', 302, { location: '/elsewhere' }, ''],
    ['an endless answer', 200, {}, 'x'.repeat(2 * 1024 * 1024)],
  ])('takes %s for trouble, and gives the token to nobody else', async (_name, status, headers, body) => {
    const paths: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      paths.push(request.url);
      response.writeHead(status, headers).end(body);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const graphBaseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

    expect(await installBot({ graphBaseUrl, fetch }, installation)).toEqual({ reason: 'provider_unavailable' });

    expect(paths).toHaveLength(1);
    server.closeAllConnections();
    server.close();
  });
});
