import { CfnOutput, Duration, Stack } from 'aws-cdk-lib';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { teamsRedirectUri } from '../lib/providers/msteams/authorization-url.ts';
import { slackRedirectUri } from '../lib/providers/slack/authorization-url.ts';
import { ApiFunction, type Variables } from './api-function.ts';
import { Events } from './events.ts';
import { functionNames } from './functions.ts';
import { ChatConnectApi } from './http-api.ts';
import { Monitoring } from './monitoring.ts';
import type { FunctionName } from './routes.ts';
import { Schedule } from './schedule.ts';
import type { Settings } from './settings.ts';
import { Tables } from './tables.ts';
import { VaultKey } from './vault-key.ts';

/** All of Chat Connect: an HTTP API, a function behind each group of routes, two tables, a key and a bus of events. */
export class ChatConnectStack extends Stack {
  constructor(scope: Construct, settings: Settings) {
    super(scope, settings.stackName, { description: 'Chat Connect: OAuth for Slack and Microsoft Teams, self-hosted' });

    const tables = new Tables(this, 'Tables');
    const vaultKey = new VaultKey(this, 'Vault');
    const api = new ChatConnectApi(this, 'HttpApi');

    const publicUrl = settings.publicUrl ?? api.endpoint;
    const environment: Variables = {
      PUBLIC_URL: publicUrl,
      ...(settings.slackBaseUrl !== undefined && { SLACK_BASE_URL: settings.slackBaseUrl }),
      ...(settings.microsoftLoginBaseUrl !== undefined && { MICROSOFT_LOGIN_BASE_URL: settings.microsoftLoginBaseUrl }),
      ...(settings.microsoftGraphBaseUrl !== undefined && { MICROSOFT_GRAPH_BASE_URL: settings.microsoftGraphBaseUrl }),
      ...(settings.federatedClients !== undefined && { FEDERATED_CLIENTS: settings.federatedClients }),
      ...(settings.flowTtlSeconds !== undefined && { FLOW_TTL_SECONDS: String(settings.flowTtlSeconds) }),
    };
    const functions = Object.fromEntries(
      functionNames.map((name) => [name, new ApiFunction(this, name, { name, tables, vaultKey, environment }).lambda]),
    ) as Record<FunctionName, LambdaFunction>;
    api.addRoutes(functions);
    new Schedule(this, 'Sweep', { rate: Duration.minutes(1), function: functions.sweep });
    const events = new Events(this, 'Events', {
      table: tables.connections,
      function: functions['publish-events'],
      metricsNamespace: settings.stackName,
    });
    new Monitoring(this, 'Monitoring', {
      metricsNamespace: settings.stackName,
      lostConnectionsThreshold: settings.lostConnectionsThreshold,
      lostEvents: events.lost,
      alarmTopicArn: settings.alarmTopicArn,
    });

    // The admin command finds the deployment by these names.
    const outputs = {
      ApiUrl: publicUrl,
      // Differs from ApiUrl when there is a domain of the operator's, which is then mapped to this.
      ApiEndpoint: api.endpoint,
      SlackRedirectUrl: slackRedirectUri(publicUrl),
      TeamsRedirectUrl: teamsRedirectUri(publicUrl),
      ConnectionsTableName: tables.connections.tableName,
      FlowsTableName: tables.flows.tableName,
      VaultKeyArn: vaultKey.key.keyArn,
      // What rules for events of connections and endpoints are made on.
      EventBusName: events.bus.eventBusName,
      EventBusArn: events.bus.eventBusArn,
      // Subjects of the federated credentials of an Entra app that is proven by AWS.
      MsteamsCallbackRoleArn: roleArnOf(functions['msteams-callback']),
      ConfirmFlowRoleArn: roleArnOf(functions['confirm-flow']),
      SweepRoleArn: roleArnOf(functions.sweep),
      ChannelConnectionsRoleArn: roleArnOf(functions['channel-connections']),
    };
    for (const [name, value] of Object.entries(outputs)) new CfnOutput(this, name, { value });
  }
}

function roleArnOf({ role }: LambdaFunction): string {
  if (!role) throw new TypeError('a function has no role');
  return role.roleArn;
}
