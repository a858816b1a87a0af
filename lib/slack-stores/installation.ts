import type { Installation, InstallationQuery } from '@slack/oauth';
import * as z from 'zod/mini';
import { type Connection, installKeyOf } from '../connection/connection.ts';
import type { DisconnectDeps } from '../connection/disconnect.ts';
import { grantIdOf } from '../grant/grant.ts';
import type { RefreshDeps } from '../grant/refresh-grant.ts';
import type { Integration } from '../integration/integration.ts';
import { withoutNulls } from '../providers/slack/slack-answer.ts';
import type { ConnectionStore } from '../store/connection-store.ts';
import { InstallationError } from './installation-error.ts';

/** An integration's place among the grants. */
export interface GrantPlace {
  readonly environmentId: string;
  readonly integrationId: string;
}

export interface FindInstallDeps extends GrantPlace {
  readonly connections: Pick<ConnectionStore, 'get'>;
}

export interface InstallationDeps extends DisconnectDeps, GrantPlace, Pick<RefreshDeps, 'wait' | 'refreshToken'> {
  /** The environment's integration, unless it was deleted. */
  findIntegration(): Promise<Integration | undefined>;
}

/** @throws InstallationError `integration_not_found` */
export async function requireIntegration(deps: InstallationDeps): Promise<Integration> {
  const integration = await deps.findIntegration();
  if (integration?.providerId === 'slack') return integration;
  throw new InstallationError('integration_not_found', 'The environment has no such Slack integration');
}

export function grantIdIn({ integrationId }: GrantPlace, accountId: string, userId?: string): string {
  return grantIdOf(integrationId, accountId, userId);
}

const text = z.string().check(z.maxLength(4_096));
const id = z.string().check(z.minLength(1), z.maxLength(100));
const scopes = z.array(z.string().check(z.maxLength(100))).check(z.maxLength(1_000));
const named = z.object({ id, name: z.optional(text) });
const token = { token: text.check(z.minLength(1)), refreshToken: z.optional(text), expiresAt: z.optional(z.int()) };

/** What of an installation no grant holds. */
const detailsSchema = z.object({
  enterprise: z.optional(named),
  enterpriseUrl: z.optional(text),
  appId: z.optional(text),
  tokenType: z.optional(z.literal('bot')),
  metadata: z.optional(z.string().check(z.maxLength(20_000))),
  incomingWebhook: z.optional(
    z.object({
      url: text,
      channel: z.optional(text),
      channelId: z.optional(text),
      configurationUrl: z.optional(text),
    }),
  ),
});
export type InstallationDetails = z.infer<typeof detailsSchema>;

const installationSchema = z.extend(detailsSchema, {
  team: z.optional(named),
  isEnterpriseInstall: z.optional(z.boolean()),
  authVersion: z.optional(z.literal('v2')),
  // Empty for a workspace of which the store does not know who installed.
  user: z.object({
    ...token,
    id: z.string().check(z.maxLength(100)),
    token: z.optional(token.token),
    scopes: z.optional(scopes),
  }),
  bot: z.optional(z.object({ ...token, id, userId: id, scopes })),
});

/**
 * Reads what the library gives to be stored; null stands for what is missing.
 * @throws InstallationError `installation_invalid`, which names fields and no values
 */
export function parseInstallation(given: Installation): { installation: Installation; details: InstallationDetails } {
  const parsed = installationSchema.safeParse(withoutNulls(given));
  const fields = parsed.success ? [] : parsed.error.issues.map((issue) => issue.path.join('.'));
  if (!parsed.success) throw new InstallationError('installation_invalid', `Not an installation: ${fields.join(', ')}`);
  const { enterprise, enterpriseUrl, appId, tokenType, metadata, incomingWebhook, ...rest } = parsed.data;
  const account = rest.isEnterpriseInstall ? enterprise : rest.team;
  if (!account) throw new InstallationError('installation_invalid', 'An installation without team and enterprise');
  if (!rest.bot && !(rest.user.id && rest.user.token))
    throw new InstallationError('installation_invalid', 'An installation without token');
  return {
    installation: parsed.data as Installation,
    details: { enterprise, enterpriseUrl, appId, tokenType, metadata, incomingWebhook },
  };
}

/** The living connection that an install made of an account's bot, or of a person's token. */
export async function findInstall(
  { environmentId, integrationId, connections }: FindInstallDeps,
  accountId: string,
  userId?: string,
): Promise<Connection | undefined> {
  const connection = await connections.get(environmentId, installKeyOf(integrationId, accountId, userId));
  return connection?.deletedAt === undefined ? connection : undefined;
}

function placeOf({ environmentId }: InstallationDeps, subjectKey: string, version: string) {
  return { environmentId, item: subjectKey, field: 'installation', version };
}

/** Seals what an install brought besides tokens for its connection. */
export async function sealDetails(
  deps: InstallationDeps,
  subjectKey: string,
  details: InstallationDetails,
  sealVersion: string,
): Promise<Connection['installation']> {
  const sealed = await deps.vault.seal(JSON.stringify(details), placeOf(deps, subjectKey, sealVersion));
  return { sealed, sealVersion };
}

export async function openDetails(
  deps: InstallationDeps,
  install: Connection | undefined,
): Promise<InstallationDetails> {
  if (!install?.installation) return {};
  const { sealed, sealVersion } = install.installation;
  return detailsSchema.parse(JSON.parse(await deps.vault.open(sealed, placeOf(deps, install.subjectKey, sealVersion))));
}

/** How a query is named in an error: by ids. */
export function describeQuery({ enterpriseId, teamId, userId }: InstallationQuery<boolean>): string {
  return `enterprise ${enterpriseId ?? '-'}, team ${teamId ?? '-'}, user ${userId ?? '-'}`;
}
