import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KMSClient } from '@aws-sdk/client-kms';
import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiServer, type Handlers, startApiServer } from '../../infra/local/api-server.ts';
import type { HttpEvent, HttpResult } from '../../lib/http/types.ts';
import { createKmsKeyWrapper } from '../../lib/vault/kms-key-wrapper.ts';
import { type FakeKms, startFakeKms } from '../support/fake-kms.ts';
import { startTestService, type TestEnvironment, type TestService } from '../support/service.ts';
import { integrationIdOf } from '../support/slack-stores.ts';

const project = fileURLToPath(new URL('../../', import.meta.url));
/** Somebody else's folder, in which the package and what it depends on are installed. */
const folder = mkdtempSync(join(tmpdir(), 'chat-connect-app-'));
const libraries = join(folder, 'node_modules');

beforeAll(() => {
  npm('run', 'build:slack-stores');
  npm('pack', '--ignore-scripts', '--pack-destination', folder);
  const installed = join(libraries, 'chat-connect');
  mkdirSync(installed, { recursive: true });
  const [tarball = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  spawnSync('tar', ['-xzf', join(folder, tarball), '-C', installed, '--strip-components=1']);
  for (const name of ['@slack', '@aws-sdk', '@types', 'jose', 'zod']) {
    symlinkSync(join(project, 'node_modules', name), join(libraries, name));
  }
});

afterAll(() => rmSync(folder, { recursive: true }));

function npm(...args: string[]): void {
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: project, encoding: 'utf8' });
  if (status !== 0) throw new Error(stdout + stderr);
}

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function run(file: string) {
  return spawnSync(process.execPath, [file], { encoding: 'utf8' }).stdout.trim();
}

