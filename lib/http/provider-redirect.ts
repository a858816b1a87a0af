const names = ['state', 'code', 'error', 'error_description', 'error_subcode', 'tenant', 'admin_consent'] as const;

/** The parameters of a provider's redirect that this service reads; the last four are Microsoft's. */
export type ProviderRedirect = { readonly [Name in (typeof names)[number]]?: string };
/** Slack's codes have some 60 characters, our states 66; anything much longer is no redirect of a provider's. */
const maxLength = 2_048;

/**
 * Reads a redirect's query.
 * @returns undefined when a parameter stands in it twice, is empty or is too long: two parties could read it differently
 */
export function readProviderRedirect(rawQueryString: string): ProviderRedirect | undefined {
  const query = new URLSearchParams(rawQueryString);
  const given = names.map((name) => query.getAll(name));
  if (given.some((values) => values.length > 1 || values.some((value) => value === '' || value.length > maxLength))) {
    return undefined;
  }
  return Object.fromEntries(
    names.flatMap((name, index) => (given[index]?.[0] === undefined ? [] : [[name, given[index][0]]])),
  );
}
