import { lookup } from 'node:dns/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const GRACE_MILLISECONDS = 5_000;
/** Longer than clients keep an idle connection, so that none sends a request on one that is just being closed. */
const keepAliveTimeout = 65_000;

/** `localhost` is 127.0.0.1, ::1 or both, and clients differ in which they try first. */
export async function listenOnLocalhost(listener: RequestListener, port: number): Promise<[Server, ...Server[]]> {
  const addresses = await lookup('localhost', { all: true });
  const alsoIpv6 = addresses.some(({ address }) => address === '::1');
  for (let attempt = 1; ; attempt += 1) {
    const ipv4 = await listen(listener, '127.0.0.1', port);
    if (!alsoIpv6) return [ipv4];
    try {
      return [ipv4, await listen(listener, '::1', (ipv4.address() as AddressInfo).port)];
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') return [ipv4];
      await closeServer(ipv4);
      // A free port of one family may be taken in the other.
      if (code !== 'EADDRINUSE' || port !== 0 || attempt === 10) throw error;
    }
  }
}

function listen(listener: RequestListener, host: string, port: number): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  const server = createServer({ keepAliveTimeout }, listener);
  server.once('error', reject);
  server.listen({ host, port, exclusive: true }, () => {
    server.off('error', reject);
    resolve(server);
  });
  return promise;
}

/** Lets running requests end, for a while. */
export function closeServer(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const force = setTimeout(() => server.closeAllConnections(), GRACE_MILLISECONDS);
  server.close(() => {
    clearTimeout(force);
    resolve();
  });
  server.closeIdleConnections();
  return promise;
}
