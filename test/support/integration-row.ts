import { UpdateCommand } from '@aws-sdk/lib-dynamodb';
import type { Configurations } from '../../lib/integration/integration.ts';
import { keyOf } from '../../lib/store/keys.ts';
import type { TestEnvironment, TestService } from './service.ts';

async function update(service: TestService, environment: TestEnvironment, name: string, value: unknown) {
  const { json } = await service.api(environment.apiKey, 'GET', '/v1/integrations');
  for (const { _id } of json.data) {
    await service.db.client.send(
      new UpdateCommand({
        TableName: service.db.tables.connections,
        Key: keyOf.integration(_id),
        UpdateExpression: 'SET #name = :value',
        ExpressionAttributeNames: { '#name': name },
        ExpressionAttributeValues: { ':value': value },
      }),
    );
  }
}

/** Gives every integration of an environment other settings while flows are under way. */
export const changeConfigurations = (
  service: TestService,
  environment: TestEnvironment,
  configurations: Configurations,
) => update(service, environment, 'configurations', configurations);

export const deleteIntegration = (service: TestService, environment: TestEnvironment) =>
  update(service, environment, 'state', 'deleting');
