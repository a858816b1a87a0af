import { randomUUID } from 'node:crypto';
import type { Context } from 'aws-lambda';
import type { FunctionName } from '../routes.ts';

/** How long API Gateway waits for an integration at most. */
const INTEGRATION_TIMEOUT_MILLISECONDS = 30_000;

/** What Lambda hands to a handler beside the event. */
export function createContext(functionName: FunctionName): Context {
  const startedAt = performance.now();
  const unsupported = () => {
    throw new Error('handlers answer with a promise');
  };
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName,
    functionVersion: '$LATEST',
    invokedFunctionArn: `arn:aws:lambda:local:000000000000:function:${functionName}`,
    memoryLimitInMB: '512',
    awsRequestId: randomUUID(),
    logGroupName: `/aws/lambda/${functionName}`,
    logStreamName: 'local',
    getRemainingTimeInMillis: () =>
      Math.max(0, Math.round(INTEGRATION_TIMEOUT_MILLISECONDS - (performance.now() - startedAt))),
    done: unsupported,
    fail: unsupported,
    succeed: unsupported,
  };
}
