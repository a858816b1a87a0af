import { runsOnLambda } from '../config.ts';
import type { Log } from '../log.ts';

/**
 * One line per call. Lambda's JSON log format makes a JSON record of it, with time, level and request id, which is all
 * that a logging library would add.
 */
export function lambdaLog(): Log {
  return {
    info: (message, fields) => console.info({ message, ...fields }),
    warn: (message, fields) => console.warn({ message, ...fields }),
    error: (message, fields) => console.error({ message, ...fields }),
  };
}

/**
 * Composes a function while Lambda initialises it, so that a missing variable fails the deployment's first start and not
 * a request. Elsewhere the module is only imported for its `createHandler`.
 */
export function onLambda<Handler extends (...args: never[]) => Promise<unknown>>(compose: () => Handler): Handler {
  const elsewhere = () => Promise.reject(new Error('this handler is composed on AWS Lambda only'));
  return runsOnLambda() ? compose() : (elsewhere as unknown as Handler);
}
