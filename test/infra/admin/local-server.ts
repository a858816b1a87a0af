import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Advertisement, readAdvertisement } from '../../../infra/local/data-folder.ts';

export interface LocalServer extends Advertisement {
  /** All that it printed so far. */
  output(): string;
  /** Ends it as Ctrl+C does, unless another signal is named. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const script = new URL('../../../infra/local/main.ts', import.meta.url).pathname;

/** The server of `npm start` in a process of its own, on a free port. */
export async function startLocalServer(dataDir: string): Promise<LocalServer> {
  const child = spawn(process.execPath, [script], {
    env: { PATH: process.env['PATH'], PORT: '0', CHAT_CONNECT_DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  let advertisement: Advertisement | undefined;
  while (!advertisement) {
    if (hasEnded()) throw new Error(`the server did not start: ${output}`);
    await sleep(50);
    advertisement = await readAdvertisement(dataDir);
  }
  return {
    ...advertisement,
    output: () => output,
    async stop(signal = 'SIGTERM') {
      if (hasEnded()) return;
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
    },
  };
}
