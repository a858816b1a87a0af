import { ConfigError } from '../../lib/config.ts';
import { UnreadableRowError } from '../../lib/store/database.ts';
import { FilePermissionsError } from '../local/data-folder.ts';
import { AdminError } from './errors.ts';

const refusedCredentials = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'RequestExpired',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
]);
const unreachable = new Set(['ECONNREFUSED', 'ECONNRESET', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENOTFOUND', 'ETIMEDOUT']);

/** Says in one sentence what went wrong and what to do; of a defect, everything that is known. */
export function explain(error: unknown): string {
  for (const each of chainOf(error)) {
    const explanation = explainOne(each);
    if (explanation !== undefined) return explanation;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function explainOne(error: Error): string | undefined {
  const { name, message } = error;
  const reason = message.replace(/[.\s]+$/, '');
  const code = 'code' in error ? String(error.code) : '';
  if (error instanceof AdminError || error instanceof FilePermissionsError) return message;
  if (error instanceof ConfigError) return `The settings of the local server are wrong: ${message}`;
  if (error instanceof UnreadableRowError) return `Use the version that wrote what is stored: ${message}`;
  if (message === 'Region is missing') {
    return 'No AWS region is set: set AWS_REGION, or name a profile that has a region with AWS_PROFILE.';
  }
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError') {
    return `No AWS credentials were found (${reason}): sign in, or name a profile with AWS_PROFILE.`;
  }
  if (refusedCredentials.has(name)) {
    return `AWS does not accept the credentials (${reason}): sign in again, or name another profile with AWS_PROFILE.`;
  }
  if (name === 'AccessDenied' || name === 'AccessDeniedException') {
    return `AWS denies this (${reason}): use credentials that may do it, or have them allowed to.`;
  }
  if (unreachable.has(code) || name === 'TimeoutError') {
    return `No answer from DynamoDB or AWS (${reason || code}): check the network, the region and the server, and try again.`;
  }
  if ('$metadata' in error)
    return `The request failed with ${name} (${reason}): try again, or look that up in AWS's documentation.`;
  if ('path' in error && code !== '') return `The data folder cannot be used: ${message}`;
  return undefined;
}

/** The error and what caused it, outermost first. */
function* chainOf(error: unknown): Generator<Error> {
  for (let each = error; each instanceof Error; each = each.cause) {
    yield each;
    if (each instanceof AggregateError) yield* each.errors.filter((inner) => inner instanceof Error);
  }
}
