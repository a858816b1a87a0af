import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Hands on what begins with the prefix, and answers everything else with a 404 of its own. Its address is known before
 * the service is, which needs it as its public URL.
 * @param keepsPrefix as behind a path mapping of API Gateway's; otherwise the service does not see the prefix
 */
export async function startPathPrefixProxy(prefix: string, keepsPrefix: boolean) {
  let target: string | undefined;
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? '';
    if (!path.startsWith(`${prefix}/`)) {
      outgoing.writeHead(404, { 'content-type': 'text/plain' }).end('nothing is here');
      return;
    }
    const { method, headers } = incoming;
    const forwarded = request(
      `${target}${keepsPrefix ? path : path.slice(prefix.length)}`,
      { method, headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    forwarded.on('error', () => outgoing.destroy());
    incoming.pipe(forwarded);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    /** With the prefix, without a slash at the end. */
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}`,
    forwardTo(url: string) {
      target = url;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
