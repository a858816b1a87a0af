import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import { ClassicLevel } from 'classic-level';
import dynalite from 'dynalite';

export interface EmbeddedDynamoDb {
  readonly endpoint: string;
  /** Ends what runs and releases the folder. */
  close(): Promise<void>;
}

/** Starts DynamoDB inside this process, on a free port of the loopback interface; without a path it is in memory. */
export async function startEmbeddedDynamoDb(options: { readonly path?: string } = {}): Promise<EmbeddedDynamoDb> {
  if (options.path !== undefined) await assertUsable(options.path);
  const server = dynalite({ ...options, createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
  guard(server);
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host: '127.0.0.1', port: 0 }, resolve);
  await listening;
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    close() {
      const { promise, resolve: closed, reject: failed } = Promise.withResolvers<void>();
      server.close((error) => (error ? failed(error) : closed()));
      return promise;
    },
  };
}

/** How to reach a DynamoDB that looks at neither region nor credentials, the embedded one or DynamoDB Local. */
export function localClientConfig(endpoint: string) {
  return {
    endpoint,
    region: 'local',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  } satisfies DynamoDBClientConfig;
}

/** Dynalite opens its folder at the first request, where a failure ends the process; so it is tried beforehand. */
async function assertUsable(path: string): Promise<void> {
  const database = new ClassicLevel(path);
  await database.open();
  await database.close();
}

function guard(server: ReturnType<typeof dynalite>): void {
  const [serve] = server.listeners('request') as RequestListener[];
  if (!serve) throw new Error('dynalite serves nothing');
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    // Dynalite lets any web page in, and no page has business here. SDKs send no Origin.
    if (request.headers.origin !== undefined) {
      response.writeHead(403).end();
      return;
    }
    serve(request, response);
    // Dynalite throws when a client goes away in mid-request, which would end the process.
    request.removeAllListeners('error');
    request.on('error', () => {});
  });
}
