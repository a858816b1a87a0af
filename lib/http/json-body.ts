import { ChatConnectError } from '../errors.ts';
import type { HttpEvent } from './types.ts';

const maxBodyBytes = 256 * 1024;

/** The bytes that were sent. */
export function rawBody({ body = '', isBase64Encoded }: HttpEvent): Buffer {
  return Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8');
}

/**
 * The JSON body of an event, or undefined when it has none.
 * @throws ChatConnectError `body_too_large`, `unsupported_media_type` or `malformed_json`
 */
export function jsonBody(event: HttpEvent): unknown {
  if (event.body === undefined || event.body === '') return undefined;
  const bytes = rawBody(event);
  if (bytes.byteLength > maxBodyBytes) throw new ChatConnectError('body_too_large', 'The body is larger than 256 KB.');
  const contentType = event.headers['content-type'] ?? '';
  if (!/^application\/json\s*(;|$)/i.test(contentType)) {
    throw new ChatConnectError('unsupported_media_type', 'The body must be sent as application/json.');
  }
  try {
    // A key named __proto__ stays an ordinary key, and is refused by the schemas as an unknown one.
    return JSON.parse(new TextDecoder('utf8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ChatConnectError('malformed_json', 'The body is not valid JSON.', { cause });
  }
}
