import type { EndpointTarget } from '../endpoint/endpoint.ts';
import type { Account, Token } from '../grant/grant.ts';

/** What a provider's answer comes to, in this service's words. */
export interface Granted {
  readonly account: Account;
  readonly bot?: {
    readonly token: Token;
    readonly scopes: readonly string[];
    readonly botUserId?: string | undefined;
    readonly botId?: string | undefined;
    readonly appId?: string | undefined;
    readonly enterpriseUrl?: string | undefined;
  };
  /** The provider gives tokens for the account on request; there is none to keep. */
  readonly appOnly?: true;
  /** Who approved; with a token when user scopes were granted. */
  readonly user?: {
    readonly userId: string;
    readonly token?: Token | undefined;
    readonly scopes: readonly string[];
    /** Where messages to this person go. */
    readonly target: EndpointTarget;
  };
  readonly webhook?: {
    readonly url: string;
    readonly channel?: string | undefined;
    readonly channelId?: string | undefined;
  };
}
