/** Where a list goes on. @param filterHash of everything that the list was asked for; a cursor of another list is unknown */
export function formatCursor(position: string, filterHash: string): string {
  return Buffer.from(JSON.stringify([filterHash.slice(0, 32), position])).toString('base64url');
}

/** @returns undefined for a cursor of another list, and for what is none */
export function readCursor(cursor: string, filterHash: string): string | undefined {
  try {
    const [hash, position] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown[];
    if (hash !== filterHash.slice(0, 32) || typeof position !== 'string') return undefined;
    // DynamoDB refuses other keys.
    const bytes = Buffer.byteLength(position);
    return bytes >= 1 && bytes <= 1024 ? position : undefined;
  } catch {
    return undefined;
  }
}
