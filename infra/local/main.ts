import { ConfigError } from '../../lib/config.ts';
import type { Log } from '../../lib/log.ts';
import { teamsRedirectUri } from '../../lib/providers/msteams/authorization-url.ts';
import { slackRedirectUri } from '../../lib/providers/slack/authorization-url.ts';
import { DataFolderInUseError, FilePermissionsError } from './data-folder.ts';
import { type LocalConfig, loadLocalConfig } from './local-config.ts';
import { DatabaseUnreachableError, type LocalService, startLocalService } from './local-service.ts';

const usage = `Usage: npm start -- [--real]

Runs Chat Connect on this machine, with a playground, a pretend Slack and a pretend Microsoft.

  --real  uses Slack and Microsoft themselves, with the apps that you store through the API
  --help  prints this

CONTRIBUTING.md lists the environment variables, such as PORT and PUBLIC_URL.`;

try {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    console.log(usage);
  } else {
    const config = loadLocalConfig(process.env, args);
    const service = await startLocalService(config, lineLog());
    console.log(welcome(service, config));
    stopOnSignal(service);
  }
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}

function welcome(service: LocalService, config: LocalConfig): string {
  const { url, apiKey, pretendSlackUrl, slackBaseUrl, pretendMicrosoftUrl, microsoftLoginBaseUrl } = service;
  const { CHAT_CONNECT_DATA_DIR: dataFolder, PUBLIC_URL: publicUrl = url } = config;
  const real = slackBaseUrl === 'https://slack.com';
  const line = (label: string, value: string) => `${label.padEnd('Pretend Microsoft'.length)}  ${value}`;
  const authorization = `-H 'Authorization: ApiKey ${apiKey}'`;
  const json = `-H 'Content-Type: application/json'`;
  const post = (path: string, body: unknown) =>
    `  curl -sS ${url}${path} ${authorization} ${json} -d '${JSON.stringify(body)}'`;
  const store = (providerId: string, identifier: string) => {
    const credentials = { clientId: 'YOUR_CLIENT_ID', secretKey: 'YOUR_CLIENT_SECRET' };
    return post('/v1/integrations', { providerId, identifier, credentials });
  };
  const [slack, teams] = real ? ['my-slack', 'my-teams'] : ['slack', 'msteams'];
  return [
    '',
    line('Chat Connect', `${url}  (open it in a browser to click through every flow)`),
    pretendSlackUrl === undefined ? line('Slack', slackBaseUrl) : line('Pretend Slack', pretendSlackUrl),
    pretendMicrosoftUrl === undefined
      ? line('Microsoft', microsoftLoginBaseUrl)
      : line('Pretend Microsoft', pretendMicrosoftUrl),
    line('Data', dataFolder === ':memory:' ? 'in memory, gone when this process ends' : dataFolder),
    line('API key', apiKey),
    '',
    ...(real
      ? [
          'Store your Slack app, whose redirect URL is',
          `  ${slackRedirectUri(publicUrl)}`,
          ...(publicUrl.startsWith('https:')
            ? []
            : ['  Slack accepts https only: start with PUBLIC_URL=https://… of a tunnel to this port']),
          store('slack', slack),
          'Store your Entra app, whose redirect URI is',
          `  ${teamsRedirectUri(publicUrl)}`,
          store('msteams', teams),
          '',
        ]
      : []),
    'Ask for an OAuth URL:',
    post('/v1/integrations/channel-connections/oauth', { integrationIdentifier: slack, subscriberId: 'user-1' }),
    `  ("${teams}" in place of "${slack}" connects a Microsoft Teams tenant)`,
    'Open the URL in its answer, press Allow (at Microsoft: Approve, then Sign in), and list what was connected:',
    `  curl -sS ${url}/v1/channel-connections ${authorization}`,
    '',
    'Stop with Ctrl+C.',
    '',
  ].join('\n');
}

/** One readable line per request and event; the deployed functions write JSON. */
function lineLog(): Log {
  const line =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}) => {
      const shown = Object.entries(fields).flatMap(([name, value]) =>
        value === undefined ? [] : [`${name}=${value}`],
      );
      console.error([new Date().toISOString(), level, message, ...shown].join(' '));
    };
  return { info: line('info'), warn: line('warn'), error: line('error') };
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof ConfigError) return `Chat Connect cannot start: ${error.message}`;
  const isExplained = [DataFolderInUseError, FilePermissionsError, DatabaseUnreachableError].some(
    (known) => error instanceof known,
  );
  if (isExplained) return error.message;
  if ('code' in error && error.code === 'EADDRINUSE') {
    return 'The port is taken. Choose another one with PORT=3001, or PORT=0 for any free one.';
  }
  return error.stack ?? error.message;
}

function stopOnSignal(service: LocalService): void {
  let stopping = false;
  const stop = () => {
    if (stopping) process.exit(1);
    stopping = true;
    service.close().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(explain(error));
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
}
