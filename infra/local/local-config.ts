import * as z from 'zod/mini';
import { ConfigError, isLoopback } from '../../lib/config.ts';

const text = z.string().check(z.minLength(1));
const url = z.string().check(
  z.refine((value) => URL.canParse(value), 'must be a URL'),
  z.refine(isHttpsOrLoopback, 'must be https; plain http is accepted on loopback only'),
  z.overwrite((value) => value.replace(/\/+$/, '')),
);

const variablesSchema = z.object({
  PORT: z._default(z.coerce.number().check(z.int(), z.minimum(0), z.maximum(65_535)), 3000),
  CHAT_CONNECT_API_KEY: z.optional(text),
  CHAT_CONNECT_SIGNING_SECRET: z.optional(text),
  CHAT_CONNECT_DATA_DIR: z._default(text, '.data'),
  PUBLIC_URL: z.optional(url),
  DYNAMODB_ENDPOINT: z.optional(url),
  SLACK_BASE_URL: z.optional(url),
  MICROSOFT_LOGIN_BASE_URL: z.optional(url),
  MICROSOFT_GRAPH_BASE_URL: z.optional(url),
  FLOW_TTL_SECONDS: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(300)), 300),
});

export interface LocalConfig extends z.infer<typeof variablesSchema> {
  /** Uses the real Slack and Microsoft, with credentials that are entered through the API. */
  readonly real: boolean;
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
  if (unknown.length > 0) throw new ConfigError(`unknown argument ${unknown.join(' ')}; there is only --real`);
  // An empty variable is what a shell makes of an unset one.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = variablesSchema.safeParse(given);
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; '));
  }
  const real = args.includes('--real');
  const { MICROSOFT_LOGIN_BASE_URL: login, MICROSOFT_GRAPH_BASE_URL: graph } = parsed.data;
  // The tokens of one stand-in are for it alone.
  if ((login === undefined) !== (graph === undefined)) {
    throw new ConfigError('MICROSOFT_LOGIN_BASE_URL and MICROSOFT_GRAPH_BASE_URL must be set together');
  }
  const standIns = (['SLACK_BASE_URL', 'MICROSOFT_LOGIN_BASE_URL'] as const).filter((name) => parsed.data[name]);
  if (real && standIns.length > 0) {
    throw new ConfigError(
      `--real uses Slack and Microsoft themselves, so ${standIns.join(', ')} must not be set with it`,
    );
  }
  return { ...parsed.data, real };
}

function isHttpsOrLoopback(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, hostname } = new URL(value);
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}
