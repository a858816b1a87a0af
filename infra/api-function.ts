import { fileURLToPath } from 'node:url';
import { AssetHashType, DockerImage, Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { Policy, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  ApplicationLogLevel,
  Architecture,
  Code,
  Function as LambdaFunction,
  LoggingFormat,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { VariableName } from '../lib/config.ts';
import { acknowledge } from './acknowledge.ts';
import { bundleFunction } from './bundling.ts';
import { functionSettings, type TableAccess } from './functions.ts';
import { logRetention } from './log-retention.ts';
import type { FunctionName } from './routes.ts';
import type { Tables } from './tables.ts';
import type { VaultKey } from './vault-key.ts';

/** What the functions read of their environment: what `lib/config.ts` knows, and the variable of the logger. */
export type Variables = { readonly [Name in VariableName]?: string };

export interface ApiFunctionProps {
  readonly name: FunctionName;
  readonly tables: Tables;
  readonly vaultKey: VaultKey;
  /** Variables that every function gets, besides those that its permissions bring. */
  readonly environment: Variables;
}

const functionsFolder = fileURLToPath(new URL('../functions', import.meta.url));

/**
 * A Lambda function of `functions/` with a role and a log group of its own. It may do what `functions.ts` says, on the
 * tables and the key, write to its log, and nothing else.
 */
export class ApiFunction extends Construct {
  readonly lambda: LambdaFunction;

  constructor(scope: Construct, id: string, props: ApiFunctionProps) {
    super(scope, id);
    const settings = functionSettings[props.name];
    const logGroup = new LogGroup(this, 'Logs', { retention: logRetention, removalPolicy: RemovalPolicy.DESTROY });
    // The role that CDK would make by itself may write to every log group of the account.
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    logGroup.grantWrite(role);

    this.lambda = new LambdaFunction(this, 'Function', {
      description: `Chat Connect: ${props.name}`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      handler: 'index.handler',
      code: codeOf(props.name),
      memorySize: settings.memoryMegabytes,
      timeout: Duration.seconds(settings.timeoutSeconds),
      environment: { ...props.environment },
      role,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      applicationLogLevelV2: ApplicationLogLevel.INFO,
    });
    if (settings.connections) this.#allow('CONNECTIONS_TABLE', props.tables.connections, settings.connections);
    if (settings.flows) this.#allow('FLOWS_TABLE', props.tables.flows, settings.flows);
    if (settings.opensVault) {
      props.vaultKey.grantUnwrap(this.lambda);
      this.#setVariable('VAULT_KEY_ARN', props.vaultKey.key.keyArn);
    }
    if (settings.provesAppsByRole) this.#allowWebIdentity(role);
  }

  #allow(variable: VariableName, table: TableV2, access: TableAccess): void {
    const { actions, queriedIndexes = [], keysBeginWith } = access;
    this.#setVariable(variable, table.tableName);
    // `table.grant` would allow every action on every index too.
    this.lambda.addToRolePolicy(
      new PolicyStatement({
        actions: actions.map((action) => `dynamodb:${action}`),
        resources: [table.tableArn],
        ...(keysBeginWith && { conditions: onlyKeys(keysBeginWith) }),
      }),
    );
    if (queriedIndexes.length === 0) return;
    this.lambda.addToRolePolicy(
      new PolicyStatement({
        actions: ['dynamodb:Query'],
        resources: queriedIndexes.map((index) => `${table.tableArn}/index/${index}`),
      }),
    );
  }

  /** Tokens that name the role, for Entra and for minutes only. A policy of its own, so that nothing else is acknowledged. */
  #allowWebIdentity(role: Role): void {
    const policy = new Policy(this, 'WebIdentity', {
      roles: [role],
      statements: [
        new PolicyStatement({
          actions: ['sts:GetWebIdentityToken'],
          resources: ['*'],
          conditions: {
            'ForAllValues:StringEquals': { 'sts:IdentityTokenAudience': ['api://AzureADTokenExchange'] },
            // ForAllValues alone also holds for a request without any audience.
            Null: { 'sts:IdentityTokenAudience': 'false' },
            NumericLessThanEquals: { 'sts:DurationSeconds': 300 },
            StringEquals: { 'sts:SigningAlgorithm': 'RS256' },
          },
        }),
      ],
    });
    const reason =
      'The action has no resource: a token names its caller. Conditions hold it to one audience and five minutes.';
    acknowledge(policy, 'IAM5[Resource::*]', reason);
  }

  #setVariable(name: VariableName, value: string): void {
    this.lambda.addEnvironment(name, value);
  }
}

function onlyKeys(beginnings: readonly string[]) {
  return {
    'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': beginnings.map((beginning) => `${beginning}*`) },
    // ForAllValues alone also holds for a request that names no key.
    Null: { 'dynamodb:LeadingKeys': 'false' },
  };
}

/** Bundled in this process with the options that the benches measure too; no container is ever started. */
function codeOf(name: FunctionName): Code {
  return Code.fromAsset(functionsFolder, {
    // By content, so that a deployment touches only the functions whose bundle changed.
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      image: DockerImage.fromRegistry('unused'),
      // Never run. CDK takes assets with equal folder and options for one asset, and the options differ in this alone.
      command: [name],
      local: {
        tryBundle(folder) {
          bundleFunction(name, folder);
          return true;
        },
      },
    },
  });
}
