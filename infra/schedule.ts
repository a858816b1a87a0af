import type { Duration } from 'aws-cdk-lib';
import { Schedule as EventSchedule, Rule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

export interface ScheduleProps {
  readonly rate: Duration;
  readonly function: IFunction;
}

/** Calls a function again and again. A run that fails is not repeated: the next one comes soon enough. */
export class Schedule extends Construct {
  constructor(scope: Construct, id: string, props: ScheduleProps) {
    super(scope, id);
    new Rule(this, 'Rule', {
      schedule: EventSchedule.rate(props.rate),
      targets: [new LambdaFunction(props.function, { retryAttempts: 0 })],
    });
  }
}
