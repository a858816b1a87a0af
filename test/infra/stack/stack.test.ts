import { RemovalPolicy } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { describe, expect, it } from 'vitest';
import { functionNames } from '../../../infra/functions.ts';
import { type FunctionName, fallbackFunction, routes } from '../../../infra/routes.ts';
import { connectionsTable, flowsTable, type TableSchema } from '../../../lib/store/tables.ts';
import { render, type Statement, type Synthesized, synthesize, testApp } from './synthesized.ts';

/**
 * The logical ids of what holds data. They must never change: CloudFormation would make an empty table and a key that
 * unwraps nothing, and leave the old ones behind.
 */
const connectionsId = 'TablesConnectionsF6D675B1';
const vaultKeyId = 'VaultKeyCB88EF1A';
const flowsId = 'TablesFlowsFD764762';

const synthesized = synthesize();
const { template, resources, ofType, functionResource, environmentOf, permissionsOf } = synthesized;
const apiId = ofType('AWS::ApiGatewayV2::Api')[0]?.[0];
const eventBusId = ofType('AWS::Events::EventBus')[0]?.[0];
const lostEventsId = ofType('AWS::SQS::Queue')[0]?.[0];

describe('the app', () => {
  it('passes cdk-nag', () => {
    expect(() => testApp().synth()).not.toThrow();
  });

  it('fails on a finding of cdk-nag that nobody acknowledged', () => {
    const app = testApp();
    const stack = app.node.findChild('ChatConnect');
    new Bucket(stack, 'Bucket', { removalPolicy: RemovalPolicy.DESTROY });

    expect(() => app.synth()).toThrow(/AwsSolutions/);
  });

  it('has one stack, named by the context', () => {
    const named = testApp({ stackName: 'Staging' }).synth().stacks;

    expect(synthesized.stack.stackName).toBe('ChatConnect');
    expect(named.map((stack) => stack.stackName)).toEqual(['Staging']);
  });

  it('tags what can be tagged', () => {
    template.allResourcesProperties('AWS::Lambda::Function', {
      Tags: Match.arrayWith([{ Key: 'application', Value: 'chat-connect' }]),
    });
  });

  it('has nothing of a name that two deployments in one account would share', () => {
    const names = JSON.stringify(synthesize({ stackName: 'Staging' }).stack.template);

    expect(names).toContain('/aws/vendedlogs/Staging/access');
    expect(names).toContain('alias/Staging/vault');
    expect(names).not.toContain('ChatConnect');
  });
});

describe('the tables', () => {
  it.each([
    ['Connections', connectionsId, connectionsTable],
    ['Flows', flowsId, flowsTable],
  ] as const)('%s has the keys, indexes and time to live of its schema', (_name, logicalId, schema: TableSchema) => {
    const properties = resources[logicalId]?.Properties;

    expect(properties).toMatchObject({
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: keySchema(schema.partitionKey, schema.sortKey),
      TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
    });
    expect(properties?.['GlobalSecondaryIndexes']).toEqual(
      schema.indexes.map((index) => ({
        IndexName: index.name,
        KeySchema: keySchema(index.partitionKey, index.sortKey),
        Projection: { ProjectionType: 'KEYS_ONLY' },
      })),
    );
    const attributes = properties?.['AttributeDefinitions'] as { AttributeType: string }[] | undefined;
    expect(new Set(attributes?.map((attribute) => attribute.AttributeType))).toEqual(new Set(['S']));
  });

  it('Connections survives a wrong command and a deleted stack, and can be wound back', () => {
    expect(resources[connectionsId]).toMatchObject({
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        StreamSpecification: { StreamViewType: 'NEW_AND_OLD_IMAGES' },
        Replicas: [
          {
            DeletionProtectionEnabled: true,
            PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
          },
        ],
      },
    });
  });

  it('Flows goes with the stack and cannot be wound back to states that were unused', () => {
    const flows = resources[flowsId];

    expect(flows?.DeletionPolicy).toBe('Delete');
    expect(JSON.stringify(flows)).not.toContain('PointInTimeRecovery');
  });
});

