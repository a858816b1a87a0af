export type InstallationErrorCode =
  | 'integration_not_found'
  | 'installation_not_found'
  | 'reauthorization_required'
  | 'token_unavailable'
  | 'installation_invalid'
  | 'wrong_app'
  | 'revocation_in_progress'
  | 'deleted_meanwhile';

/** What an installation store cannot do; its message holds ids at most. */
export class InstallationError extends Error {
  override readonly name = 'InstallationError';
  readonly code: InstallationErrorCode;

  constructor(code: InstallationErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
