import * as z from 'zod/mini';
import { type Configurations, type Credentials, configurationsSchema, credentialsSchema } from './integration.ts';

/** What the contract's SDK can send for providers of other channels: accepted, and left out. */
const foreignCredentials = [
  'apiKey',
  'user',
  'hmacSecretKeyEncoding',
  'domain',
  'password',
  'host',
  'port',
  'secure',
  'region',
  'accountSid',
  'messageProfileId',
  'token',
  'from',
  'senderName',
  'projectName',
  'requireTls',
  'ignoreTls',
  'tlsOptions',
  'baseUrl',
  'webhookUrl',
  'serviceAccount',
  'ipPoolName',
  'configurationSetName',
  'apiKeyRequestHeader',
  'secretKeyRequestHeader',
  'idPath',
  'datePath',
  'apiToken',
  'authenticateByToken',
  'authenticationTokenKey',
  'instanceId',
  'alertUid',
  'title',
  'imageUrl',
  'state',
  'externalLink',
  'channelId',
  'phoneNumberIdentification',
  'accessKey',
  'appSid',
  'senderId',
  'AppIOBaseUrl',
  'outboundIntegrationId',
  'outboundConnectedAt',
  'whatsNextCompletedAt',
  'useFromAddressOverride',
  'fromAddressOverride',
  'emailSlugPrefix',
  'externalEnvironmentId',
  'externalVaultId',
  'externalWorkspaceId',
] as const;

const foreignConfigurations = ['inboundWebhookEnabled', 'inboundWebhookSigningKey', 'payloadSchema'] as const;

export const credentialsRequest = z.pipe(
  z.strictObject({ ...credentialsSchema.shape, ...unread(foreignCredentials) }),
  z.transform((given): Credentials => without(given, foreignCredentials)),
);

export const configurationsRequest = z.pipe(
  z.strictObject({ ...configurationsSchema.shape, ...unread(foreignConfigurations) }),
  z.transform((given): Configurations => without(given, foreignConfigurations)),
);

/** Settings to merge into those that an integration has; null removes one. */
export type ConfigurationsChange = { readonly [Name in keyof Configurations]: Configurations[Name] | null };

export const configurationsChange = z.pipe(
  z.strictObject({ ...nullable(configurationsSchema.shape), ...unread(foreignConfigurations) }),
  z.transform((given): ConfigurationsChange => without(given, foreignConfigurations)),
);

function unread<Name extends string>(names: readonly Name[]) {
  const unknown = z.optional(z.unknown());
  return Object.fromEntries(names.map((name) => [name, unknown])) as Record<Name, typeof unknown>;
}

/** Null removes a setting. */
export function nullable<Shape extends Record<string, z.ZodMiniType>>(shape: Shape) {
  const entries = Object.entries(shape).map(([name, schema]) => [name, z.nullable(schema)]);
  return Object.fromEntries(entries) as { [Name in keyof Shape]: z.ZodMiniNullable<Shape[Name]> };
}

function without<Given extends object, Name extends string>(given: Given, names: readonly Name[]): Omit<Given, Name> {
  const left = Object.entries(given).filter(([name]) => !names.some((foreign) => foreign === name));
  return Object.fromEntries(left) as Omit<Given, Name>;
}
