import { fork } from 'node:child_process';
import { once } from 'node:events';

export interface Fork {
  /** Its next message. */
  receive<Message>(): Promise<Message>;
  send(message: object): void;
  close(): Promise<void>;
  /** Stops it in the middle of whatever it does; gives what lets it go on. */
  pause(): () => void;
  /** As `kill -9` does, and waits for its end. */
  kill(): Promise<void>;
}

/** Runs a script in a Node process of its own, which says nothing on the console but errors. */
export function forkScript(script: URL, env: NodeJS.ProcessEnv = {}): Fork {
  const child = fork(script, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env: { ...process.env, ...env } });
  const exited = once(child, 'exit');
  return {
    async receive<Message>() {
      const waiting = new AbortController();
      const ended = exited.then(([status]) => {
        throw new Error(`${script.pathname} ended with ${status}`);
      });
      try {
        const [message] = await Promise.race([once(child, 'message', { signal: waiting.signal }), ended]);
        return message as Message;
      } finally {
        waiting.abort();
      }
    },
    send(message) {
      child.send(message);
    },
    async close() {
      if (child.connected) child.disconnect();
      await exited;
    },
    pause() {
      child.kill('SIGSTOP');
      return () => child.kill('SIGCONT');
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
