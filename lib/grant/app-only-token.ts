import { FlowFailure } from '../flow/flow-failure.ts';
import type { Integration } from '../integration/integration.ts';
import type { AppOnlyToken } from '../providers/msteams/entra.ts';
import { requiredRolesOf } from '../providers/msteams/install-bot.ts';
import type { Grant } from './grant.ts';

export interface AppOnlyDeps {
  /** @throws FlowFailure when Entra does not give one */
  requestAppOnlyToken(integration: Integration, tenantId: string, resource: string): Promise<AppOnlyToken>;
}

export type AppOnlyAnswer =
  | { readonly kind: 'token'; readonly token: AppOnlyToken }
  /** The tenant, or the app's registration, has to change first. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unavailable' };

const resources = { graph: 'https://graph.microsoft.com', bot: 'https://api.botframework.com' } as const;

/**
 * Asks for a token of the app: for Graph in the tenant that a grant is for, with every role that the product needs; for
 * its bot in the tenant that the bot is registered in.
 */
export async function askForAppOnlyToken(
  deps: AppOnlyDeps,
  integration: Integration,
  grant: Grant,
  resource: keyof typeof resources = 'graph',
): Promise<AppOnlyAnswer> {
  const isBot = resource === 'bot';
  const tenantId = isBot ? botAuthorityOf(integration) : grant.account.id;
  try {
    const token = await deps.requestAppOnlyToken(integration, tenantId, resources[resource]);
    const lacks = !isBot && requiredRolesOf(integration).some((role) => !token.roles.includes(role));
    return lacks ? { kind: 'refused', reason: 'roles_missing' } : { kind: 'token', token };
  } catch (error) {
    if (!(error instanceof FlowFailure)) throw error;
    return error.code === 'provider_unavailable' ? { kind: 'unavailable' } : { kind: 'refused', reason: error.code };
  }
}

/** Bots of several tenants, which can no longer be registered, are at home in a tenant of Microsoft's. */
function botAuthorityOf({ configurations, credentials }: Integration): string {
  return configurations.botAuthority ?? credentials.tenantId ?? 'botframework.com';
}
