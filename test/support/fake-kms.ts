import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export interface FakeKms {
  readonly endpoint: string;
  /** Operations with the context and the key that they named, in order. */
  readonly calls: readonly { operation: string; keyId: string | undefined; context: Record<string, string> }[];
  close(): Promise<void>;
}

interface KmsRequest {
  readonly KeyId?: string;
  readonly KeySpec?: string;
  readonly EncryptionContext?: Record<string, string>;
  readonly CiphertextBlob?: string;
}

class KmsError extends Error {}

/** GenerateDataKey and Decrypt of KMS for any key id, over HTTP and with real encryption. */
export async function startFakeKms(): Promise<FakeKms> {
  const keys = new Map<string, Buffer>();
  const calls: FakeKms['calls'][number][] = [];
  const server = createServer(async (request, response) => {
    const operation = String(request.headers['x-amz-target']).replace('TrentService.', '');
    let [status, answer]: [number, object] = [200, {}];
    try {
      const parameters = (await json(request)) as KmsRequest;
      calls.push({ operation, keyId: parameters.KeyId, context: parameters.EncryptionContext ?? {} });
      answer = perform(keys, operation, parameters, request);
    } catch (error) {
      if (!(error instanceof KmsError)) throw error;
      [status, answer] = [400, { __type: error.message }];
    }
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(answer));
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    calls,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function perform(keys: Map<string, Buffer>, operation: string, parameters: KmsRequest, request: IncomingMessage) {
  if (!request.headers['content-type']?.startsWith('application/x-amz-json-1.1')) throw new KmsError('NotJson');
  const { KeyId = '', CiphertextBlob } = parameters;
  const key = keys.get(KeyId) ?? randomBytes(32);
  keys.set(KeyId, key);
  // Order does not count in an encryption context.
  const context = JSON.stringify(Object.entries(parameters.EncryptionContext ?? {}).sort());
  switch (operation) {
    case 'GenerateDataKey': {
      if (parameters.KeySpec !== 'AES_256') throw new KmsError('ValidationException');
      const plaintext = randomBytes(32);
      const blob = `${KeyId}.${encrypt(plaintext, key, context)}`;
      return { KeyId, Plaintext: plaintext.toString('base64'), CiphertextBlob: Buffer.from(blob).toString('base64') };
    }
    case 'Decrypt': {
      const [wrappedWith, encrypted = ''] = Buffer.from(CiphertextBlob ?? '', 'base64')
        .toString()
        .split('.');
      if (!encrypted) throw new KmsError('InvalidCiphertextException');
      if (wrappedWith !== KeyId) throw new KmsError('IncorrectKeyException');
      return { KeyId, Plaintext: decrypt(encrypted, key, context).toString('base64') };
    }
    default:
      throw new KmsError('UnknownOperationException');
  }
}

function encrypt(plaintext: Buffer, key: Buffer, context: string): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(context));
  return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]).toString('hex');
}

function decrypt(encrypted: string, key: Buffer, context: string): Buffer {
  try {
    const bytes = Buffer.from(encrypted, 'hex');
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 });
    decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-16));
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
  } catch {
    throw new KmsError('InvalidCiphertextException');
  }
}
