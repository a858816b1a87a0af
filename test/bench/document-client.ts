import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';

/** The least that a function with a table has to load; what our own functions are measured against. */
export const client = DynamoDBDocumentClient.from(new DynamoDBClient({}));
