import { expiringCache } from '../../expiring-cache.ts';
import { FlowFailure } from '../../flow/flow-failure.ts';
import { errorFields, type Log } from '../../log.ts';

/** Gives the client assertion of an app that trusts this deployment's AWS role in place of a secret. */
export type AwsAssertion = () => Promise<string>;

export interface AwsAssertionParts {
  readonly log: Log;
  readonly now?: () => number;
  /** Where tokens come from. @default - the STS of the function's region */
  readonly requestToken?: () => Promise<string>;
}

/** A token lives for five minutes; the last one is for the calls that still carry it. */
const keptMilliseconds = 4 * 60_000;

/**
 * Tokens of AWS STS, kept in memory for four minutes, and asked for once however many wait. What AWS refuses for good is
 * a FlowFailure `provider_misconfigured` with a log line; any other trouble is thrown as it is, so that a reload or the
 * sweep can succeed.
 */
export function awsAssertion({ log, now = Date.now, requestToken = lazily() }: AwsAssertionParts): AwsAssertion {
  const tokens = expiringCache({ milliseconds: keptMilliseconds, now }, requestToken);
  return async () => {
    try {
      return await tokens('entra');
    } catch (error) {
      if (!isRefusal(error)) throw error;
      log.error('AWS STS gives no token to prove the app with', errorFields(error));
      throw new FlowFailure('provider_misconfigured', { cause: error });
    }
  };
}

/** Loads STS when the first token is asked for: no other integration pays for it. */
function lazily(): () => Promise<string> {
  let request: (() => Promise<string>) | undefined;
  return async () => {
    if (!request) {
      const { webIdentityTokens } = await import('./web-identity-token.ts');
      request ??= webIdentityTokens();
    }
    return request();
  };
}

/** Federation that is not enabled, a role that may not, no credentials: the same however often it is tried. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return lasting.has(error.name) || lasting.has(error.name.replace(/Exception$/, ''));
}

const lasting = new Set([
  'AccessDenied',
  'OutboundWebIdentityFederationDisabled',
  'RegionDisabled',
  'ValidationError',
  'InvalidClientTokenId',
  'CredentialsProviderError',
]);
