/** The parameters of a provider's redirect that this service reads. */
export interface ProviderRedirect {
  readonly state: string | undefined;
  readonly code: string | undefined;
  readonly error: string | undefined;
}

const names = ['state', 'code', 'error'] as const;
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
  const [state, code, error] = given.map((values) => values[0]);
  return { state, code, error };
}
