import * as z from 'zod/mini';
import { fetchWhole } from './fetch-whole.ts';
import { isGuid } from './tenant.ts';

export interface GraphDeps {
  /** Where calls go: https://graph.microsoft.com but for a stand-in. */
  readonly graphBaseUrl: string;
  readonly fetch: typeof fetch;
}

export interface GraphCall {
  /** Below /v1.0. */
  readonly path: string;
  readonly accessToken: string;
  readonly timeoutMilliseconds: number;
  /** Makes the call a POST. */
  readonly body?: object;
}

export interface GraphAnswer {
  readonly status: number;
  /** Undefined when the body is not JSON, or empty. */
  readonly json: unknown;
  /** What Graph says of a refusal. Only code and request id may be logged: the message can name people. */
  readonly error: GraphError | undefined;
  readonly retryAfterSeconds: number | undefined;
}

export interface GraphError {
  readonly code: string | undefined;
  readonly message: string;
  /** What Microsoft's support finds its own log lines by. */
  readonly requestId: string | undefined;
}

const errorBodySchema = z.looseObject({
  error: z.looseObject({
    code: z.string(),
    message: z.optional(z.string()),
    innerError: z.optional(z.looseObject({ 'request-id': z.optional(z.string()) })),
  }),
});

/**
 * Calls Microsoft Graph once.
 * @throws NoAnswerError
 */
export async function callGraph(deps: GraphDeps, call: GraphCall): Promise<GraphAnswer> {
  const authorization = `Bearer ${call.accessToken}`;
  const init =
    call.body === undefined
      ? { headers: { authorization } }
      : {
          method: 'POST',
          headers: { authorization, 'content-type': 'application/json' },
          body: JSON.stringify(call.body),
        };
  const url = `${deps.graphBaseUrl}/v1.0${call.path}`;
  const { status, headers, json } = await fetchWhole(deps.fetch, url, init, call.timeoutMilliseconds);
  const retryAfter = headers['retry-after'] ?? '';
  return {
    status,
    json,
    error: status < 400 ? undefined : errorOf(json),
    retryAfterSeconds: /^\d{1,9}$/.test(retryAfter) ? Number(retryAfter) : undefined,
  };
}

function errorOf(json: unknown): GraphError | undefined {
  const parsed = errorBodySchema.safeParse(json);
  if (!parsed.success) return undefined;
  const { code, message = '', innerError } = parsed.data.error;
  const requestId = innerError?.['request-id'];
  return {
    code: /^[A-Za-z0-9_.]{1,64}$/.test(code) ? code : undefined,
    message,
    requestId: requestId !== undefined && isGuid(requestId) ? requestId : undefined,
  };
}
