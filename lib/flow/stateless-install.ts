import { createHash } from 'node:crypto';
import { slackRedirectUri } from '../providers/slack/authorization-url.ts';
import { type Installable, installFlow } from './begin-install.ts';
import type { CallbackOutcome } from './finish-flow.ts';
import { furtherStepMilliseconds } from './flow.ts';
import { type Handle, hashSecret } from './handle.ts';
import { receiveSlackCallback, type SlackCallbackDeps } from './slack-callback.ts';

/**
 * Takes an install that was started at Slack, for its account alone. Nothing says who began it, so anybody can lead
 * anybody else to it; but it is nobody's connection. The same code always finds the same flow, so it is exchanged once.
 */
export async function acceptStateless(
  deps: SlackCallbackDeps & { readonly publicUrl: string },
  installable: Installable,
  code: string,
): Promise<CallbackOutcome> {
  const { integrationId } = installable.integration;
  const handle = handleOf(integrationId, code);
  const now = deps.now();
  const flow = installFlow(
    // What Slack asked for is what the app's settings there say.
    { ...installable, scopes: [] },
    {
      flowId: handle.flowId,
      secretHash: hashSecret(handle.secret),
      binding: 'direct',
      redirectUri: `${slackRedirectUri(deps.publicUrl)}/${integrationId}`,
      issuedAt: now,
      // As long as Slack takes the code.
      usableUntil: now + furtherStepMilliseconds,
    },
  );
  await deps.flows.putIfAbsent(flow);
  return receiveSlackCallback(deps, handle, { code }, undefined, integrationId);
}

function handleOf(integrationId: string, code: string): Handle {
  const derive = (purpose: string) =>
    createHash('sha256')
      .update(JSON.stringify([purpose, integrationId, code]))
      .digest('base64url');
  return { flowId: derive('stateless flow').slice(0, 22), secret: derive('stateless secret') };
}
