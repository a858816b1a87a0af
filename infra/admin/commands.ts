import { type ApiKey, generateApiKey, hashApiKey } from '../../lib/environment/api-key.ts';
import { type CreateEnvironmentDeps, createEnvironment } from '../../lib/environment/create-environment.ts';
import type { ApiKeyStore, EnvironmentStore } from '../../lib/store/environment-store.ts';
import { AdminError } from './errors.ts';
import type { Command } from './invocation.ts';
import { commandLine, curlLine, table } from './text.ts';

export interface CommandDeps extends CreateEnvironmentDeps {
  readonly environments: EnvironmentStore;
  readonly apiKeys: Pick<ApiKeyStore, 'put' | 'list' | 'revoke'>;
  /** Where the command acts, in words. */
  readonly place: string;
  /** Options that make the next command act there, too. */
  readonly placeOptions: readonly string[];
  /** Undefined where no server runs. */
  readonly apiUrl: string | undefined;
}

/** What a command did: for programs and for people. */
export interface Outcome {
  readonly json: unknown;
  readonly text: string;
}

/** @throws AdminError when there is no such environment or key */
export function runCommand(deps: CommandDeps, command: Command): Promise<Outcome> {
  switch (command.name) {
    case 'environment create':
      return makeEnvironment(deps, command);
    case 'environment list':
      return listEnvironments(deps);
    case 'api-key create':
      return makeApiKey(deps, command);
    case 'api-key list':
      return listApiKeys(deps, command);
    case 'api-key revoke':
      return revokeApiKey(deps, command);
  }
}

type CommandOf<Name extends Command['name']> = Extract<Command, { readonly name: Name }>;

async function makeEnvironment(deps: CommandDeps, command: CommandOf<'environment create'>): Promise<Outcome> {
  const { environmentId, name, createdAt } = await createEnvironment(deps, { name: command.environmentName });
  return {
    json: { environmentId, name, createdAt },
    text: [
      `Environment   ${environmentId}`,
      `Name          ${name}`,
      `In            ${deps.place}`,
      '',
      'Next, make an API key for it:',
      `  ${commandLine(['api-key', 'create', '--environment', environmentId, ...deps.placeOptions])}`,
    ].join('\n'),
  };
}

async function listEnvironments(deps: CommandDeps): Promise<Outcome> {
  const environments = await deps.environments.list();
  return {
    json: {
      environments: environments.map(({ environmentId, name, createdAt }) => ({ environmentId, name, createdAt })),
    },
    text:
      environments.length === 0
        ? `There is no environment in ${deps.place}.`
        : table(
            ['ID', 'NAME', 'CREATED'],
            environments.map((each) => [each.environmentId, each.name, each.createdAt]),
          ),
  };
}

async function makeApiKey(deps: CommandDeps, command: CommandOf<'api-key create'>): Promise<Outcome> {
  const { environmentId, keyName, permissions } = command;
  await requireEnvironment(deps, environmentId);
  const { keyId, secret } = generateApiKey();
  const key: ApiKey = {
    keyId,
    environmentId,
    keyHash: hashApiKey(secret),
    name: keyName,
    permissions: [...permissions],
    createdAt: new Date(deps.now()).toISOString(),
  };
  await deps.apiKeys.put(key);
  return {
    json: { ...shown(key), environmentId, apiKey: secret },
    text: [
      `API key       ${secret}`,
      `Key id        ${keyId}`,
      `Name          ${keyName}`,
      `Permissions   ${permissions.join(', ')}`,
      `Environment   ${environmentId}, in ${deps.place}`,
      '',
      'Keep the key now: it cannot be shown again.',
      ...(permissions.includes('manage') ? ['', ...createIntegrationStep(deps)] : []),
    ].join('\n'),
  };
}

function createIntegrationStep({ apiUrl }: CommandDeps): string[] {
  if (apiUrl === undefined) return ['Next, start the server with "npm start", and create an integration with the key.'];
  const body = {
    providerId: 'slack',
    identifier: 'my-slack',
    credentials: { clientId: 'YOUR_CLIENT_ID', secretKey: 'YOUR_CLIENT_SECRET' },
  };
  return ['Next, with the key in the variable API_KEY, store your Slack app:', `  ${curlLine(apiUrl, body)}`];
}

async function listApiKeys(deps: CommandDeps, { environmentId }: CommandOf<'api-key list'>): Promise<Outcome> {
  await requireEnvironment(deps, environmentId);
  const keys = await deps.apiKeys.list(environmentId);
  return {
    json: { apiKeys: keys.map(shown) },
    text:
      keys.length === 0
        ? `The environment ${environmentId} has no API key.`
        : table(
            ['ID', 'NAME', 'PERMISSIONS', 'CREATED', 'REVOKED'],
            keys.map((key) => [key.keyId, key.name, key.permissions.join(','), key.createdAt, key.revokedAt ?? '-']),
          ),
  };
}

async function revokeApiKey(deps: CommandDeps, command: CommandOf<'api-key revoke'>): Promise<Outcome> {
  const { environmentId, keyId } = command;
  await requireEnvironment(deps, environmentId);
  const key = (await deps.apiKeys.list(environmentId)).find((each) => each.keyId === keyId);
  if (key?.revokedAt !== undefined) {
    return { json: shown(key), text: `The key ${keyId} was revoked already, at ${key.revokedAt}.` };
  }
  const revokedAt = new Date(deps.now()).toISOString();
  if (!key || !(await deps.apiKeys.revoke(key.keyHash, revokedAt))) {
    // The list is an index, which DynamoDB brings up to date a moment after the table.
    throw new AdminError(
      `The environment ${environmentId} has no API key with the id ${keyId}: look for it with "api-key list", ` +
        'and if it was made a moment ago, try again.',
    );
  }
  return {
    json: shown({ ...key, revokedAt }),
    text:
      `The key ${keyId} is revoked. Functions that used it lately may remember it for up to 30 seconds more; ` +
      'hand-outs of provider tokens refuse it at once.',
  };
}

async function requireEnvironment(deps: CommandDeps, environmentId: string): Promise<void> {
  if (await deps.environments.get(environmentId)) return;
  throw new AdminError(
    `There is no environment ${environmentId} in ${deps.place}: look for it with "environment list", ` +
      'or name another place with --stack or --data-dir.',
  );
}

/** Never the hash, by which the key is found. */
function shown({ keyId, name, permissions, createdAt, revokedAt }: ApiKey) {
  return { keyId, name, permissions, createdAt, ...(revokedAt !== undefined && { revokedAt }) };
}
