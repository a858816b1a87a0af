import './messages.ts';
import * as z from 'zod/mini';

/** Every hop on loopback may be plain http; everything else is https. */
const baseUrl = z.string().check(
  z.refine(isAllowedBaseUrl, 'must be an https URL, or http on loopback, without query or fragment'),
  // Scheme and host have no case, and whoever looks for `https:` should find it.
  z.overwrite((url) => url.replace(/^[^/]+\/\/[^/]*/, (origin) => origin.toLowerCase()).replace(/\/+$/, '')),
);

const variables = {
  CONNECTIONS_TABLE: z.string().check(z.minLength(1)),
  FLOWS_TABLE: z.string().check(z.minLength(1)),
  VAULT_KEY_ARN: z.string().check(z.minLength(1)),
  EVENT_BUS_NAME: z.string().check(z.minLength(1)),
  METRICS_NAMESPACE: z.string().check(z.minLength(1)),
  PUBLIC_URL: baseUrl,
  SLACK_BASE_URL: z._default(baseUrl, 'https://slack.com'),
  MICROSOFT_LOGIN_BASE_URL: z._default(baseUrl, 'https://login.microsoftonline.com'),
  MICROSOFT_GRAPH_BASE_URL: z._default(baseUrl, 'https://graph.microsoft.com'),
  /** `<environment id>/<client id>` pairs, joined by commas, that may be proven by the functions' role. */
  FEDERATED_CLIENTS: z._default(z.string(), ''),
  FLOW_TTL_SECONDS: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(300)), 300),
} as const;

type Variables = typeof variables;
export type VariableName = keyof Variables;
export type Config<Name extends VariableName> = { readonly [Key in Name]: z.infer<Variables[Key]> };

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Reads the named variables, so that each function demands exactly what the stack gives it.
 * @throws ConfigError that names every variable that is missing or wrong
 */
export function loadConfig<Name extends VariableName>(
  names: readonly Name[],
  environment: Record<string, string | undefined> = process.env,
): Config<Name> {
  const shape = Object.fromEntries(names.map((name) => [name, variables[name]]));
  // An empty variable is what a shell makes of an unset one.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = z.object(shape).safeParse(given);
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
  }
  return parsed.data as unknown as Config<Name>;
}

/** Lambda sets the variable in every function; nobody else does. */
export function runsOnLambda(environment: Record<string, string | undefined> = process.env): boolean {
  return environment['AWS_LAMBDA_FUNCTION_NAME'] !== undefined;
}

function isAllowedBaseUrl(text: string): boolean {
  // Paths are appended to the text itself, so an empty query, which URL does not tell, would swallow them.
  if (!/^https?:\/\/[^\s\\?#]+$/i.test(text) || !URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.username || url.password) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

/** True for `localhost`, 127.0.0.0/8 and `[::1]`, as WHATWG URL writes host names. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
