import * as z from 'zod/mini';
import { parseJson } from './slack-answer.ts';
import { callSlack, type Fetch, SlackCallError, type SlackResponse } from './slack-http.ts';

const identitySchema = z.looseObject({
  ok: z.boolean(),
  error: z.optional(z.string()),
  team_id: z.nullish(z.string()),
  enterprise_id: z.nullish(z.string()),
  user_id: z.nullish(z.string()),
});
export type SlackIdentity = z.infer<typeof identitySchema>;

/** What `auth.test` says of a token. @returns undefined when the answer is not one of Slack's */
export function readIdentity({ status, body }: SlackResponse): SlackIdentity | undefined {
  return identitySchema.safeParse(status === 200 ? parseJson(body) : undefined).data;
}

/**
 * Asks Slack whose token it is, once.
 * @returns undefined when Slack gave no answer that can be read
 * @see https://docs.slack.dev/reference/methods/auth.test
 */
export async function testSlackToken(
  send: Fetch,
  slackBaseUrl: string,
  token: string,
  timeoutMilliseconds = 5_000,
): Promise<SlackIdentity | undefined> {
  const init = { method: 'POST', headers: { authorization: `Bearer ${token}` } };
  try {
    return readIdentity(await callSlack(send, `${slackBaseUrl}/api/auth.test`, init, timeoutMilliseconds));
  } catch (error) {
    if (error instanceof SlackCallError) return undefined;
    throw error;
  }
}
