import { randomUUID } from 'node:crypto';

/** Which OAuth `error` comes with which AADSTS codes; `invalid_request` with the others. */
const codesByError: Record<string, readonly number[]> = {
  consent_required: [65004, 90094],
  invalid_client: [
    50011, 70021, 500112, 700021, 700023, 700024, 700027, 700211, 700212, 700213, 7000215, 7000218, 7000222, 7000229,
  ],
  invalid_grant: [50020, 54005, 70000, 70008, 501481, 700005],
  invalid_resource: [500011],
  invalid_scope: [70011, 1002012],
  login_required: [50058],
  temporarily_unavailable: [90033, 90055],
  unauthorized_client: [700016],
  unsupported_grant_type: [70003],
  unsupported_response_type: [700054],
};

/** A refusal of Entra's. @see https://learn.microsoft.com/entra/identity-platform/reference-error-codes */
export class EntraError extends Error {
  override readonly name = 'EntraError';
  readonly code: number;
  readonly error: string;
  readonly status: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
    this.error = Object.entries(codesByError).find(([, codes]) => codes.includes(code))?.[0] ?? 'invalid_request';
    this.status = this.error === 'invalid_client' ? 401 : 400;
  }
}

export function missingParameter(where: 'query' | 'body', name: string): EntraError {
  return new EntraError(900144, `The request ${where} must contain the following parameter: '${name}'.`);
}

/** The body of a refused call, in Microsoft's shape; its `error_description` is what a redirect carries too. */
export function entraErrorBody({ code, error, message }: EntraError, now: number) {
  const timestamp = `${new Date(now).toISOString().slice(0, 19).replace('T', ' ')}Z`;
  const [traceId, correlationId] = [randomUUID(), randomUUID()];
  return {
    error,
    error_description: `AADSTS${code}: ${message} Trace ID: ${traceId} Correlation ID: ${correlationId} Timestamp: ${timestamp}`,
    error_codes: [code],
    timestamp,
    trace_id: traceId,
    correlation_id: correlationId,
    error_uri: `https://login.microsoftonline.com/error?code=${code}`,
  };
}

/** A refusal of Microsoft Graph's. @see https://learn.microsoft.com/graph/errors */
export class GraphError extends Error {
  override readonly name = 'GraphError';
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export function graphErrorBody({ code, message }: GraphError, now: number) {
  const id = randomUUID();
  const date = new Date(now).toISOString().slice(0, 19);
  return { error: { code, message, innerError: { date, 'request-id': id, 'client-request-id': id } } };
}
