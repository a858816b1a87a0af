import { setTimeout as sleep } from 'node:timers/promises';
import { type DynamoDBDocumentClient, GetCommand } from '@aws-sdk/lib-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import type { StreamHandler } from '../../functions/publish-events.ts';
import { type StreamRecord, toldKinds } from '../../lib/events/row-change.ts';
import { errorFields, type Log } from '../../lib/log.ts';

export interface TableStreamOptions {
  readonly tableName: string;
  /** Reads what a write does not say itself; not one of the clients that are watched. */
  readonly reader: DynamoDBDocumentClient;
  readonly handler: StreamHandler;
  readonly log: Log;
}

export interface TableStream {
  /** Hands on what the client writes from now on. Its commands answer as they did. */
  watch(client: DynamoDBDocumentClient): void;
  /** Resolves when all that was written has been taken. */
  drained(): Promise<void>;
  /** Hands on what is left, and gives up what is not taken at once. */
  close(): Promise<void>;
}

type Row = Record<string, unknown>;

const batchSize = 100;
const retryMilliseconds = 1_000;
/** As the functions' own client writes rows. */
const marshalling = { removeUndefinedValues: true } as const;

/**
 * What the table's stream and its mapping do on AWS, for a DynamoDB that has no streams: every write of a row that events
 * are made of, one after the other, again until it is taken. It lives in this process, so what was not taken when that is
 * killed is lost.
 */
export function createTableStream({ tableName, reader, handler, log }: TableStreamOptions): TableStream {
  const waiting: StreamRecord[] = [];
  const closing = new AbortController();
  let delivering: Promise<void> | undefined;
  let written = 0;

  /** Undefined also when it cannot be read: a write that could be done is not to fail for its event. */
  const readQuietly = async (Key: Row): Promise<Row | undefined> => {
    try {
      return (await reader.send(new GetCommand({ TableName: tableName, Key, ConsistentRead: true }))).Item;
    } catch (error) {
      log.error('an event will be wrong', errorFields(error));
      return undefined;
    }
  };

  function append(key: Row, before: Row | undefined, after: Row | undefined): void {
    written += 1;
    waiting.push({
      dynamodb: {
        Keys: marshall(key) as StreamRecord['dynamodb']['Keys'],
        OldImage: before && marshall(before, marshalling),
        NewImage: after && marshall(after, marshalling),
        SequenceNumber: String(written).padStart(21, '0'),
        ApproximateCreationDateTime: Date.now() / 1000,
      },
    });
    delivering ??= deliver();
  }

  async function deliver(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, batchSize);
      const taken = await hand(batch);
      waiting.splice(0, taken);
      if (taken === batch.length) continue;
      if (closing.signal.aborted) break;
      await sleep(retryMilliseconds, undefined, { signal: closing.signal }).catch(() => {});
    }
    delivering = undefined;
  }

  /** @returns how many records need not be seen again */
  async function hand(Records: StreamRecord[]): Promise<number> {
    try {
      const { batchItemFailures } = await handler({ Records });
      const again = batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
      const first = Records.findIndex(({ dynamodb }) => again.includes(dynamodb.SequenceNumber));
      return first === -1 ? Records.length : first;
    } catch (error) {
      log.error('events could not be published', errorFields(error));
      return 0;
    }
  }

  const inTurn = turns();
  return {
    watch(client) {
      client.middlewareStack.add(
        (next, context) => (args) => {
          const write = writeOf(tableName, context.commandName ?? '', args.input);
          if (!write) return next(args);
          const { key, isUpdate, item, asked } = write;
          // What a write can say itself need not be read.
          const said = isUpdate ? 'ALL_NEW' : 'ALL_OLD';
          const isAsked = asked !== undefined && asked !== 'NONE';
          return inTurn(`${key['pk']} ${key['sk']}`, async () => {
            const read = isUpdate ? await readQuietly(key) : undefined;
            const result = await next({ ...args, input: { ...args.input, ReturnValues: isAsked ? asked : said } });
            const { Attributes, ...output } = result.output as { $metadata: object; Attributes?: Row };
            if (isUpdate) append(key, read, isAsked && asked !== said ? await readQuietly(key) : Attributes);
            else append(key, Attributes, item);
            return isAsked ? result : { ...result, output };
          });
        },
        { step: 'initialize', name: 'tableStream' },
      );
    },
    async drained() {
      while (delivering !== undefined) await delivering;
    },
    async close() {
      closing.abort();
      await delivering;
    },
  };
}

interface Write {
  readonly key: Row;
  readonly isUpdate: boolean;
  /** What the row becomes by a put. */
  readonly item: Row | undefined;
  readonly asked: string | undefined;
}

/** What a command does to a row that events are made of; undefined when it does nothing to one. */
function writeOf(tableName: string, commandName: string, input: object): Write | undefined {
  const given = input as { TableName?: string; Item?: Row; Key?: Row; ReturnValues?: string };
  if (given.TableName !== tableName || !/^(Put|Update|Delete)ItemCommand$/.test(commandName)) return undefined;
  const { pk, sk } = given.Item ?? given.Key ?? {};
  if (!(Object.values(toldKinds) as unknown[]).includes(sk)) return undefined;
  const isUpdate = commandName === 'UpdateItemCommand';
  return { key: { pk, sk }, isUpdate, item: given.Item, asked: given.ReturnValues };
}

/** Runs what concerns one key one after the other, or the images of two writes could be each other's. */
function turns() {
  const last = new Map<string, Promise<void>>();
  return async <Result>(key: string, work: () => Promise<Result>): Promise<Result> => {
    const before = last.get(key);
    const { promise: over, resolve } = Promise.withResolvers<void>();
    last.set(key, over);
    await before;
    try {
      return await work();
    } finally {
      if (last.get(key) === over) last.delete(key);
      resolve();
    }
  };
}
