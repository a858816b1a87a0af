import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { app, setup } from './harness.ts';

/** What was sent to an app's events URL. */
async function listen(status = 200) {
  const received: { headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer(async (request, response) => {
    received.push({ headers: request.headers, body: await text(request) });
    response.writeHead(status).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  const url = `http://localhost:${(server.address() as AddressInfo).port}/events`;
  return { received, events: { url, signingSecret: 'signing-secret' } };
}

function uninstall(slack: { url: string }, account = 'T0ACME0001', appId = app.appId): Promise<Response> {
  const body = new URLSearchParams({ app: appId, account });
  return fetch(`${slack.url}/uninstall`, { method: 'POST', body, redirect: 'manual' });
}

const home = async (slack: { url: string }) => (await fetch(slack.url)).text();

describe('the button that uninstalls an app', () => {
  it('is there where the app is installed, ends its tokens, and tells the app', async () => {
    const { received, events } = await listen();
    const { slack, clock, install, call } = await setup({ apps: [{ ...app, events }] });
    const installed = await install({ user_scope: 'search:read' });
    expect((await home(slack)).match(/Uninstall Courier/g)).toHaveLength(1);

    const answer = await uninstall(slack);

    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/']);
    expect(await call('auth.test', { token: installed.access_token })).toEqual({ ok: false, error: 'token_revoked' });
    const seconds = Math.floor(clock.now / 1000);
    const envelope = { type: 'event_callback', team_id: 'T0ACME0001', api_app_id: app.appId, event_time: seconds };
    const bodies = received.map(({ body }) => JSON.parse(body));
    expect(bodies).toHaveLength(2);
    expect(bodies).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ ...envelope, event: { type: 'app_uninstalled' } }),
        expect.objectContaining({
          ...envelope,
          event: {
            type: 'tokens_revoked',
            tokens: { bot: [installed.bot_user_id], oauth: [installed.authed_user.id] },
          },
        }),
      ]),
    );
    expect(new Set(bodies.map(({ event_id: id }) => id)).size).toBe(2);
    const page = await home(slack);
    expect(page).not.toContain('Uninstall Courier');
    expect(page).toContain('<code>app_uninstalled</code> sent, answered with 200');
  });

  it('signs what it sends as Slack does', async () => {
    const { received, events } = await listen();
    const { slack, clock, install } = await setup({ apps: [{ ...app, events }] });
    await install();

    await uninstall(slack);

    for (const { headers, body } of received) {
      const timestamp = String(Math.floor(clock.now / 1000));
      const signature = createHmac('sha256', 'signing-secret').update(`v0:${timestamp}:${body}`).digest('hex');
      expect(headers).toMatchObject({ 'x-slack-request-timestamp': timestamp, 'x-slack-signature': `v0=${signature}` });
    }
    expect(received).toHaveLength(2);
  });

  it('says of an org-wide install that it was one', async () => {
    const { received, events } = await listen();
    const { slack, install } = await setup({ apps: [{ ...app, events }] });
    await install({}, { org: true });

    await uninstall(slack, 'E0INITECH1');

    const [body] = received.map((each) => JSON.parse(each.body));
    expect(body).toMatchObject({ team_id: null, enterprise_id: 'E0INITECH1', is_enterprise_install: true });
  });

  it('works for an app that has no events sent, or does not answer them', async () => {
    const { received, events } = await listen(500);
    const silent = { ...app, clientId: '333.444', appId: 'A0SILENT01' };
    const { slack, install } = await setup({ apps: [{ ...app, events }, silent] });
    await install();

    expect((await uninstall(slack, undefined, silent.appId)).status).toBe(303);
    expect(received).toEqual([]);
    expect((await uninstall(slack)).status).toBe(303);
    expect(await home(slack)).toContain('answered with 500');
    slack.registerApp({ ...app, events: { ...events, url: 'http://localhost:1/' } });
    await uninstall(slack);
    expect(await home(slack)).toContain('answered with nothing');
  });

  it.each([
    ['T0NOWHERE', app.appId],
    ['T0ACME0001', 'A0UNKNOWN'],
  ])('does not know the account %s with the app %s', async (account, appId) => {
    const { slack } = await setup();

    expect((await uninstall(slack, account, appId)).status).toBe(404);
  });
});
