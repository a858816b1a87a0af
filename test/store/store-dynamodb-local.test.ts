import { afterAll, describe, expect, it } from 'vitest';
import { startDynamoDbLocal } from '../support/dynamodb-local.ts';
import { testDatabase } from '../support/embedded-store.ts';
import { describeStores } from './store.contract.ts';

const dynamoDbLocal = await startDynamoDbLocal();

if (dynamoDbLocal) {
  const { endpoint, close } = dynamoDbLocal;
  afterAll(close);
  describeStores('DynamoDB Local', () => testDatabase({ endpoint }));
} else {
  describe('the stores on DynamoDB Local', () => {
    it('are not tried where Java or DynamoDBLocal.jar is missing', () => {
      expect(dynamoDbLocal).toBeUndefined();
    });
  });
}
