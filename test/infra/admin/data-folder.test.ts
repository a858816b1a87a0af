import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localTables } from '../../../infra/local/create-tables.ts';
import { type DataFolder, openDataFolder, readPrivateFile } from '../../../infra/local/data-folder.ts';
import { localClientConfig } from '../../../infra/local/embedded-dynamodb.ts';
import { hashApiKey } from '../../../lib/environment/api-key.ts';
import { startDynamoDbLocal } from '../../support/dynamodb-local.ts';
import { type LocalServer, startLocalServer } from './local-server.ts';
import { adminJson, runAdmin } from './run-admin.ts';

let folder: string;
let dataDir: string;
const servers: LocalServer[] = [];
const held: DataFolder[] = [];

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'admin-')));
  dataDir = join(folder, '.data');
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop('SIGKILL')));
  await Promise.all(held.splice(0).map((each) => each.close()));
  await rm(folder, { recursive: true });
});

async function startServer(): Promise<LocalServer> {
  const server = await startLocalServer(dataDir);
  servers.push(server);
  return server;
}

/** Takes the folder as a process does that only starts or ends. */
async function hold(): Promise<DataFolder> {
  const holder = await openDataFolder(dataDir);
  held.push(holder);
  return holder;
}

const admin = (line: string, variables?: Record<string, string>) => runAdmin(folder, line.split(' '), variables);
const json = (line: string, variables?: Record<string, string>) => adminJson(folder, line.split(' '), variables);

let integrations = 0;

/** Asks a route that looks every key up afresh. */
async function createIntegration(server: LocalServer, apiKey: string): Promise<number> {
  integrations += 1;
  const answer = await fetch(`${server.apiUrl}/v1/integrations`, {
    method: 'POST',
    headers: { authorization: `ApiKey ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      providerId: 'slack',
      identifier: `slack-${integrations}`,
      credentials: { clientId: '1.2', secretKey: 'secret' },
    }),
  });
  return answer.status;
}

async function everyRow(server: LocalServer): Promise<string> {
  const client = new DynamoDBClient(localClientConfig(server.dynamodbEndpoint));
  const scans = Object.values(localTables).map((TableName) => client.send(new ScanCommand({ TableName })));
  const rows = (await Promise.all(scans)).flatMap(({ Items = [] }) => Items);
  client.destroy();
  return JSON.stringify(rows);
}

async function everyFile(): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return (await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name), 'latin1')))).join('\n');
}

describe('npm run admin, where no server runs', () => {
  it('makes an environment and a key that the server then knows', async () => {
    const environment = await admin('environment create --name production');
    const [{ environmentId }] = (await json('environment list')).environments;
    const key = await json(`api-key create --environment ${environmentId}`);

    expect(environment).toMatchObject({ status: 0, stderr: '' });
    expect(environment.stdout).toContain(environmentId);
    expect(environment.stdout).toContain(dataDir);
    expect(environment.stdout).toContain(`npm run admin -- api-key create --environment ${environmentId}\n`);
    expect(key).toEqual({
      keyId: expect.stringMatching(/^[A-Za-z0-9]{12}$/),
      environmentId,
      name: 'default',
      permissions: ['connect', 'manage'],
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      apiKey: expect.stringMatching(/^cc_[A-Za-z0-9]{12}_[\w-]{43}$/),
    });
    expect(await createIntegration(await startServer(), key.apiKey)).toBe(201);
  });

  it("leaves a folder that is its owner's alone and that nobody holds", async () => {
    await admin('environment create');
    await admin('environment list');

    expect(((await stat(dataDir)).mode & 0o777).toString(8)).toBe('700');
    expect(((await stat(join(dataDir, 'wrapping-key'))).mode & 0o777).toString(8)).toBe('600');
    await startServer();
  });

  it.each(['--data-dir', 'CHAT_CONNECT_DATA_DIR'])('finds the folder by %s', async (way) => {
    const elsewhere = join(folder, "Ann's folder");
    const args = way === '--data-dir' ? [way, elsewhere] : [];
    const variables = way === '--data-dir' ? {} : { [way]: elsewhere };

    const created = await runAdmin(folder, ['environment', 'create', ...args], variables);
    const listed = await runAdmin(folder, ['environment', 'list', ...args], variables);

    const [, environmentId] = /Environment\s+(\w+)/.exec(created.stdout) ?? [];
    expect(listed.stdout).toContain(environmentId);
    expect(await readdir(folder)).toEqual(["Ann's folder"]);
    if (way === '--data-dir') {
      expect(created.stdout).toContain(`--environment ${environmentId} --data-dir '${folder}/Ann'\\''s folder'\n`);
    }
  });

  it('prints a key once, on stdout, and nothing anywhere else', async () => {
    const { environmentId } = await json('environment create');

    const created = await admin(`api-key create --environment ${environmentId} --permissions connect`);

    expect(created).toMatchObject({ status: 0, stderr: '' });
    expect(created.stdout.match(/cc_\w+_/g)).toHaveLength(1);
    expect(created.stdout).toContain('it cannot be shown again');
    expect(created.stdout).not.toContain('integration');
  });

  it('opens the folder of a server that was killed', async () => {
    await (await startServer()).stop('SIGKILL');

    const listed = await json('environment list');

    expect(listed.environments).toMatchObject([{ name: 'local' }]);
  });

  it('waits for another process that has the folder for a moment', async () => {
    const holder = await hold();

    const creating = admin('environment create');
    await sleep(1_500);
    await holder.close();

    expect(await creating).toMatchObject({ status: 0, stderr: '' });
  });

  it('gives up on a folder whose holder does not say where the tables are', async () => {
    await hold();

    const refused = await admin('environment create');

    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(/^Another process has the data folder .*: wait until it has started or ended.*\n$/);
  });

  it('asks for a restart of a server whose wrapping key is gone', async () => {
    const holder = await hold();
    await holder.advertise({ dynamodbEndpoint: 'http://127.0.0.1:1', apiUrl: 'http://localhost:1' });

    const refused = await admin('environment create');

    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toMatch(/^The data folder .* has no wrapping-key: restart the server\.\n$/);
  });

  it('keeps its rows in the DynamoDB that the server is told to use', async ({ skip }) => {
    const dynamodb = await startDynamoDbLocal();
    if (!dynamodb) return skip();
    const variables = { DYNAMODB_ENDPOINT: dynamodb.endpoint };

    try {
      const { environmentId } = await json('environment create', variables);

      expect((await json('environment list', variables)).environments).toMatchObject([{ environmentId }]);
      expect((await json('environment list')).environments).toEqual([]);
    } finally {
      await dynamodb.close();
    }
  });
});

