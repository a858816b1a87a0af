import type { IntegrationStore } from '../store/integration-store.ts';

/** The id of the integration that a filter names; null when there is no such integration. */
export async function integrationIdOf(
  deps: { readonly integrations: Pick<IntegrationStore, 'find'> },
  environmentId: string,
  identifier: string | undefined,
): Promise<string | null | undefined> {
  if (identifier === undefined) return undefined;
  return (await deps.integrations.find(environmentId, identifier))?.integrationId ?? null;
}

/** One test of several; undefined when there is nothing to test. */
export function allOf<Row>(tests: readonly ((row: Row) => boolean)[]): ((row: Row) => boolean) | undefined {
  return tests.length === 0 ? undefined : (row) => tests.every((test) => test(row));
}
