import { randomObjectId } from '../../lib/crypto.ts';
import { generateApiKey, hashApiKey, permissions } from '../../lib/environment/api-key.ts';
import { createEnvironment } from '../../lib/environment/create-environment.ts';
import { createIntegration, type NewIntegration } from '../../lib/integration/create-integration.ts';
import type { Database } from '../../lib/store/database.ts';
import { dynamoApiKeyStore, dynamoEnvironmentStore } from '../../lib/store/environment-store.ts';
import { dynamoIntegrationStore } from '../../lib/store/integration-store.ts';
import { environmentVault } from '../../lib/vault/environment-vault.ts';
import type { KeyWrapper } from '../../lib/vault/key-wrapper.ts';
import type { DataFolder } from './data-folder.ts';

/** The Slack app that the pretend Slack knows. Its secrets open nothing but the stand-in. */
export const pretendSlackApp = {
  clientId: '1000000000.2000000000',
  clientSecret: 'pretend-client-secret',
  signingSecret: 'pretend-signing-secret',
  appId: 'A0PRETEND01',
  name: 'Local Product',
};

/** The Entra app that the pretend Microsoft knows. */
export const pretendEntraApp = {
  clientId: '00000000-0000-4000-8000-00000000c0de',
  clientSecret: 'pretend-client-secret',
  name: 'Local Product',
  requestedRoles: ['Team.ReadBasic.All', 'Channel.ReadBasic.All'],
  groupMembershipClaims: true,
};

export interface LocalEnvironmentParts {
  readonly db: Database;
  readonly keyWrapper: KeyWrapper;
  readonly folder: DataFolder;
  /** From the caller's shell; the one made before is replaced by it. */
  readonly apiKey: string | undefined;
  readonly signingSecret: string | undefined;
  /** Whether to offer an integration with the pretend Slack's app. */
  readonly withPretendApps: boolean;
  /** Where flows that are to be confirmed come back to. */
  readonly returnUrl: string;
}

/** Makes the environment of a local run, its API key and its integrations, unless they are there. */
export async function ensureLocalEnvironment(parts: LocalEnvironmentParts): Promise<{
  environmentId: string;
  apiKey: string;
  slackIntegrationId: string | undefined;
}> {
  const { db, keyWrapper, folder } = parts;
  const environmentId = await folder.readOrCreate('environment-id', randomObjectId);
  const environments = dynamoEnvironmentStore(db);
  if (!(await environments.get(environmentId))) {
    const signing = parts.signingSecret === undefined ? {} : { signingSecret: parts.signingSecret };
    await createEnvironment({ environments, keyWrapper, now: Date.now }, { name: 'local', environmentId, ...signing });
  }
  const apiKey = await ensureApiKey(parts, environmentId);
  if (parts.withPretendApps) await ensurePretendApps(parts, environmentId);
  const slack = await dynamoIntegrationStore(db).find(environmentId, 'slack');
  return { environmentId, apiKey, slackIntegrationId: slack?.integrationId };
}

/** One key at a time: whoever could use the one before cannot any more. */
async function ensureApiKey({ db, folder, apiKey }: LocalEnvironmentParts, environmentId: string): Promise<string> {
  const keys = dynamoApiKeyStore(db);
  const now = new Date().toISOString();
  const kept = await folder.readOrCreate('api-key', () => apiKey ?? generateApiKey().secret);
  const isRevoked = (await keys.find(hashApiKey(kept)))?.revokedAt !== undefined;
  // A key that was revoked stays revoked, unless its owner gives it again.
  const secret = apiKey ?? (isRevoked ? generateApiKey().secret : kept);
  if (secret !== kept) {
    await keys.revoke(hashApiKey(kept), now);
    await folder.write('api-key', secret);
  }
  const keyHash = hashApiKey(secret);
  const existing = await keys.find(keyHash);
  if (existing?.environmentId === environmentId && existing.revokedAt === undefined) return secret;
  const { keyId } = generateApiKey();
  await keys.put({ keyId, environmentId, keyHash, name: 'local', permissions: [...permissions], createdAt: now });
  return secret;
}

async function ensurePretendApps(
  { db, keyWrapper, returnUrl }: LocalEnvironmentParts,
  environmentId: string,
): Promise<void> {
  const integrations = dynamoIntegrationStore(db);
  const vault = environmentVault({ db, keyWrapper, now: Date.now });
  const configurations = { productName: 'Local Product', returnUrls: [returnUrl] };
  const { clientId, clientSecret, signingSecret } = pretendSlackApp;
  const apps: NewIntegration[] = [
    {
      providerId: 'slack',
      name: 'Slack',
      credentials: { clientId, secretKey: clientSecret, signingSecret },
      configurations,
    },
    {
      providerId: 'msteams',
      name: 'MS Teams',
      credentials: { clientId: pretendEntraApp.clientId, secretKey: pretendEntraApp.clientSecret },
      configurations: { ...configurations, requiredRoles: pretendEntraApp.requestedRoles },
    },
  ];
  for (const app of apps) {
    if (await integrations.find(environmentId, app.providerId)) continue;
    await createIntegration({ integrations, vault, now: Date.now }, environmentId, {
      ...app,
      identifier: app.providerId,
      active: true,
    });
  }
}
