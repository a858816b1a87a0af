import * as z from 'zod/mini';
import { ConfigError, isLoopback } from '../../lib/config.ts';

const notAUrl = 'must be https, or http on loopback';
const notAPort = 'must be a whole number from 0 to 65535';
const notATime = 'must be a whole number of seconds from 1 to 300';

const text = z.string().check(z.minLength(1));
const url = z.string(notAUrl).check(
  z.refine(isHttpsOrLoopback, { error: notAUrl, abort: true }),
  z.overwrite((value) => value.replace(/\/+$/, '')),
);

const variablesSchema = z.object({
  PORT: z._default(wholeNumber(0, 65_535, notAPort), 3000),
  CHAT_CONNECT_API_KEY: z.optional(text),
  CHAT_CONNECT_SIGNING_SECRET: z.optional(text),
  CHAT_CONNECT_DATA_DIR: z.optional(text),
  PUBLIC_URL: z.optional(url),
  DYNAMODB_ENDPOINT: z.optional(url),
  SLACK_BASE_URL: z.optional(url),
  MICROSOFT_LOGIN_BASE_URL: z.optional(url),
  MICROSOFT_GRAPH_BASE_URL: z.optional(url),
  FLOW_TTL_SECONDS: z._default(wholeNumber(1, 300, notATime), 300),
});

export interface LocalConfig extends z.infer<typeof variablesSchema> {
  /** Uses the real Slack and Microsoft, with credentials that are entered through the API. */
  readonly real: boolean;
  /** Own integrations and pretend ones have a folder each unless one is named, so that they never mix. */
  readonly CHAT_CONNECT_DATA_DIR: string;
}

/**
 * Reads what a local run is asked to do.
 * @throws ConfigError that names every variable or argument that is wrong
 */
export function loadLocalConfig(
  environment: Record<string, string | undefined>,
  args: readonly string[] = [],
): LocalConfig {
  const unknown = args.filter((argument) => argument !== '--real');
  if (unknown.length > 0)
    throw new ConfigError(`unknown argument ${unknown.join(' ')}; there are only --real and --help`);
  // An empty variable is what a shell makes of an unset one.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = variablesSchema.safeParse(given);
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; '));
  }
  const real = args.includes('--real');
  const standIns = (['SLACK_BASE_URL', 'MICROSOFT_LOGIN_BASE_URL', 'MICROSOFT_GRAPH_BASE_URL'] as const).filter(
    (name) => parsed.data[name],
  );
  if (real && standIns.length > 0) {
    throw new ConfigError(
      `--real uses Slack and Microsoft themselves, so ${standIns.join(', ')} must not be set with it`,
    );
  }
  return {
    ...parsed.data,
    CHAT_CONNECT_DATA_DIR: parsed.data.CHAT_CONNECT_DATA_DIR ?? (real ? '.data-real' : '.data'),
    real,
  };
}

function wholeNumber(least: number, most: number, message: string) {
  return z.coerce
    .number(message)
    .check(z.refine((value) => Number.isInteger(value) && value >= least && value <= most, message));
}

function isHttpsOrLoopback(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, hostname } = new URL(value);
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}