describe('the package chat-connect', () => {
  const names = 'InstallationError answerHttpEvent installationStore stateStore';

  it('gives its stores to an ES module', () => {
    const app = "import * as it from 'chat-connect/slack-stores'; console.log(Object.keys(it).sort().join(' '));";

    expect(run(write('import.mjs', app))).toBe(names);
  });

  it('gives its stores to a CommonJS module', () => {
    const app = "console.log(Object.keys(require('chat-connect/slack-stores')).sort().join(' '));";

    expect(run(write('require.cjs', app))).toBe(names);
  });

  it('has no other way in', () => {
    const app = "import('chat-connect/lib/crypto.js').catch((error) => console.log(error.code));";

    expect(run(write('inside.mjs', app))).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  it.each([
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])('has types that fit @slack/oauth and Bolt, for modules of %s resolved as %s', (module, resolution) => {
    const app = write(
      'typed.mts',
      `import { InstallProvider } from '@slack/oauth';
      import { App } from '@slack/bolt';
      import { installationStore, stateStore, type SlackStoreOptions } from 'chat-connect/slack-stores';
      declare const place: SlackStoreOptions;
      const stores = { installationStore: installationStore(place), stateStore: stateStore(place) };
      export const provider = new InstallProvider({ clientId: '', clientSecret: '', ...stores });
      export const app = new App({ installationStore: stores.installationStore });
      // @ts-expect-error
      stateStore({ ...place, integrationId: 1 });`,
    );
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--types', 'node'];
    const tsc = join(project, 'node_modules/.bin/tsc');

    const checked = spawnSync(tsc, [...options, '--module', module, '--moduleResolution', resolution, app], {
      cwd: folder,
      encoding: 'utf8',
    });

    expect(checked.stdout).toBe('');
    expect(checked.status).toBe(0);
  });
});

describe('the example of docs/slack-stores.md', () => {
  const keyId = 'arn:aws:kms:eu-west-1:000000000000:key/example';
  let kms: FakeKms;
  let service: TestService;
  let environment: TestEnvironment;
  let app: ChildProcess;
  let api: ApiServer;
  let output = '';

  beforeAll(async () => {
    kms = await startFakeKms();
    const client = new KMSClient({
      endpoint: kms.endpoint,
      region: 'eu-west-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
    service = await startTestService({ keyWrapper: createKmsKeyWrapper({ client, keyId }) });
    environment = await service.createTestEnvironment();
    api = await startApiServer({
      port: 0,
      routes: [],
      fallbackFunction: 'meta',
      handlers: { meta: (event) => ask<HttpResult>({ event }) } as Partial<Handlers> as Handlers,
    });
    const redirectUri = `${api.url}/slack/oauth_redirect`;
    service.slack.registerApp({ ...environment.slackApp, redirectUris: [redirectUri] });
    app = await startExample({
      CONNECTIONS_TABLE: service.db.tables.connections,
      FLOWS_TABLE: service.db.tables.flows,
      VAULT_KEY_ARN: keyId,
      ENVIRONMENT_ID: environment.environmentId,
      INTEGRATION_ID: await integrationIdOf(service, environment),
      SLACK_CLIENT_ID: environment.slackApp.clientId,
      SLACK_CLIENT_SECRET: environment.slackApp.clientSecret,
      SLACK_BASE_URL: service.slack.url,
      REDIRECT_URI: redirectUri,
      AWS_ENDPOINT_URL_DYNAMODB: service.db.endpoint,
      AWS_ENDPOINT_URL_KMS: kms.endpoint,
    });
  });

  afterAll(async () => {
    app.kill();
    await api.close();
    await service.close();
    await kms.close();
  });

  /** Runs the last code of the page in a process of its own, as it stands there. */
  async function startExample(variables: Record<string, string>): Promise<ChildProcess> {
    const page = readFileSync(join(project, 'docs/slack-stores.md'), 'utf8');
    write('example.mjs', [...page.matchAll(/```js\n(.*?)```/gs)].at(-1)?.[1] ?? '');
    const host = write(
      'host.mjs',
      `import { handler, tokenFor } from './example.mjs';
      process.on('message', async ({ id, event, teamId }) => {
        const asked = event ? handler(event) : tokenFor(teamId);
        asked.then((result) => process.send({ id, result }), ({ message: error }) => process.send({ id, error }));
      });
      process.send('ready');`,
    );
    const child = fork(host, {
      env: { AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local', ...variables },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
    await once(child, 'message');
    child.on('message', onAnswer);
    return child;
  }

  interface Answer {
    readonly id: number;
    readonly result?: unknown;
    readonly error?: string;
  }

  const asked: PromiseWithResolvers<unknown>[] = [];

  function onAnswer({ id, result, error }: Answer): void {
    if (error === undefined) asked[id]?.resolve(result);
    else asked[id]?.reject(new Error(error));
  }

  function ask<Result>(question: { event: HttpEvent } | { teamId: string }): Promise<Result> {
    const answer = Promise.withResolvers<unknown>();
    app.send({ id: asked.push(answer) - 1, ...question });
    return answer.promise as Promise<Result>;
  }

  async function begin() {
    const start = await fetch(`${api.url}/slack/install`, { redirect: 'manual' });
    const cookie = start.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    return { start, cookie, callback: await service.approve(start.headers.get('location') ?? '') };
  }

  it('installs a workspace behind API Gateway, and has its token', async () => {
    const { start, cookie, callback } = await begin();

    const done = await fetch(callback, { headers: { cookie } });

    expect(start.status).toBe(302);
    expect(start.headers.getSetCookie()[0]).toMatch(/^slack-app-oauth-state=[\w-]{43}; Secure; HttpOnly; Path=\//);
    expect(done.status).toBe(200);
    expect(done.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(done.headers.get('cache-control')).toBe('no-store');
    expect(done.headers.getSetCookie()[0]).toContain('slack-app-oauth-state=deleted');
    const token = await ask<string>({ teamId: 'T0ACME0001' });
    expect(token).toMatch(/^xoxb-/);
    expect(await service.connections(environment)).toHaveLength(1);
    await expect(ask({ teamId: 'T0GLOBEX01' })).rejects.toThrow('No installation for enterprise -, team T0GLOBEX01');
    const { Items = [] } = await service.db.client.send(new ScanCommand({ TableName: service.db.tables.connections }));
    expect(JSON.stringify(Items)).not.toContain(token);
    expect(output).not.toContain(token);
    // Only data keys of the environment, under its own encryption context.
    expect(kms.calls.at(-1)).toEqual({
      operation: 'Decrypt',
      keyId,
      context: { environmentId: environment.environmentId },
    });
  });

  it('refuses a callback in another browser, and one that is repeated', async () => {
    const { cookie, callback } = await begin();
    const before = service.slack.count('oauth.v2.access');

    expect((await fetch(callback)).status).toBe(400);
    expect((await fetch(callback, { headers: { cookie: 'slack-app-oauth-state=other' } })).status).toBe(400);
    expect((await fetch(callback, { headers: { cookie } })).status).toBe(200);
    expect((await fetch(callback, { headers: { cookie } })).status).toBe(400);
    expect(service.slack.count('oauth.v2.access') - before).toBe(1);
  });

  it('answers one of many callbacks at once with the workspace', async () => {
    const { cookie, callback } = await begin();
    const before = service.slack.count('oauth.v2.access');

    const answers = await Promise.all(Array.from({ length: 50 }, () => fetch(callback, { headers: { cookie } })));

    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(49);
    expect(service.slack.count('oauth.v2.access') - before).toBe(1);
  });
});