describe('npm run admin, beside a running server', () => {
  it('makes a key of every permission, lists it, and revokes it at once', async () => {
    const server = await startServer();
    const environmentId = await readPrivateFile(dataDir, 'environment-id');

    const { apiKey, keyId } = await json(
      `api-key create --environment ${environmentId} --name backend --permissions connect,manage,tokens`,
    );
    const before = await createIntegration(server, apiKey);
    const listed = await json(`api-key list --environment ${environmentId}`);
    const revoked = await admin(`api-key revoke --environment ${environmentId} ${keyId}`);
    const after = await createIntegration(server, apiKey);

    expect([before, after]).toEqual([201, 401]);
    expect(listed.apiKeys).toEqual([
      expect.objectContaining({ name: 'local' }),
      {
        keyId,
        name: 'backend',
        permissions: ['connect', 'manage', 'tokens'],
        createdAt: expect.any(String),
      },
    ]);
    expect(revoked).toMatchObject({ status: 0, stderr: '' });
    expect(revoked.stdout).toContain(`The key ${keyId} is revoked.`);
    expect(revoked.stdout).toContain('30 seconds');
    const { apiKeys } = await json(`api-key list --environment ${environmentId}`);
    expect(apiKeys[1]).toMatchObject({ keyId, revokedAt: expect.stringMatching(/Z$/) });
  });

  it('makes an environment that the server can seal secrets for', async () => {
    const server = await startServer();

    const { environmentId } = await json('environment create --name staging');
    const { apiKey } = await json(`api-key create --environment ${environmentId}`);

    expect(await createIntegration(server, apiKey)).toBe(201);
  });

  it('shows how to create an integration, in words that a shell can run', async () => {
    const server = await startServer();
    const { environmentId } = await json('environment create');

    const { stdout } = await admin(`api-key create --environment ${environmentId}`);

    const [, curl = ''] = /^ {2}(curl .*)$/m.exec(stdout) ?? [];
    const [, apiKey = ''] = /^API key\s+(\S+)$/m.exec(stdout) ?? [];
    expect(curl).not.toContain(apiKey);
    expect(curl).toContain(`${server.apiUrl}/v1/integrations`);
    const ran = spawnSync('sh', ['-c', `${curl} -o /dev/null -w '%{http_code}'`], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], API_KEY: apiKey },
    });
    expect(ran.stdout).toBe('201');
  });

  it('leaves a key and its hash in no output but that of its creation, and the key in no row or file', async () => {
    const server = await startServer();
    const { environmentId } = await json('environment create');
    const { apiKey, keyId } = await json(`api-key create --environment ${environmentId}`);
    await createIntegration(server, apiKey);

    const wrong = [
      `api-key revoke --environment ${environmentId} ${apiKey}`,
      `api-key revoke --environment ${apiKey} ${keyId}`,
      `environment list ${apiKey}`,
      `environment list --stack ${apiKey}`,
    ];
    const list = `api-key list --environment ${environmentId}`;
    const revoke = `api-key revoke --environment ${environmentId} ${keyId}`;
    const runs = [
      ...(await Promise.all([...wrong, 'environment list', list, `${list} --json`].map((line) => admin(line)))),
      await admin(`${revoke} --json`),
      ...(await Promise.all([revoke, list, `${list} --json`].map((line) => admin(line)))),
    ];
    const rows = await everyRow(server);
    await server.stop();

    const secret = apiKey.split('_').slice(2).join('_');
    const printed = JSON.stringify(runs);
    const hash = hashApiKey(apiKey);
    expect(printed).toContain(keyId);
    expect(printed).not.toContain(secret);
    expect(printed).not.toContain(hash);
    expect(rows).toContain(hash);
    expect(rows).not.toContain(secret);
    expect(server.output()).not.toContain(secret);
    expect(await everyFile()).not.toContain(secret);
  }, 60_000);
});

