import type { IConstruct } from 'constructs';
import * as z from 'zod/mini';

const notAnOrigin = 'must be an https origin without path, such as https://connect.example.com';
const notATime = 'must be a whole number of seconds from 1 to 300';
const notPairs = 'must be pairs <environment id>/<client id>, joined by commas without spaces';
const notACount = 'must be a whole number from 1';
const notATopic = 'must be the ARN of an SNS topic';
const notAStackName = 'must begin with a letter and hold only letters, digits and -, 128 at most';

/**
 * Only an origin: behind a path mapping API Gateway puts the mapped path in front of every path that a function sees,
 * and a cookie with the prefix `__Host-` belongs to a whole origin anyway.
 */
const httpsOrigin = z.pipe(
  z.string(notAnOrigin).check(z.refine(isHttpsOrigin, notAnOrigin)),
  z.transform((url: string) => new URL(url).origin),
);

const settingsSchema = z.object({
  stackName: z._default(
    z.string(notAStackName).check(z.regex(/^[A-Za-z][A-Za-z0-9-]{0,127}$/, notAStackName)),
    'ChatConnect',
  ),
  publicUrl: z.optional(httpsOrigin),
  slackBaseUrl: z.optional(httpsOrigin),
  microsoftLoginBaseUrl: z.optional(httpsOrigin),
  microsoftGraphBaseUrl: z.optional(httpsOrigin),
  federatedClients: z.optional(
    z.string(notPairs).check(z.regex(/^[0-9a-f]{24}\/[0-9a-fA-F-]{36}(,[0-9a-f]{24}\/[0-9a-fA-F-]{36})*$/, notPairs)),
  ),
  flowTtlSeconds: z.optional(
    z.coerce
      .number(notATime)
      .check(z.refine((seconds) => Number.isInteger(seconds) && seconds >= 1 && seconds <= 300, notATime)),
  ),
  lostConnectionsThreshold: z._default(z.coerce.number(notACount).check(z.int(notACount), z.minimum(1, notACount)), 10),
  alarmTopicArn: z.optional(
    z.string(notATopic).check(z.regex(/^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+$/, notATopic)),
  ),
});

/** What an operator may set for a deployment, by `cdk deploy -c name=value` or under `context` in cdk.json. */
export interface Settings {
  /** @default 'ChatConnect' */
  readonly stackName: string;
  /**
   * The origin under which people and providers reach the API, when that is a domain of the operator's.
   * @default - the endpoint that API Gateway gives
   */
  readonly publicUrl?: string | undefined;
  /** @default - https://slack.com */
  readonly slackBaseUrl?: string | undefined;
  /** For a national cloud of Microsoft's. @default - https://login.microsoftonline.com */
  readonly microsoftLoginBaseUrl?: string | undefined;
  /** @default - https://graph.microsoft.com */
  readonly microsoftGraphBaseUrl?: string | undefined;
  /**
   * Pairs `<environment id>/<client id>` of Entra apps that an environment may prove by the functions' role.
   * @default - none
   */
  readonly federatedClients?: string | undefined;
  /** How long an OAuth URL can be used. @default 300 */
  readonly flowTtlSeconds?: number | undefined;
  /** How many connections of one integration have to be lost within five minutes for an alarm. @default 10 */
  readonly lostConnectionsThreshold: number;
  /** Who is told of alarms. @default - nobody: they show in CloudWatch */
  readonly alarmTopicArn?: string | undefined;
}

/**
 * Reads the settings from the context of the app.
 * @throws Error that names every setting that is wrong
 */
export function readSettings(app: IConstruct): Settings {
  const names = Object.keys(settingsSchema.shape);
  const context = Object.fromEntries(names.map((name) => [name, app.node.tryGetContext(name)]));
  const parsed = settingsSchema.safeParse(context);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `context ${issue.path.join('.')}: ${issue.message}`);
  throw new Error(faults.join('\n'));
}

function isHttpsOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return url.protocol === 'https:' && url.href === `${url.origin}/`;
}
