import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { measureCost } from './cost.ts';
import { measureDynamodb } from './dynamodb.ts';
import { measureLists } from './lists.ts';
import { measureLoad } from './load.ts';
import { measureRaces } from './races.ts';
import { missed, print, type Table } from './report.ts';
import { measureUrls } from './urls.ts';

interface Options {
  /** Rows of the longer lists. */
  readonly rows: number;
}

const parts: Readonly<Record<string, (options: Options) => Promise<Table>>> = {
  load: measureLoad,
  dynamodb: measureDynamodb,
  cost: measureCost,
  urls: measureUrls,
  lists: measureLists,
  races: measureRaces,
};

const usage = `npm run bench -- [${Object.keys(parts).join(' | ')}]... [--rows 10000]`;

/** A bench measures: a missed goal is printed and is no error. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { rows: { type: 'string', default: '10000' } },
    allowPositionals: true,
  });
  const chosen = positionals.length > 0 ? positionals : Object.keys(parts);
  const unknown = chosen.filter((name) => !Object.hasOwn(parts, name));
  const rows = Number(values.rows);
  if (unknown.length > 0 || !Number.isInteger(rows) || rows <= 1_000) {
    console.error(unknown.length > 0 ? `no such part: ${unknown.join(', ')}` : '--rows is a whole number above 1000');
    console.error(usage);
    process.exitCode = 1;
    return;
  }
  const [load = 0] = loadavg();
  console.log(
    `Node ${process.version}, ${process.arch}, ${availableParallelism()} CPUs (${cpus()[0]?.model}), load ${load.toFixed(1)}`,
  );
  const misses: string[] = [];
  for (const name of chosen) {
    const table = await parts[name]?.({ rows });
    if (!table) continue;
    print(table);
    misses.push(...missed(table).map((row) => `${name}: ${row}`));
  }
  console.log(misses.length === 0 ? '\nEvery goal is reached.' : `\nGoals missed:\n  ${misses.join('\n  ')}`);
}

await main();
