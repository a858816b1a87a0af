import { randomToken, sha256Hex } from '../crypto.ts';

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
