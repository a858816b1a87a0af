import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { PutEventsRequestEntry } from '@aws-sdk/client-eventbridge';

/** Takes PutEvents over HTTP, as EventBridge does. @param answer error codes of entries; by default all are taken */
export async function startFakeEventBridge(
  answer: (entries: PutEventsRequestEntry[]) => (string | undefined)[] = (entries) => entries.map(() => undefined),
) {
  const requests: PutEventsRequestEntry[][] = [];
  const server = createServer(async (request, response) => {
    const { Entries } = (await json(request)) as { Entries: PutEventsRequestEntry[] };
    requests.push(Entries);
    const codes = answer(Entries);
    const body = {
      FailedEntryCount: codes.filter((code) => code !== undefined).length,
      Entries: codes.map((ErrorCode, index) => (ErrorCode === undefined ? { EventId: String(index) } : { ErrorCode })),
    };
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
