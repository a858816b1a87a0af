import { ChatConnectError } from '../errors.ts';
import type { RefreshTrouble } from '../grant/refresh-grant.ts';

/** Trouble that passes. */
export function refreshFailed({ error, httpStatus, retryAfterSeconds = 1 }: RefreshTrouble): ChatConnectError {
  const status = httpStatus === undefined ? '' : ` (HTTP ${httpStatus})`;
  const message = `Slack token refresh failed${status}: ${error}. Try again.`;
  return new ChatConnectError('token_refresh_failed', message, { reason: error, retryAfterSeconds });
}
