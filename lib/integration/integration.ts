import * as z from 'zod/mini';
import { isLoopback } from '../config.ts';
import { isGuid } from '../providers/msteams/tenant.ts';

export const providerIds = ['slack', 'msteams'] as const;
export type ProviderId = (typeof providerIds)[number];

/** Who may finish a flow, from loosest to strictest. */
export const bindings = ['direct', 'browser', 'confirm'] as const;
export type Binding = (typeof bindings)[number];

export const scopeSchema = z.string().check(z.regex(/^[A-Za-z0-9_.:-]+$/, 'must be a scope name without spaces'));
const scopes = z.array(scopeSchema).check(z.maxLength(100));
const text = z.string().check(z.minLength(1), z.maxLength(1024));

/** Where a browser may be sent when a flow is over: https, or http on loopback, no user info, no fragment. */
const returnUrlSchema = z.string().check(
  z.maxLength(2048),
  z.refine((value) => {
    // URL drops control characters and spaces, and puts missing slashes in: what was registered would not be what is gone to.
    if (!URL.canParse(value) || /[\s\p{Cc}\\]/u.test(value) || !/^https?:\/\/[^/]/i.test(value)) return false;
    const url = new URL(value);
    if (url.username || url.password || url.hash) return false;
    return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
  }, 'must be an https URL, or http on loopback, without user info and fragment'),
);

/** A plain host, since it becomes part of a page's Content-Security-Policy, whose words end at `;`, `,` and `'`. */
const logoUrlSchema = z.string().check(
  z.maxLength(2048),
  z.regex(/^https:\/\/[A-Za-z0-9.-]+(:\d{1,5})?\/[!-~]+$/, 'must be an https URL of an image, in ASCII'),
  z.refine((value) => URL.canParse(value), 'must be an https URL of an image, in ASCII'),
);

/** Not secret, shown to the operator; what a URL and a page need. */
const openCredentials = {
  clientId: z.optional(text),
  applicationId: z.optional(text),
  tenantId: z.optional(text),
  redirectUrl: z.optional(returnUrlSchema),
  hmac: z.optional(z.boolean()),
} as const;

/** Sealed one by one, and never answered. */
export const secretNames = ['secretKey', 'previousSecretKey', 'signingSecret', 'certificate'] as const;
export type SecretName = (typeof secretNames)[number];

const secretCredentials = {
  secretKey: z.optional(text),
  previousSecretKey: z.optional(text),
  signingSecret: z.optional(text),
  certificate: z.optional(z.string().check(z.minLength(1), z.maxLength(16_384))),
} as const;

export const credentialsSchema = z.strictObject({ ...openCredentials, ...secretCredentials });
export type Credentials = z.infer<typeof credentialsSchema>;

/** Settings of an integration. An unknown key is refused, so that a typing error never passes for a setting. */
export const configurationsSchema = z.strictObject({
  binding: z.optional(z.enum(bindings)),
  /** Slack: what becomes of an install that was started at Slack and so brings no state. */
  stateless: z.optional(z.enum(['restart', 'accept', 'reject'])),
  accountChange: z.optional(z.enum(['allow', 'refuse'])),
  /** What becomes of a token that nobody needs any more. */
  revoke: z.optional(z.enum(['token', 'uninstall', 'none'])),
  scopes: z.optional(scopes),
  userScopes: z.optional(scopes),
  /** Slack: user scopes that a connect asks for beside the bot's. */
  installUserScopes: z.optional(scopes),
  allowedScopes: z.optional(scopes),
  /** Slack: bot scopes that every connection is to have by now. */
  requiredScopes: z.optional(
    scopes.check(
      z.refine(
        (names) => !names.includes('incoming-webhook'),
        'must not have incoming-webhook, which makes an endpoint and is nothing that a bot may do',
      ),
    ),
  ),
  returnUrls: z.optional(z.array(returnUrlSchema).check(z.maxLength(50))),
  productName: z.optional(z.string().check(z.minLength(1), z.maxLength(100))),
  /** Shown on the start page. */
  logoUrl: z.optional(logoUrlSchema),
  /** Microsoft: whose sign-in proves a tenant. */
  tenantProof: z.optional(z.enum(['member', 'admin'])),
  /** Microsoft: application permissions that a tenant must have granted before its connection is active. */
  requiredRoles: z.optional(
    z.array(z.string().check(z.regex(/^[A-Za-z0-9.]+$/, 'must be a permission name'))).check(z.maxLength(50)),
  ),
  /** Microsoft: whether the Teams app is installed for a person who is linked. */
  installBot: z.optional(z.boolean()),
  /** Microsoft: `id` in the manifest of the Teams app. A GUID, so that it means nothing more in a filter of Graph's. */
  teamsManifestId: z.optional(z.string().check(z.refine(isGuid, 'must be the id of a Teams app manifest, a GUID'))),
  /** Microsoft: the tenant that gives tokens for the Bot Connector. */
  botAuthority: z.optional(
    z
      .string()
      .check(
        z.refine(
          (tenant) => isGuid(tenant) || tenant === 'botframework.com',
          'must be a tenant id or botframework.com',
        ),
      ),
  ),
  /** Microsoft: how the app proves itself to Entra. */
  clientAuth: z.optional(z.enum(['secret', 'certificate', 'aws'])),
});
export type Configurations = z.infer<typeof configurationsSchema>;

export const integrationSchema = z.object({
  integrationId: z.string(),
  environmentId: z.string(),
  identifier: z.string(),
  name: z.string(),
  providerId: z.enum(providerIds),
  active: z.boolean(),
  credentials: z.object(openCredentials),
  /** Secret name to its sealed value; `sealVersion` is their version in the seal's context. */
  sealedCredentials: z.partialRecord(z.enum(secretNames), z.string()),
  sealVersion: z.string(),
  configurations: configurationsSchema,
  /** `deleting` hides it everywhere; redeem and finish stop at it. */
  state: z.enum(['living', 'deleting']),
  /** Epoch milliseconds, of one that is being deleted. */
  deletedAt: z.optional(z.number()),
  /** ISO time at which the sweep looks at it. */
  dueAt: z.optional(z.string()),
  /** ISO times. */
  createdAt: z.string(),
  updatedAt: z.string(),
  /** Changes with every write; a writer names the one it read. */
  revision: z.optional(z.string()),
});
export type Integration = z.infer<typeof integrationSchema>;

/** What people know the integration by. */
export function productNameOf(integration: Integration): string {
  return integration.configurations.productName ?? integration.name;
}

export function bindingOf(integration: Integration): Binding {
  return integration.configurations.binding ?? 'direct';
}

/** Which of the scopes the integration's settings refuse. */
export function scopesNotAllowed(scopes: readonly string[], { configurations }: Integration): string[] {
  const { allowedScopes } = configurations;
  return allowedScopes ? scopes.filter((scope) => !allowedScopes.includes(scope)) : [];
}

/** True when `asked` lets fewer people finish a flow than `set`, or as few. */
export function isAtLeastAsStrict(asked: Binding, set: Binding): boolean {
  return bindings.indexOf(asked) >= bindings.indexOf(set);
}
