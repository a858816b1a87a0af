const names = ['state', 'code', 'error', 'error_description', 'error_subcode', 'tenant', 'admin_consent'] as const;

/** The parameters of a provider's redirect that this service reads; the last four are Microsoft's. */
export type ProviderRedirect = { readonly [Name in (typeof names)[number]]?: string };
/** Slack's codes have some 60 characters, our states 66, Microsoft's codes up to a few thousand. */
const maxLengths: Partial<Record<(typeof names)[number], number>> = { code: 8_192, error_description: 65_536 };
const maxLength = 2_048;

/**
 * Reads a redirect's query.
 * @returns undefined when a parameter stands in it twice, is empty or is too long: two parties could read it differently
 */
export function readProviderRedirect(rawQueryString: string): ProviderRedirect | undefined {
  const query = new URLSearchParams(rawQueryString);
  const read: [string, string][] = [];
  for (const name of names) {
    const [value, ...others] = query.getAll(name);
    if (value === undefined) continue;
    if (others.length > 0 || value === '' || value.length > (maxLengths[name] ?? maxLength)) return undefined;
    read.push([name, value]);
  }
  return Object.fromEntries(read);
}
