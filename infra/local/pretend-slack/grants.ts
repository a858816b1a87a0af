import { type Account, findAccount } from './directory.ts';
import { SlackError } from './errors.ts';
import { derivedId, randomHex, readToken, type TokenClaims, writeToken } from './tokens.ts';

/** What one bot or person gave one app in one account; its tokens form one line, of which a revocation starts the next. */
export interface Grant {
  readonly appId: string;
  readonly account: Account;
  readonly holderId: string;
  readonly isBot: boolean;
  generation: number;
  /** Undefined when nothing was granted since the start of the pretend Slack; a token from before it is then trusted. */
  scopes: ReadonlySet<string> | undefined;
  /** The rotating access tokens that work, oldest first. */
  active: readonly string[];
}

export interface IssuedTokens {
  readonly access_token: string;
  readonly expires_in?: number;
  readonly refresh_token?: string;
}

const accessTokenSeconds = 43_200;
const activeTokensLimit = 2;
/** Slack says "a short grace period" without a number. */
const refreshGraceMilliseconds = 30_000;

export function botUserId(appId: string, accountId: string): string {
  return derivedId('U', appId, accountId);
}

/**
 * The installations, in memory. Tokens carry all that is needed to recognise them (see `writeToken`), so they outlive
 * a restart; what a restart forgets is scopes, revocations and which refresh tokens were used.
 */
export class Grants {
  readonly #grants = new Map<string, Grant>();
  readonly #revoked = new Set<string>();
  readonly #refreshedAt = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Scopes add up until they are revoked. @see https://docs.slack.dev/authentication/installing-with-oauth */
  add(appId: string, account: Account, holderId: string, scopes: readonly string[]): Grant {
    const grant = this.#find(appId, account, holderId);
    grant.scopes = new Set([...(grant.scopes ?? []), ...scopes]);
    return grant;
  }

  issue(grant: Grant, tokenRotation = false): IssuedTokens {
    const { appId, holderId, generation, isBot } = grant;
    const kind = isBot ? 'bot' : 'user';
    const claims = { kind, appId, accountId: grant.account.id, holderId, generation } as const;
    if (!tokenRotation) {
      return { access_token: writeToken(claims) };
    }
    const expiresAt = Math.floor(this.#now() / 1000) + accessTokenSeconds;
    const accessToken = writeToken({ ...claims, rotation: { nonce: randomHex(8), expiresAt } });
    const refreshClaims: TokenClaims = { ...claims, kind: 'refresh', rotation: { nonce: randomHex(8), expiresAt: 0 } };
    this.#activate(grant, accessToken);
    return { access_token: accessToken, expires_in: accessTokenSeconds, refresh_token: writeToken(refreshClaims) };
  }

  /** A refresh token works once, and again only while its grace lasts; the access token beside it stays alive. */
  refresh(appId: string, refreshToken: string | undefined): Grant {
    const claims = readToken(refreshToken ?? '');
    const grant = claims && this.#grantOf(claims);
    const usedAt = this.#refreshedAt.get(refreshToken ?? '') ?? this.#now();
    const isCurrent = claims?.generation === grant?.generation && this.#now() - usedAt <= refreshGraceMilliseconds;
    if (!refreshToken || !grant || claims?.kind !== 'refresh' || grant.appId !== appId || !isCurrent) {
      throw new SlackError('invalid_refresh_token');
    }
    this.#refreshedAt.set(refreshToken, usedAt);
    return grant;
  }

  /** The grant behind an access token. @throws {SlackError} `not_authed`, `invalid_auth`, `token_revoked`, `token_expired` */
  verify(token: string | undefined): Grant {
    if (!token) {
      throw new SlackError('not_authed');
    }
    const claims = readToken(token);
    const grant = claims && this.#grantOf(claims);
    if (!grant || claims?.kind !== (grant.isBot ? 'bot' : 'user')) {
      throw new SlackError('invalid_auth');
    }
    if (claims.generation < grant.generation || this.#revoked.has(token)) {
      throw new SlackError('token_revoked');
    }
    if (claims.rotation && claims.rotation.expiresAt <= this.#now() / 1000) {
      throw new SlackError('token_expired');
    }
    return grant;
  }

  /** With rotation only this token dies; without it, what was granted goes too, and a re-install gets a new token. */
  revoke(token: string): void {
    const grant = this.verify(token);
    if (readToken(token)?.rotation) {
      this.#revoked.add(token);
    } else {
      this.#end(grant);
    }
  }

  /** Kills every token of the app in the account, of the bot and of all people; gives those who had one. */
  uninstall(appId: string, account: Account): Grant[] {
    const ended = this.inAccount(account).filter((grant) => grant.appId === appId);
    for (const holderId of [botUserId(appId, account.id), ...account.people.map((person) => person.id)]) {
      this.#end(this.#find(appId, account, holderId));
    }
    return ended;
  }

  inAccount(account: Account): Grant[] {
    return [...this.#grants.values()].filter((grant) => grant.account === account && grant.scopes);
  }

  #find(appId: string, account: Account, holderId: string): Grant {
    const key = JSON.stringify([appId, account.id, holderId]);
    const isBot = holderId === botUserId(appId, account.id);
    const known = this.#grants.get(key);
    const grant = known ?? { appId, account, holderId, isBot, generation: 0, scopes: undefined, active: [] };
    this.#grants.set(key, grant);
    return grant;
  }

  #grantOf(claims: TokenClaims): Grant | undefined {
    const account = findAccount(claims.accountId);
    const grant = account && this.#find(claims.appId, account, claims.holderId);
    if (grant && claims.generation > grant.generation) {
      // Only a token from before a restart is ahead: its line goes on where it was.
      grant.generation = claims.generation;
    }
    return grant;
  }

  #end(grant: Grant): void {
    Object.assign(grant, { generation: grant.generation + 1, scopes: undefined, active: [] });
  }

  /** At most two tokens are active; one more revokes the oldest. @see https://docs.slack.dev/authentication/using-token-rotation */
  #activate(grant: Grant, token: string): void {
    const isAlive = (other: string) => (readToken(other)?.rotation?.expiresAt ?? 0) > this.#now() / 1000;
    const active = [...grant.active.filter((other) => isAlive(other) && !this.#revoked.has(other)), token];
    grant.active = active.slice(-activeTokensLimit);
    for (const oldest of active.slice(0, -activeTokensLimit)) {
      this.#revoked.add(oldest);
    }
  }
}

/** @throws {SlackError} `missing_scope`; what was granted before a restart is not known, and not asked for */
export function requireScope({ scopes }: Grant, needed: string): void {
  if (scopes && !scopes.has(needed)) {
    throw new SlackError('missing_scope', { needed, provided: [...scopes].join(',') });
  }
}
