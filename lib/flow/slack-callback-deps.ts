import { setTimeout as wait } from 'node:timers/promises';
import { composeDisconnect, type DisconnectParts } from '../connection/disconnect-deps.ts';
import { composeStores, type Stores } from '../connection/stores.ts';
import { revokeUnstoredToken } from '../grant/revoke-if-unshared.ts';
import { openSecret } from '../integration/secrets.ts';
import { slackIdTokenVerifier } from '../providers/slack/id-token.ts';
import { grantsOf, readAccessAnswer } from '../providers/slack/slack-answer.ts';
import { dynamoFlowStore } from '../store/flow-store.ts';
import { exchangeSeal } from './exchange-seal.ts';
import { isWebhookAlone, takeBackReference } from './finish-connect.ts';
import { FlowFailure } from './flow-failure.ts';
import type { SlackCallbackDeps } from './slack-callback.ts';

/** Puts the Slack callback together from where its rows, keys and Slack are. */
export function composeSlackCallback(parts: DisconnectParts, stores: Stores = composeStores(parts)): SlackCallbackDeps {
  const { db, slackBaseUrl, fetch = globalThis.fetch } = parts;
  const { vault, now } = stores;
  const flows = dynamoFlowStore(db);
  const seal = exchangeSeal({ vault, flows, now });
  const deps: SlackCallbackDeps = {
    ...composeDisconnect(parts, stores),
    flows,
    slackBaseUrl,
    fetch,
    idTokens: slackIdTokenVerifier(slackBaseUrl, fetch),
    wait: (milliseconds) => wait(milliseconds),
    async clientSecretOf(integration) {
      const secret = await openSecret(vault, integration, 'secretKey');
      if (secret === undefined) throw new FlowFailure('provider_misconfigured');
      return secret;
    },
    keepExchange: seal.keep,
    openExchange: seal.open,
    async discard(integration, flow, answer) {
      if (flow.mode !== 'connect' || isWebhookAlone(flow)) return;
      const granted = grantsOf(answer);
      for (const { account, userId } of granted) await takeBackReference(deps, flow, account.id, userId);
      for (const { account, token, userId } of granted) {
        await revokeUnstoredToken(deps, integration, account, token, flow.flowId, { userId });
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
