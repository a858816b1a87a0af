import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, PutCommand } from '@aws-sdk/lib-dynamodb';
import { createTables } from '../../../../infra/local/create-tables.ts';
import { localClientConfig, startEmbeddedDynamoDb } from '../../../../infra/local/embedded-dynamodb.ts';

/** Writes flows into an embedded DynamoDB in the folder of its argument, and prints each one that was acknowledged. */
const path = process.argv[2] as string;
const most = Number(process.argv[3]);
const writers = 20;

const { endpoint } = await startEmbeddedDynamoDb({ path });
const plainClient = new DynamoDBClient(localClientConfig(endpoint));
const client = DynamoDBDocumentClient.from(plainClient);
await createTables(plainClient, { connections: 'connections', flows: 'flows' });

let next = 0;
await Promise.all(
  Array.from({ length: writers }, async () => {
    while (next < most) {
      const pk = `flow-${next++}`;
      await client.send(new PutCommand({ TableName: 'flows', Item: { pk, dueBucket: 'bucket', dueAt: pk } }));
      process.stdout.write(`${pk}\n`);
    }
  }),
);
setInterval(() => {}, 1000);
