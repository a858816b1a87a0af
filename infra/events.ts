import { Duration } from 'aws-cdk-lib';
import type { TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { EventBus } from 'aws-cdk-lib/aws-events';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { EventSourceMapping, type Function as LambdaFunction, StartingPosition } from 'aws-cdk-lib/aws-lambda';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { toldKinds } from '../lib/events/row-change.ts';
import { acknowledge } from './acknowledge.ts';
import type { Variables } from './api-function.ts';

export interface EventsProps {
  /** Its stream says what was written. */
  readonly table: TableV2;
  /** Turns writes into events. */
  readonly function: LambdaFunction;
  readonly metricsNamespace: string;
}

/**
 * Rows whose writes can mean an event, in the form of Lambda's event filters. A grant's refreshes, which are most of the
 * writes there are, begin and end `active`.
 */
export const writesThatTell = [
  { dynamodb: { Keys: { sk: { S: [toldKinds.connection, toldKinds.endpoint] } } } },
  grantsThat('OldImage'),
  grantsThat('NewImage'),
];

function grantsThat(image: 'OldImage' | 'NewImage') {
  const notActive = { status: { S: [{ 'anything-but': ['active'] }] } };
  return { dynamodb: { Keys: { sk: { S: [toldKinds.grant] } }, [image]: notActive } };
}

/** A bus of this deployment's own, and the way from the table's stream to it. */
export class Events extends Construct {
  readonly bus: EventBus;
  /** Names the stretches of the stream that were given up. */
  readonly lost: Queue;

  constructor(scope: Construct, id: string, { table, function: publisher, metricsNamespace }: EventsProps) {
    super(scope, id);
    this.bus = new EventBus(this, 'Bus', { description: 'Connections and endpoints of Chat Connect' });
    this.lost = new Queue(this, 'Lost', {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    acknowledge(
      this.lost,
      'SQS3',
      'It is where events go that could not be published; nothing reads from it but people.',
    );
    const streamArn = requireStream(table);
    const allow = (actions: string[], resource: string) =>
      publisher.addToRolePolicy(new PolicyStatement({ actions, resources: [resource] }));
    allow(
      ['dynamodb:DescribeStream', 'dynamodb:GetRecords', 'dynamodb:GetShardIterator', 'dynamodb:ListStreams'],
      streamArn,
    );
    allow(['events:PutEvents'], this.bus.eventBusArn);
    allow(['sqs:SendMessage'], this.lost.queueArn);
    const variables: Variables = { EVENT_BUS_NAME: this.bus.eventBusName, METRICS_NAMESPACE: metricsNamespace };
    for (const [name, value] of Object.entries(variables)) publisher.addEnvironment(name, value);

    new EventSourceMapping(this, 'Stream', {
      target: publisher,
      eventSourceArn: streamArn,
      filters: writesThatTell.map((pattern) => ({ pattern: JSON.stringify(pattern) })),
      // What was written while the mapping was being made is told as well.
      startingPosition: StartingPosition.TRIM_HORIZON,
      batchSize: 100,
      parallelizationFactor: 4,
      reportBatchItemFailures: true,
      bisectBatchOnError: true,
      // The stream keeps a write for a day: half of it for tries, half of it to look at what was given up.
      maxRecordAge: Duration.hours(12),
      onFailure: { bind: () => ({ destination: this.lost.queueArn }) },
    });
  }
}

function requireStream({ tableStreamArn }: TableV2): string {
  if (tableStreamArn === undefined) throw new TypeError('the table has no stream');
  return tableStreamArn;
}
