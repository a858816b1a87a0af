import { PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import {
  type AwaitingFlow,
  type ExchangedFlow,
  type FinishableFlow,
  type Flow,
  type FlowOutcome,
  flowSchema,
  type Pending,
  type PendingFlow,
  type RedeemedFlow,
} from '../flow/flow.ts';
import type { FlowFailureCode } from '../flow/flow-failure.ts';
import {
  type Database,
  getRow,
  ifConditionHolds,
  parseRow,
  type RowUpdate,
  readableRow,
  schemaVersion,
  updateOf,
} from './database.ts';
import { dueBucketOf, takeDueRows } from './due.ts';
import { keyOf } from './keys.ts';

/** What must be true of a flow for one hit to take it out of `ISSUED`. */
export interface RedeemConditions {
  readonly stage: Flow['stage'];
  readonly secretHash: string;
  readonly providerId: Flow['providerId'];
  /** Of the cookie that the browser brought; without one, only a flow of the binding `direct` can be meant. */
  readonly cookieHash?: string | undefined;
  readonly now: number;
}

export interface FlowStore {
  put(flow: Flow): Promise<void>;
  /** Writes a flow whose id is derived, unless it is there already, in whatever state. */
  putIfAbsent(flow: Flow): Promise<void>;
  get(flowId: string): Promise<Flow | undefined>;
  /**
   * Gives the bearer of the start link the provider's first step, under a new state and cookie. Whoever had begun it
   * before is out, wherever they were, unless their flow is redeemed already.
   */
  begin(
    flowId: string,
    conditions: { ticketHash: string; now: number },
    next: Required<Pick<Flow, 'stage' | 'secretHash' | 'cookieHash' | 'usableUntil' | 'expiresAt'>>,
  ): Promise<Flow | undefined>;
  /** Moves a flow whose consent step was answered on to its sign-in, under a new secret. */
  beginSignIn(
    flowId: string,
    conditions: RedeemConditions,
    next: Required<Pick<Flow, 'secretHash' | 'consentSecretHash' | 'claimedTenantId' | 'usableUntil' | 'expiresAt'>>,
  ): Promise<Flow | undefined>;
  /** The same answer to the consent step again, while nobody has signed in: the sign-in gets another secret. */
  repeatSignIn(
    flowId: string,
    conditions: { consentSecretHash: string; claimedTenantId: string; cookieHash?: string | undefined; now: number },
    secretHash: string,
  ): Promise<Flow | undefined>;
  /** The one write that makes a state single-use. @returns undefined when a condition did not hold */
  redeem(
    flowId: string,
    conditions: RedeemConditions,
    redeemed: { attempt: string; answerHash: string; leaseUntil: number; expiresAt: number; dueAt: string },
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
  /** Lets a sealed exchange wait for the product's confirmation, which is given with a handle. */
  awaitConfirmation(
    flow: ExchangedFlow,
    waiting: { confirmHash: string; usableUntil: number; dueAt: string; expiresAt: number },
  ): Promise<AwaitingFlow | undefined>;
  /** Another handle for the same wait. */
  replaceHandle(flow: AwaitingFlow, confirmHash: string): Promise<AwaitingFlow | undefined>;
  /** The one write after which a flow may be finished, from its sealed exchange. */
  confirm(
    flowId: string,
    conditions: { confirmHash: string; now: number },
    confirmed: { confirmedAt: number; dueAt: string; expiresAt: number },
  ): Promise<ExchangedFlow | undefined>;
  /** Decides how a flow that nobody has confirmed ends; its exchange stays sealed until what it holds is let go. */
  decideFailure(
    flow: ExchangedFlow,
    decided: { failure: FlowFailureCode; dueAt: string },
  ): Promise<ExchangedFlow | undefined>;
  /** Lets a flow wait for the provider; its sealed answer is erased. */
  hold(
    flow: FinishableFlow,
    held: { pending: Pending; outcome?: FlowOutcome; dueAt: string; expiresAt: number },
  ): Promise<PendingFlow | undefined>;
  /** Counts a try that did not help, or begins the next wait; of several at once, one does. */
  postpone(
    flow: PendingFlow,
    next: { pending: Pending; outcome?: FlowOutcome; dueAt: string; expiresAt?: number },
  ): Promise<PendingFlow | undefined>;
  complete(
    flow: FinishableFlow,
    completed: { outcome: FlowOutcome; finishedAt: number; expiresAt: number },
  ): Promise<Flow | undefined>;
  /** Ends a flow that still is in the status (once redeemed of the attempt, once pending at the try) in which it was read. */
  fail(flow: Flow, end: FlowEnd): Promise<Flow | undefined>;
  /**
   * Flows whose time to be looked at has come, from an index that may lag; only those that are not over. Each is put off
   * by a minute first, so that one in trouble neither stays at the head of the queue nor is taken twice.
   */
  takeDue(now: number, limit: number): Promise<Flow[]>;
}

export interface FlowEnd {
  readonly failure: FlowFailureCode;
  readonly providerError: string | undefined;
  readonly correlationId?: string | undefined;
  readonly finishedAt: number;
  /** Epoch seconds. */
  readonly expiresAt: number;
}

const browserCondition = '(#binding = :direct OR #cookieHash = :ofCookie)';

/** A missing cookie is one that no flow has. */
const browserValues = (cookieHash: string | undefined) => ({ direct: 'direct', ofCookie: cookieHash ?? 'none' });

const redeemCondition = `#status = :issued AND #stage = :ofStage AND #secretHash = :ofSecret AND #providerId = :ofProvider AND #usableUntil > :now AND ${browserCondition}`;

/** What is erased whenever a flow is over. */
const over = { exchange: undefined, pending: undefined, dueBucket: undefined, dueAt: undefined } as const;

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
    ...browserValues(conditions.cookieHash),
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
    async putIfAbsent(flow) {
      await ifConditionHolds(
        db.client.send(
          new PutCommand({
            TableName: db.tables.flows,
            Item: { ...keyOf.flow(flow.flowId), schemaVersion, ...flow },
            ConditionExpression: 'attribute_not_exists(pk)',
          }),
        ),
      );
    },
    get: (flowId) => getRow(db, 'flows', keyOf.flow(flowId), flowSchema),
    begin: (flowId, { ticketHash, now }, next) =>
      update(flowId, {
        set: { ...next, consentSecretHash: undefined, claimedTenantId: undefined },
        condition: '#status = :issued AND #ticketHash = :ticket AND #ticketUsableUntil > :now',
        values: { issued: 'ISSUED', ticket: ticketHash, now },
      }),
    beginSignIn: (flowId, conditions, next) =>
      update(flowId, {
        set: { stage: 'sign_in', ...next },
        condition: redeemCondition,
        values: conditionValues(conditions),
      }),
    repeatSignIn: (flowId, { consentSecretHash, claimedTenantId, cookieHash, now }, secretHash) =>
      update(flowId, {
        set: { secretHash },
        condition: `#status = :issued AND #stage = :signIn AND #consentSecretHash = :consent AND #claimedTenantId = :tenant AND #usableUntil > :now AND ${browserCondition}`,
        values: {
          issued: 'ISSUED',
          signIn: 'sign_in',
          consent: consentSecretHash,
          tenant: claimedTenantId,
          now,
          ...browserValues(cookieHash),
        },
      }),
    async redeem(flowId, conditions, redeemed) {
      const flow = await update(flowId, {
        set: { status: 'REDEEMING', dueBucket: dueBucketOf('flow', flowId), ...redeemed },
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
        set: { status: 'EXCHANGED', ...kept },
        // The second half: the SDK repeats a write whose answer was lost.
        condition: '#attempt = :mine AND (#status = :redeeming OR (#status = :status AND #asOf = :asOf))',
        values: { redeeming: 'REDEEMING', mine: flow.attempt },
      });
      return exchanged as ExchangedFlow | undefined;
    },
    async awaitConfirmation(flow, waiting) {
      const awaiting = await update(flow.flowId, {
        set: { status: 'AWAITING_CONFIRMATION', ...waiting },
        // The last part: the SDK repeats a write whose answer was lost.
        condition:
          '#attempt = :mine AND ((#status = :exchanged AND attribute_not_exists(#confirmedAt) AND attribute_not_exists(#failure)) OR (#status = :status AND #confirmHash = :confirmHash))',
        values: { mine: flow.attempt, exchanged: 'EXCHANGED' },
      });
      return awaiting as AwaitingFlow | undefined;
    },
    async replaceHandle(flow, confirmHash) {
      const renewed = await update(flow.flowId, {
        set: { confirmHash },
        condition: '#status = :awaiting AND #attempt = :mine',
        values: { awaiting: 'AWAITING_CONFIRMATION', mine: flow.attempt },
      });
      return renewed as AwaitingFlow | undefined;
    },
    async confirm(flowId, { confirmHash, now }, confirmed) {
      const exchanged = await update(flowId, {
        set: { status: 'EXCHANGED', ...confirmed },
        condition: '#status = :awaiting AND #confirmHash = :given AND #usableUntil > :now',
        values: { awaiting: 'AWAITING_CONFIRMATION', given: confirmHash, now },
      });
      return exchanged as ExchangedFlow | undefined;
    },
    async decideFailure(flow, decided) {
      const exchanged = await update(flow.flowId, {
        set: { status: 'EXCHANGED', ...decided },
        condition:
          '#attempt = :mine AND #status IN (:awaiting, :exchanged) AND attribute_not_exists(#confirmedAt) AND attribute_not_exists(#failure)',
        values: { mine: flow.attempt, awaiting: 'AWAITING_CONFIRMATION', exchanged: 'EXCHANGED' },
      });
      return exchanged as ExchangedFlow | undefined;
    },
    async hold(flow, held) {
      const pending = await update(flow.flowId, {
        set: { status: 'PENDING', exchange: undefined, ...held },
        condition: '#status = :exchanged AND #attempt = :mine',
        values: { exchanged: 'EXCHANGED', mine: flow.attempt },
      });
      return pending as PendingFlow | undefined;
    },
    async postpone(flow, next) {
      const pending = await update(flow.flowId, {
        set: next,
        condition: '#status = :held AND #pending.tries = :read',
        values: { held: 'PENDING', read: flow.pending.tries },
      });
      return pending as PendingFlow | undefined;
    },
    complete: (flow, completed) =>
      update(flow.flowId, {
        set: { status: 'COMPLETED', ...completed, ...over },
        condition: '#status IN (:exchanged, :held) AND #attempt = :mine',
        values: { exchanged: 'EXCHANGED', held: 'PENDING', mine: flow.attempt },
      }),
    async fail(flow, end) {
      // What is over stays as it ended.
      if (flow.status === 'COMPLETED' || flow.status === 'FAILED') return undefined;
      const { status: was, attempt: mine, pending } = flow;
      return update(flow.flowId, {
        set: { status: 'FAILED', ...end, ...over },
        condition: [
          '#status = :was',
          ...(mine === undefined ? [] : ['#attempt = :mine']),
          ...(pending === undefined ? [] : ['#pending.tries = :read']),
        ].join(' AND '),
        values: {
          was,
          ...(mine === undefined ? {} : { mine }),
          ...(pending === undefined ? {} : { read: pending.tries }),
        },
      });
    },
    async takeDue(now, limit) {
      const rows = await takeDueRows(db, 'flows', 'flow', now, limit);
      return rows.flatMap((row) => {
        const flow = readableRow(flowSchema, row);
        return flow && openStatuses.includes(flow.status) ? [flow] : [];
      });
    },
  };
}

const openStatuses = ['REDEEMING', 'EXCHANGED', 'AWAITING_CONFIRMATION', 'PENDING'];
