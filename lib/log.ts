/** What the domain needs of a logger: a sentence and fields that hold no secret. */
export interface Log {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** What of an error may be logged: messages of ours and of AWS; a library's can repeat what it was sent. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { errorName: 'unknown' };
  const ofAws = '$metadata' in error || '$fault' in error;
  const fields = ofAws || ownErrors.has(error.name) ? { errorMessage: error.message } : {};
  return { errorName: error.name, ...fields, ...(error.cause instanceof Error && { errorCause: error.cause.name }) };
}

/** By the literal names that our classes give themselves: those of classes do not survive bundling. */
const ownErrors = new Set([
  'ChatConnectError',
  'ConfigError',
  'FlowFailure',
  'GrantBusyError',
  'KeyUnwrapError',
  'SlackCallError',
  'UnreadableRowError',
  'VaultError',
]);
