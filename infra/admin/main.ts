import { runCommand } from './commands.ts';
import { UsageError } from './errors.ts';
import { explain } from './explain.ts';
import { readInvocation, usage } from './invocation.ts';
import { openTarget } from './target.ts';
import { withoutKeys } from './text.ts';

try {
  await main();
} catch (error) {
  const isUsage = error instanceof UsageError;
  console.error(withoutKeys(isUsage ? `${error.message}\n\n${usage}` : explain(error)));
  process.exitCode = isUsage ? 2 : 1;
}

async function main(): Promise<void> {
  const invocation = readInvocation(process.argv.slice(2));
  if (!invocation) {
    console.log(usage);
    return;
  }
  const { command, json } = invocation;
  const target = await openTarget(invocation.target, process.env, {
    mayMakeFolder: command.name === 'environment create',
  });
  try {
    const outcome = await runCommand(target, command);
    console.log(json ? JSON.stringify(outcome.json) : outcome.text);
  } finally {
    await target.close();
  }
}