describe('the vault key', () => {
  it('rotates and outlives the stack', () => {
    expect(resources[vaultKeyId]).toMatchObject({
      Type: 'AWS::KMS::Key',
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: { EnableKeyRotation: true },
    });
  });

  it('unwraps for functions only with exactly an environment id as the encryption context', () => {
    const statements = ofType('AWS::IAM::Policy')
      .flatMap(([, policy]) => (policy.Properties['PolicyDocument'] as { Statement: Statement[] }).Statement)
      .filter((statement) => JSON.stringify(statement.Resource).includes(vaultKeyId));

    expect(statements).toHaveLength(9);
    for (const statement of statements) {
      expect(statement).toMatchObject({
        Action: 'kms:Decrypt',
        Condition: {
          'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['environmentId'] },
          Null: { 'kms:EncryptionContextKeys': 'false' },
        },
      });
    }
  });
});

describe('tokens of AWS for Entra', () => {
  it('are for one audience, five minutes and one algorithm, and for the functions that call Entra', () => {
    const statements = ofType('AWS::IAM::Policy')
      .flatMap(([, policy]) => (policy.Properties['PolicyDocument'] as { Statement: Statement[] }).Statement)
      .filter((statement) => JSON.stringify(statement.Action).includes('sts:'));

    expect(statements).toHaveLength(4);
    for (const statement of statements) {
      expect(statement).toEqual({
        Effect: 'Allow',
        Action: 'sts:GetWebIdentityToken',
        Resource: '*',
        Condition: {
          'ForAllValues:StringEquals': { 'sts:IdentityTokenAudience': ['api://AzureADTokenExchange'] },
          Null: { 'sts:IdentityTokenAudience': 'false' },
          NumericLessThanEquals: { 'sts:DurationSeconds': 300 },
          StringEquals: { 'sts:SigningAlgorithm': 'RS256' },
        },
      });
    }
  });
});

