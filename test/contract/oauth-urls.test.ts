import { createHmac } from 'node:crypto';
import type { Novu } from '@novu/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type TestService } from '../support/service.ts';
import { createTeams, type TeamsEnvironment } from '../support/teams.ts';
import { expectRefusal, novuAt } from './novu.ts';

let service: TestService;
let environment: TeamsEnvironment;
let novu: Novu;

beforeAll(async () => {
  service = await startTestService();
  environment = await createTeams(service);
  novu = novuAt(service.url, environment.apiKey);
});

afterAll(() => service.close());

const slack = { integrationIdentifier: 'slack' };
const teams = { integrationIdentifier: 'msteams' };
const unknownIntegration = {
  status: 404,
  error: 'integration_not_found',
  message: 'Integration not found: nope',
};

type ConnectRequest = Parameters<Novu['integrations']['generateConnectOAuthUrl']>[0];

describe('integrations.generateConnectOAuthUrl', () => {
  it('gives the address of Slack’s consent page', async () => {
    const { result, headers } = await novu.integrations.generateConnectOAuthUrl({
      ...slack,
      subscriberId: 'ann',
      context: { tenant: 'acme', region: { id: 'eu', data: { name: 'Europe' } } },
      connectionIdentifier: 'anns',
      connectionMode: 'subscriber',
      scope: ['chat:write', 'users:read'],
      autoLinkUser: true,
    });

    expect(result).toEqual({ url: expect.stringMatching(`^${service.slack.url}/oauth/v2/authorize\\?`) });
    expect(new URL(result.url).searchParams.get('scope')).toBe('chat:write,users:read');
    expect(headers).toMatchObject({
      'content-type': ['application/json; charset=utf-8'],
      'cache-control': ['no-store'],
      'x-request-id': [expect.any(String)],
    });
  });

  it('gives the address of Microsoft’s consent page', async () => {
    const { result } = await novu.integrations.generateConnectOAuthUrl({
      ...teams,
      context: { tenant: 'acme' },
      connectionMode: 'shared',
    });

    expect(result.url).toMatch(`${service.microsoft.url}/organizations/v2.0/adminconsent?`);
  });

  it('takes a context signed with the API key, and no other, where the integration says hmac', async () => {
    const { integrations } = novu;
    await integrations.create({
      identifier: 'signed',
      providerId: 'slack',
      channel: 'chat',
      credentials: { clientId: '1.1', secretKey: 'canary-secret', hmac: true },
    });
    const context = { tenant: 'acme' };
    const contextHash = createHmac('sha256', environment.apiKey).update('{"tenant":"acme"}').digest('hex');
    const ask = (extra: object) =>
      integrations.generateConnectOAuthUrl({ integrationIdentifier: 'signed', subscriberId: 'ann', ...extra });
    const refused = { status: 400, error: 'context_hash_invalid' };

    expect((await ask({ context, contextHash })).result.url).toMatch(service.slack.url);
    await expectRefusal(ask({}), {
      ...refused,
      message: 'A context is required when HMAC validation is enabled.',
    });
    await expectRefusal(ask({ context }), {
      ...refused,
      message: 'A valid contextHash is required when HMAC validation is enabled.',
    });
    await expectRefusal(ask({ context: { tenant: 'other' }, contextHash }), {
      ...refused,
      message: 'Please provide a valid context HMAC hash',
    });
  });

  it.each<[Partial<ConnectRequest>, number, string, string | RegExp]>([
    [{}, 400, 'subscriber_or_context_required', 'Either subscriberId or context must be provided'],
    [{ connectionMode: 'shared' }, 400, 'context_required', 'context is required when connectionMode is "shared"'],
    [
      { connectionMode: 'subscriber', context: { tenant: 'acme' } },
      400,
      'subscriber_required',
      'subscriberId is required when connectionMode is "subscriber"',
    ],
    [
      { context: { tenant: 'acme' }, scope: ['incoming-webhook'] },
      400,
      'subscriber_required',
      'subscriberId is required for incoming webhook',
    ],
    [
      { integrationIdentifier: 'nope', subscriberId: 'ann' },
      404,
      'integration_not_found',
      'Integration not found: nope',
    ],
    [{ integrationIdentifier: '' }, 422, 'validation_failed', 'Integration identifier is required'],
    [{ context: {} }, 422, 'validation_failed', 'Invalid context payload structure'],
    [
      { context: { a: '1', b: '1', c: '1', d: '1', e: '1', f: '1' } },
      422,
      'validation_failed',
      'Too many contexts: 6 provided, maximum allowed is 5',
    ],
    [
      { context: { tenant: { id: 'acme', data: { text: 'x'.repeat(65 * 1024) } } } },
      422,
      'validation_failed',
      /Context 'tenant' data is too large: \d+KB exceeds 64KB limit/,
    ],
  ])('refuses %j with %d', async (body, status, error, message) => {
    await expectRefusal(novu.integrations.generateConnectOAuthUrl({ ...slack, ...body }), { status, error, message });
  });
});

