import * as z from 'zod/mini';

/** A tenant of this service. Owns integrations, grants, connections, endpoints and API keys. */
export const environmentSchema = z.object({
  environmentId: z.string(),
  name: z.string(),
  /** The data key of the environment, wrapped by the key service; gone when the environment was made unreadable. */
  wrappedDataKey: z.optional(z.string()),
  /** Sealed; keys `contextHash` and `subscriberHash`. */
  signingSecret: z.string(),
  /** ISO time. */
  createdAt: z.string(),
});

export type Environment = z.infer<typeof environmentSchema>;
