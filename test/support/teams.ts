import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { PretendMicrosoftApp } from '../../infra/local/pretend-microsoft/apps.ts';
import type { Configurations } from '../../lib/integration/integration.ts';
import { teamsRedirectUri } from '../../lib/providers/msteams/authorization-url.ts';
import type { Answer, TestEnvironment, TestService } from './service.ts';

const roles = ['Team.ReadBasic.All'];
export const adele = 'adele@contoso.example';
export const megan = 'megan@contoso.example';
export const fiona = 'fiona@fabrikam.example';

export interface TeamsEnvironment extends TestEnvironment {
  readonly entraApp: PretendMicrosoftApp;
}

export async function createTeams(
  service: TestService,
  configurations: Configurations = {},
  app: Partial<PretendMicrosoftApp> = {},
): Promise<TeamsEnvironment> {
  const environment = await service.createTestEnvironment();
  const entraApp: PretendMicrosoftApp = {
    clientId: randomUUID(),
    clientSecret: `canary-entra-secret-${randomUUID()}`,
    redirectUris: [teamsRedirectUri(service.publicUrl)],
    requestedRoles: roles,
    groupMembershipClaims: true,
    ...app,
  };
  service.microsoft.registerApp(entraApp);
  const created = await service.api(environment.apiKey, 'POST', '/v1/integrations', {
    providerId: 'msteams',
    identifier: 'msteams',
    name: 'Billing Bot',
    credentials: { clientId: entraApp.clientId, secretKey: entraApp.clientSecret },
    configurations: { requiredRoles: roles, ...configurations },
  });
  expect(created.status).toBe(201);
  return { ...environment, entraApp };
}

export async function urlOf(
  service: TestService,
  environment: TeamsEnvironment,
  route: 'connect' | 'link',
  body: object = {},
): Promise<string> {
  const path = route === 'connect' ? 'channel-connections' : 'channel-endpoints';
  const answer = await service.api(environment.apiKey, 'POST', `/v1/integrations/${path}/oauth`, {
    integrationIdentifier: 'msteams',
    subscriberId: 'subscriber-1',
    ...body,
  });
  expect(answer.status).toBe(201);
  return answer.json.data.url;
}

interface Choices {
  readonly consent?: Parameters<TestService['microsoft']['approveConsent']>[1];
  readonly signIn?: Parameters<TestService['microsoft']['signIn']>[1];
}

/** Approves, and gives the address of the sign-in that our callback answers with. */
export async function consented(
  service: TestService,
  environment: TeamsEnvironment,
  body: object = {},
  consent: Choices['consent'] = {},
) {
  const claim = await service.microsoft.approveConsent(await urlOf(service, environment, 'connect', body), {
    username: adele,
    ...consent,
  });
  const answer = await service.request('GET', claim);
  return { claim, answer, signInUrl: answer.headers.get('location') ?? '' };
}

/** Approves and signs in, and gives the address of our callback's last step. */
export async function signedIn(
  service: TestService,
  environment: TeamsEnvironment,
  body: object = {},
  choices: Choices = {},
) {
  const { signInUrl } = await consented(service, environment, body, choices.consent);
  return service.microsoft.signIn(signInUrl, { username: adele, ...choices.signIn });
}

export async function connect(
  service: TestService,
  environment: TeamsEnvironment,
  body: object = {},
  choices: Choices = {},
): Promise<Answer> {
  return service.request('GET', await signedIn(service, environment, body, choices));
}
