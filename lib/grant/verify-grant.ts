import { isTransient, plainCode } from '../providers/slack/slack-answer.ts';
import type { SlackIdentity } from '../providers/slack/test-token.ts';
import type { Verification } from '../store/grant-store.ts';
import { type AppOnlyDeps, askForAppOnlyToken } from './app-only-token.ts';
import { type Grant, isLiving } from './grant.ts';
import { freshToken, type RefreshDeps } from './refresh-grant.ts';

export interface VerifyGrantDeps extends RefreshDeps, AppOnlyDeps {
  /** Asks Slack whose token it is; undefined without an answer. */
  testToken(token: string): Promise<SlackIdentity | undefined>;
}

/**
 * For the sweep: asks the provider about a grant that nobody may have used for a day, so that one that died shows it,
 * and one that rotates stays alive. Trouble that passes changes nothing.
 */
export async function checkGrant(deps: VerifyGrantDeps, grant: Grant): Promise<void> {
  if (!isLiving(grant)) return;
  if (grant.credential === 'app_only') {
    await verifyAppOnly(deps, grant);
    return;
  }
  const fresh = await freshToken(deps, grant, { force: true });
  // What a refresh gave needs no further proof.
  const isSame = fresh.kind === 'token' && fresh.grant.sealVersion === grant.sealVersion;
  if (isSame) await verifyToken(deps, fresh.grant, fresh.token.accessToken);
}

/** Tries a token at Slack. @returns the grant as it is after it, or undefined when there is none any more */
export async function verifyToken(
  deps: VerifyGrantDeps,
  grant: Grant,
  accessToken: string,
): Promise<Grant | undefined> {
  return record(deps, grant, () => askSlack(deps, grant, accessToken));
}

/** Asks Entra for a token, which is never one that is remembered. @returns as `verifyToken` does */
export async function verifyAppOnly(deps: VerifyGrantDeps, grant: Grant): Promise<Grant | undefined> {
  return record(deps, grant, () => askEntra(deps, grant));
}

type Verdict = Pick<Verification, 'status' | 'statusReason'>;

/** Without a verdict the grant stays as it was. A verdict is of the time at which it was asked for. */
async function record(
  deps: VerifyGrantDeps,
  grant: Grant,
  ask: () => Promise<Verdict | undefined>,
): Promise<Grant | undefined> {
  const verifiedAt = deps.now();
  const verdict = await ask();
  if (!verdict) return grant;
  const { environmentId, integrationId, grantId } = grant;
  const recorded = await deps.grants.recordVerification(grant, { ...verdict, verifiedAt });
  if (recorded && verdict.status !== grant.status) {
    const line = { environmentId, integrationId, grantId, reason: verdict.statusReason };
    if (verdict.status === 'active') deps.log.info('a grant works again', line);
    else deps.log.warn('a grant needs a new approval', line);
  }
  return recorded ?? deps.grants.get(environmentId, grantId);
}

async function askSlack(deps: VerifyGrantDeps, grant: Grant, token: string): Promise<Verdict | undefined> {
  const identity = await deps.testToken(token);
  if (!identity) return undefined;
  if (!identity.ok) {
    const error = plainCode(identity.error ?? '');
    return isTransient(error) ? undefined : { status: 'reauthorization_required', statusReason: error };
  }
  const accountId = grant.account.kind === 'enterprise' ? identity.enterprise_id : identity.team_id;
  return accountId === grant.account.id
    ? { status: 'active' }
    : { status: 'reauthorization_required', statusReason: 'account_mismatch' };
}

async function askEntra(deps: VerifyGrantDeps, grant: Grant): Promise<Verdict | undefined> {
  const integration = await deps.integrations.get(grant.integrationId, grant.environmentId);
  const answer = integration && (await askForAppOnlyToken(deps, integration, grant));
  if (answer?.kind === 'token') return { status: 'active' };
  return answer?.kind === 'refused' ? { status: 'reauthorization_required', statusReason: answer.reason } : undefined;
}
