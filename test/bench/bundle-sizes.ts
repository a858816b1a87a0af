import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleFunction } from '../../infra/bundling.ts';
import { functionNames } from '../../infra/functions.ts';
import { readOpenApi } from '../../infra/openapi/document.ts';
import type { FunctionName } from '../../infra/routes.ts';

/** Bytes of a function's files, also of those that are loaded late, about 5 % above what they were. Raise one only together with the reason, in one commit. */
const budgets: Readonly<Record<FunctionName, number>> = {
  'generate-oauth-url': 330_000,
  start: 310_000,
  'slack-callback': 520_000,
  'msteams-callback': 920_000,
  'confirm-flow': 1_020_000,
  sweep: 1_000_000,
  integrations: 380_000,
  'channel-connections': 905_000,
  'slack-authorize': 390_000,
  'slack-events': 369_000,
  'channel-endpoints': 369_000,
  meta: 30_000,
  'publish-events': 320_000,
};

/** Bytes of the document that stands beside `meta`; it grows with every route, and is read only when somebody asks for it. */
const documentBudget = 250_000;

/** What a function does not use, it does not load. */
const unwanted: Partial<Record<FunctionName, readonly string[]>> = {
  'slack-events': ['node_modules/@slack/', 'node_modules/@azure/msal', 'node_modules/@aws-sdk/client-sts'],
  'generate-oauth-url': ['node_modules/@slack/', 'node_modules/@azure/msal', 'node_modules/@aws-sdk/client-sts'],
  'slack-callback': ['node_modules/@azure/msal', 'node_modules/@aws-sdk/client-sts'],
  integrations: ['node_modules/@azure/msal', 'node_modules/@aws-sdk/client-sts'],
  'publish-events': [
    'node_modules/@slack/',
    'node_modules/@azure/msal',
    'node_modules/@aws-sdk/client-kms',
    'lib/vault/',
  ],
};

const folder = mkdtempSync(join(tmpdir(), 'chat-connect-sizes-'));
try {
  const faults: string[] = [];
  const rows = functionNames.map((name) => {
    const { bytes, inputs } = bundleFunction(name, join(folder, name));
    const budget = budgets[name];
    if (bytes > budget) faults.push(`${name} is ${bytes - budget} bytes over its budget`);
    for (const path of inputs) {
      if (unwanted[name]?.some((prefix) => path.startsWith(prefix))) faults.push(`${name} holds ${path}`);
    }
    return { function: name, bytes, budget, 'used %': Math.round((bytes / budget) * 100) };
  });
  const documentBytes = Buffer.byteLength(readOpenApi());
  if (documentBytes > documentBudget)
    faults.push(`openapi.json is ${documentBytes - documentBudget} bytes over its budget`);
  console.table(rows);
  console.log(`openapi.json: ${documentBytes} bytes`);
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
