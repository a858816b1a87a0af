import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadLocalConfig } from '../../../infra/local/local-config.ts';
import { startPretendSlack } from '../../../infra/local/pretend-slack/server.ts';

interface Run {
  readonly child: ChildProcess;
  readonly url: string;
  readonly apiKey: string;
  output(): string;
  /** Ends it as a crash would, or as Ctrl+C does. */
  end(signal: 'SIGKILL' | 'SIGINT'): Promise<void>;
}

let folder: string;
let runs: Run[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'chat-connect-run-'));
  runs = [];
});

afterEach(async () => {
  for (const run of runs) await run.end('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** Starts what `npm start` starts, and waits until it has printed its commands. */
async function start(environment: Record<string, string> = {}, args: string[] = []): Promise<Run> {
  const child = spawn(process.execPath, ['infra/local/main.ts', ...args], {
    env: { PATH: process.env['PATH'], PORT: '0', CHAT_CONNECT_DATA_DIR: folder, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  child.stdout?.on('data', (chunk) => {
    printed += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    printed += chunk;
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', () => printed.includes('Stop with') && resolve());
    child.once('exit', () => reject(new Error(printed)));
  });
  const run: Run = {
    child,
    url: /Chat Connect\s+(\S+)/.exec(printed)?.[1] ?? '',
    apiKey: /API key\s+(\S+)/.exec(printed)?.[1] ?? '',
    output: () => printed,
    async end(signal) {
      child.kill(signal);
      await exited;
    },
  };
  runs.push(run);
  return run;
}

const headers = (run: Run) => ({ authorization: `ApiKey ${run.apiKey}`, 'content-type': 'application/json' });

async function oauthUrl(run: Run, subscriberId = 'user-1'): Promise<string> {
  const response = await fetch(`${run.url}/v1/integrations/channel-connections/oauth`, {
    method: 'POST',
    headers: headers(run),
    body: JSON.stringify({ integrationIdentifier: 'slack', subscriberId }),
  });
  expect(response.status).toBe(201);
  return ((await response.json()) as { data: { url: string } }).data.url;
}

/** Presses Allow on the pretend Slack's page. */
async function allow(url: string): Promise<string> {
  const form = new URLSearchParams({ account: 'T0ACME0001', user: 'U0ANNACME0001', action: 'allow' });
  const response = await fetch(url, { method: 'POST', body: form, redirect: 'manual' });
  return response.headers.get('location') ?? '';
}

async function subscribers(run: Run): Promise<string[]> {
  const response = await fetch(`${run.url}/v1/channel-connections?limit=100`, { headers: headers(run) });
  const { data } = (await response.json()) as { data: { subscriberId: string }[] };
  return data.map((connection) => connection.subscriberId).sort();
}

describe('npm start', () => {
  it('is healthy, and its printed commands work when pasted', async () => {
    const run = await start();
    const commands = run.output().match(/^ {2}curl .*$/gm) ?? [];

    const health = await fetch(`${run.url}/health`);
    const [connect, list] = await Promise.all(commands.map((command) => promisify(execFile)('sh', ['-c', command])));

    expect(health.status).toBe(200);
    expect(JSON.parse(connect?.stdout ?? '').data.url).toMatch(/^http:\/\/localhost:\d+\/oauth\/v2\/authorize\?/);
    expect(JSON.parse(list?.stdout ?? '')).toMatchObject({ data: [], totalCount: 0 });
  });

  it('publishes what happens: in its output and on a page of the playground', async () => {
    const run = await start();
    await fetch(await allow(await oauthUrl(run)));

    await vi.waitFor(() => expect(run.output()).toMatch(/ event connection\.created detail=\{"version":1,/));
    const page = await (await fetch(`${run.url}/playground/events`)).text();

    expect(page).toContain('connection.created');
    expect(page).toContain('T0ACME0001');
  });

  it('keeps connections over a restart, with the same API key', async () => {
    const first = await start();
    await fetch(await allow(await oauthUrl(first)));
    await first.end('SIGINT');

    const second = await start();

    expect(second.apiKey).toBe(first.apiKey);
    expect(await subscribers(second)).toEqual(['user-1']);
  });

  it('shows a connection as revoked when the app is uninstalled in the pretend Slack', async () => {
    const run = await start();
    const url = await oauthUrl(run);
    await fetch(await allow(url));
    const slack = new URL(url).origin;
    const form = new URLSearchParams({ app: 'A0PRETEND01', account: 'T0ACME0001' });

    const page = await fetch(`${slack}/uninstall`, { method: 'POST', body: form });

    expect(await page.text()).toContain('<code>app_uninstalled</code> sent, answered with 200');
    const list = await fetch(`${run.url}/v1/channel-connections`, { headers: headers(run) });
    expect(await list.json()).toMatchObject({ data: [{ status: 'revoked' }] });
    const home = await (await fetch(run.url)).text();
    expect(home).toContain(`Uninstall the app in the <a href="${slack}">`);
  });

  it('loses nothing that was acknowledged when it is killed under load', async () => {
    const first = await start();
    const acknowledged: string[] = [];
    const connectOnce = async (subscriberId: string) => {
      const page = await fetch(await allow(await oauthUrl(first, subscriberId)));
      if (page.status === 200) acknowledged.push(subscriberId);
    };

    const load = Promise.allSettled(Array.from({ length: 40 }, (_, index) => connectOnce(`user-${index}`)));
    while (acknowledged.length < 5) await new Promise((resolve) => setTimeout(resolve, 5));
    await first.end('SIGKILL');
    await load;
    const second = await start();

    expect(await subscribers(second)).toEqual(expect.arrayContaining(acknowledged));
  });

  it('refuses a second process on the same data folder, and says what to do', async () => {
    await start();

    const refused = start();

    await expect(refused).rejects.toThrow(/in use by another process.*CHAT_CONNECT_DATA_DIR/s);
  });

  it.each([
    [{ PORT: 'many' }, /: PORT must be a whole number from 0 to 65535\n$/],
    [{ PORT: '65536' }, /: PORT must be a whole number from 0 to 65535\n$/],
    [{ FLOW_TTL_SECONDS: '301' }, /: FLOW_TTL_SECONDS must be a whole number of seconds from 1 to 300\n$/],
    [{ SLACK_BASE_URL: 'http://slack.example' }, /: SLACK_BASE_URL must be https, or http on loopback\n$/],
    [{ PUBLIC_URL: 'nonsense' }, /: PUBLIC_URL must be https, or http on loopback\n$/],
    [{ DYNAMODB_ENDPOINT: 'http://localhost:1' }, /^Nothing answers at DYNAMODB_ENDPOINT http:\/\/localhost:1\. .*\n$/],
  ])('refuses %j with a sentence that names the variable', async (environment, message) => {
    await expect(start(environment)).rejects.toThrow(message);
  });

  it('replaces the API key when another one is given, and keeps that', async () => {
    const first = await start();
    await first.end('SIGINT');

    const second = await start({ CHAT_CONNECT_API_KEY: 'any string' });
    const withOld = await fetch(`${second.url}/v1/integrations`, { headers: headers(first) });
    const withNew = await fetch(`${second.url}/v1/integrations`, { headers: { authorization: 'ApiKey any string' } });

    expect(withOld.status).toBe(401);
    expect(withNew.status).toBe(200);
  });

  it('uses another stand-in for Slack when SLACK_BASE_URL names one', async () => {
    const slack = await startPretendSlack({ anyClient: true });
    const run = await start({ SLACK_BASE_URL: slack.url });

    const url = await oauthUrl(run);
    const page = await fetch(await slack.approve(url));

    expect(url.startsWith(`${slack.url}/oauth/v2/authorize?`)).toBe(true);
    expect(page.status).toBe(200);
    expect(slack.count('oauth.v2.access')).toBe(1);
    await slack.close();
  });

  it('sends people to the real Slack with --real, for an app entered through the API', async () => {
    const run = await start({}, ['--real']);
    await fetch(`${run.url}/v1/integrations`, {
      method: 'POST',
      headers: headers(run),
      body: JSON.stringify({
        providerId: 'slack',
        identifier: 'slack',
        credentials: { clientId: '123.456', secretKey: 'canary-real-secret' },
      }),
    });

    expect(await oauthUrl(run)).toMatch(/^https:\/\/slack\.com\/oauth\/v2\/authorize\?/);
    expect(run.output()).not.toContain('Pretend Slack');
  });

  it('prints with --real what to register at Slack and Microsoft, and commands for both', async () => {
    const local = await start({}, ['--real']);
    await local.end('SIGINT');
    const tunnelled = await start({ PUBLIC_URL: 'https://tunnel.example' }, ['--real']);

    const callback = '/v1/integrations/chat/oauth/callback';
    expect(local.output()).toContain(
      `  ${local.url}${callback}/slack\n  Slack accepts https only: start with PUBLIC_URL=`,
    );
    expect(local.output()).toContain(`  ${local.url}${callback}/msteams\n`);
    expect(local.output()).toContain('"providerId":"msteams"');
    expect(tunnelled.output()).toContain(`  https://tunnel.example${callback}/slack\n`);
    expect(tunnelled.output()).not.toContain('https only');
  });

  it('keeps own integrations in another folder than pretend ones, unless a folder is named', () => {
    const folderOf = (environment: Record<string, string>, args: string[]) =>
      loadLocalConfig(environment, args).CHAT_CONNECT_DATA_DIR;

    expect(folderOf({}, [])).toBe('.data');
    expect(folderOf({}, ['--real'])).toBe('.data-real');
    expect(folderOf({ CHAT_CONNECT_DATA_DIR: 'mine' }, ['--real'])).toBe('mine');
  });

  it('prints its usage and starts nothing with --help', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['infra/local/main.ts', '--help']);

    expect(stdout).toMatch(/^Usage: .*--real.*CONTRIBUTING\.md/s);
  });

  it('leaves no token, client secret, code or state in its output or data folder', async () => {
    const run = await start();
    await fetch(`${run.url}/v1/integrations`, {
      method: 'POST',
      headers: headers(run),
      body: JSON.stringify({
        providerId: 'slack',
        identifier: 'canary',
        credentials: { clientId: '1.1', secretKey: 'canary-client-secret' },
      }),
    });
    const url = await oauthUrl(run);
    const callback = await allow(url);
    await fetch(callback);
    await fetch(`${callback}x`);
    const query = new URL(callback).searchParams;
    await run.end('SIGINT');

    const kept = run.output() + (await everythingIn(folder));

    for (const secret of ['canary-client-secret', 'xoxb-', query.get('code') ?? '-', query.get('state') ?? '-']) {
      expect(kept).not.toContain(secret);
    }
    const modes = await Promise.all(['wrapping-key', 'api-key'].map((name) => stat(join(folder, name))));
    expect(modes.map(({ mode }) => mode & 0o777)).toEqual([0o600, 0o600]);
  });

  it('says that the port is taken', async () => {
    const blocker = createServer().listen(0);
    const { port } = blocker.address() as AddressInfo;

    await expect(start({ PORT: String(port) })).rejects.toThrow(/port is taken.*PORT=0/);
    blocker.close();
  });
});

async function everythingIn(path: string): Promise<string> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const contents = await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name), 'latin1')));
  return contents.join('\n');
}
