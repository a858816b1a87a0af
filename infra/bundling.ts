import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, buildSync } from 'esbuild';
import { readOpenApi } from './openapi/document.ts';
import type { FunctionName } from './routes.ts';

const projectFolder = fileURLToPath(new URL('..', import.meta.url));

/** On Lambda credentials always come from the environment, the first link of the SDK's chain. */
const unusedCredentialProviders = fileURLToPath(new URL('stubs/credential-provider.ts', import.meta.url));
const jsonwebtoken = fileURLToPath(new URL('stubs/jsonwebtoken.ts', import.meta.url));

/** How a function becomes the one file that Lambda loads. The entry point is relative to the project's folder. */
function bundleOptions(entryPoint: string, signsAssertions: boolean) {
  return {
    absWorkingDir: projectFolder,
    entryPoints: [entryPoint],
    bundle: true,
    platform: 'node',
    target: 'node24',
    // CommonJS loads in about three quarters of the time that an ES module takes.
    format: 'cjs',
    // The ES module entries of packages can be shaken; `main` is the default for node, and cannot.
    mainFields: ['module', 'main'],
    minify: true,
    legalComments: 'none',
    // A map would have to be loaded with every cold start to be of use; building the same commit with `sourcemap` turned
    // on gives the map of a stack trace that needs one.
    sourcemap: false,
    metafile: true,
    // A late import becomes a late require: import() would not see the names that a CommonJS library exports.
    supported: { 'dynamic-import': false },
    logLevel: 'warning',
    alias: {
      '@aws-sdk/credential-provider-http': unusedCredentialProviders,
      '@aws-sdk/credential-provider-ini': unusedCredentialProviders,
      '@aws-sdk/credential-provider-process': unusedCredentialProviders,
      '@aws-sdk/credential-provider-sso': unusedCredentialProviders,
      '@aws-sdk/credential-provider-web-identity': unusedCredentialProviders,
      '@smithy/credential-provider-imds': unusedCredentialProviders,
      ...(signsAssertions ? {} : { jsonwebtoken }),
    },
  } as const satisfies BuildOptions;
}

export interface FunctionBundle {
  /** The one file, `index.js`, which exports `handler`. */
  readonly file: string;
  /** Of all code, also of what is loaded late. */
  readonly bytes: number;
  /** The source files that ended up in the bundle, relative to the project's folder. */
  readonly inputs: readonly string[];
}

/**
 * Loaded by a function only when a person has just approved (STS: when an app is proven by the functions' role). Each
 * stands in a file of its own until then.
 */
const loadedLate = ['@azure/msal-node', '@slack/oauth', '@aws-sdk/client-sts'];

/**
 * Bundles a function into a folder, exactly as it is deployed. No package.json with `"type": "module"` may stand above
 * the folder, or Node would take the file for an ES module.
 */
export function bundleFunction(name: FunctionName, folder: string): FunctionBundle {
  const own = bundle(`functions/${name}.ts`, folder, loadedLate);
  const late = own.external.map((library) => bundleLibrary(library, join(folder, 'node_modules', library)));
  // Made here once, so that no function holds what it takes to make it; `meta` reads it when somebody asks.
  if (name === 'meta') writeFileSync(join(folder, 'openapi.json'), readOpenApi());
  return {
    file: own.file,
    bytes: [own, ...late].reduce((sum, part) => sum + part.bytes, 0),
    inputs: [own, ...late].flatMap((part) => part.inputs),
  };
}

/** Puts a library where Node looks for it from the function's file. */
function bundleLibrary(library: string, folder: string) {
  const bundled = bundle(library, folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ main: 'index.js' }));
  return bundled;
}

/** Bundles any entry point with the options of the functions. */
export function bundle(entryPoint: string, folder: string, external: readonly string[] = []) {
  const file = join(folder, 'index.js');
  // Only msal-node signs with jsonwebtoken, to prove the app by a certificate.
  const options = bundleOptions(entryPoint, entryPoint === '@azure/msal-node');
  const { metafile } = buildSync({ ...options, external: [...external], outfile: file });
  // What was shaken off entirely is among the inputs too, with no bytes in the output.
  const [output] = Object.values(metafile.outputs);
  const inputs = Object.entries(output?.inputs ?? {}).filter(([, input]) => input.bytesInOutput > 0);
  const left = (output?.imports ?? []).map(({ path }) => path).filter((path) => external.includes(path));
  return { file, bytes: statSync(file).size, inputs: inputs.map(([path]) => path), external: [...new Set(left)] };
}
