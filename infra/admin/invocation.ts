import { parseArgs } from 'node:util';
import { type Permission, permissions } from '../../lib/environment/api-key.ts';
import { UsageError } from './errors.ts';

export type Command =
  | { readonly name: 'environment create'; readonly environmentName: string }
  | { readonly name: 'environment list' }
  | {
      readonly name: 'api-key create';
      readonly environmentId: string;
      readonly keyName: string;
      readonly permissions: readonly Permission[];
    }
  | { readonly name: 'api-key list'; readonly environmentId: string }
  | { readonly name: 'api-key revoke'; readonly environmentId: string; readonly keyId: string };

export type CommandName = Command['name'];

/** Which Chat Connect is meant: a deployed stack, or the one on this machine. */
export interface TargetOptions {
  readonly stack?: string | undefined;
  readonly dataDir?: string | undefined;
}

export interface Invocation {
  readonly command: Command;
  readonly target: TargetOptions;
  readonly json: boolean;
}

export const usage = `Usage: npm run admin -- COMMAND [options]

Commands:
  environment create [--name NAME]
  environment list
  api-key create --environment ID [--name NAME] [--permissions LIST]
  api-key list --environment ID
  api-key revoke --environment ID KEY_ID

Options:
  --stack NAME         a deployed stack; region and credentials come from the usual AWS environment
  --data-dir PATH      without --stack: the data folder of the local server, which may run or not
                       (default: CHAT_CONNECT_DATA_DIR, else .data)
  --name NAME          to tell environments or keys apart (default: "default")
  --permissions LIST   of ${permissions.join(',')} (default: connect,manage)
                         connect  OAuth URLs and reads
                         manage   integrations, connections and endpoints
                         tokens   hand-outs of provider tokens
  --json               machine-readable output; with "npm run --silent", nothing else is printed
  --help               this text`;

const options = {
  stack: { type: 'string' },
  'data-dir': { type: 'string' },
  environment: { type: 'string' },
  name: { type: 'string' },
  permissions: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Values = ReturnType<typeof parse>['values'];

/** What a command takes besides the options that every command takes. */
const commands: Record<
  CommandName,
  { options: readonly (keyof Values)[]; argument?: string; read(values: Values, argument: string): Command }
> = {
  'environment create': {
    options: ['name'],
    read: (values) => ({ name: 'environment create', environmentName: readName(values) }),
  },
  'environment list': { options: [], read: () => ({ name: 'environment list' }) },
  'api-key create': {
    options: ['environment', 'name', 'permissions'],
    read: (values) => ({
      name: 'api-key create',
      environmentId: readEnvironmentId(values),
      keyName: readName(values),
      permissions: readPermissions(values.permissions),
    }),
  },
  'api-key list': {
    options: ['environment'],
    read: (values) => ({ name: 'api-key list', environmentId: readEnvironmentId(values) }),
  },
  'api-key revoke': {
    options: ['environment'],
    argument: 'KEY_ID',
    read: (values, keyId) => ({
      name: 'api-key revoke',
      environmentId: readEnvironmentId(values),
      keyId: readKeyId(keyId),
    }),
  },
};

const commonOptions: readonly string[] = ['stack', 'data-dir', 'json', 'help'] satisfies (keyof Values)[];

/**
 * Reads the command line; undefined when it asks for help.
 * @throws UsageError that names what is wrong
 */
export function readInvocation(args: readonly string[]): Invocation | undefined {
  const { values, positionals } = parse(args);
  if (values.help) return undefined;
  const [group, verb, ...rest] = positionals;
  if (group === undefined) throw new UsageError('There is no command.');
  const name = [group, verb].filter((word) => word !== undefined).join(' ');
  if (!isCommandName(name)) throw new UsageError(`Unknown command: ${name}`);

  const { options: allowed, argument, read } = commands[name];
  for (const option of Object.keys(values)) {
    const fits = commonOptions.includes(option) || allowed.some((each) => each === option);
    if (!fits) throw new UsageError(`"${name}" has no option --${option}.`);
  }
  if (argument !== undefined && !rest[0]) throw new UsageError(`"${name}" needs a ${argument}.`);
  const surplus = rest.slice(argument === undefined ? 0 : 1);
  if (surplus.length > 0) throw new UsageError(`Unexpected argument: ${surplus.join(' ')}`);
  return { command: read(values, rest[0] ?? ''), target: readTarget(values), json: values.json ?? false };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    if (!isParseArgsError(error)) throw error;
    // What follows the first sentence explains the ways of a shell.
    throw new UsageError(error.message.replace(/\.?\s*(\n|\. ).*$/s, '.'));
  }
}

function isParseArgsError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}

function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(commands, name);
}

function readTarget(values: Values): TargetOptions {
  const { stack, 'data-dir': dataDir } = values;
  if (stack !== undefined && dataDir !== undefined) {
    throw new UsageError('--stack and --data-dir name different places; give one of them.');
  }
  if (stack === '') throw new UsageError('--stack needs the name of a stack.');
  if (dataDir === '') throw new UsageError('--data-dir needs a path.');
  return { stack, dataDir };
}

function readEnvironmentId(values: Values): string {
  if (!values.environment) {
    throw new UsageError('--environment ID is missing ("environment list" shows the ids).');
  }
  return values.environment;
}

function readName({ name = 'default' }: Values): string {
  if (name.trim() === '' || name.length > 200 || /\p{Cc}/u.test(name)) {
    throw new UsageError('--name must have 1 to 200 characters and no control characters.');
  }
  return name;
}

function readPermissions(list = 'connect,manage'): Permission[] {
  const given = list.split(',').map((each) => each.trim());
  const unknown = given.filter((each) => !permissions.some((permission) => permission === each));
  if (unknown.length > 0) {
    const shown = unknown.map((each) => `"${each}"`).join(', ');
    throw new UsageError(`--permissions has ${shown}; there are only ${permissions.join(', ')}.`);
  }
  return permissions.filter((permission) => given.includes(permission));
}

function readKeyId(keyId: string): string {
  const [, idOfKey] = /^cc_([A-Za-z0-9]+)_/.exec(keyId) ?? [];
  if (idOfKey !== undefined) throw new UsageError(`KEY_ID is not the whole key but the id in it: ${idOfKey}`);
  return keyId;
}
