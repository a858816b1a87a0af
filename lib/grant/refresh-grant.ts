import { randomToken } from '../crypto.ts';
import type { Integration } from '../integration/integration.ts';
import { openSecret } from '../integration/secrets.ts';
import { type Grant, isLiving, isRefusalOfTheApp, type Refresh, type Token } from './grant.ts';
import { type RevokeDeps, revokeUnstoredToken } from './revoke-if-unshared.ts';
import { fingerprintOf, openToken, sealToken } from './token-vault.ts';

export interface RefreshRequest {
  readonly clientId: string;
  /** The newest first; an older one is tried when the provider refuses it. */
  readonly clientSecrets: readonly string[];
  readonly refreshToken: string;
  /** For the whole of it. */
  readonly timeoutMilliseconds: number;
}

export type RefreshAnswer =
  | {
      readonly kind: 'refreshed';
      readonly accessToken: string;
      /** Absent when the one that was sent stays. */
      readonly refreshToken: string | undefined;
      readonly expiresInSeconds: number | undefined;
      readonly scopes: readonly string[] | undefined;
      /** What the token is for. */
      readonly accountId: string;
      readonly appId: string;
    }
  /** No repetition changes it. */
  | { readonly kind: 'refused'; readonly error: string }
  | (RefreshTrouble & { readonly kind: 'unavailable'; readonly mayBeSpent: boolean });

/** Trouble of the provider's that passes. */
export interface RefreshTrouble {
  /** `no_answer`: what became of the call is unknown. */
  readonly error: string;
  readonly httpStatus?: number | undefined;
  readonly retryAfterSeconds?: number | undefined;
}

export interface RefreshDeps extends RevokeDeps {
  wait(milliseconds: number): Promise<void>;
  /** Sends a refresh token to the provider. */
  refreshToken(request: RefreshRequest): Promise<RefreshAnswer>;
}

/** `force` asks for another token than the one that was read, however long that one lasts. */
export type Need = { readonly minTtlSeconds: number } | { readonly force: true };

export type FreshToken =
  | {
      readonly kind: 'token';
      readonly grant: Grant;
      readonly token: Token;
      /** Whether it took a call or a wait, in which the connection may have got another grant. */
      readonly tookTime: boolean;
    }
  | { readonly kind: 'reauthorization_required'; readonly grant: Grant }
  | (RefreshTrouble & { readonly kind: 'unavailable' })
  /** Somebody else's refresh has not ended yet. */
  | { readonly kind: 'in_progress' }
  /** The grant was let go meanwhile, or the provider has ended it. */
  | { readonly kind: 'ended'; readonly reason?: string | undefined };

const leaseMilliseconds = 10_000;
/** Ends before the lease, so that its holder can still store the answer. */
const callMilliseconds = 8_000;
/** Between a call that failed and the next one, so that those who wait do not all call. */
const pauseMilliseconds = 1_000;
const longestWaitMilliseconds = 5_000;
const pollMilliseconds = 150;
/** Whoever loses takes a token that lasts so long, rather than wait for a newer one. */
const goodEnoughSeconds = 60;

/**
 * Gives a token of a grant that lasts as long as is needed, and refreshes it once for all who ask. Never gives an expired
 * token. The lease, a random owner in the grant's row, is taken before the provider is called, together with a hash of the
 * refresh token: whoever comes after a holder that died knows that the token may be spent.
 */
