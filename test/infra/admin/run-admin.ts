import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

export interface AdminRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const script = new URL('../../../infra/admin/main.ts', import.meta.url).pathname;

/**
 * Runs the operator's command in a process of its own. It sees only the variables that are given, and nothing of the
 * AWS settings of whoever runs the tests.
 */
export async function runAdmin(
  folder: string,
  args: readonly string[],
  variables: Record<string, string> = {},
): Promise<AdminRun> {
  const child = spawn(process.execPath, [script, ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, AWS_EC2_METADATA_DISABLED: 'true', ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status: child.exitCode, stdout, stderr };
}

/** What a command that must succeed printed with `--json`. */
// biome-ignore lint/suspicious/noExplicitAny: asserting is the tests' way of checking the shape
export async function adminJson(...[folder, args, variables]: Parameters<typeof runAdmin>): Promise<any> {
  const run = await runAdmin(folder, [...args, '--json'], variables);
  if (run.status !== 0) throw new Error(`status ${run.status}: ${run.stderr}`);
  return JSON.parse(run.stdout);
}
