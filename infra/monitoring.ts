import { Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, type IMetric, MathExpression, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { lostConnectionsMetric } from '../lib/events/lost-connections.ts';

export interface MonitoringProps {
  readonly metricsNamespace: string;
  /** Of one integration, within five minutes. */
  readonly lostConnectionsThreshold: number;
  /** Holds what has to be looked at by a person. */
  readonly lostEvents: Queue;
  /** @default - nobody is told */
  readonly alarmTopicArn?: string | undefined;
}

/** Alarms for what nobody would see otherwise. */
export class Monitoring extends Construct {
  constructor(scope: Construct, id: string, props: MonitoringProps) {
    super(scope, id);
    const topic = props.alarmTopicArn && Topic.fromTopicArn(this, 'Topic', props.alarmTopicArn);
    const alarm = (name: string, description: string, metric: IMetric, threshold: number) => {
      const made = new Alarm(this, name, {
        alarmDescription: description,
        metric,
        threshold,
        evaluationPeriods: 1,
        comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treatMissingData: TreatMissingData.NOT_BREACHING,
      });
      if (topic) made.addAlarmAction(new SnsAction(topic));
    };
    const { name, dimension } = lostConnectionsMetric;
    const period = Duration.minutes(5);
    alarm(
      'LostConnections',
      'Chat Connect: a provider has ended many connections of one integration at once',
      // Each integration is a contributor of its own; they come and go without a deployment.
      new MathExpression({
        expression: `SELECT SUM(${name}) FROM SCHEMA("${props.metricsNamespace}", ${dimension}) GROUP BY ${dimension} ORDER BY SUM() DESC`,
        usingMetrics: {},
        period,
      }),
      props.lostConnectionsThreshold,
    );
    alarm(
      'LostEvents',
      'Chat Connect: events could not be published and were given up',
      props.lostEvents.metricApproximateNumberOfMessagesVisible({ period }),
      1,
    );
  }
}
