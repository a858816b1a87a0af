import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, it } from 'vitest';
import { startTestService, type TestEnvironment, type TestService } from './service.ts';
import { tokenTools } from './tokens.ts';

type Secrets = Record<string, (service: TestService, environment: TestEnvironment) => Promise<string> | string>;

/** Of each kind one that a test has met without looking. */
const secrets: Secrets = {
  'access token': async (service, environment) => (await tokenTools(service).tokenOf(environment)).accessToken,
  'refresh token': async (service, environment) => (await tokenTools(service).tokenOf(environment)).refreshToken ?? '',
  'client secret': (_, { slackApp }) => slackApp.clientSecret,
  'signing secret': async (service, { apiKey }) => {
    const signingSecret = 'of-the-slack-app-that-is-made';
    const body = { providerId: 'slack', credentials: { clientId: '1.2', secretKey: 'secret', signingSecret } };
    await service.api(apiKey, 'POST', '/v1/integrations', body);
    return signingSecret;
  },
  'API key': (_, { apiKey }) => apiKey,
  code: async (service, environment) =>
    new URL(await service.approve(await service.connectUrl(environment))).searchParams.get('code') ?? '',
  'secret of a start link, state or handle': async (service, environment) =>
    new URL(await service.connectUrl(environment)).searchParams.get('state')?.split('.')[1] ?? '',
};

const plant: Record<string, (service: TestService, text: string) => unknown> = {
  'a row of connections': ({ db }, text) =>
    db.client.send(
      new PutCommand({ TableName: db.tables.connections, Item: { pk: 'any', sk: 'any', note: { text } } }),
    ),
  'a row of flows': ({ db }, text) =>
    db.client.send(new PutCommand({ TableName: db.tables.flows, Item: { pk: `F#${text}` } })),
  'a log line': ({ log }, text) => log.info('something', { of: { what: text } }),
  'an error or a page': ({ observe }, text) =>
    observe('/', { status: 200, isJson: false, headers: '', text: `<p>${text}</p>` }),
  'an event': ({ stream }, text) => stream?.published.push({ text } as never),
  'another place': ({ places }, text) => places.push({ name: 'another place', read: () => [{ text }] }),
};

async function setup() {
  const service = await startTestService({ withEvents: true });
  return { service, environment: await tokenTools(service).connected() };
}

describe('a service that is closed', () => {
  it.each(Object.keys(secrets))('finds a planted %s, and does not say it', async (kind) => {
    const { service, environment } = await setup();
    const secret = (await secrets[kind]?.(service, environment)) ?? '';
    service.log.warn('something', { of: `before ${secret} after` });

    const closing = service.close();

    expect(secret.length).toBeGreaterThan(12);
    await expect(closing).rejects.toThrow(`${kind} in a log line`);
    await expect(closing).rejects.toThrow(`before <${kind}> after`);
    await expect(closing).rejects.not.toThrow(secret);
  });

  it.each(Object.keys(plant))('looks at %s', async (place) => {
    const { service, environment } = await setup();
    await plant[place]?.(service, `before ${environment.slackApp.clientSecret} after`);

    await expect(service.close()).rejects.toThrow(`client secret in ${place}`);
  });

  it('finds nothing where nothing is', async () => {
    const { service } = await setup();

    await expect(service.close()).resolves.toBeUndefined();
  });
});
