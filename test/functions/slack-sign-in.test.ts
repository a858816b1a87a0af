import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BadIdToken, badIdTokens } from '../../infra/local/pretend-slack/id-token.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { openBrowser } from '../support/visitor.ts';

let service: TestService;
let environment: TestEnvironment;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

const signInEnvironment = (configurations = {}, app = {}) =>
  service.createTestEnvironment({ configurations: { userScopes: ['openid', 'profile'], ...configurations }, app });

const methodsSince = (before: number) => service.slack.calls.slice(before).map(({ method }) => method);

describe('a link_user by Sign in with Slack', () => {
  it('asks for what the integration names, with a nonce that the state does not show', async () => {
    environment = await signInEnvironment();

    const url = new URL(await service.linkUrl(environment));
    const other = new URL(await service.linkUrl(environment));

    expect(url.origin + url.pathname).toBe(`${service.slack.url}/openid/connect/authorize`);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      response_type: 'code',
      scope: 'openid profile',
      state: expect.any(String),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      client_id: environment.slackApp.clientId,
      redirect_uri: environment.slackApp.redirectUris[0],
    });
    expect(url.searchParams.get('state')).not.toContain(url.searchParams.get('nonce'));
    expect(other.searchParams.get('nonce')).not.toBe(url.searchParams.get('nonce'));
  });

  it('points the subscriber at the person who signed in, and keeps no token', async () => {
    environment = await signInEnvironment();
    const callback = await service.approve(await service.linkUrl(environment), { userId: 'U0CHEACME0001' });
    const before = service.slack.calls.length;

    const page = await service.request('GET', callback);

    expect(page.status).toBe(200);
    expect(page.text).toContain('Your Slack account is linked');
    expect(await service.endpoints(environment)).toMatchObject([
      { type: 'slack_user', endpoint: { userId: 'U0CHEACME0001' }, connectionIdentifier: null },
    ]);
    expect(await service.connections(environment)).toEqual([]);
    const [exchange] = service.slack.calls.slice(before);
    expect(exchange).toMatchObject({
      method: 'openid.connect.token',
      form: {
        grant_type: 'authorization_code',
        client_id: environment.slackApp.clientId,
        client_secret: environment.slackApp.clientSecret,
        redirect_uri: environment.slackApp.redirectUris[0],
        code: new URL(callback).searchParams.get('code'),
      },
    });
    expect(exchange?.authorization).toBeUndefined();
  });

  it('is asked for by a request too; without it, the integration goes on with identity.basic', async () => {
    environment = await service.createTestEnvironment();
    const before = service.slack.count('openid.connect.token');

    const plain = await service.link(environment);
    const signIn = await service.link(environment, { userScope: ['openid'] });

    expect([plain.status, signIn.status]).toEqual([200, 200]);
    expect(service.slack.count('openid.connect.token') - before).toBe(1);
    expect(await service.endpoints(environment)).toHaveLength(1);
  });

  it('works with token rotation', async () => {
    environment = await signInEnvironment({}, { tokenRotation: true });

    expect((await service.link(environment)).status).toBe(200);
  });

  it.each([
    ['T0GLOBEX01', 'T0ACME0001', false],
    ['T0ACME0001', 'T0ACME0001', true],
    ['E0INITECH1', 'T0INITECH1', true],
    ['E0INITECH1', 'T0ACME0001', false],
  ])('for %s, in which somebody of %s signs in, links them: %s', async (teamId, workspaceId, isLinked) => {
    environment = await signInEnvironment();

    const page = await service.link(environment, { teamId }, { workspaceId });

    expect(page.text.includes('team_mismatch')).toBe(!isLinked);
    expect(await service.endpoints(environment)).toHaveLength(isLinked ? 1 : 0);
  });

  it('refuses a person of another workspace than the connection’s, and takes one of the same', async () => {
    environment = await signInEnvironment();
    await service.connect(environment);

    const other = await service.link(environment, {}, { workspaceId: 'T0GLOBEX01' });
    const none = await service.endpoints(environment);
    const same = await service.link(environment);

    expect(other.status).toBe(400);
    expect(other.text).toContain('wrong_workspace');
    expect(none).toEqual([]);
    expect(same.status).toBe(200);
    const [connection] = await service.connections(environment);
    expect(await service.endpoints(environment)).toMatchObject([{ connectionIdentifier: connection.identifier }]);
  });

  it('accepts a person of any workspace of the enterprise that is connected', async () => {
    environment = await signInEnvironment();
    await service.connect(environment, {}, { workspaceId: 'E0INITECH1' });

    const inside = await service.link(environment, {}, { workspaceId: 'T0INITECH1' });
    const outside = await service.link(environment, {}, { workspaceId: 'T0GLOBEX01' });

    expect([inside.status, outside.status]).toEqual([200, 400]);
  });

  it('ends when the person presses Cancel', async () => {
    const page = await service.link(await signInEnvironment(), {}, { action: 'cancel' });

    expect(page.status).toBe(400);
    expect(page.text).toContain('access_denied');
  });

  it('shows its outcome to a repeat, and nothing to another code', async () => {
    environment = await signInEnvironment();
    const callback = await service.approve(await service.linkUrl(environment));
    await service.request('GET', callback);
    const before = service.slack.calls.length;
    const otherCode = new URL(callback);
    otherCode.searchParams.set('code', 'another-code');

    const repeat = await service.request('GET', callback);
    const stranger = await service.request('GET', otherCode.href);

    expect(repeat.status).toBe(200);
    expect(repeat.text).toContain('Your Slack account is linked');
    expect(stranger.status).toBe(400);
    expect(stranger.text).not.toContain('subscriber-1');
    expect(methodsSince(before)).toEqual([]);
    expect(service.slack.codeReuses).toBe(0);
  });

  it('takes only the browser in which it began, where the integration wants that', async () => {
    environment = await signInEnvironment({ binding: 'browser' });
    const visitor = openBrowser(service);
    const startUrl = await service.linkUrl(environment);
    const firstUrl = await visitor.proceed(startUrl);
    const secondUrl = await visitor.proceed(startUrl);
    const callback = await service.approve(secondUrl);

    const replaced = await visitor.visit(await service.approve(firstUrl));
    const stranger = await openBrowser(service).visit(callback);
    const none = await service.endpoints(environment);
    const own = await visitor.visit(callback);

    expect([replaced.status, stranger.status, own.status]).toEqual([400, 400, 200]);
    expect(none).toEqual([]);
    expect(await service.endpoints(environment)).toHaveLength(1);
  });

  it('waits for the confirmation where the integration wants that, longer than its id_token lives', async () => {
    const returnUrl = 'https://product.example/back';
    environment = await signInEnvironment({ binding: 'confirm', returnUrls: [returnUrl] });
    const visitor = openBrowser(service);
    const url = await visitor.proceed(await service.linkUrl(environment, { returnUrl }));
    const back = await visitor.visit(await service.approve(url));
    const none = await service.endpoints(environment);
    service.advance(9 * 60_000);

    const confirmed = await service.api(environment.apiKey, 'POST', '/v1/integrations/chat/oauth/confirm', {
      handle: new URL(back.headers.get('location') ?? '').searchParams.get('handle'),
      subscriberId: 'subscriber-1',
    });

    expect(none).toEqual([]);
    expect(confirmed.status).toBe(200);
    expect(await service.endpoints(environment)).toHaveLength(1);
  });
});

