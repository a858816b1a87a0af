import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { bundleFunction } from '../../infra/bundling.ts';
import { functionNames } from '../../infra/functions.ts';
import { atMost, median, quantile, rounded, type Table } from './report.ts';

/** Load time as a part of the base bundle's. A function of which there is none yet is left out. */
const goals: Readonly<Record<string, number>> = {
  'generate-oauth-url': 0.7,
  'slack-callback': 0.8,
  'msteams-callback': 0.8,
};

const rounds = 21;
const warmUpRounds = 3;

/** What Lambda and the stack set, so that a function composes itself while it is loaded. */
const environment = {
  PATH: process.env['PATH'],
  AWS_REGION: 'eu-west-1',
  AWS_ACCESS_KEY_ID: 'AKEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'example',
  AWS_LAMBDA_FUNCTION_NAME: 'bench',
  CONNECTIONS_TABLE: 'connections',
  FLOWS_TABLE: 'flows',
  VAULT_KEY_ARN: 'arn:aws:kms:eu-west-1:000000000000:key/00000000-0000-0000-0000-000000000000',
  PUBLIC_URL: 'https://connect.example.com',
};

interface Bundle {
  readonly file: string;
  readonly bytes: number;
}

interface Load {
  /** From the call of `require` to its return. */
  readonly milliseconds: number;
  /** CPU of all threads in that time, which other work on the machine disturbs less. */
  readonly cpuMilliseconds: number;
  /** From the start of Node to the return. */
  readonly sinceStart: number;
}

/** How long bundles take to load in a fresh process, each beside the base bundle. */
export async function measureLoad(): Promise<Table> {
  const folder = mkdtempSync(join(tmpdir(), 'chat-connect-load-'));
  try {
    const launcher = findLauncher();
    const base = bundleBase(join(folder, 'base'));
    const rows = functionNames.flatMap((name) => {
      const goal = goals[name];
      return goal === undefined ? [] : [compare(launcher, name, goal, bundleFunction(name, join(folder, name)), base)];
    });
    return {
      title: `Loading a function's bundle in a fresh process, against one of only DynamoDBDocumentClient (${kilobytes(base)} KB)`,
      rows,
      notes: [
        `Medians of ${rounds} alternating pairs; a ratio is the median of the pairs' own ratios, in brackets its quartiles.`,
        '"with Node" adds the start of Node itself, which is the same for every function.',
        launcher.length > 0 ? 'Pinned to CPU 0.' : 'NOT pinned to one CPU: there is no taskset here.',
      ],
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function compare(launcher: readonly string[], name: string, goal: number, bundle: Bundle, base: Bundle) {
  const pairs: { ours: Load; base: Load }[] = [];
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    // Whoever comes second may profit from what the first left in the CPU's caches.
    const oursFirst = round % 2 === 0;
    const early = load(launcher, oursFirst ? bundle : base);
    const late = load(launcher, oursFirst ? base : bundle);
    if (round >= 0) pairs.push(oursFirst ? { ours: early, base: late } : { ours: late, base: early });
  }
  const ratios = pairs.map(({ ours, base }) => ours.milliseconds / base.milliseconds);
  const ratio = rounded(median(ratios), 3);
  const [low, high] = [quantile(ratios, 0.25), quantile(ratios, 0.75)];
  return {
    function: name,
    KB: kilobytes(bundle),
    ms: rounded(median(pairs.map(({ ours }) => ours.milliseconds)), 1),
    'base ms': rounded(median(pairs.map(({ base }) => base.milliseconds)), 1),
    ratio: `${ratio} (${rounded(low, 2)} to ${rounded(high, 2)})`,
    ...atMost(goal, ratio),
    'CPU ratio': rounded(median(pairs.map(({ ours, base }) => ours.cpuMilliseconds / base.cpuMilliseconds)), 3),
    'ratio with Node': rounded(median(pairs.map(({ ours, base }) => ours.sinceStart / base.sinceStart)), 3),
  };
}

function load(launcher: readonly string[], { file }: Bundle): Load {
  const script = `
    const cpuBefore = process.cpuUsage();
    const before = performance.now();
    require(${JSON.stringify(file)});
    const after = performance.now();
    const { user, system } = process.cpuUsage(cpuBefore);
    const cpuMilliseconds = (user + system) / 1000;
    console.log(JSON.stringify({ milliseconds: after - before, cpuMilliseconds, sinceStart: after }));`;
  const [command = '', ...args] = [...launcher, process.execPath, '--eval', script];
  const { status, stdout, stderr } = spawnSync(command, args, {
    env: environment,
    encoding: 'utf8',
    timeout: 30_000,
  });
  if (status !== 0) throw new Error(`${file} does not load: ${stderr.slice(-1_000)}`);
  return JSON.parse(stdout) as Load;
}

/** What pins a process to one CPU; nothing where that cannot be done. */
function findLauncher(): string[] {
  const pinned = ['taskset', '-c', '0'];
  const [command = '', ...args] = [...pinned, 'true'];
  return spawnSync(command, args).status === 0 ? pinned : [];
}

/** As the CDK's NodejsFunction bundles by default, with the SDK included. */
function bundleBase(folder: string): Bundle {
  const file = join(folder, 'index.js');
  buildSync({
    entryPoints: [fileURLToPath(new URL('document-client.ts', import.meta.url))],
    outfile: file,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    logLevel: 'warning',
  });
  return { file, bytes: statSync(file).size };
}

function kilobytes({ bytes }: Bundle): number {
  return Math.round(bytes / 1_000);
}
