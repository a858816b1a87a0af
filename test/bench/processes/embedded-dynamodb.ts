import { startEmbeddedDynamoDb } from '../../../infra/local/embedded-dynamodb.ts';

/** DynamoDB in a process of its own, so that its work is not measured; ends with whoever started it. */
const dynamodb = await startEmbeddedDynamoDb();
process.once('disconnect', () => process.exit());
process.send?.({ endpoint: dynamodb.endpoint });
