const maxAnswerBytes = 1024 * 1024;

export interface WholeAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
  /** Undefined when the body is not JSON. */
  readonly json: unknown;
}

/** Microsoft did not answer, or not to the end; what it did is unknown. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
}

/**
 * One try, in a limited time, of an answer of limited size, and no redirect.
 * @throws NoAnswerError
 */
export async function fetchWhole(
  send: typeof fetch,
  url: string,
  init: RequestInit,
  timeoutMilliseconds: number,
): Promise<WholeAnswer> {
  try {
    const signal = AbortSignal.timeout(timeoutMilliseconds);
    const response = await send(url, { ...init, redirect: 'error', signal });
    let body = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      body += decoder.decode(chunk, { stream: true });
      if (body.length > maxAnswerBytes) throw new RangeError('answer too large');
    }
    return { status: response.status, headers: Object.fromEntries(response.headers), body, json: parsed(body) };
  } catch (cause) {
    throw new NoAnswerError('no whole answer from Microsoft', { cause });
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
