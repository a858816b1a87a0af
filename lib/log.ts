/** What the domain needs of a logger: a sentence and fields that hold no secret. */
export interface Log {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** What of an error may be logged: a library's message can repeat what it was sent, our own and AWS's do not. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { errorName: 'unknown' };
  const ofSlack = error.name.startsWith('WebAPI');
  const cause = error.cause instanceof Error ? { errorCause: error.cause.name } : {};
  return { errorName: error.name, ...(ofSlack ? {} : { errorMessage: error.message }), ...cause };
}
