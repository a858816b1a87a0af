import type { RefreshAnswer, RefreshRequest } from '../../grant/refresh-grant.ts';
import { isTransient, readAccessAnswer } from './slack-answer.ts';
import { callSlack, type Fetch, SlackCallError } from './slack-http.ts';

/** A secret that Slack refuses leaves the refresh token as it was, so the one before it may be tried. */
const wrongSecret = 'bad_client_secret';
const longestPauseSeconds = 60;

/**
 * Sends a refresh token to Slack, once for each client secret until one is taken, all within one time limit.
 * @see https://docs.slack.dev/authentication/using-token-rotation
 */
export async function refreshSlackToken(
  send: Fetch,
  slackBaseUrl: string,
  request: RefreshRequest,
): Promise<RefreshAnswer> {
  const deadline = performance.now() + request.timeoutMilliseconds;
  let answer: RefreshAnswer = { kind: 'refused', error: wrongSecret };
  for (const clientSecret of request.clientSecrets) {
    const remaining = Math.ceil(deadline - performance.now());
    if (remaining <= 0) return { kind: 'unavailable', error: 'no_answer', mayBeSpent: false };
    answer = await callOnce(send, slackBaseUrl, { ...request, clientSecret }, remaining);
    if (answer.kind !== 'refused' || answer.error !== wrongSecret) break;
  }
  return answer;
}

async function callOnce(
  send: Fetch,
  slackBaseUrl: string,
  { clientId, clientSecret, refreshToken }: RefreshRequest & { clientSecret: string },
  timeoutMilliseconds: number,
): Promise<RefreshAnswer> {
  const body = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
    client_id: clientId,
    client_secret: clientSecret,
  });
  const url = `${slackBaseUrl}/api/oauth.v2.access`;
  try {
    const response = await callSlack(send, url, { method: 'POST', body }, timeoutMilliseconds);
    if (response.status === 429) return rateLimited(response.headers.get('retry-after'));
    return answerOf(response.status, response.body);
  } catch (error) {
    if (error instanceof SlackCallError) return { kind: 'unavailable', error: 'no_answer', mayBeSpent: true };
    throw error;
  }
}

function rateLimited(retryAfter: string | null): RefreshAnswer {
  const seconds = Math.min(Number(retryAfter) || 1, longestPauseSeconds);
  return { kind: 'unavailable', error: 'ratelimited', httpStatus: 429, retryAfterSeconds: seconds, mayBeSpent: false };
}

function answerOf(status: number, body: string): RefreshAnswer {
  const read = readAccessAnswer(status, body);
  if (read.kind === 'refused') {
    const { error } = read;
    if (!isTransient(error)) return { kind: 'refused', error };
    return { kind: 'unavailable', error, mayBeSpent: error !== 'ratelimited' };
  }
  const account =
    read.kind === 'granted' && (read.answer.is_enterprise_install ? read.answer.enterprise : read.answer.team);
  if (read.kind === 'unreadable' || !account || !read.answer.access_token) {
    const httpStatus = status === 200 ? undefined : status;
    return { kind: 'unavailable', error: 'unreadable_answer', httpStatus, mayBeSpent: true };
  }
  const { access_token, refresh_token, expires_in, app_id, scope } = read.answer;
  return {
    kind: 'refreshed',
    accessToken: access_token,
    refreshToken: refresh_token ?? undefined,
    expiresInSeconds: expires_in ?? undefined,
    scopes: scope ? scope.split(',') : undefined,
    accountId: account.id,
    appId: app_id,
  };
}