export async function freshToken(deps: RefreshDeps, read: Grant, need: Need): Promise<FreshToken> {
  const begunAt = deps.now();
  const force = 'force' in need;
  for (let grant: Grant | undefined = read; ; grant = await deps.grants.get(read.environmentId, read.grantId)) {
    if (!grant || !isLiving(grant)) return { kind: 'ended', reason: grant?.statusReason };
    if (grant.status === 'reauthorization_required') {
      const mayBeTried = force ? grant.verifiedAt === read.verifiedAt : await isPutRight(deps, grant);
      if (!mayBeTried) return { kind: 'reauthorization_required', grant };
    }
    const tookTime = grant !== read;
    const now = deps.now();
    const replaced = grant.sealVersion !== read.sealVersion;
    if (replaced ? lasts(grant, now, 0) : !force && lasts(grant, now, need.minTtlSeconds)) {
      return tokenOf(deps, grant, tookTime);
    }
    const trouble = troubleOf(grant.refresh, read.refresh, now);
    const isFree = grant.refresh === undefined || grant.refresh.until <= now;
    if (!trouble && isFree) {
      const result = await refresh(deps, grant);
      if (result?.kind === 'unavailable' && !force && lasts(grant, deps.now(), 0)) return tokenOf(deps, grant, true);
      if (result) return result;
    } else if (!force && lasts(grant, now, goodEnoughSeconds)) {
      return tokenOf(deps, grant, tookTime);
    } else if (trouble || now - begunAt >= longestWaitMilliseconds) {
      if (!force && lasts(grant, now, 0)) return tokenOf(deps, grant, tookTime);
      return trouble ? { kind: 'unavailable', ...trouble } : { kind: 'in_progress' };
    } else {
      await deps.wait(pollMilliseconds);
    }
  }
}

/** A refusal stands, unless it was of the app and its owner has changed the integration since. */
async function isPutRight(deps: RefreshDeps, grant: Grant): Promise<boolean> {
  const { statusReason, verifiedAt = 0, integrationId, environmentId } = grant;
  if (!isRefusalOfTheApp(statusReason)) return false;
  const integration = await deps.integrations.get(integrationId, environmentId);
  return integration !== undefined && Date.parse(integration.updatedAt) > verifiedAt;
}

function lasts({ tokenExpiresAt }: Grant, now: number, seconds: number): boolean {
  if (tokenExpiresAt === undefined) return true;
  const left = tokenExpiresAt * 1000 - now;
  return left > 0 && left >= seconds * 1000;
}

/** A failure that whoever waited for it makes their own, or after which nobody is to call for long. */
function troubleOf(refresh: Refresh | undefined, known: Refresh | undefined, now: number): RefreshTrouble | undefined {
  if (refresh?.failedAt === undefined || refresh.error === undefined) return undefined;
  const pause = refresh.until - now;
  if (refresh.failedAt === known?.failedAt && pause <= pauseMilliseconds) return undefined;
  const { error, httpStatus } = refresh;
  return { error, httpStatus, retryAfterSeconds: Math.max(1, Math.ceil(pause / 1000)) };
}

async function tokenOf(deps: RefreshDeps, grant: Grant, tookTime: boolean): Promise<FreshToken> {
  return { kind: 'token', grant, token: await openToken(deps.vault, grant), tookTime };
}

/** @returns undefined when somebody else was first, so that the grant is to be read again */
async function refresh(deps: RefreshDeps, grant: Grant): Promise<FreshToken | undefined> {
  const token = await openToken(deps.vault, grant);
  const { refreshToken } = token;
  if (refreshToken === undefined) {
    if (lasts(grant, deps.now(), 0)) return { kind: 'token', grant, token, tookTime: false };
    return demandReauthorization(deps, grant, 'token_expired');
  }
  const integration = await deps.integrations.get(grant.integrationId, grant.environmentId);
  if (!integration) return { kind: 'ended' };
  const clientSecrets = await secretsOf(deps, integration);
  const sentToken = fingerprintOf(grant, refreshToken);
  const sentBefore = grant.refresh?.sentToken === sentToken;
  const owner = randomToken(12);
  const asOf = deps.now();
  const lease = { owner, until: asOf + leaseMilliseconds, sentToken };
  if (!(await deps.grants.takeRefresh(grant, lease, asOf))) return undefined;
  // A holder that was stopped since has less time, or none.
  const timeoutMilliseconds = asOf + callMilliseconds - deps.now();
  const clientId = integration.credentials.clientId ?? '';
  const answer = await deps.refreshToken({ clientId, clientSecrets, refreshToken, timeoutMilliseconds });
  if (answer.kind === 'unavailable') {
    await giveBack(
      deps,
      grant,
      { ...lease, sentToken: answer.mayBeSpent || sentBefore ? sentToken : undefined },
      answer,
    );
    return answer;
  }
  if (answer.kind === 'refused') {
    const isLost = sentBefore && answer.error === 'invalid_refresh_token';
    return demandReauthorization(deps, grant, isLost ? 'refresh_response_lost' : answer.error, owner);
  }
  if (!isFor(answer, grant, integration)) return demandReauthorization(deps, grant, 'account_mismatch', owner);
  const refreshed: Token = {
    accessToken: answer.accessToken,
    refreshToken: answer.refreshToken ?? refreshToken,
    expiresAt: answer.expiresInSeconds === undefined ? undefined : Math.floor(asOf / 1000) + answer.expiresInSeconds,
  };
  const stored = await deps.grants.keepRefreshed(grant, owner, {
    ...(await sealToken(deps.vault, grant.environmentId, grant.grantId, refreshed, owner)),
    scopes: answer.scopes ? [...answer.scopes] : grant.scopes,
    verifiedAt: deps.now(),
    asOf,
    flowId: owner,
  });
  if (!stored) return letGo(deps, integration, grant, refreshed, owner);
  deps.log.info('token refreshed', { ...logFields(grant), version: stored.version });
  return { kind: 'token', grant: stored, token: refreshed, tookTime: true };
}

