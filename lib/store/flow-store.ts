import { PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { hashOf } from '../crypto.ts';
import { type ExchangedFlow, type Flow, type FlowOutcome, flowSchema, type RedeemedFlow } from '../flow/flow.ts';
import type { FlowFailureCode } from '../flow/flow-failure.ts';
import {
  type Database,
  getRow,
  ifConditionHolds,
  parseRow,
  type RowUpdate,
  schemaVersion,
  updateOf,
} from './database.ts';
import { keyOf } from './keys.ts';

/** What must be true of a flow for one hit to take it out of `ISSUED`. */
export interface RedeemConditions {
  readonly stage: Flow['stage'];
  readonly secretHash: string;
  readonly providerId: Flow['providerId'];
  readonly now: number;
}

export interface FlowStore {
  put(flow: Flow): Promise<void>;
  get(flowId: string): Promise<Flow | undefined>;
  /** The one write that makes a state single-use. @returns undefined when a condition did not hold */
  redeem(
    flowId: string,
    conditions: RedeemConditions,
    redeemed: { attempt: string; answerHash: string; leaseUntil: number; expiresAt: number },
  ): Promise<RedeemedFlow | undefined>;
  /** A provider's `error` ends the flow under the conditions of redeeming. */
  refuse(
    flowId: string,
    conditions: RedeemConditions,
    refused: FlowEnd & { answerHash: string },
  ): Promise<Flow | undefined>;
  /** Keeps the sealed exchange, for the attempt that made it only. */
  keepExchange(
    flow: RedeemedFlow,
    kept: { exchange: string; asOf: number; expiresAt: number; dueAt: string },
  ): Promise<ExchangedFlow | undefined>;
  complete(
    flow: ExchangedFlow,
    completed: { outcome: FlowOutcome; finishedAt: number; expiresAt: number },
  ): Promise<Flow | undefined>;
  /** Ends a flow that still is in the status (and, once redeemed, of the attempt) in which it was read. */
  fail(flow: Flow, end: FlowEnd): Promise<Flow | undefined>;
}

export interface FlowEnd {
  readonly failure: FlowFailureCode;
  readonly providerError: string | undefined;
  readonly finishedAt: number;
  /** Epoch seconds. */
  readonly expiresAt: number;
}

const redeemCondition =
  '#status = :issued AND #stage = :ofStage AND #secretHash = :ofSecret AND #providerId = :ofProvider AND #usableUntil > :now';

/** What is erased whenever a flow is over. */
const over = { exchange: undefined, dueBucket: undefined, dueAt: undefined } as const;

export function dynamoFlowStore(db: Database): FlowStore {
  async function update(flowId: string, row: RowUpdate): Promise<Flow | undefined> {
    const written = await ifConditionHolds(
      db.client.send(
        new UpdateCommand({
          TableName: db.tables.flows,
          Key: keyOf.flow(flowId),
          ...updateOf(row),
          ReturnValues: 'ALL_NEW',
        }),
      ),
    );
    return written?.Attributes && parseRow(flowSchema, written.Attributes);
  }
  const conditionValues = (conditions: RedeemConditions) => ({
    issued: 'ISSUED',
    ofStage: conditions.stage,
    ofSecret: conditions.secretHash,
    ofProvider: conditions.providerId,
    now: conditions.now,
  });
  return {
    async put(flow) {
      await db.client.send(
        new PutCommand({
          TableName: db.tables.flows,
          Item: { ...keyOf.flow(flow.flowId), schemaVersion, ...flow },
          // The SDK repeats a write whose answer was lost; the row is then this one already.
          ConditionExpression: 'attribute_not_exists(pk) OR secretHash = :mine',
          ExpressionAttributeValues: { ':mine': flow.secretHash },
        }),
      );
    },
    get: (flowId) => getRow(db, 'flows', keyOf.flow(flowId), flowSchema),
    async redeem(flowId, conditions, redeemed) {
      const flow = await update(flowId, {
        set: { status: 'REDEEMING', ...redeemed },
        condition: redeemCondition,
        values: conditionValues(conditions),
      });
      return flow as RedeemedFlow | undefined;
    },
    refuse: (flowId, conditions, refused) =>
      update(flowId, {
        set: { status: 'FAILED', ...refused },
        condition: redeemCondition,
        values: conditionValues(conditions),
      }),
    async keepExchange(flow, kept) {
      const exchanged = await update(flow.flowId, {
        set: { status: 'EXCHANGED', dueBucket: dueBucketOf(flow.flowId), ...kept },
        // The second half: the SDK repeats a write whose answer was lost.
        condition: '#attempt = :mine AND (#status = :redeeming OR (#status = :status AND #asOf = :asOf))',
        values: { redeeming: 'REDEEMING', mine: flow.attempt },
      });
      return exchanged as ExchangedFlow | undefined;
    },
    complete: (flow, completed) =>
      update(flow.flowId, {
        set: { status: 'COMPLETED', ...completed, ...over },
        condition: '#status = :exchanged AND #attempt = :mine',
        values: { exchanged: 'EXCHANGED', mine: flow.attempt },
      }),
    async fail(flow, end) {
      // What is over stays as it ended.
      if (flow.status === 'COMPLETED' || flow.status === 'FAILED') return undefined;
      return update(flow.flowId, {
        set: { status: 'FAILED', ...end, ...over },
        condition: flow.attempt === undefined ? '#status = :was' : '#status = :was AND #attempt = :mine',
        values: { was: flow.status, ...(flow.attempt === undefined ? {} : { mine: flow.attempt }) },
      });
    },
  };
}

const dueBuckets = 4;

/** Spreads what the sweep has to look at over a few partitions of the index. */
function dueBucketOf(flowId: string): string {
  return `flow#${Number.parseInt(hashOf(flowId).slice(0, 2), 16) % dueBuckets}`;
}