describe('npm run admin, when something is wrong', () => {
  it('names a wrong command, shows the usage and exits with 2', async () => {
    const run = await admin('environment destroy');

    expect(run).toMatchObject({ status: 2, stdout: '' });
    expect(run.stderr).toMatch(/^Unknown command: environment destroy\n\nUsage: npm run admin -- COMMAND/);
  });

  it('gives help on stdout', async () => {
    const run = await admin('--help');

    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/^Usage: npm run admin -- COMMAND/);
  });

  it.each([
    ['--data-dir :memory:', {}],
    ['', { CHAT_CONNECT_DATA_DIR: ':memory:' }],
  ])('refuses a server in memory (%s)', async (option, variables) => {
    const run = await runAdmin(folder, ['environment', 'list', ...option.split(' ').filter(Boolean)], variables);

    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toMatch(/^What a server keeps in memory \(:memory:\) is its own: .*CHAT_CONNECT_DATA_DIR.*\n$/);
  });

  it('does not make a data folder by looking into it', async () => {
    const run = await admin('environment list');

    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toMatch(new RegExp(`^There is no data folder ${dataDir}: .*--data-dir.*--stack.*\\n$`));
    expect(await readdir(folder)).toEqual([]);
  });

  it.each(['api-key create --environment e1', 'api-key list --environment e1', 'api-key revoke --environment e1 k1'])(
    'says that there is no such environment: %s',
    async (line) => {
      await admin('environment create');

      const run = await admin(line);

      expect(run).toMatchObject({ status: 1, stdout: '' });
      expect(run.stderr).toMatch(/^There is no environment e1 in the data folder \/.*"environment list".*\n$/);
    },
  );

  it("finds no key of another environment's, and revokes none", async () => {
    const mine = await json('environment create');
    const theirs = await json('environment create');
    const { keyId } = await json(`api-key create --environment ${theirs.environmentId}`);

    const run = await admin(`api-key revoke --environment ${mine.environmentId} ${keyId}`);

    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toMatch(/^The environment \w+ has no API key with the id \w+: .*"api-key list".*\n$/);
    const { apiKeys } = await json(`api-key list --environment ${theirs.environmentId}`);
    expect(apiKeys[0]).not.toHaveProperty('revokedAt');
  });

  it('keeps the time of the first revocation', async () => {
    const { environmentId } = await json('environment create');
    const { keyId } = await json(`api-key create --environment ${environmentId}`);
    const first = await json(`api-key revoke --environment ${environmentId} ${keyId}`);

    const second = await admin(`api-key revoke --environment ${environmentId} ${keyId}`);

    expect(second).toMatchObject({ status: 0, stderr: '' });
    expect(second.stdout).toBe(`The key ${keyId} was revoked already, at ${first.revokedAt}.\n`);
  });

  it('names a setting of the server that is wrong', async () => {
    const run = await admin('environment list', { DYNAMODB_ENDPOINT: 'http://example.com' });

    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toMatch(/^The settings of the local server are wrong: DYNAMODB_ENDPOINT must be https.*\n$/);
  });
});
