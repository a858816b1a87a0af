import { callSlack, type Fetch } from './slack-http.ts';

const revokeTimeoutMilliseconds = 5_000;

/**
 * Ends one token at Slack.
 * @returns false when Slack did not confirm it; the token may still live
 * @see https://docs.slack.dev/reference/methods/auth.revoke
 */
export async function revokeSlackToken(send: Fetch, slackBaseUrl: string, token: string): Promise<boolean> {
  try {
    const { status, body } = await callSlack(
      send,
      `${slackBaseUrl}/api/auth.revoke`,
      { method: 'POST', headers: { authorization: `Bearer ${token}` } },
      revokeTimeoutMilliseconds,
    );
    const answer = status === 200 ? (JSON.parse(body) as { ok?: boolean; revoked?: boolean }) : {};
    return answer.ok === true && answer.revoked === true;
  } catch {
    return false;
  }
}
