import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Route, routes } from '../../infra/routes.ts';
import { randomToken } from '../../lib/crypto.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

/** What an environment's things are called: from few names, so that two environments often use the same. */
interface Names {
  readonly subscriberId: string;
  readonly connected: string;
  readonly brought: string;
  readonly endpoint: string;
}

const names: fc.Arbitrary<Names> = fc.record({
  subscriberId: fc.constantFrom('ann', 'bob'),
  connected: fc.constantFrom('acme', 'acme-2'),
  brought: fc.constantFrom('own', 'own-2'),
  endpoint: fc.constantFrom('alerts', 'alerts-2'),
});

/** An environment with something of everything, and what nobody else may ever see of it. */
interface Populated extends Names {
  readonly environment: TestEnvironment;
  readonly integrationId: string;
  /** In names of workspaces, ids of channels, and settings. */
  readonly canary: string;
}

async function populate(given: Names): Promise<Populated> {
  const canary = `canary-${randomToken(6)}`;
  const environment = await service.createTestEnvironment({ configurations: { productName: canary } });
  const { apiKey } = environment;
  const { subscriberId, connected, brought, endpoint } = given;
  await service.connect(environment, { subscriberId, connectionIdentifier: connected, autoLinkUser: true });
  const made = [
    await service.api(apiKey, 'POST', '/v1/channel-connections', {
      integrationIdentifier: 'slack',
      identifier: brought,
      context: { tenant: 'acme' },
      workspace: { id: 'T0OWN', name: canary },
      auth: { accessToken: `${canary}-token` },
    }),
    await service.api(apiKey, 'POST', '/v1/channel-endpoints', {
      integrationIdentifier: 'slack',
      identifier: endpoint,
      subscriberId,
      connectionIdentifier: connected,
      type: 'slack_channel',
      endpoint: { channelId: canary },
    }),
  ];
  expect(made.map(({ status }) => status)).toEqual([201, 201]);
  const [{ _id: integrationId }] = (await service.api(apiKey, 'GET', '/v1/integrations')).json.data;
  return { ...given, environment, integrationId, canary };
}

/** Everything that the environment's own key reads. */
async function seenBy({ environment }: Populated): Promise<unknown[]> {
  return Promise.all([
    service.connections(environment),
    service.endpoints(environment),
    service.api(environment.apiKey, 'GET', '/v1/integrations').then(({ json }) => json.data),
  ]);
}

const workspace = { id: 'T0EVIL', name: 'Evil' };
const auth = { accessToken: 'canary-evil' };

/** What makes each route do its work on the things of an environment. */
const bodies: Readonly<Record<string, (of: Populated) => object>> = {
  'POST /v1/integrations/chat/oauth': ({ subscriberId, connected }) => ({
    integrationIdentifier: 'slack',
    subscriberId,
    connectionIdentifier: connected,
  }),
  'POST /v1/integrations/channel-connections/oauth': ({ subscriberId, connected }) => ({
    integrationIdentifier: 'slack',
    subscriberId,
    connectionIdentifier: connected,
  }),
  'POST /v1/integrations/channel-endpoints/oauth': ({ subscriberId, connected }) => ({
    integrationIdentifier: 'slack',
    subscriberId,
    connectionIdentifier: connected,
  }),
  'POST /v1/integrations/channel-endpoints/link': ({ subscriberId }) => ({
    integrationIdentifier: 'slack',
    subscriberId,
  }),
  'POST /v1/integrations/chat/oauth/confirm': () => ({ handle: `${'a'.repeat(22)}.${'b'.repeat(43)}` }),
  'POST /v1/integrations': () => ({ providerId: 'slack', credentials: { clientId: '6.6', secretKey: 'canary-evil' } }),
  'PUT /v1/integrations/{integrationId}': () => ({ name: 'Taken over', active: true }),
  'POST /v1/integrations/{integrationId}/set-primary': () => ({}),
  'POST /v1/integrations/{integrationIdentifier}/slack/authorize': () => ({ teamId: 'T0OWN' }),
  'POST /v1/channel-connections': ({ subscriberId }) => ({
    integrationIdentifier: 'slack',
    subscriberId: `${subscriberId}-evil`,
    workspace,
    auth,
  }),
  'PATCH /v1/channel-connections/{identifier}': () => ({ workspace, auth }),
  'POST /v1/channel-connections/{identifier}/verify': () => ({}),
  'POST /v1/channel-endpoints': ({ subscriberId, connected }) => ({
    integrationIdentifier: 'slack',
    subscriberId,
    connectionIdentifier: connected,
    type: 'slack_channel',
    endpoint: { channelId: 'C0EVIL' },
  }),
  'PATCH /v1/channel-endpoints/{identifier}': () => ({ endpoint: { channelId: 'C0EVIL' } }),
};

/** Routes for browsers and for Slack: what they answer depends on no API key. */
const isKeyless = ({ path }: Route) => /^\/connect\/|\/slack\/(install|events)$|\/callback\//.test(path);
const apiRoutes = routes.filter((route) => !isKeyless(route));
const keyOf = ({ method, path }: Route) => `${method} ${path}`;

/** Calls a route with the caller's key for the things of a target, as far as they have names. */
function call(caller: Populated, route: Route, target: Populated) {
  // Slack tells channels for a genuine token only.
  const connection = route.path.endsWith('/channels') ? target.connected : target.brought;
  const identifier = route.path.startsWith('/v1/channel-endpoints') ? target.endpoint : connection;
  const path = route.path
    .replace('{integrationId}', target.integrationId)
    .replace('{integrationIdentifier}', 'slack')
    .replace('{identifier}', identifier);
  const query = route.method === 'GET' && !route.path.includes('{') ? `?subscriberId=${target.subscriberId}` : '';
  const isList = route.path.startsWith('/v1/channel-');
  return service.api(
    caller.environment.apiKey,
    route.method,
    path + (isList ? query : ''),
    bodies[keyOf(route)]?.(target),
  );
}

describe('two environments', () => {
  it('have a request for every route that is done on things of one’s own', async () => {
    const refused: string[] = [];
    for (const route of apiRoutes) {
      const own = await populate({ subscriberId: 'ann', connected: 'acme', brought: 'own', endpoint: 'alerts' });
      const { status } = await call(own, route, own);
      if (status >= 300) refused.push(`${keyOf(route)} ${status}`);
    }

    // Chat has no primary, nothing awaits a confirmation, and what a caller brought is not handed out.
    expect(refused).toEqual([
      'POST /v1/integrations/chat/oauth/confirm 404',
      'POST /v1/integrations/{integrationId}/set-primary 400',
      'POST /v1/integrations/{integrationIdentifier}/slack/authorize 404',
    ]);
  });

  it('never see or change anything of each other over any route, in any order, whatever their things are called', async () => {
    await fc.assert(
      fc.asyncProperty(
        names,
        names,
        fc.shuffledSubarray([...apiRoutes], { minLength: apiRoutes.length }),
        async (ofVictim, ofAttacker, order) => {
          const [victim, attacker] = await Promise.all([populate(ofVictim), populate(ofAttacker)]);
          const before = await seenBy(victim);

          for (const route of order) {
            const { text, headers } = await call(attacker, route, victim);

            const secrets = [victim.canary, victim.environment.environmentId, victim.environment.slackApp.clientId];
            for (const secret of secrets) expect(text + JSON.stringify([...headers])).not.toContain(secret);
          }

          expect(await seenBy(victim)).toEqual(before);
        },
      ),
      { numRuns: 12 },
    );
  });
});
