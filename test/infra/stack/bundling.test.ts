import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../../infra/app.ts';
import { bundle, bundleFunction, type FunctionBundle } from '../../../infra/bundling.ts';
import { functionNames } from '../../../infra/functions.ts';
import { readOpenApi } from '../../../infra/openapi/document.ts';
import { type Synthesized, synthesize } from './synthesized.ts';

const libraryUser = fileURLToPath(new URL('library-user.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'chat-connect-bundles-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a script in a fresh process with these variables and no others. */
function run(script: string, environment: Record<string, string>) {
  const { stdout, stderr } = spawnSync(process.execPath, ['--eval', script], {
    env: { AWS_REGION: 'eu-west-1', ...environment },
    encoding: 'utf8',
  });
  return { output: stdout.trim(), problem: stderr };
}

describe('a bundle of the libraries that functions use', () => {
  let bundled: FunctionBundle;
  beforeAll(() => {
    bundled = bundle(libraryUser, join(folder, 'libraries'));
  });

  it('holds the AWS SDK that package.json pins, without the credential providers that Lambda never uses', () => {
    const packages = new Set(bundled.inputs.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]));
    const credentialProviders = [...packages].filter((name) => name?.includes('credential-provider'));

    expect(packages).toContain('@aws-sdk/client-dynamodb');
    expect(credentialProviders.sort()).toEqual([
      '@aws-sdk/credential-provider-env',
      '@aws-sdk/credential-provider-node',
    ]);
    expect(packages).not.toContain('@aws-sdk/nested-clients');
    expect(packages).not.toContain('@aws-sdk/token-providers');
  });

  it('holds @slack/oauth without jsonwebtoken', () => {
    expect(bundled.inputs.some((path) => path.startsWith('node_modules/@slack/oauth/'))).toBe(true);
    expect(bundled.inputs.filter((path) => path.startsWith('node_modules/jsonwebtoken/'))).toEqual([]);
  });

  it('takes credentials from the environment, as on Lambda', () => {
    const script = `require(${JSON.stringify(bundled.file)}).credentials().then((it) => console.log(it.accessKeyId))`;

    const { output } = run(script, { AWS_ACCESS_KEY_ID: 'AKEXAMPLE', AWS_SECRET_ACCESS_KEY: 'example' });

    expect(output).toBe('AKEXAMPLE');
  });

  it('says what is missing where there are none', () => {
    const script = `require(${JSON.stringify(bundled.file)}).credentials().catch((it) => console.log(it.message))`;

    const { output } = run(script, { HOME: folder });

    expect(output).toMatch(/^No AWS credentials in the environment/);
  });

  it('keeps the names that our errors give themselves, by which the log tells them apart', () => {
    const { output } = run(`console.log(new (require(${JSON.stringify(bundled.file)}).ConfigError)().name)`, {});

    expect(output).toBe('ConfigError');
  });
});

describe('a library that a function loads late', () => {
  it.each([
    ['slack-callback', '@slack/oauth', 'InstallProvider'],
    ['msteams-callback', '@azure/msal-node', 'ConfidentialClientApplication'],
    ['msteams-callback', '@aws-sdk/client-sts', 'STSClient'],
    ['sweep', '@slack/oauth', 'InstallProvider'],
    ['sweep', '@azure/msal-node', 'ConfidentialClientApplication'],
  ] as const)('is found from %s: %s with %s', (name, library, exported) => {
    const { file, inputs } = bundleFunction(name, join(folder, `late-${name}`));
    const late = `require('node:module').createRequire(${JSON.stringify(file)})(${JSON.stringify(library)})`;

    const { output } = run(`console.log(typeof ${late}.${exported})`, {});

    expect(output).toBe('function');
    expect(readFileSync(file, 'utf8')).toContain(`require("${library}")`);
    expect(inputs.some((path) => path.includes(`node_modules/${library}/`))).toBe(true);
  });
});

describe('the OpenAPI document', () => {
  it('stands beside the function that answers it, and nothing in a bundle makes it', () => {
    const { file } = bundleFunction('meta', join(folder, 'document'));
    const event = {
      ...{ routeKey: 'GET /openapi.json', rawPath: '/openapi.json', rawQueryString: '', headers: {} },
      requestContext: { requestId: 'test', http: { method: 'GET', path: '/openapi.json' } },
    };
    const call = `require(${JSON.stringify(file)}).handler(${JSON.stringify(event)}, {})`;

    const { output } = run(`${call}.then((answer) => process.stdout.write(answer.body))`, {
      AWS_LAMBDA_FUNCTION_NAME: 'meta',
    });

    expect(output).toBe(readOpenApi());
    for (const name of functionNames) {
      const { inputs } = bundleFunction(name, join(folder, 'without-document', name));
      expect(inputs.filter((path) => path.startsWith('infra/openapi/'))).toEqual([]);
    }
  });
});

describe.each(functionNames)('the bundle of %s', (name) => {
  let synthesized: Synthesized;
  beforeAll(() => {
    synthesized = synthesize({ publicUrl: 'https://connect.example.com' });
  });

  it('loads with the variables that the stack gives it, and exports a handler', () => {
    const { file } = bundleFunction(name, join(folder, name));

    const { output, problem } = run(
      // Node would print the whole minified line beside an error that nobody catches.
      `try { console.log(typeof require(${JSON.stringify(file)}).handler) } catch (error) { console.log(error.message) }`,
      // Lambda sets this one; it is how a function knows that it has to compose itself.
      { ...synthesized.environmentOf(name), AWS_LAMBDA_FUNCTION_NAME: name },
    );

    expect(output).toBe('function');
    expect(problem).toBe('');
  });
});

describe('the assets of the stack', () => {
  it('are those bundles, each of its own function', () => {
    const outdir = join(folder, 'assembly');
    const [stack] = createApp({ outdir, context: { 'aws:cdk:enable-asset-metadata': true } }).synth().stacks;
    const functions = Object.values<{ Properties: { Description?: string }; Metadata: Record<string, string> }>(
      stack?.template.Resources,
    );

    for (const name of functionNames) {
      const deployedAs = functions.find((it) => it.Properties.Description === `Chat Connect: ${name}`);
      const asset = deployedAs?.Metadata['aws:asset:path'] ?? '';
      const deployed = readFileSync(join(outdir, asset, 'index.js'), 'utf8');
      const { file } = bundleFunction(name, join(folder, 'again', name));

      expect(deployed).toBe(readFileSync(file, 'utf8'));
    }
  });
});
