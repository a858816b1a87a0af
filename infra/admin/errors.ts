/** The command line is wrong: the message says where, and the usage follows it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Something that the operator can put right; the message says how. */
export class AdminError extends Error {
  override readonly name = 'AdminError';
}
