import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KMSClient } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dynamoApiKeyStore } from '../../../lib/store/environment-store.ts';
import { createKmsKeyWrapper } from '../../../lib/vault/kms-key-wrapper.ts';
import { type FakeKms, startFakeKms } from '../../support/fake-kms.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import { type FakeCloudFormation, startFakeCloudFormation } from './fake-cloudformation.ts';
import { adminJson, runAdmin } from './run-admin.ts';

const vaultKeyArn = 'arn:aws:kms:eu-west-1:111122223333:key/0b1e8a57-5c8b-4b7e-8a43-7f1a4b1f2c3d';

let folder: string;
let kms: FakeKms;
let cloudFormation: FakeCloudFormation;
let service: TestService;
let variables: Record<string, string>;
let outputs: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'admin-'));
  kms = await startFakeKms();
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new KMSClient({ endpoint: kms.endpoint, region: 'eu-west-1', credentials });
  service = await startTestService({ keyWrapper: createKmsKeyWrapper({ client, keyId: vaultKeyArn }) });
  outputs = {
    ApiUrl: service.url,
    ApiEndpoint: 'https://abc.execute-api.eu-west-1.amazonaws.com',
    ConnectionsTableName: service.db.tables.connections,
    FlowsTableName: service.db.tables.flows,
    VaultKeyArn: vaultKeyArn,
  };
  cloudFormation = await startFakeCloudFormation();
  cloudFormation.addStack('ChatConnect', outputs);
  variables = {
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_ENDPOINT_URL_CLOUDFORMATION: cloudFormation.endpoint,
    AWS_ENDPOINT_URL_DYNAMODB: service.db.endpoint,
    AWS_ENDPOINT_URL_KMS: kms.endpoint,
  };
});

afterAll(async () => {
  await Promise.all([service?.close(), kms?.close(), cloudFormation?.close()]);
  await rm(folder, { recursive: true });
});

const admin = (line: string, changes: Record<string, string> = {}) =>
  runAdmin(folder, line.split(' '), { ...variables, ...changes });
const json = (line: string) => adminJson(folder, line.split(' '), variables);

function without(...names: string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).filter(([name]) => !names.includes(name)));
}

let integrations = 0;

function createIntegration(apiKey: string) {
  integrations += 1;
  return service.api(apiKey, 'POST', '/v1/integrations', {
    providerId: 'slack',
    identifier: `slack-${integrations}`,
    credentials: { clientId: '1.2', secretKey: 'secret' },
  });
}

