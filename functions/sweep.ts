import { loadConfig } from '../lib/config.ts';
import { composeResume, type ResumeParts } from '../lib/flow/resume-flow-deps.ts';
import { type SweepDeps, sweep } from '../lib/flow/sweep.ts';
import { lambdaLog, onLambda } from '../lib/http/lambda.ts';
import { awsAssertion } from '../lib/providers/msteams/aws-assertion.ts';
import { federatedClients } from '../lib/providers/msteams/federated-clients.ts';
import { awsDatabase } from '../lib/store/aws-database.ts';
import { dynamoDueStore } from '../lib/store/due-store.ts';
import { dynamoFlowStore } from '../lib/store/flow-store.ts';
import { awsKeyWrapper } from '../lib/vault/aws-key-wrapper.ts';

/** On a schedule: each minute on AWS, each second on one machine. */
export function createHandler(deps: SweepDeps): () => Promise<{ looked: number }> {
  return () => sweep(deps);
}

export function compose(parts: ResumeParts): SweepDeps {
  const { db, log, now = Date.now } = parts;
  return { flows: dynamoFlowStore(db), rows: dynamoDueStore(db), ...composeResume(parts), log, now };
}

export const handler = onLambda(() => {
  const config = loadConfig([
    'CONNECTIONS_TABLE',
    'FLOWS_TABLE',
    'VAULT_KEY_ARN',
    'SLACK_BASE_URL',
    'MICROSOFT_LOGIN_BASE_URL',
    'MICROSOFT_GRAPH_BASE_URL',
    'FEDERATED_CLIENTS',
  ]);
  const log = lambdaLog();
  return createHandler(
    compose({
      db: awsDatabase(config),
      keyWrapper: awsKeyWrapper(config),
      slackBaseUrl: config.SLACK_BASE_URL,
      microsoftLoginBaseUrl: config.MICROSOFT_LOGIN_BASE_URL,
      microsoftGraphBaseUrl: config.MICROSOFT_GRAPH_BASE_URL,
      awsAssertion: awsAssertion({ log }),
      isFederated: federatedClients(config.FEDERATED_CLIENTS),
      log,
    }),
  );
});
