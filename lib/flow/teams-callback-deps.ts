import { setTimeout as wait } from 'node:timers/promises';
import { composeStores, type StoreParts, type Stores } from '../connection/stores.ts';
import { type ClientCredentialDeps, openClientCredential } from '../providers/msteams/client-credential.ts';
import { exchangeSignInCode, requestAppOnlyToken } from '../providers/msteams/entra.ts';
import { idTokenVerifier } from '../providers/msteams/id-token.ts';
import { installBot } from '../providers/msteams/install-bot.ts';
import { dynamoFlowStore } from '../store/flow-store.ts';
import { exchangeSeal } from './exchange-seal.ts';
import type { TeamsCallbackDeps } from './teams-callback.ts';

export interface TeamsCallbackParts extends StoreParts, Omit<ClientCredentialDeps, 'vault'> {
  readonly microsoftLoginBaseUrl: string;
  readonly microsoftGraphBaseUrl: string;
  readonly fetch?: typeof fetch;
}

/** Puts the Microsoft callback together from where its rows, keys and Microsoft are. */
export function composeTeamsCallback(
  parts: TeamsCallbackParts,
  stores: Stores = composeStores(parts),
): TeamsCallbackDeps {
  const { fetch = globalThis.fetch, microsoftLoginBaseUrl: loginBaseUrl } = parts;
  const { vault, now } = stores;
  const flows = dynamoFlowStore(parts.db);
  const seal = exchangeSeal({ vault, flows, now });
  const entra = { loginBaseUrl, fetch };
  const deps: TeamsCallbackDeps = {
    ...stores,
    flows,
    wait: (milliseconds) => wait(milliseconds),
    loginBaseUrl,
    idTokens: idTokenVerifier(loginBaseUrl, fetch),
    keepExchange: seal.keep,
    openExchange: seal.open,
    credentialOf: (integration) => openClientCredential({ ...parts, vault }, integration),
    exchangeCode: (exchange) => exchangeSignInCode(entra, exchange),
    requestAppOnlyToken: async (integration, tenantId) =>
      requestAppOnlyToken(entra, integration, await deps.credentialOf(integration), tenantId),
    installBot: (installation) => installBot({ graphBaseUrl: parts.microsoftGraphBaseUrl, fetch }, installation),
    // The person's own tokens are kept nowhere, and end by themselves within the hour.
    discardSealed: async () => {},
    endAtProvider: async () => ({ confirmed: true }),
  };
  return deps;
}
