import { setTimeout as wait } from 'node:timers/promises';
import { type ClientCredentialDeps, openClientCredential } from '../providers/msteams/client-credential.ts';
import { exchangeSignInCode, requestAppOnlyToken } from '../providers/msteams/entra.ts';
import { idTokenVerifier } from '../providers/msteams/id-token.ts';
import { installBot } from '../providers/msteams/install-bot.ts';
import { dynamoConnectionStore } from '../store/connection-store.ts';
import type { Database } from '../store/database.ts';
import { dynamoEndpointStore } from '../store/endpoint-store.ts';
import { dynamoFlowStore } from '../store/flow-store.ts';
import { dynamoGrantStore } from '../store/grant-store.ts';
import { dynamoIntegrationStore } from '../store/integration-store.ts';
import { environmentVault } from '../vault/environment-vault.ts';
import type { KeyWrapper } from '../vault/key-wrapper.ts';
import { exchangeSeal } from './exchange-seal.ts';
import type { TeamsCallbackDeps } from './teams-callback.ts';

export interface TeamsCallbackParts extends Omit<ClientCredentialDeps, 'vault'> {
  readonly db: Database;
  readonly keyWrapper: KeyWrapper;
  readonly microsoftLoginBaseUrl: string;
  readonly microsoftGraphBaseUrl: string;
  readonly fetch?: typeof fetch;
  readonly now?: () => number;
}

/** Puts the Microsoft callback together from where its rows, keys and Microsoft are. */
export function composeTeamsCallback(parts: TeamsCallbackParts): TeamsCallbackDeps {
  const { db, log, fetch = globalThis.fetch, now = Date.now, microsoftLoginBaseUrl: loginBaseUrl } = parts;
  const vault = environmentVault({ db, keyWrapper: parts.keyWrapper, now });
  const flows = dynamoFlowStore(db);
  const seal = exchangeSeal({ vault, flows, now });
  const entra = { loginBaseUrl, fetch };
  const deps: TeamsCallbackDeps = {
    flows,
    connections: dynamoConnectionStore(db),
    endpoints: dynamoEndpointStore(db),
    grants: dynamoGrantStore(db),
    integrations: dynamoIntegrationStore(db),
    vault,
    log,
    now,
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
