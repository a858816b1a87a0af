/** Why a flow ended without its outcome. Shown as `error` in a return URL, explained in docs/errors.md. */
export const flowFailureCodes = [
  'access_denied',
  'provider_refused',
  'invalid_code',
  'provider_misconfigured',
  'provider_unavailable',
  'exchange_outcome_unknown',
  'wrong_app',
  'bot_token_missing',
  'user_missing',
  'token_revoked',
  'token_mismatch',
  'account_change_refused',
  'identifier_conflict',
  'connection_not_found',
  'connection_of_another_subscriber',
  'wrong_workspace',
  'team_mismatch',
  'deleted_meanwhile',
  'integration_unavailable',
  'binding_changed',
  'confirmation_mismatch',
  'confirmation_missing',
  'tenant_invalid',
  'tenant_mismatch',
  'consent_missing',
  'id_token_invalid',
  'guest_refused',
  'admin_required',
  'admin_proof_missing',
  'not_ready',
  'app_not_in_tenant',
  'roles_missing',
  'superseded',
] as const;

export type FlowFailureCode = (typeof flowFailureCodes)[number];

export interface FlowFailureOptions extends ErrorOptions {
  readonly providerError?: string | undefined;
  readonly correlationId?: string | undefined;
}

/** Ends a flow for good; anything else thrown while finishing leaves it to the next hit. */
export class FlowFailure extends Error {
  override readonly name = 'FlowFailure';
  readonly code: FlowFailureCode;
  /** The provider's own code for its refusal, when there is one. */
  readonly providerError: string | undefined;
  /** What the provider's support finds its own log lines by. */
  readonly correlationId: string | undefined;

  constructor(code: FlowFailureCode, options: FlowFailureOptions = {}) {
    super(code, options);
    this.code = code;
    this.providerError = options.providerError;
    this.correlationId = options.correlationId;
  }
}
