import { constantTimeEqual, randomToken, sha256Hex } from '../crypto.ts';
import type { Flow } from './flow.ts';

/** What a browser carries between the steps of a flow: `<flow id>.<256-bit secret>`, base64url. */
export interface Handle {
  readonly flowId: string;
  readonly secret: string;
}

const form = /^([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/;

export function newHandle(): Handle {
  return { flowId: randomToken(16), secret: randomToken(32) };
}

export function formatHandle({ flowId, secret }: Handle): string {
  return `${flowId}.${secret}`;
}

/** @returns undefined for anything that this service cannot have made, also a handle with characters appended */
export function parseHandle(text: string): Handle | undefined {
  const [, flowId, secret] = form.exec(text) ?? [];
  return flowId && secret ? { flowId, secret } : undefined;
}

/** Rows keep this hash only, so that what stands in a table cannot be replayed. */
export function hashSecret(secret: string): string {
  return sha256Hex(secret);
}

/**
 * Whether a hit comes from the browser that began the flow. A flow that is not bound to a browser takes any.
 * @param cookie what that browser was given
 */
export function isFromItsBrowser(flow: Pick<Flow, 'binding' | 'cookieHash'>, cookie: string | undefined): boolean {
  if (flow.binding === 'direct') return true;
  return (
    flow.cookieHash !== undefined && cookie !== undefined && constantTimeEqual(flow.cookieHash, hashSecret(cookie))
  );
}
