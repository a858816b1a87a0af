import { ConfigError } from '../../lib/config.ts';
import type { Log } from '../../lib/log.ts';
import { DataFolderInUseError, FilePermissionsError } from './data-folder.ts';
import { loadLocalConfig } from './local-config.ts';
import { type LocalService, startLocalService } from './local-service.ts';

try {
  const config = loadLocalConfig(process.env, process.argv.slice(2));
  const service = await startLocalService(config, lineLog());
  console.log(welcome(service, config.CHAT_CONNECT_DATA_DIR));
  stopOnSignal(service);
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}

function welcome(service: LocalService, dataFolder: string): string {
  const { url, apiKey, pretendSlackUrl, slackBaseUrl } = service;
  const real = slackBaseUrl === 'https://slack.com';
  const authorization = `-H 'Authorization: ApiKey ${apiKey}'`;
  const json = `-H 'Content-Type: application/json'`;
  const create = {
    providerId: 'slack',
    identifier: 'my-slack',
    credentials: { clientId: 'YOUR_CLIENT_ID', secretKey: 'YOUR_CLIENT_SECRET' },
  };
  const connect = { integrationIdentifier: real ? 'my-slack' : 'slack', subscriberId: 'user-1' };
  return [
    '',
    `Chat Connect       ${url}  (open it in a browser to click through every flow)`,
    pretendSlackUrl === undefined ? `Slack              ${slackBaseUrl}` : `Pretend Slack      ${pretendSlackUrl}`,
    service.pretendMicrosoftUrl === undefined
      ? `Microsoft          ${service.microsoftLoginBaseUrl}`
      : `Pretend Microsoft  ${service.pretendMicrosoftUrl}`,
    `Data               ${dataFolder === ':memory:' ? 'in memory, gone when this process ends' : dataFolder}`,
    `API key            ${apiKey}`,
    '',
    ...(real
      ? [
          'Store your Slack app, whose redirect URL is',
          `  ${url}/v1/integrations/chat/oauth/callback/slack`,
          `  curl -sS ${url}/v1/integrations ${authorization} ${json} -d '${JSON.stringify(create)}'`,
          '',
        ]
      : []),
    'Ask for an OAuth URL:',
    `  curl -sS ${url}/v1/integrations/channel-connections/oauth ${authorization} ${json} -d '${JSON.stringify(connect)}'`,
    ...(service.pretendMicrosoftUrl === undefined
      ? []
      : ['  ("msteams" in place of "slack" connects a Microsoft Teams tenant)']),
    'Open the URL in its answer, press Allow, and list what was connected:',
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
  if (error instanceof DataFolderInUseError || error instanceof FilePermissionsError) return error.message;
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