describe('an id_token of Slack’s', () => {
  it.each(Object.keys(badIdTokens) as BadIdToken[])('that is bad (%s) is refused', async (badIdToken) => {
    environment = await signInEnvironment();
    const callback = await service.approve(await service.linkUrl(environment), { badIdToken });

    const page = await service.request('GET', callback);
    const repeat = await service.request('GET', callback);

    expect([page.status, repeat.status]).toEqual([400, 400]);
    expect(page.text).toContain('id_token_invalid');
    expect(await service.endpoints(environment)).toEqual([]);
    expect(service.slack.codeReuses).toBe(0);
  });

  it('of a sign-in that somebody else began does not pass for this one', async () => {
    environment = await signInEnvironment();
    const theirs = new URL(await service.approve(await service.linkUrl(environment, { subscriberId: 'mallory' })));
    const ours = new URL(await service.approve(await service.linkUrl(environment, { subscriberId: 'ann' })));
    ours.searchParams.set('code', theirs.searchParams.get('code') ?? '');

    const page = await service.request('GET', ours.href);

    expect(page.text).toContain('id_token_invalid');
    expect(await service.endpoints(environment)).toEqual([]);
  });

  it('is verified by keys that are fetched once, and again when a new one signs', async () => {
    environment = await signInEnvironment();
    await service.link(environment);
    const before = service.slack.count('openid.connect.keys');

    await service.link(environment);
    const fetchedForKnown = service.slack.count('openid.connect.keys') - before;
    service.slack.rotateKeys();
    const page = await service.link(environment);

    expect(fetchedForKnown).toBe(0);
    expect(page.status).toBe(200);
    expect(service.slack.count('openid.connect.keys') - before).toBe(1);
  });

  it('whose keys cannot be had stays sealed, and a later hit verifies it by the time of its exchange', async () => {
    environment = await signInEnvironment();
    const callback = await service.approve(await service.linkUrl(environment));
    const before = service.slack.count('openid.connect.token');
    service.slack.rotateKeys();
    service.slack.misbehave({ method: 'openid.connect.keys', kind: 'drop_before' });

    const waiting = await service.request('GET', callback);
    service.slack.behave();
    service.advance(60 * 60_000);
    const finished = await service.request('GET', callback);

    expect(waiting.status).toBe(202);
    expect(finished.status).toBe(200);
    expect(service.slack.count('openid.connect.token') - before).toBe(1);
    expect(await service.endpoints(environment)).toHaveLength(1);
  });
});