async function secretsOf({ vault }: RefreshDeps, integration: Integration): Promise<string[]> {
  const secrets = [
    await openSecret(vault, integration, 'secretKey'),
    await openSecret(vault, integration, 'previousSecretKey'),
  ];
  return secrets.filter((secret) => secret !== undefined);
}

/** Whether the answer is for the grant's account and app; a caller may have brought a token of another one. */
function isFor(answer: RefreshAnswer & { kind: 'refreshed' }, grant: Grant, { credentials }: Integration): boolean {
  const appId = grant.appId ?? credentials.applicationId;
  return answer.accountId === grant.account.id && (appId === undefined || answer.appId === appId);
}

async function giveBack(deps: RefreshDeps, grant: Grant, lease: Refresh, trouble: RefreshTrouble): Promise<void> {
  const failedAt = deps.now();
  const { error, httpStatus, retryAfterSeconds } = trouble;
  const pause = retryAfterSeconds === undefined ? pauseMilliseconds : retryAfterSeconds * 1000;
  await deps.grants.giveBackRefresh(grant, { ...lease, until: failedAt + pause, failedAt, error, httpStatus });
  deps.log.warn('a token could not be refreshed yet', { ...logFields(grant), providerError: error, httpStatus });
}

/** @returns undefined when the grant is another one by now */
async function demandReauthorization(
  deps: RefreshDeps,
  grant: Grant,
  statusReason: string,
  owner?: string,
): Promise<FreshToken | undefined> {
  const refused = { status: 'reauthorization_required', statusReason, verifiedAt: deps.now() } as const;
  const marked = await deps.grants.recordVerification(grant, refused, owner);
  if (!marked) return undefined;
  deps.log.warn('a grant needs a new approval', { ...logFields(grant), reason: statusReason });
  return { kind: 'reauthorization_required', grant: marked };
}

/** A newer token is there, so this one is dropped; or nobody needs one any more, so that this one has to end. */
async function letGo(
  deps: RefreshDeps,
  integration: Integration,
  grant: Grant,
  refreshed: Token,
  owner: string,
): Promise<FreshToken | undefined> {
  const current = await deps.grants.get(grant.environmentId, grant.grantId);
  deps.log.warn('a refreshed token came too late', logFields(grant));
  if (current && isLiving(current)) return undefined;
  // What a caller brought is the caller's to end.
  if (grant.source === 'flow') {
    const { account, userId } = grant;
    await revokeUnstoredToken(deps, integration, account, refreshed, owner, { userId });
  }
  return { kind: 'ended', reason: current?.statusReason };
}

function logFields({ environmentId, integrationId, grantId }: Grant) {
  return { environmentId, integrationId, grantId };
}
