import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface FakeCloudFormation {
  readonly endpoint: string;
  /** Of each request, from its signature. */
  readonly regions: readonly (string | undefined)[];
  /** Lets a stack be found by its name. */
  addStack(name: string, outputs: Record<string, string>): void;
  /** Lets every request for this stack fail. */
  addFailure(name: string, code: string, message: string): void;
  close(): Promise<void>;
}

/** DescribeStacks of CloudFormation, over HTTP in the form of the query protocol. */
export async function startFakeCloudFormation(): Promise<FakeCloudFormation> {
  const stacks = new Map<string, Record<string, string>>();
  const failures = new Map<string, { code: string; message: string }>();
  const regions: (string | undefined)[] = [];
  const server = createServer(async (request, response) => {
    regions.push(/Credential=[^/]+\/\d+\/([^/]+)\/cloudformation\//.exec(request.headers.authorization ?? '')?.[1]);
    const name = new URLSearchParams(await text(request)).get('StackName') ?? '';
    const outputs = stacks.get(name);
    response.setHeader('content-type', 'text/xml');
    if (outputs) {
      response.end(described(name, outputs));
    } else {
      const { code, message } = failures.get(name) ?? {
        code: 'ValidationError',
        message: `Stack with id ${name} does not exist`,
      };
      response.writeHead(code === 'ValidationError' ? 400 : 403).end(failed(code, message));
    }
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    regions,
    addStack: (name, outputs) => stacks.set(name, outputs),
    addFailure: (name, code, message) => failures.set(name, { code, message }),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

const namespace = 'xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"';

function described(name: string, outputs: Record<string, string>): string {
  const members = Object.entries(outputs).map(
    ([key, value]) => `<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
  );
  return (
    `<DescribeStacksResponse ${namespace}><DescribeStacksResult><Stacks><member>` +
    `<StackName>${name}</StackName><StackStatus>CREATE_COMPLETE</StackStatus>` +
    `<CreationTime>2026-11-22T12:00:00.000Z</CreationTime><Outputs>${members.join('')}</Outputs>` +
    '</member></Stacks></DescribeStacksResult></DescribeStacksResponse>'
  );
}

function failed(code: string, message: string): string {
  return (
    `<ErrorResponse ${namespace}><Error><Type>Sender</Type><Code>${code}</Code>` +
    `<Message>${message}</Message></Error><RequestId>1</RequestId></ErrorResponse>`
  );
}
