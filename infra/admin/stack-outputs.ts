import {
  type CloudFormationClient,
  CloudFormationServiceException,
  DescribeStacksCommand,
} from '@aws-sdk/client-cloudformation';
import { AdminError } from './errors.ts';

/** The stack's outputs, by which a deployment is found. */
const outputNames = ['ApiUrl', 'ConnectionsTableName', 'FlowsTableName', 'VaultKeyArn'] as const;
export type StackOutputs = Readonly<Record<(typeof outputNames)[number], string>>;

/** @throws AdminError when there is no such stack, or it lacks an output */
export async function readStackOutputs(
  client: Pick<CloudFormationClient, 'send'>,
  stackName: string,
  region: string,
): Promise<StackOutputs> {
  const outputs = await describeOutputs(client, stackName, region);
  const missing = outputNames.filter((name) => !outputs.get(name));
  if (missing.length > 0) {
    throw new AdminError(
      `The stack ${stackName} in ${region} lacks the output ${missing.join(', ')}: it is not one of Chat Connect, ` +
        'or its deployment is not complete; look at it in CloudFormation, and run "npx cdk deploy" once more.',
    );
  }
  return Object.fromEntries(outputs) as StackOutputs;
}

async function describeOutputs(client: Pick<CloudFormationClient, 'send'>, stackName: string, region: string) {
  try {
    const { Stacks: [stack] = [] } = await client.send(new DescribeStacksCommand({ StackName: stackName }));
    return new Map(stack?.Outputs?.map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]));
  } catch (error) {
    if (!isUnknownStack(error)) throw error;
    throw new AdminError(
      `There is no stack ${stackName} in ${region} with these credentials: check its name, the region (AWS_REGION) ` +
        'and the account (AWS_PROFILE).',
      { cause: error },
    );
  }
}

/** CloudFormation has no error of its own for it. */
function isUnknownStack(error: unknown): boolean {
  const isValidation = error instanceof CloudFormationServiceException && error.name === 'ValidationError';
  return isValidation && /does not exist/.test(error.message);
}