describe('integrations.generateLinkUserOAuthUrl', () => {
  it('gives the address where a person links their Slack account', async () => {
    const { result } = await novu.integrations.generateLinkUserOAuthUrl({
      ...slack,
      subscriberId: 'ann',
      context: { tenant: 'acme' },
      connectionIdentifier: 'anns',
      userScope: ['identity.basic', 'identity.email'],
    });

    expect(result.url).toMatch(`${service.slack.url}/oauth/v2/authorize?`);
    expect(new URL(result.url).searchParams.get('user_scope')).toBe('identity.basic,identity.email');
  });

  it('gives the address where a person signs in at Microsoft', async () => {
    const { result } = await novu.integrations.generateLinkUserOAuthUrl({ ...teams, subscriberId: 'ann' });

    expect(result.url).toMatch(`${service.microsoft.url}/organizations/oauth2/v2.0/authorize?`);
  });

  it('refuses an unknown integration, and an empty subscriber', async () => {
    await expectRefusal(
      novu.integrations.generateLinkUserOAuthUrl({ integrationIdentifier: 'nope', subscriberId: 'ann' }),
      unknownIntegration,
    );
    await expectRefusal(novu.integrations.generateLinkUserOAuthUrl({ ...slack, subscriberId: '' }), {
      status: 422,
      error: 'validation_failed',
      message: 'subscriberId: must not be empty',
    });
  });
});

describe('integrations.generateChatOAuthUrl', () => {
  it('makes both kinds of URL, a connect unless told otherwise', async () => {
    const urlOf = async (body: object) =>
      new URL((await novu.integrations.generateChatOAuthUrl({ ...slack, subscriberId: 'ann', ...body })).result.url);

    expect((await urlOf({})).searchParams.has('scope')).toBe(true);
    expect((await urlOf({ mode: 'connect', autoLinkUser: true })).searchParams.has('scope')).toBe(true);
    const link = await urlOf({ mode: 'link_user', userScope: ['identity.basic'] });
    expect(link.searchParams.get('user_scope')).toBe('identity.basic');
  });

  it('refuses what the other two refuse', async () => {
    await expectRefusal(
      novu.integrations.generateChatOAuthUrl({ ...teams, mode: 'link_user', context: { tenant: 'acme' } }),
      { status: 400, error: 'subscriber_required', message: 'subscriberId is required for link_user mode' },
    );
    await expectRefusal(
      novu.integrations.generateChatOAuthUrl({ integrationIdentifier: 'nope', subscriberId: 'ann' }),
      unknownIntegration,
    );
  });
});

describe('integrations.linkChannelEndpoint', () => {
  it.each([
    [slack, '/oauth/v2/authorize', 'user_scope'],
    [teams, '/organizations/oauth2/v2.0/authorize', 'code_challenge'],
  ])('gives the address where a person links themselves by %j', async (integration, pathname, parameter) => {
    const { result } = await novu.integrations.linkChannelEndpoint({
      ...integration,
      subscriberId: 'ann',
      context: { tenant: 'acme' },
    });

    const url = new URL(result.url);
    expect(url.pathname).toBe(pathname);
    expect(url.searchParams.has(parameter)).toBe(true);
  });

  it('refuses an unknown integration', async () => {
    await expectRefusal(
      novu.integrations.linkChannelEndpoint({ integrationIdentifier: 'nope', subscriberId: 'ann' }),
      unknownIntegration,
    );
  });
});
