import { setTimeout as wait } from 'node:timers/promises';
import { revokeUnstoredToken } from '../grant/revoke-if-unshared.ts';
import { openSecret } from '../integration/secrets.ts';
import type { Log } from '../log.ts';
import { revokeSlackToken } from '../providers/slack/revoke-token.ts';
import { grantOf, readAccessAnswer } from '../providers/slack/slack-answer.ts';
import type { Fetch } from '../providers/slack/slack-http.ts';
import { dynamoConnectionStore } from '../store/connection-store.ts';
import type { Database } from '../store/database.ts';
import { dynamoEndpointStore } from '../store/endpoint-store.ts';
import { dynamoFlowStore } from '../store/flow-store.ts';
import { dynamoGrantStore } from '../store/grant-store.ts';
import { dynamoIntegrationStore } from '../store/integration-store.ts';
import { environmentVault } from '../vault/environment-vault.ts';
import type { KeyWrapper } from '../vault/key-wrapper.ts';
import { exchangeSeal } from './exchange-seal.ts';
import { isWebhookAlone } from './finish-connect.ts';
import { FlowFailure } from './flow-failure.ts';
import type { SlackCallbackDeps } from './slack-callback.ts';

export interface SlackCallbackParts {
  readonly db: Database;
  readonly keyWrapper: KeyWrapper;
  readonly slackBaseUrl: string;
  readonly log: Log;
  readonly fetch?: Fetch;
  readonly now?: () => number;
}

/** Puts the Slack callback together from where its rows, keys and Slack are. */
export function composeSlackCallback(parts: SlackCallbackParts): SlackCallbackDeps {
  const { db, slackBaseUrl, log, fetch = globalThis.fetch, now = Date.now } = parts;
  const vault = environmentVault({ db, keyWrapper: parts.keyWrapper, now });
  const flows = dynamoFlowStore(db);
  const seal = exchangeSeal({ vault, flows, now });
  const deps: SlackCallbackDeps = {
    flows,
    connections: dynamoConnectionStore(db),
    endpoints: dynamoEndpointStore(db),
    grants: dynamoGrantStore(db),
    integrations: dynamoIntegrationStore(db),
    vault,
    slackBaseUrl,
    fetch,
    log,
    now,
    wait: (milliseconds) => wait(milliseconds),
    async clientSecretOf(integration) {
      const secret = await openSecret(vault, integration, 'secretKey');
      if (secret === undefined) throw new FlowFailure('provider_misconfigured');
      return secret;
    },
    keepExchange: seal.keep,
    openExchange: seal.open,
    revokeToken: (token) => revokeSlackToken(fetch, slackBaseUrl, token),
    async discard(integration, flow, answer) {
      const granted = grantOf(answer);
      if (granted && flow.mode === 'connect' && !isWebhookAlone(flow)) {
        await revokeUnstoredToken(deps, integration, granted.account, granted.token, flow.flowId);
      }
    },
    async discardSealed(flow) {
      // Also of an integration that is being deleted: what it was granted has to end.
      const integration = await deps.integrations.getEvenDeleting(flow.integrationId);
      const read = readAccessAnswer(200, await deps.openExchange(flow));
      if (integration && read.kind === 'granted') await deps.discard(integration, flow, read.answer);
    },
  };
  return deps;
}
