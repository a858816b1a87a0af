import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';

/** What a caller of DynamoDB meets in place of an answer. */
export class InjectedFault extends Error {
  override readonly name = 'InjectedFault';
}

/** Commands are counted from 1, and arming a fault starts the count anew. */
export interface Faults {
  /** Commands by name, such as `PutItem`. */
  readonly counts: Readonly<Record<string, number>>;
  readonly reads: number;
  readonly writes: number;
  /** The k-th command fails and changes nothing. */
  failBefore(k: number): void;
  /** The k-th command does its work, and its answer is lost. */
  failAfter(k: number): void;
  /** The k-th command does its work twice: the SDK repeats one whose answer was lost. */
  repeat(k: number): void;
  /** The k-th command and every later one fail and change nothing, as if the process had ended before it. */
  killAt(k: number): void;
  /** Whether the fault that is armed has happened. */
  readonly happened: boolean;
  /** The same for calls to a provider: each counts as a command, and is not repeated. */
  around(send: typeof fetch): typeof fetch;
  /** Disarms, and starts the count anew. */
  reset(): void;
}

type Fault = { readonly kind: 'before' | 'after' | 'repeat' | 'kill'; readonly k: number };

const readCommands = new Set(['GetItem', 'BatchGetItem', 'Query', 'Scan', 'TransactGetItems']);
const providerCall = 'fetch';
const writeCommands = new Set(['PutItem', 'UpdateItem', 'DeleteItem', 'BatchWriteItem', 'TransactWriteItems']);

/** Counts the commands that go through the client, and makes chosen ones fail. */
export function injectFaults(client: DynamoDBDocumentClient): Faults {
  const counts = new Map<string, number>();
  let commands = 0;
  let fault: Fault | undefined;

  async function take<Answer>(name: string, act: () => Promise<Answer>): Promise<Answer> {
    counts.set(name, (counts.get(name) ?? 0) + 1);
    commands += 1;
    const k = commands;
    const due = fault?.k === k ? fault.kind : undefined;
    const isDead = fault?.kind === 'kill' && fault.k <= k;
    if (due === 'before' || isDead) throw new InjectedFault(`command ${k} (${name}) was not sent`);
    if (due === undefined || (due === 'repeat' && name === providerCall)) return act();
    await act().catch(() => {});
    if (due === 'repeat') return act();
    throw new InjectedFault(`the answer to command ${k} (${name}) was lost`);
  }

  client.middlewareStack.add(
    // What follows changes its arguments.
    (next, context) => (args) =>
      take((context.commandName ?? 'unknown').replace(/Command$/, ''), () => next({ ...args })),
    { step: 'initialize', name: 'injectFaults', priority: 'high', override: true },
  );

  const arm = (next: Fault | undefined) => {
    counts.clear();
    commands = 0;
    fault = next;
  };
  const total = (names: ReadonlySet<string>) => [...names].reduce((sum, name) => sum + (counts.get(name) ?? 0), 0);
  return {
    get counts() {
      return Object.fromEntries(counts);
    },
    get reads() {
      return total(readCommands);
    },
    get writes() {
      return total(writeCommands);
    },
    get happened() {
      return fault !== undefined && fault.k <= commands;
    },
    around: (send) => (input, init) => take(providerCall, () => send(input, init)),
    failBefore: (k) => arm({ kind: 'before', k }),
    failAfter: (k) => arm({ kind: 'after', k }),
    repeat: (k) => arm({ kind: 'repeat', k }),
    killAt: (k) => arm({ kind: 'kill', k }),
    reset: () => arm(undefined),
  };
}
