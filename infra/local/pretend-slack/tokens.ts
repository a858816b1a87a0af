import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * Signs what the pretend Slack hands out, so that it recognises its own tokens after a restart without storing any.
 * It is public: it only proves that a token came from a pretend Slack, where nothing is worth protecting.
 */
const pretendKey = 'pretend Slack signs with this, and it opens nothing';

/** Whose token it is: a bot's or a person's, of one app in one workspace or org. */
export interface TokenClaims {
  readonly kind: 'bot' | 'user' | 'refresh';
  readonly appId: string;
  readonly accountId: string;
  /** The user id of the person or of the bot. */
  readonly holderId: string;
  /** Counts the revocations before this token; a re-install without one gets the same token again, as at Slack. */
  readonly generation: number;
  /** Set with token rotation, where each token is a new one. In epoch seconds, 0 for a refresh token. */
  readonly rotation?: { readonly nonce: string; readonly expiresAt: number };
}

const prefixes = { bot: 'xoxb', user: 'xoxp', refresh: 'xoxe-1' } as const;
const tokenPattern =
  /^(?:xoxe\.)?(xoxb|xoxp|xoxe-1)-(.+)-([TE]\w+)-([A-Z]\w+)-(\d+)-(?:([0-9a-f]{16})-(\d+)-)?[0-9a-f]{32}$/;

/** @see https://docs.slack.dev/authentication/using-token-rotation for the prefixes of rotating tokens */
export function writeToken(claims: TokenClaims): string {
  const { kind, appId, accountId, holderId, generation, rotation } = claims;
  const parts = [prefixes[kind], appId, accountId, holderId, generation];
  const unsigned = rotation ? [...parts, rotation.nonce, rotation.expiresAt].join('-') : parts.join('-');
  return `${rotation && kind !== 'refresh' ? 'xoxe.' : ''}${unsigned}-${sign(unsigned)}`;
}

/** Undefined for anything that `writeToken` has not written. */
export function readToken(token: string): TokenClaims | undefined {
  const [, prefix, appId, accountId, holderId, generation, nonce, expiresAt] = tokenPattern.exec(token) ?? [];
  if (!appId || !accountId || !holderId) {
    return undefined;
  }
  const claims: TokenClaims = {
    kind: prefix === 'xoxb' ? 'bot' : prefix === 'xoxp' ? 'user' : 'refresh',
    appId,
    accountId,
    holderId,
    generation: Number(generation),
    ...(nonce && { rotation: { nonce, expiresAt: Number(expiresAt) } }),
  };
  return isEqual(writeToken(claims), token) ? claims : undefined;
}

export function sign(text: string): string {
  return createHmac('sha256', pretendKey).update(text).digest('hex').slice(0, 32);
}

export function isEqual(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
}

export function randomHex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}

/** An id that looks like Slack's and is the same for the same parts, also after a restart. */
export function derivedId(letter: 'A' | 'B' | 'U', ...parts: string[]): string {
  return `${letter}0${createHash('sha256')
    .update([letter, ...parts].join('|'))
    .digest('hex')
    .slice(0, 9)
    .toUpperCase()}`;
}
