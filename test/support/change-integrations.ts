import type { Configurations } from '../../lib/integration/integration.ts';
import type { TestEnvironment, TestService } from './service.ts';

async function callForEach(service: TestService, { apiKey }: TestEnvironment, method: string, body?: object) {
  const { json } = await service.api(apiKey, 'GET', '/v1/integrations');
  for (const { _id } of json.data) {
    const answer = await service.api(apiKey, method, `/v1/integrations/${_id}`, body);
    if (answer.status !== 200) throw new Error(`${method} was refused: ${answer.text}`);
  }
}

/** Changes settings of every integration of an environment while flows are under way. */
export const changeConfigurations = (
  service: TestService,
  environment: TestEnvironment,
  configurations: Configurations,
) => callForEach(service, environment, 'PUT', { configurations });

/** Deletes every integration of an environment while flows are under way. */
export const deleteIntegrations = (service: TestService, environment: TestEnvironment) =>
  callForEach(service, environment, 'DELETE');
