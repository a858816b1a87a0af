import { RetentionDays } from 'aws-cdk-lib/aws-logs';

/** Of all logs: long enough to look into a misuse that is noticed late, such as a token handed out to the wrong caller. */
export const logRetention = RetentionDays.THREE_MONTHS;
