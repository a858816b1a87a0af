import { Logger } from '@aws-lambda-powertools/logger';
import { runsOnLambda } from '../config.ts';
import type { Log } from '../log.ts';
import type { HttpHandler } from './types.ts';

/** JSON lines in CloudWatch. Callers pass what belongs to a request with each line, so nothing is shared between them. */
export function lambdaLog(): Log {
  const logger = new Logger({ serviceName: 'chat-connect' });
  return {
    info: (message, fields = {}) => logger.info(message, fields),
    warn: (message, fields = {}) => logger.warn(message, fields),
    error: (message, fields = {}) => logger.error(message, fields),
  };
}

/**
 * Composes a function while Lambda initialises it, so that a missing variable fails the deployment's first start and not
 * a request. Elsewhere the module is only imported for its `createHandler`.
 */
export function onLambda(compose: () => HttpHandler): HttpHandler {
  return runsOnLambda() ? compose() : () => Promise.reject(new Error('this handler is composed on AWS Lambda only'));
}
