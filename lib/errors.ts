/** Every code that an API error body can carry in `error`, with its HTTP status. docs/errors.md explains each. */
export const errorStatuses = {
  malformed_json: 400,
  invalid_scope: 400,
  invalid_return_url: 400,
  return_url_required: 400,
  identifier_reserved: 400,
  unsupported_binding: 400,
  subscriber_required: 400,
  context_required: 400,
  subscriber_or_context_required: 400,
  context_hash_invalid: 400,
  rotation_unsupported: 400,
  rotation_credentials_missing: 400,
  cursors_conflict: 400,
  unsupported_order: 400,
  idempotency_key_too_long: 400,
  endpoint_format_mismatch: 400,
  no_properties: 400,
  identifier_immutable: 400,
  primary_unsupported: 400,
  event_invalid: 400,
  unauthorized: 401,
  signature_invalid: 401,
  forbidden: 403,
  confirmation_mismatch: 403,
  not_found: 404,
  integration_not_found: 404,
  integration_credentials_missing: 404,
  connection_not_found: 404,
  endpoint_not_found: 404,
  installation_not_found: 404,
  confirmation_not_found: 404,
  conflict: 409,
  connection_exists: 409,
  idempotency_in_progress: 409,
  client_id_in_use: 409,
  flow_failed: 409,
  connection_pending: 409,
  reauthorization_required: 409,
  missing_scope: 409,
  missing_roles: 409,
  linked_person_missing: 409,
  body_too_large: 413,
  unsupported_media_type: 415,
  validation_failed: 422,
  idempotency_key_reused: 422,
  rate_limited: 429,
  internal_error: 500,
  token_refresh_failed: 502,
  token_refresh_in_progress: 502,
  token_unavailable: 502,
  channels_unavailable: 502,
  token_refresh_pending: 503,
  unavailable: 503,
} as const;

export type ErrorCode = keyof typeof errorStatuses;

/** Field name to what is wrong with it, as a 422 body lists it. */
export type FieldErrors = Record<string, { messages: string[]; value?: unknown }>;

export interface ChatConnectErrorOptions extends ErrorOptions {
  /** Only for 422. */
  errors?: FieldErrors;
  /** What led to the code, as a code of its own. */
  reason?: string | undefined;
  /** Seconds, sent as Retry-After. */
  retryAfterSeconds?: number | undefined;
}

/**
 * An expected failure of an API call. The message is shown to the caller, so it never holds a token, code, state or
 * secret; what led to it goes into `cause`.
 */
export class ChatConnectError extends Error {
  override readonly name = 'ChatConnectError';
  readonly code: ErrorCode;
  readonly errors: FieldErrors | undefined;
  readonly reason: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options: ChatConnectErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.errors = options.errors;
    this.reason = options.reason;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  /** HTTP status of the answer. */
  get status(): number {
    return errorStatuses[this.code];
  }
}

/** A 422 in the contract's form: `errors.general` unless a field is named. */
export function validationError(messages: readonly string[], field = 'general'): ChatConnectError {
  return new ChatConnectError('validation_failed', 'Validation Error', {
    errors: { [field]: { messages: [...messages], value: 'No Value Recorded' } },
  });
}
