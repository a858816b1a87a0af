import type { IncomingMessage, ServerResponse } from 'node:http';

/** What is read of an event of an API Gateway HTTP API, payload format 2.0. */
export interface HttpApiEvent {
  readonly rawPath: string;
  readonly rawQueryString: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly cookies?: readonly string[] | undefined;
  readonly requestContext: { readonly http: { readonly method: string } };
}

export interface HttpApiResult {
  statusCode: number;
  headers: Record<string, string>;
  cookies: string[];
  body: string;
}

type HeaderValue = string | number | readonly string[];

/**
 * Lets InstallProvider answer an event of API Gateway. It wants a request and a response of Node's HTTP server; these have
 * what it uses of them, and what its hooks commonly do.
 * @throws Error when the response was not ended
 */
export async function answerHttpEvent(
  event: HttpApiEvent,
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<HttpApiResult> {
  const { cookies = [] } = event;
  const request = {
    method: event.requestContext.http.method,
    url: `${event.rawPath}?${event.rawQueryString}`,
    // API Gateway keeps cookies apart, and a host that the caller names is not needed for anything.
    headers: { ...event.headers, host: 'localhost', ...(cookies.length > 0 && { cookie: cookies.join('; ') }) },
  };
  const response = new CollectedResponse();
  await answer(request as unknown as IncomingMessage, response as unknown as ServerResponse);
  return response.result();
}

/** A response that is kept instead of sent. */
class CollectedResponse {
  statusCode = 200;
  writableEnded = false;
  headersSent = false;
  #body = '';
  // A callback's address holds a code and a state: no cache keeps it, and no other site learns it.
  readonly #headers = new Map<string, HeaderValue>([
    ['cache-control', 'no-store'],
    ['referrer-policy', 'no-referrer'],
  ]);

  getHeader(name: string): HeaderValue | undefined {
    return this.#headers.get(name.toLowerCase());
  }

  hasHeader(name: string): boolean {
    return this.#headers.has(name.toLowerCase());
  }

  setHeader(name: string, value: HeaderValue): this {
    this.#refuseOnceSent();
    this.#headers.set(name.toLowerCase(), value);
    return this;
  }

  removeHeader(name: string): void {
    this.#refuseOnceSent();
    this.#headers.delete(name.toLowerCase());
  }

  writeHead(statusCode: number, ...rest: (string | Record<string, HeaderValue> | undefined)[]): this {
    this.#refuseOnceSent();
    for (const headers of rest) {
      if (typeof headers !== 'object') continue;
      for (const [name, value] of Object.entries(headers)) this.setHeader(name, value);
    }
    this.statusCode = statusCode;
    this.headersSent = true;
    return this;
  }

  write(chunk: string | Uint8Array): boolean {
    this.#body += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    this.headersSent = true;
    return true;
  }

  end(chunk?: string | Uint8Array): this {
    if (chunk !== undefined) this.write(chunk);
    this.headersSent = true;
    this.writableEnded = true;
    return this;
  }

  /** As Node does: whoever writes a second answer learns that there is a first. */
  #refuseOnceSent(): void {
    if (!this.headersSent) return;
    throw Object.assign(new Error('the headers of the response are sent already'), { code: 'ERR_HTTP_HEADERS_SENT' });
  }

  result(): HttpApiResult {
    if (!this.writableEnded) throw new Error('the response was not ended');
    const { 'set-cookie': cookies = [], ...headers } = Object.fromEntries(this.#headers);
    return {
      statusCode: this.statusCode,
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
      cookies: [cookies].flat().map(String),
      body: this.#body,
    };
  }
}