describe('the functions', () => {
  const on = (actions: readonly string[], resource: string) => actions.map((action) => `Allow ${action} ${resource}`);
  const connections = (...actions: string[]) =>
    on(
      actions.map((action) => `dynamodb:${action}`),
      `${connectionsId}.Arn`,
    );
  const flows = (...actions: string[]) =>
    on(
      actions.map((action) => `dynamodb:${action}`),
      `${flowsId}.Arn`,
    );
  const queries = (...indexes: string[]) =>
    indexes.map((index) => `Allow dynamodb:Query ${connectionsId}.Arn/index/${index}`);
  const idempotency = flows('GetItem', 'PutItem', 'UpdateItem', 'DeleteItem');
  const unwraps = [`Allow kms:Decrypt ${vaultKeyId}.Arn`];
  const provesApps = ['Allow sts:GetWebIdentityToken *'];
  const allIndexes = ['byEnvironment', 'bySubscriber', 'byIntegration', 'byContexts', 'byConnection'];

  const expectedPermissions: Record<FunctionName, string[]> = {
    'generate-oauth-url': [...connections('GetItem'), ...flows('GetItem', 'PutItem')],
    start: [...connections('GetItem'), ...flows('GetItem', 'PutItem', 'UpdateItem')],
    'slack-callback': [
      ...connections('GetItem', 'BatchGetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'Query'),
      ...queries('byConnection'),
      ...flows('GetItem', 'PutItem', 'UpdateItem'),
      ...unwraps,
    ],
    'msteams-callback': [
      ...connections('GetItem', 'BatchGetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'Query'),
      ...queries('byConnection'),
      ...flows('GetItem', 'UpdateItem'),
      ...unwraps,
      ...provesApps,
    ],
    'confirm-flow': [
      ...connections('GetItem', 'BatchGetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'Query'),
      ...queries('byConnection'),
      ...flows('GetItem', 'UpdateItem'),
      ...unwraps,
      ...provesApps,
    ],
    sweep: [
      ...connections('GetItem', 'BatchGetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'Query'),
      ...queries('byIntegration', 'byConnection', 'due'),
      ...flows('GetItem', 'UpdateItem'),
      `Allow dynamodb:Query ${flowsId}.Arn/index/due`,
      ...unwraps,
      ...provesApps,
    ],
    integrations: [
      ...connections('GetItem', 'BatchGetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'Query'),
      ...queries('byEnvironment', 'byIntegration', 'byConnection'),
      ...idempotency,
      ...unwraps,
    ],
    'channel-connections': [
      ...connections('GetItem', 'BatchGetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'Query'),
      ...queries(...allIndexes),
      ...idempotency,
      ...unwraps,
      ...provesApps,
    ],
    'slack-authorize': [
      ...connections('GetItem', 'BatchGetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'Query'),
      ...queries('byConnection'),
      ...unwraps,
    ],
    'slack-events': [
      ...connections('GetItem', 'UpdateItem', 'DeleteItem', 'Query'),
      ...flows('GetItem', 'PutItem'),
      ...unwraps,
    ],
    'channel-endpoints': [
      ...connections('GetItem', 'BatchGetItem', 'PutItem', 'UpdateItem'),
      ...queries(...allIndexes),
      ...idempotency,
      ...unwraps,
    ],
    meta: [],
    'publish-events': [
      ...connections('GetItem', 'Query'),
      ...on(
        ['DescribeStream', 'GetRecords', 'GetShardIterator', 'ListStreams'].map((action) => `dynamodb:${action}`),
        `${connectionsId}.StreamArn`,
      ),
      `Allow events:PutEvents ${eventBusId}.Arn`,
      `Allow sqs:SendMessage ${lostEventsId}.Arn`,
    ],
  };

  const everywhere = { PUBLIC_URL: `${apiId}.ApiEndpoint` };
  const tables = { CONNECTIONS_TABLE: connectionsId, FLOWS_TABLE: flowsId };
  const expectedEnvironments: Record<FunctionName, Record<string, string>> = {
    'generate-oauth-url': { ...everywhere, ...tables },
    start: { ...everywhere, ...tables },
    'slack-callback': { ...everywhere, ...tables, VAULT_KEY_ARN: `${vaultKeyId}.Arn` },
    'msteams-callback': { ...everywhere, ...tables, VAULT_KEY_ARN: `${vaultKeyId}.Arn` },
    'confirm-flow': { ...everywhere, ...tables, VAULT_KEY_ARN: `${vaultKeyId}.Arn` },
    sweep: { ...everywhere, ...tables, VAULT_KEY_ARN: `${vaultKeyId}.Arn` },
    integrations: { ...everywhere, ...tables, VAULT_KEY_ARN: `${vaultKeyId}.Arn` },
    'channel-connections': { ...everywhere, ...tables, VAULT_KEY_ARN: `${vaultKeyId}.Arn` },
    'slack-authorize': { ...everywhere, CONNECTIONS_TABLE: connectionsId, VAULT_KEY_ARN: `${vaultKeyId}.Arn` },
    'slack-events': { ...everywhere, ...tables, VAULT_KEY_ARN: `${vaultKeyId}.Arn` },
    'channel-endpoints': { ...everywhere, ...tables, VAULT_KEY_ARN: `${vaultKeyId}.Arn` },
    meta: everywhere,
    'publish-events': {
      ...everywhere,
      CONNECTIONS_TABLE: connectionsId,
      EVENT_BUS_NAME: String(eventBusId),
      METRICS_NAMESPACE: 'ChatConnect',
    },
  };

  it('are those of the route table, of the schedule and of the stream, and no others', () => {
    const httpFunctions = [...routes.map((route) => route.function), fallbackFunction];
    const routed = new Set<FunctionName>([...httpFunctions, 'sweep', 'publish-events']);

    expect(new Set(functionNames)).toEqual(routed);
    template.resourceCountIs('AWS::Lambda::Function', routed.size);
  });

  describe.each(functionNames)('%s', (name) => {
    const { logicalId, properties } = functionResource(name);
    const logGroupId = render((properties['LoggingConfig'] as { LogGroup: unknown }).LogGroup);

    it('runs on Node.js 24 and ARM, within the time that its caller waits', () => {
      expect(properties).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'], Handler: 'index.handler' });
      // API Gateway waits for 30 s; the schedule comes again each minute; the stream waits.
      const longest = { sweep: 60, 'publish-events': 900 } as Partial<Record<FunctionName, number>>;
      expect(properties['Timeout']).toBeLessThanOrEqual(longest[name] ?? 29);
      expect(properties).not.toHaveProperty('TracingConfig');
    });

    it('may do exactly what it needs', () => {
      const writesItsLog = on(['logs:CreateLogStream', 'logs:PutLogEvents'], `${logGroupId}.Arn`);

      expect(permissionsOf(name)).toEqual([...expectedPermissions[name], ...writesItsLog].sort());
    });

    it('knows exactly what it may use', () => {
      expect(environmentOf(name)).toEqual(expectedEnvironments[name]);
    });

    it('logs JSON to a log group of its own, which forgets', () => {
      const users = functionNames.filter(
        (other) =>
          render((functionResource(other).properties['LoggingConfig'] as { LogGroup: unknown }).LogGroup) ===
          logGroupId,
      );

      expect(properties['LoggingConfig']).toMatchObject({ LogFormat: 'JSON', ApplicationLogLevel: 'INFO' });
      expect(resources[logGroupId]?.Properties).toMatchObject({ RetentionInDays: 90 });
      expect(users).toEqual([name]);
    });

    if (name === 'sweep' || name === 'publish-events') return;
    it('can be called by the API alone, for its routes alone', () => {
      const callers = ofType('AWS::Lambda::Permission')
        .map(([, permission]) => permission.Properties)
        .filter((permission) => render(permission['FunctionName']) === `${logicalId}.Arn`);
      const paths = routes.filter((route) => route.function === name).map((route) => `/*/*${route.path}`);
      const expectedPaths = name === fallbackFunction ? [...paths, '/*/*'] : paths;

      expect(new Set(callers.map((caller) => caller['Principal']))).toEqual(new Set(['apigateway.amazonaws.com']));
      expect(callers.map((caller) => render(caller['SourceArn']).split(String(apiId))[1]).sort()).toEqual(
        expectedPaths.sort(),
      );
    });
  });

  it('include a sweep that the schedule alone calls, each minute', () => {
    const { logicalId } = functionResource('sweep');
    const callers = ofType('AWS::Lambda::Permission')
      .map(([, permission]) => permission.Properties)
      .filter((permission) => render(permission['FunctionName']) === `${logicalId}.Arn`);

    expect(callers.map((caller) => caller['Principal'])).toEqual(['events.amazonaws.com']);
    template.hasResourceProperties('AWS::Events::Rule', { ScheduleExpression: 'rate(1 minute)', State: 'ENABLED' });
  });

  it('get the settings of the deployment when there are some', () => {
    const configured = synthesize({
      publicUrl: 'https://connect.example.com/',
      slackBaseUrl: 'https://slack-gov.com',
      microsoftGraphBaseUrl: 'https://graph.microsoft.us',
      flowTtlSeconds: '120',
    });

    for (const name of functionNames) {
      expect(configured.environmentOf(name)).toMatchObject({
        PUBLIC_URL: 'https://connect.example.com',
        SLACK_BASE_URL: 'https://slack-gov.com',
        MICROSOFT_GRAPH_BASE_URL: 'https://graph.microsoft.us',
        FLOW_TTL_SECONDS: '120',
      });
    }
  });

  it('hold no secret in their environment', () => {
    for (const name of functionNames) {
      for (const [variable, value] of Object.entries(environmentOf(name))) {
        expect(variable).not.toMatch(/secret|token|password|credential|api_?key|private/i);
        expect(value).not.toMatch(/xox[a-z]-|-----BEGIN|AKIA|[A-Za-z0-9+/=_-]{40,}/);
      }
    }
  });
});

describe('publishing events', () => {
  const [[, mapping] = []] = ofType('AWS::Lambda::EventSourceMapping');

  it('reads the stream of the connections table from its beginning, and again until it is taken', () => {
    expect(mapping?.Properties).toMatchObject({
      StartingPosition: 'TRIM_HORIZON',
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      BisectBatchOnFunctionError: true,
      MaximumRecordAgeInSeconds: 12 * 60 * 60,
    });
    expect(render(mapping?.Properties['EventSourceArn'])).toBe(`${connectionsId}.StreamArn`);
    expect(render(mapping?.Properties['FunctionName'])).toBe(functionResource('publish-events').logicalId);
    expect(mapping?.Properties).not.toHaveProperty('MaximumRetryAttempts');
  });

  it('is called by the stream alone', () => {
    const { logicalId } = functionResource('publish-events');
    const callers = ofType('AWS::Lambda::Permission').filter(
      ([, { Properties }]) => render(Properties['FunctionName']) === `${logicalId}.Arn`,
    );

    expect(ofType('AWS::Lambda::EventSourceMapping')).toHaveLength(1);
    expect(callers).toEqual([]);
  });

  it('names what was given up in an encrypted queue that keeps it', () => {
    const destination = mapping?.Properties['DestinationConfig'] as { OnFailure: { Destination: unknown } } | undefined;

    expect(render(destination?.OnFailure.Destination)).toBe(`${lostEventsId}.Arn`);
    expect(resources[String(lostEventsId)]?.Properties).toMatchObject({
      SqsManagedSseEnabled: true,
      MessageRetentionPeriod: 14 * 24 * 60 * 60,
    });
  });

  it('reads of the table only connections and grants', () => {
    const roleId = render(functionResource('publish-events').properties['Role']).replace(/\.Arn$/, '');
    const statements = ofType('AWS::IAM::Policy')
      .filter(([, { Properties }]) => (Properties['Roles'] as unknown[]).some((role) => render(role) === roleId))
      .flatMap(([, policy]) => (policy.Properties['PolicyDocument'] as { Statement: Statement[] }).Statement)
      .filter((statement) => JSON.stringify(statement.Action).includes('GetItem'));

    expect(statements).toMatchObject([
      {
        Condition: {
          'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['C#*', 'G#*'] },
          Null: { 'dynamodb:LeadingKeys': 'false' },
        },
      },
    ]);
  });
});

describe('the alarms', () => {
  const alarms = ({ ofType: of }: Synthesized) =>
    of('AWS::CloudWatch::Alarm').map(([, { Properties }]) => Properties as Record<string, unknown>);

  it('fire when many connections of one integration are lost, and when events were given up', () => {
    const [lostConnections, lostEvents] = alarms(synthesized);

    expect(lostConnections).toMatchObject({
      Threshold: 10,
      EvaluationPeriods: 1,
      TreatMissingData: 'notBreaching',
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      Metrics: [
        {
          Period: 300,
          Expression:
            'SELECT SUM(ConnectionsLost) FROM SCHEMA("ChatConnect", IntegrationId) GROUP BY IntegrationId ORDER BY SUM() DESC',
        },
      ],
    });
    expect(lostEvents).toMatchObject({
      Namespace: 'AWS/SQS',
      MetricName: 'ApproximateNumberOfMessagesVisible',
      Statistic: 'Maximum',
      Threshold: 1,
    });
  });

  it('look at the metric of their own deployment, from the number that is set', () => {
    const [lostConnections] = alarms(synthesize({ stackName: 'Staging', lostConnectionsThreshold: '3' }));

    expect(lostConnections).toMatchObject({ Threshold: 3 });
    expect(JSON.stringify(lostConnections)).toContain('SCHEMA(\\"Staging\\", IntegrationId)');
  });

  it('tell nobody, or the topic that is set', () => {
    const topic = 'arn:aws:sns:eu-west-1:123456789012:on-call';

    expect(alarms(synthesized).map((alarm) => alarm['AlarmActions'])).toEqual([undefined, undefined]);
    expect(alarms(synthesize({ alarmTopicArn: topic })).map((alarm) => alarm['AlarmActions'])).toEqual([
      [topic],
      [topic],
    ]);
  });
});

describe('the HTTP API', () => {
  it('binds each route of the table once, to its function, and everything else to the fallback', () => {
    const bound = ofType('AWS::ApiGatewayV2::Route').map(([, { Properties }]) => {
      const integration = resources[render(Properties['Target']).replace(/^integrations\//, '')];
      return [Properties['RouteKey'], render(integration?.Properties['IntegrationUri'])];
    });

    const expected = [
      ...routes.map((route) => [`${route.method} ${route.path}`, `${functionResource(route.function).logicalId}.Arn`]),
      ['$default', `${functionResource(fallbackFunction).logicalId}.Arn`],
    ];
    expect(bound.sort()).toEqual(expected.sort());
    expect(new Set(bound.map(([routeKey]) => routeKey)).size).toBe(bound.length);
  });

  it('hands events over in payload format 2.0 and keeps its own endpoint open', () => {
    template.allResourcesProperties('AWS::ApiGatewayV2::Integration', { PayloadFormatVersion: '2.0' });
    template.hasResourceProperties('AWS::ApiGatewayV2::Api', {
      ProtocolType: 'HTTP',
      DisableExecuteApiEndpoint: false,
    });
  });

  it('limits the rate of calls on the default stage', () => {
    template.hasResourceProperties('AWS::ApiGatewayV2::Stage', {
      StageName: '$default',
      AutoDeploy: true,
      DefaultRouteSettings: { ThrottlingRateLimit: 500, ThrottlingBurstLimit: 1000 },
    });
  });

  it('logs who called which route and how it went, and nothing that can carry a state, code or identifier', () => {
    const [[, stage] = []] = ofType('AWS::ApiGatewayV2::Stage');
    const settings = stage?.Properties['AccessLogSettings'] as { Format: string; DestinationArn: unknown } | undefined;
    const format = settings?.Format ?? '{}';
    const variables = Object.values(JSON.parse(format) as Record<string, string>);
    const logGroup = resources[render(settings?.DestinationArn).replace(/\.Arn$/, '')];

    expect(variables).toEqual(
      expect.arrayContaining([
        '$context.routeKey',
        '$context.status',
        '$context.requestId',
        '$context.responseLatency',
        '$context.integrationErrorMessage',
      ]),
    );
    expect(format).not.toMatch(/path|query|uri|header|cookie|referer|userAgent|authorizer|body|stageVariables/i);
    expect(logGroup?.Properties).toMatchObject({ RetentionInDays: 90 });
  });
});

describe('the outputs', () => {
  it('name what the admin command and the set-up of an app need', () => {
    expect(outputsOf(synthesized)).toEqual({
      ApiUrl: `${apiId}.ApiEndpoint`,
      ApiEndpoint: `${apiId}.ApiEndpoint`,
      SlackRedirectUrl: `${apiId}.ApiEndpoint/v1/integrations/chat/oauth/callback/slack`,
      TeamsRedirectUrl: `${apiId}.ApiEndpoint/v1/integrations/chat/oauth/callback/msteams`,
      ConnectionsTableName: connectionsId,
      FlowsTableName: flowsId,
      VaultKeyArn: `${vaultKeyId}.Arn`,
      EventBusName: String(eventBusId),
      EventBusArn: `${eventBusId}.Arn`,
      MsteamsCallbackRoleArn: render(functionResource('msteams-callback').properties['Role']),
      ConfirmFlowRoleArn: render(functionResource('confirm-flow').properties['Role']),
      SweepRoleArn: render(functionResource('sweep').properties['Role']),
      ChannelConnectionsRoleArn: render(functionResource('channel-connections').properties['Role']),
    });
  });

  it('give the URL of the operator where there is one', () => {
    expect(outputsOf(synthesize({ publicUrl: 'https://connect.example.com' }))).toMatchObject({
      ApiUrl: 'https://connect.example.com',
      ApiEndpoint: `${apiId}.ApiEndpoint`,
      SlackRedirectUrl: 'https://connect.example.com/v1/integrations/chat/oauth/callback/slack',
    });
  });

  it('name a redirect URL that is a route of the callback', () => {
    expect(routes).toContainEqual({
      method: 'GET',
      path: '/v1/integrations/chat/oauth/callback/slack',
      function: 'slack-callback',
    });
  });
});

function keySchema(partitionKey: string, sortKey?: string) {
  return [
    { AttributeName: partitionKey, KeyType: 'HASH' },
    ...(sortKey === undefined ? [] : [{ AttributeName: sortKey, KeyType: 'RANGE' }]),
  ];
}

function outputsOf({ stack }: ReturnType<typeof synthesize>) {
  const outputs = stack.template.Outputs as Record<string, { Value: unknown }>;
  return Object.fromEntries(Object.entries(outputs).map(([name, output]) => [name, render(output.Value)]));
}
