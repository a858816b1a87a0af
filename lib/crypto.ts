import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** Lower-case hex SHA-256 of a string's UTF-8 bytes. */
export function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Lower-case hex HMAC-SHA256 of bytes, or of a string's UTF-8 bytes. */
export function hmacSha256Hex(key: string, message: string | Uint8Array): string {
  return createHmac('sha256', key).update(message).digest('hex');
}

/** One hash of several values: JSON keeps their borders, so `['a','bc']` and `['ab','c']` differ. */
export function hashOf(...parts: readonly unknown[]): string {
  return sha256Hex(JSON.stringify(parts));
}

/** Unguessable text without padding, safe in URLs, cookies and headers. */
export function randomToken(bytes: number): string {
  return randomBytes(bytes).toString('base64url');
}

/** 24 hex digits, the form of the ids that clients of the contract expect. */
export function randomObjectId(): string {
  return randomBytes(12).toString('hex');
}

/** Compares without telling by its time where two strings differ; digests make the lengths equal. */
export function constantTimeEqual(left: string, right: string): boolean {
  return timingSafeEqual(createHash('sha256').update(left).digest(), createHash('sha256').update(right).digest());
}

/** HMAC-SHA256 of a string's UTF-8 bytes, base64url without padding. */
export function hmacSha256Base64url(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url');
}
