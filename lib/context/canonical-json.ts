/**
 * Canonical JSON as the contract's clients sign it: keys sorted, no white space, strings escape only `"` and `\`,
 * whole numbers only.
 * @returns undefined for what has no canonical form (fractions, undefined, functions)
 */
export function canonicalJson(value: unknown): string | undefined {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return `"${value.replace(/["\\]/g, '\\$&')}"`;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined;
  if (Array.isArray(value)) return joined(value.map(canonicalJson), '[', ']');
  if (typeof value !== 'object') return undefined;
  const members = Object.entries(value)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, member]) => {
      const text = canonicalJson(member);
      return text === undefined ? undefined : `${canonicalJson(key)}:${text}`;
    });
  return joined(members, '{', '}');
}

function joined(parts: readonly (string | undefined)[], open: string, close: string): string | undefined {
  return parts.includes(undefined) ? undefined : `${open}${parts.join(',')}${close}`;
}
