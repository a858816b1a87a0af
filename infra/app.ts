import { App, type AppProps, Tags, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { ChatConnectStack } from './chat-connect-stack.ts';
import { readSettings } from './settings.ts';

/** The CDK app; its synthesis fails on a finding of cdk-nag that no construct acknowledges. */
export function createApp(props?: AppProps): App {
  const app = new App(props);
  new ChatConnectStack(app, readSettings(app));
  Tags.of(app).add('application', 'chat-connect');
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return app;
}

if (import.meta.main) createApp();
