/** No answer of the methods used here comes near it; a larger one is not Slack's. */
const maxAnswerBytes = 1024 * 1024;

export type Fetch = typeof fetch;

export interface SlackResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** The call got no whole answer; what it did at Slack is unknown. */
export class SlackCallError extends Error {
  override readonly name = 'SlackCallError';
}

/**
 * One call, one try, one time limit for the whole answer. Redirects are refused: they would carry the credentials on.
 * @throws SlackCallError on time-out, connection failure or an answer over 1 MB
 */
export async function callSlack(
  send: Fetch,
  url: string,
  init: RequestInit,
  timeoutMilliseconds: number,
): Promise<SlackResponse> {
  const signal = AbortSignal.timeout(timeoutMilliseconds);
  try {
    const response = await send(url, { ...init, redirect: 'error', signal });
    return { status: response.status, headers: response.headers, body: await readAtMost(response, maxAnswerBytes) };
  } catch (cause) {
    throw new SlackCallError('no whole answer from Slack', { cause });
  }
}

async function readAtMost(response: Response, limit: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > limit) throw new RangeError(`answer over ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