describe('npm run admin -- --stack', () => {
  it('makes an environment and a key that the deployed functions know, and revokes it', async () => {
    const created = await admin('environment create --stack ChatConnect --name production');
    const [, environmentId = ''] = /^Environment\s+(\w+)$/m.exec(created.stdout) ?? [];
    const { apiKey, keyId } = await json(`api-key create --stack ChatConnect --environment ${environmentId}`);
    const before = await createIntegration(apiKey);
    const revoked = await admin(`api-key revoke --stack ChatConnect --environment ${environmentId} ${keyId}`);
    const after = await createIntegration(apiKey);

    expect(created).toMatchObject({ status: 0, stderr: '' });
    expect(created.stdout).toContain(
      `npm run admin -- api-key create --environment ${environmentId} --stack ChatConnect\n`,
    );
    expect(before.status).toBe(201);
    expect(revoked).toMatchObject({ status: 0, stderr: '' });
    expect(after.status).toBe(401);
  });

  it("has KMS wrap the environment's key, with the deployed key and for this environment", async () => {
    const callsBefore = kms.calls.length;

    const { environmentId } = await json('environment create --stack ChatConnect');

    const context = { environmentId };
    expect(kms.calls.slice(callsBefore)).toEqual([
      { operation: 'GenerateDataKey', keyId: vaultKeyArn, context },
      { operation: 'Decrypt', keyId: vaultKeyArn, context },
    ]);
  });

  it('shows a next step with the URL of the deployment', async () => {
    const { environmentId } = await json('environment create --stack ChatConnect');

    const { stdout } = await admin(`api-key create --stack ChatConnect --environment ${environmentId}`);

    expect(stdout).toContain(`curl -sS ${service.url}/v1/integrations -H "Authorization: ApiKey $API_KEY"`);
  });

  it('finds a key behind a thousand others', async () => {
    const { environmentId } = await json('environment create --stack ChatConnect');
    const store = dynamoApiKeyStore(service.db);
    for (let index = 0; index < 1_001; index += 1) {
      await store.put({
        keyId: `key${index}`,
        environmentId,
        keyHash: `${environmentId}-${index}`,
        name: 'one of many',
        permissions: ['connect'],
        createdAt: new Date(Date.UTC(2026, 0, 1) + index).toISOString(),
      });
    }

    const revoked = await admin(`api-key revoke --stack ChatConnect --environment ${environmentId} key1000`);

    expect(revoked).toMatchObject({ status: 0, stderr: '' });
    expect(await store.find(`${environmentId}-1000`)).toMatchObject({ revokedAt: expect.any(String) });
    expect((await json(`api-key list --stack ChatConnect --environment ${environmentId}`)).apiKeys).toHaveLength(1_001);
  });

  it.each([
    ['AWS_REGION', { AWS_REGION: 'eu-west-1', AWS_DEFAULT_REGION: 'us-west-2' }, 'eu-west-1'],
    ['AWS_DEFAULT_REGION', { AWS_DEFAULT_REGION: 'us-west-2' }, 'us-west-2'],
  ])('looks in the region that %s names', async (_, region, expected) => {
    const run = await runAdmin(folder, ['environment', 'list', '--stack', 'ChatConnect'], {
      ...without('AWS_REGION'),
      ...region,
    });

    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(cloudFormation.regions.at(-1)).toBe(expected);
  });

  it('says which stack and region it looked for', async () => {
    const run = await admin('environment list --stack Nowhere');

    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toMatch(/^There is no stack Nowhere in eu-west-1 .*AWS_REGION.*AWS_PROFILE.*\n$/);
  });

  it('names what the outputs of a stack lack', async () => {
    const { VaultKeyArn: _, ...incomplete } = outputs;
    cloudFormation.addStack('Incomplete', incomplete);
    cloudFormation.addStack('Foreign', {});

    const [one, all] = [
      await admin('environment list --stack Incomplete'),
      await admin('environment list --stack Foreign'),
    ];

    expect(one).toMatchObject({ status: 1, stdout: '' });
    expect(one.stderr).toMatch(/^The stack Incomplete in eu-west-1 lacks the output VaultKeyArn: .*\n$/);
    expect(all.stderr).toContain('lacks the output ApiUrl, ConnectionsTableName, FlowsTableName, VaultKeyArn:');
  });

  it.each([
    [
      'AccessDenied',
      'ann may not cloudformation:DescribeStacks',
      /^AWS denies this \(ann may not cloudform.*\): use .*\n$/,
    ],
    [
      'ExpiredToken',
      'The token is expired.',
      /^AWS does not accept the credentials \(The token is expired\): sign in.*\n$/,
    ],
    ['ValidationError', 'bad stackName', /^The request failed with ValidationError \(bad stackName\): .*\n$/],
  ])('says in one sentence what to do about %s', async (code, message, expected) => {
    cloudFormation.addFailure('Refused', code, message);

    const run = await admin('environment list --stack Refused');

    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toMatch(expected);
  });

  it.each([
    [
      'credentials',
      ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'],
      /^No AWS credentials were found .*AWS_PROFILE\.\n$/,
    ],
    ['a region', ['AWS_REGION'], /^No AWS region is set: set AWS_REGION.*\n$/],
  ])('asks for %s', async (_, missing, expected) => {
    const run = await runAdmin(folder, ['environment', 'list', '--stack', 'ChatConnect'], without(...missing));

    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toMatch(expected);
  });

  it('says that nobody answers', async () => {
    const run = await admin('environment list --stack ChatConnect', {
      AWS_ENDPOINT_URL_DYNAMODB: 'http://127.0.0.1:1',
    });

    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toMatch(/^No answer from DynamoDB or AWS \(.*ECONNREFUSED.*\): .*\n$/);
  });

  it('stores nothing when the key cannot be had', async () => {
    const before = await json('environment list --stack ChatConnect');

    const run = await admin('environment create --stack ChatConnect', { AWS_ENDPOINT_URL_KMS: 'http://127.0.0.1:1' });

    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(await json('environment list --stack ChatConnect')).toEqual(before);
  });
});
