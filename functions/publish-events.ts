import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import type { DynamoDBBatchResponse } from 'aws-lambda';
import { loadConfig } from '../lib/config.ts';
import { eventBridgeBus } from '../lib/events/event-bridge-bus.ts';
import { lostConnectionsLine } from '../lib/events/lost-connections.ts';
import { type PublishDeps, publishChanges } from '../lib/events/publish-changes.ts';
import { streamBatchSchema } from '../lib/events/row-change.ts';
import { lambdaLog, onLambda } from '../lib/http/lambda.ts';
import { awsDatabase } from '../lib/store/aws-database.ts';
import { dynamoConnectionStore } from '../lib/store/connection-store.ts';
import type { Database } from '../lib/store/database.ts';
import { dynamoGrantStore } from '../lib/store/grant-store.ts';

/** On the stream of the connections table. */
export type StreamHandler = (event: unknown) => Promise<DynamoDBBatchResponse>;

export function createHandler(deps: PublishDeps): StreamHandler {
  return async (event) => {
    const { Records } = streamBatchSchema.parse(event);
    const again = await publishChanges(deps, Records);
    return { batchItemFailures: again === undefined ? [] : [{ itemIdentifier: again }] };
  };
}

export function compose({
  db,
  ...parts
}: Pick<PublishDeps, 'bus' | 'log' | 'reportLost'> & { readonly db: Database }): PublishDeps {
  return { ...parts, connections: dynamoConnectionStore(db), grants: dynamoGrantStore(db) };
}

export const handler = onLambda(() => {
  const config = loadConfig(['CONNECTIONS_TABLE', 'EVENT_BUS_NAME', 'METRICS_NAMESPACE']);
  const log = lambdaLog();
  const client = new EventBridgeClient({
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
  });
  return createHandler(
    compose({
      db: awsDatabase(config),
      bus: eventBridgeBus({ client, busName: config.EVENT_BUS_NAME, log }),
      log,
      // Not by console: Lambda would make a record of it, in which CloudWatch looks for no metric.
      reportLost: (lost) => {
        process.stdout.write(`${lostConnectionsLine(config.METRICS_NAMESPACE, lost, Date.now())}\n`);
      },
    }),
  );
});
