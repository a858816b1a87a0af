import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readOpenApi } from './document.ts';

const redocly = fileURLToPath(import.meta.resolve('@redocly/cli/bin/cli.js'));
const config = fileURLToPath(new URL('redocly.yaml', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'chat-connect-openapi-'));
try {
  const file = join(folder, 'openapi.json');
  writeFileSync(file, readOpenApi());
  const offline = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };
  const { status } = spawnSync(process.execPath, [redocly, 'lint', file, '--config', config], {
    stdio: 'inherit',
    env: { ...process.env, ...offline },
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true });
}
