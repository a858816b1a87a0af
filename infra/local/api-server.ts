import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HttpHandler } from '../../lib/http/types.ts';
import type { HttpFunctionName, Route } from '../routes.ts';
import { internalServerError, jsonAnswer, send, toOutgoing } from './http-answer.ts';
import { newRequestId, type Refusal, receive, toEvent } from './http-event.ts';
import { createContext } from './lambda-context.ts';
import { closeServer, listenOnLocalhost } from './listen-on-localhost.ts';
import { routeMatcher } from './match-route.ts';

export type Handlers = Readonly<Record<HttpFunctionName, HttpHandler>>;

/** What an access log of API Gateway would say of a request: never its path or query, which may hold secrets. */
export interface AccessLogEntry {
  readonly requestId: string;
  readonly routeKey: string;
  readonly functionName: HttpFunctionName;
  readonly status: number;
  readonly durationMilliseconds: number;
  /** What the handler threw, where it did. */
  readonly error?: unknown;
}

export interface ApiServerOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly routes: readonly Route[];
  readonly fallbackFunction: HttpFunctionName;
  /** Given as a function, it learns the server's URL, which nobody knows before a free port was taken. */
  readonly handlers: Handlers | ((url: string) => Handlers | Promise<Handlers>);
  /**
   * Where browsers and callers reach this server, when that is not http://localhost:PORT. Its path may stand in front of
   * every path, as behind a path mapping of API Gateway's, or have been taken away by a proxy.
   */
  readonly publicUrl?: string;
  /** Gets the first look at every request; true means that it answered. */
  readonly extra?: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;
  readonly log?: (entry: AccessLogEntry) => void;
}

export interface ApiServer {
  /** http://localhost:PORT, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Lets running requests end, then stops listening. */
  close(): Promise<void>;
}

/**
 * Serves Lambda handlers as an API Gateway HTTP API does: events with payload format 2.0, and results turned back.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const matchRoute = routeMatcher(options.routes);
  const mappedPath = options.publicUrl === undefined ? '' : new URL(options.publicUrl).pathname.replace(/\/+$/, '');
  const handlers = Promise.withResolvers<Handlers>();
  // A failure reaches the caller below; requests that wait for the handlers meet it too.
  handlers.promise.catch(() => {});

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    if (await options.extra?.(request, response)) return;
    const received = await receive(request);
    if ('refusal' in received) return refuse(response, received.refusal);

    const { method, path } = received;
    const route = matchRoute(method, path.startsWith(`${mappedPath}/`) ? path.slice(mappedPath.length) : path);
    const functionName = route?.function ?? options.fallbackFunction;
    const event = toEvent(received, route, options.publicUrl);
    const startedAt = performance.now();
    let error: unknown;
    let outgoing = internalServerError;
    try {
      const handler = (await handlers.promise)[functionName];
      outgoing = toOutgoing(await handler(event, createContext(functionName)));
    } catch (thrown) {
      error = thrown;
    }
    const status = send(response, outgoing, event.requestContext.requestId);
    options.log?.({
      requestId: event.requestContext.requestId,
      routeKey: event.routeKey,
      functionName,
      status,
      durationMilliseconds: performance.now() - startedAt,
      ...(error === undefined ? {} : { error }),
    });
  };
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    answer(request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else send(response, internalServerError, newRequestId());
    });
  };

  const servers = await listenOnLocalhost(listener, options.port);
  const { port } = servers[0].address() as AddressInfo;
  const url = `http://localhost:${port}`;
  const close = async () => {
    await Promise.all(servers.map(closeServer));
  };
  try {
    handlers.resolve(typeof options.handlers === 'function' ? await options.handlers(url) : options.handlers);
  } catch (error) {
    handlers.reject(error);
    await close();
    throw error;
  }
  return { url, port, close };
}

function refuse(response: ServerResponse, refusal: Refusal): void {
  if (refusal.statusCode === 413) response.setHeader('connection', 'close');
  send(response, jsonAnswer(refusal.statusCode, { message: refusal.message }), newRequestId());
}
