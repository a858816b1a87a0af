import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Installation } from '@slack/oauth';
import { localClientConfig } from '../../infra/local/embedded-dynamodb.ts';
import { installationStore, type StateStoreOptions, stateStore } from '../../lib/slack-stores/index.ts';
import type { TestEnvironment, TestService } from './service.ts';

/** `_id` of an environment's integration. */
export async function integrationIdOf(service: TestService, { apiKey }: TestEnvironment, identifier = 'slack') {
  const { json } = await service.api(apiKey, 'GET', '/v1/integrations');
  return json.data.find((each: { identifier: string }) => each.identifier === identifier)._id as string;
}

/** The stores that an app of the environment makes for itself, with a DynamoDB client of its own. */
export async function storesOf(
  service: TestService,
  environment: TestEnvironment,
  overrides: Partial<StateStoreOptions> = {},
) {
  const options: StateStoreOptions = {
    tables: service.db.tables,
    vaultKey: service.keyWrapper,
    environmentId: environment.environmentId,
    integrationId: await integrationIdOf(service, environment),
    client: new DynamoDBClient(localClientConfig(service.db.endpoint)),
    now: service.now,
    log: service.log,
    ...overrides,
  };
  return { options, installations: installationStore(options), states: stateStore(options) };
}

type Given = Partial<Installation<'v2', boolean>>;

/** A workspace's installation as InstallProvider gives it: a bot, and no token of the person who installed. */
export function anInstallation(overrides: Given = {}): Installation<'v2', boolean> {
  return {
    team: { id: 'T0ONE', name: 'One' },
    enterprise: undefined,
    user: { token: undefined, scopes: undefined, id: 'U0ANN' },
    bot: { token: 'xoxb-canary-one', scopes: ['chat:write'], id: 'B0ONE', userId: 'U0BOT' },
    tokenType: 'bot',
    isEnterpriseInstall: false,
    appId: 'A0APP',
    authVersion: 'v2',
    ...overrides,
  } as Installation<'v2', boolean>;
}

/** An org-wide installation: the team is missing. */
export function anOrgInstallation(overrides: Given = {}): Installation<'v2', boolean> {
  return anInstallation({
    team: undefined,
    enterprise: { id: 'E0ORG', name: 'Org' },
    isEnterpriseInstall: true,
    enterpriseUrl: 'https://org.enterprise.slack.example/',
    bot: { token: 'xoxb-canary-org', scopes: ['chat:write'], id: 'B0ORG', userId: 'U0ORGBOT' },
    ...overrides,
  });
}

/** A person's token, and no bot. */
export function aUserInstallation(userId: string, overrides: Given = {}): Installation<'v2', boolean> {
  const { bot: _, tokenType: __, ...rest } = anInstallation();
  return { ...rest, user: { token: `xoxp-canary-${userId}`, scopes: ['search:read'], id: userId }, ...overrides };
}
