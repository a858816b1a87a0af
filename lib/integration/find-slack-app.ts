import type { IntegrationStore } from '../store/integration-store.ts';
import type { Integration } from './integration.ts';

/** The living Slack integration that an address names by `_id`, in whichever environment. */
export async function findSlackApp(
  { integrations }: { readonly integrations: Pick<IntegrationStore, 'get'> },
  integrationId: string,
): Promise<Integration | undefined> {
  if (!/^[0-9a-f]{24}$/.test(integrationId)) return undefined;
  const integration = await integrations.get(integrationId);
  return integration?.providerId === 'slack' ? integration : undefined;
}
