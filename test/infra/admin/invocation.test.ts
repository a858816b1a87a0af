import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../infra/admin/errors.ts';
import { readInvocation, usage } from '../../../infra/admin/invocation.ts';

const read = (line: string) => readInvocation(line.split(' ').filter((word) => word !== ''));

describe('readInvocation', () => {
  it('reads what a key may do, once each and in the order of the permissions', () => {
    const invocation = read('api-key create --environment e1 --name backend --permissions tokens,connect,tokens');

    expect(invocation).toEqual({
      command: {
        name: 'api-key create',
        environmentId: 'e1',
        keyName: 'backend',
        permissions: ['connect', 'tokens'],
      },
      target: {},
      json: false,
    });
  });

  it('gives a key no hand-outs of tokens unless they are asked for', () => {
    expect(read('api-key create --environment e1')?.command).toMatchObject({ permissions: ['connect', 'manage'] });
  });

  it('takes options before, between and behind the words of a command', () => {
    const invocation = read('--stack ChatConnect api-key --environment=e1 revoke k1 --json');

    expect(invocation).toEqual({
      command: { name: 'api-key revoke', environmentId: 'e1', keyId: 'k1' },
      target: { stack: 'ChatConnect' },
      json: true,
    });
  });

  it.each(['--help', '-h', 'api-key --help', 'bogus -h'])('gives help for: %s', (line) => {
    expect(read(line)).toBeUndefined();
  });

  it.each([
    ['', 'There is no command.'],
    ['--json', 'There is no command.'],
    ['environment', 'Unknown command: environment'],
    ['environment delete', 'Unknown command: environment delete'],
    ['toString valueOf', 'Unknown command: toString valueOf'],
    ['environment list --verbose', "Unknown option '--verbose'."],
    ['environment list -v', "Unknown option '-v'."],
    ['environment list --stack', "Option '--stack <value>' argument missing"],
    ['environment list --stack --json', "Option '--stack' argument is ambiguous."],
    ['environment list --json=yes', "Option '--json' does not take an argument"],
    ['environment list --name x', '"environment list" has no option --name.'],
    ['environment create --permissions connect', '"environment create" has no option --permissions.'],
    ['environment list more and more', 'Unexpected argument: more and more'],
    ['environment list --stack a --data-dir b', '--stack and --data-dir name different places; give one of them.'],
    ['environment list --stack=', '--stack needs the name of a stack.'],
    ['environment list --data-dir=', '--data-dir needs a path.'],
    ['environment create --name=', '--name must have 1 to 200 characters and no control characters.'],
    [`environment create --name ${'x'.repeat(201)}`, '--name must have 1 to 200 characters and no control characters.'],
    ['environment create --name \u001b[2J', '--name must have 1 to 200 characters and no control characters.'],
    ['api-key list', '--environment ID is missing ("environment list" shows the ids).'],
    ['api-key create --environment=', '--environment ID is missing ("environment list" shows the ids).'],
    [
      'api-key create --environment e1 --permissions connect,admin',
      '--permissions has "admin"; there are only connect, manage, tokens.',
    ],
    ['api-key create --environment e1 --permissions=', '--permissions has ""; there are only connect, manage, tokens.'],
    ['api-key revoke --environment e1', '"api-key revoke" needs a KEY_ID.'],
    ['api-key revoke --environment e1 k1 k2', 'Unexpected argument: k2'],
    ['api-key revoke --environment e1 cc_k1_canary-secret', 'KEY_ID is not the whole key but the id in it: k1'],
  ])('refuses: %s', (line, message) => {
    expect(() => read(line)).toThrow(new UsageError(message));
  });

  it('is described by a usage that names every option', () => {
    for (const option of ['stack', 'data-dir', 'environment', 'name', 'permissions', 'json', 'help']) {
      expect(usage).toContain(`--${option}`);
    }
  });
});
