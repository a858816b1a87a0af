import { randomToken } from '../crypto.ts';
import { ChatConnectError } from '../errors.ts';
import type { Integration } from '../integration/integration.ts';
import { errorFields, type Log } from '../log.ts';
import { isTransient } from '../providers/slack/slack-answer.ts';
import type { GrantStore } from '../store/grant-store.ts';
import type { Vault } from '../vault/vault.ts';
import { type Grant, grantIdOf } from './grant.ts';
import { removeUserMark } from './revoke-if-unshared.ts';
import { openToken } from './token-vault.ts';
import { everyUserGrant } from './user-grants.ts';

export interface EndGrantsDeps {
  readonly grants: Pick<GrantStore, 'get' | 'erase' | 'userGrants' | 'removeUserGrant'>;
  readonly vault: Vault;
  readonly log: Log;
  now(): number;
  /** Asks the provider about a token; undefined without an answer. */
  testToken(token: string): Promise<{ readonly ok: boolean; readonly error?: string | undefined } | undefined>;
}

/** Tokens that a provider says it has ended. */
export interface Ending {
  /** Becomes the grants' `statusReason`. */
  readonly reason: 'app_uninstalled' | 'token_revoked' | 'team_access_revoked';
  readonly accountIds: readonly string[];
  /** User ids of the bots and of the people who had the tokens; undefined: all tokens of the accounts. */
  readonly holders?: { readonly bots: readonly string[]; readonly people: readonly string[] };
}

/** The event that says so. */
export interface EndingEvent {
  /** Epoch seconds. */
  readonly time: number;
  readonly appId: string;
  readonly ending: Ending;
}

const endedAtOnce = 25;
/** No exchange or refresh takes longer. */
const exchangeSeconds = 10;
/** Other writers of a grant's row win this often at most. */
const maxRounds = 8;

/**
 * Ends the grants of an integration whose tokens the provider has ended, with one write each. Connections and references
 * stay: a newer approval brings the grant back for all of them. May run any number of times, for events in any order.
 * @returns how many grants it ended
 * @throws the first trouble with a grant, after it has tried them all
 */
export async function endGrants(deps: EndGrantsDeps, integration: Integration, event: EndingEvent): Promise<number> {
  const grantIds = grantIdsOf(deps, integration, event.ending);
  // Of those who are told at once, one ends a grant.
  const attempt = randomToken(16);
  const failures: unknown[] = [];
  let ended = 0;
  const work = async () => {
    for await (const grantId of grantIds) {
      try {
        if (await endGrant(deps, integration, grantId, event, attempt)) ended += 1;
      } catch (error) {
        failures.push(error);
        const { environmentId, integrationId } = integration;
        const line = { environmentId, integrationId, grantId, ...errorFields(error) };
        deps.log.error('a grant that the provider has ended could not be ended here', line);
      }
    }
  };
  await Promise.all(Array.from({ length: endedAtOnce }, work));
  if (failures.length > 0) throw failures[0];
  return ended;
}

async function* grantIdsOf(
  { grants }: EndGrantsDeps,
  { environmentId, integrationId }: Integration,
  { accountIds, holders }: Ending,
): AsyncGenerator<string> {
  for (const accountId of accountIds) {
    const grantId = grantIdOf(integrationId, accountId);
    if (!holders || holders.bots.length > 0) yield grantId;
    for (const userId of holders?.people ?? []) yield grantIdOf(integrationId, accountId, userId);
    if (holders) continue;
    for await (const { userGrantId } of everyUserGrant(grants, environmentId, grantId)) yield userGrantId;
  }
}

/** @returns whether it ended the grant */
async function endGrant(
  deps: EndGrantsDeps,
  { environmentId }: Integration,
  grantId: string,
  event: EndingEvent,
  attempt: string,
): Promise<boolean> {
  for (let round = 0; round < maxRounds; round += 1) {
    const grant = await deps.grants.get(environmentId, grantId);
    if (!grant) return false;
    if (grant.status === 'revoked') {
      await removeUserMark(deps, grant);
      return false;
    }
    if (!isMeant(grant, event) || !(await isBelieved(deps, grant, event))) return false;
    // An approval that came after the event may be stored after it as well: only older ones are fenced off.
    const asOf = Math.max(Math.min(event.time * 1000, deps.now()), grant.asOf);
    const erased = await deps.grants.erase(grant, {
      asOf,
      flowId: attempt,
      statusReason: event.ending.reason,
      verifiedAt: deps.now(),
    });
    if (!erased) continue;
    await removeUserMark(deps, { ...grant, asOf });
    return true;
  }
  throw new Error('other writers kept changing the grant');
}

function isMeant(
  { appId, userId, botUserId }: Grant,
  { appId: endedAppId, ending: { holders } }: EndingEvent,
): boolean {
  if (appId !== undefined && appId !== endedAppId) return false;
  if (!holders || userId !== undefined || botUserId === undefined) return true;
  return holders.bots.includes(botUserId);
}

/**
 * An event tells its second only, and a provider may end the token before while it gives the next one. So close to an
 * exchange or a refresh, the token itself is asked about.
 * @throws ChatConnectError `unavailable` when nobody can tell now: what is erased does not come back, an event does
 */
async function isBelieved(deps: EndGrantsDeps, grant: Grant, { time }: EndingEvent): Promise<boolean> {
  const later = time - Math.floor(grant.asOf / 1000);
  if (later < 0) return false;
  if (later > exchangeSeconds || grant.version === 1) return true;
  const { accessToken } = await openToken(deps.vault, grant);
  const identity = await deps.testToken(accessToken);
  if (identity && !isTransient(identity.error ?? '')) return !identity.ok;
  throw new ChatConnectError('unavailable', 'Slack does not say what became of a token. Please send the event again.', {
    retryAfterSeconds: 1,
  });
}
