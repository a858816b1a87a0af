import { unmarshall } from '@aws-sdk/util-dynamodb';
import * as z from 'zod/mini';
import { type Connection, connectionSchema } from '../connection/connection.ts';
import { type Grant, grantSchema } from '../grant/grant.ts';
import { parseRow } from '../store/database.ts';
import { type EndpointRow, endpointRowSchema } from '../store/endpoint-store.ts';

const text = z.object({ S: z.string() });
const image = z.record(z.string(), z.unknown());

/** What a DynamoDB stream says of one write; images are in DynamoDB's own JSON. */
const streamRecordSchema = z.object({
  dynamodb: z.object({
    Keys: z.object({ pk: text, sk: text }),
    OldImage: z.optional(image),
    NewImage: z.optional(image),
    SequenceNumber: z.string(),
    /** Epoch seconds. */
    ApproximateCreationDateTime: z.number(),
  }),
});
export type StreamRecord = z.infer<typeof streamRecordSchema>;

/** What Lambda hands over of a stream. */
export const streamBatchSchema = z.object({ Records: z.array(streamRecordSchema) });

interface Change<Kind extends string, Row> {
  readonly kind: Kind;
  /** Undefined when there was no row. */
  readonly before: Row | undefined;
  /** Undefined when the row was removed. */
  readonly after: Row | undefined;
  /** Epoch milliseconds, as DynamoDB has it. */
  readonly at: number;
}

export type RowChange = Change<'connection', Connection> | Change<'grant', Grant> | Change<'endpoint', EndpointRow>;

/** The last part of the keys of rows that events are made of. */
export const toldKinds = { connection: 'CONN', grant: 'GRANT', endpoint: 'EP' } as const;

/**
 * @returns undefined for a row that no event is made of
 * @throws UnreadableRowError
 */
export function rowChangeOf({ dynamodb }: StreamRecord): RowChange | undefined {
  const { Keys, OldImage, NewImage } = dynamodb;
  const change = <Kind extends string, Schema extends z.ZodMiniType>(kind: Kind, schema: Schema) => ({
    kind,
    before: OldImage && parseRow(schema, plain(OldImage)),
    after: NewImage && parseRow(schema, plain(NewImage)),
    at: dynamodb.ApproximateCreationDateTime * 1000,
  });
  switch (Keys.sk.S) {
    case toldKinds.connection:
      return change('connection', connectionSchema);
    case toldKinds.grant:
      return change('grant', grantSchema);
    case toldKinds.endpoint:
      return change('endpoint', endpointRowSchema);
    default:
      return undefined;
  }
}

function plain(row: Record<string, unknown>): Record<string, unknown> {
  return unmarshall(row as Parameters<typeof unmarshall>[0]);
}
