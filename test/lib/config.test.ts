import { describe, expect, it } from 'vitest';
import { ConfigError, isLoopback, loadConfig, runsOnLambda, type VariableName } from '../../lib/config.ts';

describe('loadConfig', () => {
  it('reads the variables that are named, and no other', () => {
    const environment = { CONNECTIONS_TABLE: 'connections', FLOWS_TABLE: 'flows', HOME: '/root' };

    expect(loadConfig(['CONNECTIONS_TABLE'], environment)).toEqual({ CONNECTIONS_TABLE: 'connections' });
  });

  it('falls back to what production uses', () => {
    expect(loadConfig(['SLACK_BASE_URL', 'FLOW_TTL_SECONDS'], {})).toEqual({
      SLACK_BASE_URL: 'https://slack.com',
      FLOW_TTL_SECONDS: 300,
    });
  });

  it('takes an empty variable for an unset one', () => {
    expect(loadConfig(['SLACK_BASE_URL'], { SLACK_BASE_URL: '' })).toEqual({ SLACK_BASE_URL: 'https://slack.com' });
    expect(() => loadConfig(['FLOWS_TABLE'], { FLOWS_TABLE: '' })).toThrow(ConfigError);
  });

  it('names every variable that is missing or wrong, and no value', () => {
    const names = ['CONNECTIONS_TABLE', 'PUBLIC_URL', 'FLOW_TTL_SECONDS', 'VAULT_KEY_ARN'] as const;
    const load = () =>
      loadConfig(names, { PUBLIC_URL: 'ftp://secret.example', FLOW_TTL_SECONDS: '0', VAULT_KEY_ARN: 'a' });

    expect(load).toThrow(ConfigError);
    expect(load).toThrow(/CONNECTIONS_TABLE: .+; PUBLIC_URL: .+; FLOW_TTL_SECONDS: [^;]+$/);
    expect(load).not.toThrow(/secret\.example|VAULT_KEY_ARN/);
  });

  it.each<[VariableName, string, unknown]>([
    ['PUBLIC_URL', 'https://connect.example', 'https://connect.example'],
    ['PUBLIC_URL', 'https://connect.example/', 'https://connect.example'],
    ['PUBLIC_URL', 'https://connect.example/chat//', 'https://connect.example/chat'],
    ['PUBLIC_URL', 'HTTPS://Connect.Example/Chat', 'https://connect.example/Chat'],
    ['PUBLIC_URL', 'https://connect.example:8443', 'https://connect.example:8443'],
    ['PUBLIC_URL', 'http://localhost:3000', 'http://localhost:3000'],
    ['SLACK_BASE_URL', 'http://127.0.0.1:4000', 'http://127.0.0.1:4000'],
    ['SLACK_BASE_URL', 'http://[::1]:4000', 'http://[::1]:4000'],
    ['FLOW_TTL_SECONDS', '1', 1],
    ['FLOW_TTL_SECONDS', '300', 300],
  ])('accepts %s %s', (name, value, read) => {
    expect(loadConfig([name], { [name]: value })).toEqual({ [name]: read });
  });

  it.each<[VariableName, string]>([
    ['PUBLIC_URL', 'connect.example'],
    ['PUBLIC_URL', 'http://connect.example'],
    ['PUBLIC_URL', 'http://localhost.example'],
    ['PUBLIC_URL', 'http://127.0.0.1.example'],
    ['PUBLIC_URL', 'ftp://localhost'],
    ['PUBLIC_URL', 'https://user:password@connect.example'],
    ['PUBLIC_URL', 'https://connect.example/?a=b'],
    ['PUBLIC_URL', 'https://connect.example/#a'],
    ['PUBLIC_URL', 'https://connect.example/?'],
    ['PUBLIC_URL', 'https://connect.example/#'],
    ['PUBLIC_URL', ' https://connect.example'],
    ['PUBLIC_URL', 'https:\\\\connect.example'],
    ['SLACK_BASE_URL', 'http://slack.com'],
    ['FLOW_TTL_SECONDS', '0'],
    ['FLOW_TTL_SECONDS', '301'],
    ['FLOW_TTL_SECONDS', '1.5'],
    ['FLOW_TTL_SECONDS', 'five'],
  ])('refuses %s %j', (name, value) => {
    expect(() => loadConfig([name], { [name]: value })).toThrow(ConfigError);
  });
});

describe('runsOnLambda', () => {
  it('knows a function by the variable that Lambda sets', () => {
    expect(runsOnLambda({ AWS_LAMBDA_FUNCTION_NAME: 'meta' })).toBe(true);
    expect(runsOnLambda({})).toBe(false);
  });
});

describe('isLoopback', () => {
  it.each(['localhost', '127.0.0.1', '127.255.255.254', '[::1]'])('knows %s', (hostname) => {
    expect(isLoopback(hostname)).toBe(true);
  });

  it.each(['localhost.example', 'example', '128.0.0.1', '0.0.0.0', '[::]', '[::2]', '1127.0.0.1', ''])(
    'does not take "%s" for it',
    (hostname) => {
      expect(isLoopback(hostname)).toBe(false);
    },
  );
});
