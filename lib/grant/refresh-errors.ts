import { ChatConnectError } from '../errors.ts';
import type { RefreshTrouble } from './refresh-grant.ts';

/** For a caller who asked for a check: trouble that passes. */
export function refreshFailed({ error, httpStatus, retryAfterSeconds = 1 }: RefreshTrouble): ChatConnectError {
  const status = httpStatus === undefined ? '' : ` (HTTP ${httpStatus})`;
  const message = `Slack token refresh failed${status}: ${error}. Try again.`;
  return new ChatConnectError('token_refresh_failed', message, { reason: error, retryAfterSeconds });
}

/** For a caller who asked for a token; without trouble, somebody else's refresh has not ended. */
export function noTokenYet(trouble?: RefreshTrouble): ChatConnectError {
  if (trouble && trouble.error !== 'no_answer') return refreshFailed(trouble);
  const message = 'The token is being refreshed, and the outcome is not known yet. Please try again.';
  return new ChatConnectError('token_refresh_pending', message, { retryAfterSeconds: trouble?.retryAfterSeconds ?? 1 });
}

/** For a caller whose connection has no token, or one that the provider does not take any more. */
export function reauthorization(reason = 'unknown_error'): ChatConnectError {
  const message = `The channel connection has to be authorized again: ${reason}.`;
  return new ChatConnectError('reauthorization_required', message, { reason });
}