describe('a code', () => {
  it.each([
    ['a sign-in', 'an install', ['openid'], ['identity.basic'], 'openid.connect.token'],
    ['an install', 'a sign-in', ['identity.basic'], ['openid'], 'oauth.v2.access'],
  ])('under the state of %s is not taken when it is of %s', async (_one, _other, own, foreign, method) => {
    environment = await service.createTestEnvironment();
    const callback = new URL(await service.approve(await service.linkUrl(environment, { userScope: own })));
    const stranger = new URL(await service.approve(await service.linkUrl(environment, { userScope: foreign })));
    callback.searchParams.set('code', stranger.searchParams.get('code') ?? '');
    const before = service.slack.calls.length;

    const page = await service.request('GET', callback.href);

    expect(page.status).toBe(400);
    expect(page.text).toContain('invalid_code');
    expect(methodsSince(before)).toEqual([method]);
    expect(await service.endpoints(environment)).toEqual([]);
  });
});

describe('trouble at Slack', () => {
  it.each([
    ['http_500', 'provider_unavailable'],
    ['malformed', 'provider_unavailable'],
    ['html', 'provider_unavailable'],
    ['drop_before', 'exchange_outcome_unknown'],
    ['drop_after', 'exchange_outcome_unknown'],
  ] as const)('in the exchange of a sign-in (%s) ends it, and never asks again', async (kind, failure) => {
    environment = await signInEnvironment();
    const callback = await service.approve(await service.linkUrl(environment), {});
    const before = service.slack.count('openid.connect.token');
    service.slack.misbehave({ method: 'openid.connect.token', kind, times: 1 });

    const page = await service.request('GET', callback);
    const reload = await service.request('GET', callback);

    expect([page.status, reload.status]).toEqual([502, 502]);
    expect(page.text).toContain(failure);
    expect(service.slack.count('openid.connect.token') - before).toBe(1);
    expect(await service.endpoints(environment)).toEqual([]);
    service.slack.behave();
  });

  it.each([
    ['invalid_code', 'invalid_code'],
    ['bad_client_secret', 'provider_misconfigured'],
    ['internal_error', 'provider_unavailable'],
  ])('that says %s to a sign-in is shown as %s', async (error, failure) => {
    environment = await signInEnvironment();
    service.slack.misbehave({ method: 'openid.connect.token', kind: 'ok_false', error, times: 1 });

    const page = await service.link(environment);

    expect(page.text).toContain(failure);
    service.slack.behave();
  });
});

it('leaves no secret of a sign-in in the log', async () => {
  environment = await signInEnvironment();
  const url = new URL(await service.linkUrl(environment));
  const callback = new URL(await service.approve(url.href, { badIdToken: 'wrong_nonce' }));
  await service.request('GET', callback.href);

  const log = JSON.stringify(service.lines);

  expect(log).toContain('id_token_invalid');
  const secrets = [url.searchParams.get('nonce'), url.searchParams.get('state'), callback.searchParams.get('code')];
  for (const secret of [...secrets, environment.slackApp.clientSecret, 'eyJ', 'xoxp'])
    expect(log).not.toContain(secret);
});
