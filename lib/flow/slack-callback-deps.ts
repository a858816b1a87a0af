import { setTimeout as wait } from 'node:timers/promises';
import { composeDisconnect, type DisconnectParts } from '../connection/disconnect-deps.ts';
import { revokeUnstoredToken } from '../grant/revoke-if-unshared.ts';
import { openSecret } from '../integration/secrets.ts';
import { slackIdTokenVerifier } from '../providers/slack/id-token.ts';
import { grantOf, readAccessAnswer } from '../providers/slack/slack-answer.ts';
import { dynamoFlowStore } from '../store/flow-store.ts';
import { exchangeSeal } from './exchange-seal.ts';
import { isWebhookAlone, takeBackReference } from './finish-connect.ts';
import { FlowFailure } from './flow-failure.ts';
import type { SlackCallbackDeps } from './slack-callback.ts';

/** Puts the Slack callback together from where its rows, keys and Slack are. */
export function composeSlackCallback(parts: DisconnectParts): SlackCallbackDeps {
  const { db, slackBaseUrl, fetch = globalThis.fetch } = parts;
  const disconnecting = composeDisconnect(parts);
  const { vault, now } = disconnecting;
  const flows = dynamoFlowStore(db);
  const seal = exchangeSeal({ vault, flows, now });
  const deps: SlackCallbackDeps = {
    ...disconnecting,
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
      const granted = grantOf(answer);
      if (granted && flow.mode === 'connect' && !isWebhookAlone(flow)) {
        await takeBackReference(deps, flow, granted.account);
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
