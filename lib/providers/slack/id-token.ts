import * as z from 'zod/mini';
import { FlowFailure } from '../../flow/flow-failure.ts';
import { type ExpectedSignIn, signatureVerifier } from '../id-token.ts';

const id = z.string().check(z.regex(/^[A-Z0-9]{1,64}$/));

const claimsSchema = z.object({
  'https://slack.com/user_id': id,
  'https://slack.com/team_id': id,
  /** Only of a workspace in an Enterprise Grid. */
  'https://slack.com/enterprise_id': z.nullish(id),
  'https://slack.com/team_name': z.nullish(z.string().check(z.maxLength(4_096))),
});

/** Who signed in, proven by a signature of Slack's. */
export interface SlackPerson {
  readonly userId: string;
  readonly teamId: string;
  readonly enterpriseId: string | undefined;
  /** For people to read. */
  readonly teamName: string | undefined;
}

export interface SlackIdTokenVerifier {
  /** @throws FlowFailure `id_token_invalid` */
  verify(idToken: string, expected: ExpectedSignIn): Promise<SlackPerson>;
}

/** The same whatever address is called. */
const issuer = 'https://slack.com';
const clockToleranceSeconds = 60;
/** Slack's id_tokens live for five minutes, and are fresh when they answer a code. */
const maxAgeSeconds = 300;

/** @see https://docs.slack.dev/authentication/sign-in-with-slack */
export function slackIdTokenVerifier(slackBaseUrl: string, send: typeof fetch): SlackIdTokenVerifier {
  const verifySignature = signatureVerifier(`${slackBaseUrl}/openid/connect/keys`, send, {
    issuer,
    clockTolerance: clockToleranceSeconds,
    maxTokenAge: maxAgeSeconds,
  });
  return {
    async verify(idToken, expected) {
      const { payload } = await verifySignature(idToken, expected);
      const claims = claimsSchema.safeParse(payload);
      if (!claims.success) throw new FlowFailure('id_token_invalid');
      return {
        userId: claims.data['https://slack.com/user_id'],
        teamId: claims.data['https://slack.com/team_id'],
        enterpriseId: claims.data['https://slack.com/enterprise_id'] ?? undefined,
        teamName: claims.data['https://slack.com/team_name'] ?? undefined,
      };
    },
  };
}
