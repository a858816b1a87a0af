import * as z from 'zod/mini';
import type { EndAtProvider, ProviderEnd } from '../../grant/revoke-if-unshared.ts';
import type { Integration } from '../../integration/integration.ts';
import { parseJson, plainCode } from './slack-answer.ts';
import { callSlack, type Fetch } from './slack-http.ts';

export interface SlackRevocationDeps {
  readonly fetch: Fetch;
  readonly slackBaseUrl: string;
  clientSecretOf(integration: Integration): Promise<string | undefined>;
}

const timeoutMilliseconds = 5_000;

/** Of a token that nobody can use any more: there is nothing left to end. */
const deadTokenErrors = ['invalid_auth', 'token_revoked', 'token_expired', 'account_inactive'];

const answerSchema = z.object({ ok: z.boolean(), revoked: z.optional(z.boolean()), error: z.optional(z.string()) });

/**
 * Ends a token at Slack, or removes the app from the token's workspace.
 * @see https://docs.slack.dev/reference/methods/auth.revoke
 * @see https://docs.slack.dev/reference/methods/apps.uninstall
 */
export function endAtSlack(deps: SlackRevocationDeps): EndAtProvider {
  return async (integration, token, end) => {
    try {
      const method = end === 'token' ? 'auth.revoke' : 'apps.uninstall';
      const { status, body } = await callSlack(
        deps.fetch,
        `${deps.slackBaseUrl}/api/${method}`,
        { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: await formOf(deps, integration, end) },
        timeoutMilliseconds,
      );
      const answer = answerSchema.safeParse(parseJson(body));
      if (status !== 200 || !answer.success) return { confirmed: false };
      const { ok, revoked, error = '' } = answer.data;
      if (ok ? end === 'uninstall' || revoked : deadTokenErrors.includes(error)) return { confirmed: true };
      return { confirmed: false, refusal: plainCode(error) };
    } catch {
      return { confirmed: false };
    }
  };
}

async function formOf(deps: SlackRevocationDeps, integration: Integration, end: ProviderEnd) {
  if (end === 'token') return undefined;
  const secret = await deps.clientSecretOf(integration);
  return new URLSearchParams({ client_id: integration.credentials.clientId ?? '', client_secret: secret ?? '' });
}
