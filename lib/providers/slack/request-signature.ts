import { constantTimeEqual, hmacSha256Hex } from '../../crypto.ts';

/** What Slack sends along with a request to prove that it is Slack's. */
export interface RequestSignature {
  /** Epoch seconds, as sent. */
  readonly timestamp: string;
  readonly signature: string;
}

const toleranceMilliseconds = 300_000;

/** @returns undefined when a header is missing, or has not the form of Slack's */
export function readSignature(headers: Readonly<Record<string, string | undefined>>): RequestSignature | undefined {
  const timestamp = headers['x-slack-request-timestamp'] ?? '';
  const signature = headers['x-slack-signature'] ?? '';
  const isWellFormed = /^\d{1,12}$/.test(timestamp) && /^v0=[0-9a-f]{64}$/.test(signature);
  return isWellFormed ? { timestamp, signature } : undefined;
}

/** Whether a request is young enough, and not from the future, either: what was recorded is worth nothing later. */
export function isTimely({ timestamp }: RequestSignature, now: number): boolean {
  return Math.abs(now - Number(timestamp) * 1000) <= toleranceMilliseconds;
}

/** @see https://docs.slack.dev/authentication/verifying-requests-from-slack */
function signRequest(signingSecret: string, timestamp: string, body: Uint8Array): string {
  const message = Buffer.concat([Buffer.from(`v0:${timestamp}:`), body]);
  return `v0=${hmacSha256Hex(signingSecret, message)}`;
}

/** Whether the signature is of the body, byte by byte. */
export function isSignedWith(
  signingSecret: string,
  { timestamp, signature }: RequestSignature,
  body: Uint8Array,
): boolean {
  return constantTimeEqual(signRequest(signingSecret, timestamp, body), signature);
}
