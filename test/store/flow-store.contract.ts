import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { GetCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, it } from 'vitest';
import type { Flow } from '../../lib/flow/flow.ts';
import type { Database } from '../../lib/store/database.ts';
import { dynamoFlowStore, type FlowEnd, type FlowStore, type RedeemConditions } from '../../lib/store/flow-store.ts';
import { aFlow, builtAt } from '../support/builders.ts';

const later = builtAt / 1000 + 86_400;

function conditionsOf(flow: Flow, overrides: Partial<RedeemConditions> = {}): RedeemConditions {
  const { stage, secretHash, providerId } = flow;
  return { stage, secretHash, providerId, now: builtAt, ...overrides };
}

function redemption(attempt = 'attempt-1') {
  return {
    attempt,
    answerHash: 'answer-hash',
    leaseUntil: builtAt + 10_000,
    dueAt: new Date(builtAt + 15_000).toISOString(),
    expiresAt: later,
  };
}

const kept = { exchange: 'sealed-exchange', asOf: builtAt + 50, expiresAt: later, dueAt: 'due' };
const completion = {
  outcome: { endpointIdentifiers: [], account: { id: 'T0ACME' } },
  finishedAt: builtAt + 100,
  expiresAt: later,
};
const end: FlowEnd = {
  failure: 'access_denied',
  providerError: 'access_denied',
  finishedAt: builtAt + 100,
  expiresAt: later,
};

export function describeFlowStore(database: () => Database): void {
  describe('dynamoFlowStore', () => {
    async function issued(overrides: Partial<Flow> = {}) {
      const flows = dynamoFlowStore(database());
      const flow = aFlow(overrides);
      await flows.put(flow);
      return { flows, flow };
    }

    async function redeemed() {
      const { flows, flow } = await issued();
      const redeemedFlow = await flows.redeem(flow.flowId, conditionsOf(flow), redemption());
      if (!redeemedFlow) throw new Error('the flow was not redeemed');
      return { flows, flow: redeemedFlow };
    }

    async function exchanged() {
      const { flows, flow } = await redeemed();
      const exchangedFlow = await flows.keepExchange(flow, kept);
      if (!exchangedFlow) throw new Error('the exchange was not kept');
      return { flows, flow: exchangedFlow };
    }

    async function completed() {
      const { flows, flow } = await exchanged();
      const completedFlow = await flows.complete(flow, completion);
      if (!completedFlow) throw new Error('the flow was not completed');
      return { flows, flow: completedFlow };
    }

    async function rawRow(flowId: string) {
      const { client, tables } = database();
      const { Item } = await client.send(
        new GetCommand({ TableName: tables.flows, Key: { pk: `F#${flowId}` }, ConsistentRead: true }),
      );
      return Item;
    }

    describe('put', () => {
      it('keeps a flow as it was given', async () => {
        const { flows, flow } = await issued({ returnUrl: 'https://product.example/done' });

        expect(await flows.get(flow.flowId)).toEqual(flow);
      });

      it('refuses a second flow of the same id', async () => {
        const { flows, flow } = await issued();

        const second = flows.put({ ...flow, secretHash: 'other' });

        await expect(second).rejects.toThrow(ConditionalCheckFailedException);
        expect(await flows.get(flow.flowId)).toEqual(flow);
      });

      it('is put again by a writer whose answer was lost', async () => {
        const { flows, flow } = await issued();

        await flows.put(flow);

        expect(await flows.get(flow.flowId)).toEqual(flow);
      });
    });

    describe('putIfAbsent', () => {
      it('writes a flow once, and leaves it as it is from then on', async () => {
        const flows = dynamoFlowStore(database());
        const flow = aFlow();
        await flows.putIfAbsent(flow);
        await flows.refuse(flow.flowId, conditionsOf(flow), { ...end, answerHash: 'answer-hash' });

        await flows.putIfAbsent(flow);

        expect(await flows.get(flow.flowId)).toMatchObject({ status: 'FAILED', secretHash: flow.secretHash });
      });
    });

    describe('get', () => {
      it('finds nothing under an unknown id', async () => {
        const flows = dynamoFlowStore(database());

        expect(await flows.get('unknown')).toBeUndefined();
      });
    });

    describe('redeem', () => {
      it('takes a flow out of ISSUED and records the attempt', async () => {
        const { flows, flow } = await issued();

        const redeemedFlow = await flows.redeem(flow.flowId, conditionsOf(flow), redemption());

        expect(redeemedFlow).toEqual({ ...flow, status: 'REDEEMING', ...redemption() });
        expect(await flows.get(flow.flowId)).toEqual(redeemedFlow);
      });

      it('lets exactly one of 50 parallel hits have the flow', async () => {
        const { flows, flow } = await issued();

        const results = await Promise.all(
          Array.from({ length: 50 }, (_, index) =>
            flows.redeem(flow.flowId, conditionsOf(flow), redemption(`attempt-${index}`)),
          ),
        );

        const winners = results.filter((result) => result !== undefined);
        expect(winners).toHaveLength(1);
        expect((await flows.get(flow.flowId))?.attempt).toBe(winners[0]?.attempt);
      });

      it('accepts a flow up to the last millisecond before usableUntil', async () => {
        const { flows, flow } = await issued();
        const conditions = conditionsOf(flow, { now: flow.usableUntil - 1 });

        expect(await flows.redeem(flow.flowId, conditions, redemption())).toMatchObject({ status: 'REDEEMING' });
      });

      it.each<[string, (flow: Flow) => Partial<RedeemConditions>]>([
        ['of another stage', () => ({ stage: 'sign_in' as Flow['stage'] })],
        ['with another secret', () => ({ secretHash: 'other' })],
        ['of another provider', () => ({ providerId: 'msteams' })],
        ['exactly at usableUntil', (flow) => ({ now: flow.usableUntil })],
        ['after usableUntil', (flow) => ({ now: flow.usableUntil + 1 })],
      ])('refuses a hit %s and leaves the flow as it was', async (_, wrong) => {
        const { flows, flow } = await issued();

        const result = await flows.redeem(flow.flowId, conditionsOf(flow, wrong(flow)), redemption());

        expect(result).toBeUndefined();
        expect(await flows.get(flow.flowId)).toEqual(flow);
      });

      it.each(['REDEEMING', 'EXCHANGED', 'COMPLETED', 'FAILED'] as const)(
        'refuses a flow that is %s',
        async (status) => {
          const { flows, flow } = await issued({ status });

          const result = await flows.redeem(flow.flowId, conditionsOf(flow), redemption());

          expect(result).toBeUndefined();
          expect(await flows.get(flow.flowId)).toEqual(flow);
        },
      );

      it('does not bring a flow into being', async () => {
        const flows = dynamoFlowStore(database());
        const flow = aFlow();

        expect(await flows.redeem(flow.flowId, conditionsOf(flow), redemption())).toBeUndefined();
        expect(await flows.get(flow.flowId)).toBeUndefined();
      });
    });

    describe('begin', () => {
      const bound = {
        binding: 'browser',
        stage: 'start',
        ticketHash: 'ticket',
        ticketUsableUntil: builtAt + 1,
      } as const;
      const ticket = { ticketHash: 'ticket', now: builtAt };
      const next = {
        stage: 'authorize',
        secretHash: 'state',
        cookieHash: 'cookie',
        usableUntil: builtAt + 600_000,
        expiresAt: later,
      } as const;

      it('moves a flow to the provider under a new state and cookie, and again, until it is redeemed', async () => {
        const { flows, flow } = await issued(bound);

        const begun = await flows.begin(flow.flowId, ticket, next);
        const again = await flows.begin(flow.flowId, ticket, {
          ...next,
          secretHash: 'state-2',
          cookieHash: 'cookie-2',
        });
        const first = await flows.redeem(flow.flowId, conditionsOf({ ...flow, ...next }), redemption());
        const conditions = conditionsOf({ ...flow, ...next, secretHash: 'state-2' }, { cookieHash: 'cookie-2' });
        const redeemedFlow = await flows.redeem(flow.flowId, conditions, redemption());
        const late = await flows.begin(flow.flowId, ticket, next);

        expect(begun).toEqual({ ...flow, ...next });
        expect(again).toMatchObject({ secretHash: 'state-2', cookieHash: 'cookie-2' });
        expect(first).toBeUndefined();
        expect(redeemedFlow?.status).toBe('REDEEMING');
        expect(late).toBeUndefined();
      });

      it('goes back to the first step, and forgets what was claimed in it', async () => {
        const { flows, flow } = await issued({
          ...bound,
          stage: 'sign_in',
          consentSecretHash: 'consent',
          claimedTenantId: 'tenant',
        });

        const begun = await flows.begin(flow.flowId, ticket, { ...next, stage: 'consent' });

        const { consentSecretHash, claimedTenantId, ...rest } = flow;
        expect(begun).toEqual({ ...rest, ...next, stage: 'consent' });
      });

      it.each([
        ['another ticket', bound, { ...ticket, ticketHash: 'other' }],
        ['a link that has ended', bound, { ...ticket, now: builtAt + 1 }],
        ['a flow without a start link', {}, ticket],
      ])('refuses %s', async (_, overrides: Partial<Flow>, conditions) => {
        const { flows, flow } = await issued(overrides);

        expect(await flows.begin(flow.flowId, conditions, next)).toBeUndefined();
        expect(await flows.get(flow.flowId)).toEqual(flow);
      });
    });

    describe('a flow that is bound to a browser', () => {
      const conditions = (flow: Flow) => [conditionsOf(flow), conditionsOf(flow, { cookieHash: 'other' })];

      it('is neither redeemed, refused nor moved on without its cookie', async () => {
        const { flows, flow } = await issued({ binding: 'browser', cookieHash: 'cookie' });
        const consent = { ...flow, ...aFlow({ binding: 'browser', stage: 'consent', cookieHash: 'cookie' }) };
        await flows.put(consent);
        const next = {
          secretHash: 'second',
          consentSecretHash: consent.secretHash,
          claimedTenantId: 'tenant',
          usableUntil: builtAt + 600_000,
          expiresAt: later,
        };

        for (const wrong of conditions(flow)) {
          expect(await flows.redeem(flow.flowId, wrong, redemption())).toBeUndefined();
          expect(await flows.refuse(flow.flowId, wrong, { ...end, answerHash: 'a' })).toBeUndefined();
        }
        for (const wrong of conditions(consent)) {
          expect(await flows.beginSignIn(consent.flowId, wrong, next)).toBeUndefined();
        }
        const begun = await flows.beginSignIn(consent.flowId, conditionsOf(consent, { cookieHash: 'cookie' }), next);
        const repeat = { ...next, now: builtAt };
        expect(await flows.repeatSignIn(consent.flowId, repeat, 'third')).toBeUndefined();
        expect(await flows.repeatSignIn(consent.flowId, { ...repeat, cookieHash: 'other' }, 'third')).toBeUndefined();

        expect(await flows.get(flow.flowId)).toEqual(flow);
        expect(await flows.get(consent.flowId)).toEqual(begun);
      });

      it('is redeemed with it', async () => {
        const { flows, flow } = await issued({ binding: 'browser', cookieHash: 'cookie' });

        const redeemedFlow = await flows.redeem(
          flow.flowId,
          conditionsOf(flow, { cookieHash: 'cookie' }),
          redemption(),
        );

        expect(redeemedFlow?.status).toBe('REDEEMING');
      });
    });

    describe('refuse', () => {
      const refusal = { ...end, answerHash: 'answer-hash' };

      it('ends an issued flow with what the provider said', async () => {
        const { flows, flow } = await issued();

        const refused = await flows.refuse(flow.flowId, conditionsOf(flow), refusal);

        expect(refused).toEqual({ ...flow, status: 'FAILED', ...refusal });
      });

      it.each<[string, (flow: Flow) => Partial<RedeemConditions>]>([
        ['another stage', () => ({ stage: 'sign_in' as Flow['stage'] })],
        ['another secret', () => ({ secretHash: 'other' })],
        ['another provider', () => ({ providerId: 'msteams' })],
        ['a time at usableUntil', (flow) => ({ now: flow.usableUntil })],
      ])('leaves the flow alone under %s', async (_, wrong) => {
        const { flows, flow } = await issued();

        expect(await flows.refuse(flow.flowId, conditionsOf(flow, wrong(flow)), refusal)).toBeUndefined();
        expect(await flows.get(flow.flowId)).toEqual(flow);
      });

      it('loses to a hit that has redeemed', async () => {
        const { flows, flow } = await redeemed();

        expect(await flows.refuse(flow.flowId, conditionsOf(flow), refusal)).toBeUndefined();
        expect(await flows.get(flow.flowId)).toEqual(flow);
      });

      it('shuts out every later redeeming', async () => {
        const { flows, flow } = await issued();
        await flows.refuse(flow.flowId, conditionsOf(flow), refusal);

        expect(await flows.redeem(flow.flowId, conditionsOf(flow), redemption())).toBeUndefined();
      });
    });

    describe('keepExchange', () => {
      it('keeps the sealed exchange and makes the flow due for the sweep', async () => {
        const { flows, flow } = await redeemed();

        const exchangedFlow = await flows.keepExchange(flow, kept);

        expect(exchangedFlow).toEqual({ ...flow, status: 'EXCHANGED', ...kept });
        expect(await rawRow(flow.flowId)).toMatchObject({
          dueBucket: expect.stringMatching(/^flow#[0-3]$/),
          dueAt: kept.dueAt,
        });
      });

      it('refuses an attempt that does not own the flow', async () => {
        const { flows, flow } = await redeemed();

        expect(await flows.keepExchange({ ...flow, attempt: 'attempt-2' }, kept)).toBeUndefined();
        expect(await flows.get(flow.flowId)).toEqual(flow);
      });

      it('refuses the owner once the flow has left REDEEMING', async () => {
        const { flows, flow } = await redeemed();
        const failed = await flows.fail(flow, end);

        expect(await flows.keepExchange(flow, kept)).toBeUndefined();
        expect(await flows.get(flow.flowId)).toEqual(failed);
      });

      it('does not exchange a second answer for the first', async () => {
        const { flows, flow } = await redeemed();
        const exchangedFlow = await flows.keepExchange(flow, kept);

        expect(await flows.keepExchange(flow, { ...kept, exchange: 'second', asOf: kept.asOf + 1 })).toBeUndefined();
        expect(await flows.get(flow.flowId)).toEqual(exchangedFlow);
      });

      it('keeps the exchange again for a writer whose answer was lost', async () => {
        const { flows, flow } = await redeemed();
        const exchangedFlow = await flows.keepExchange(flow, kept);

        expect(await flows.keepExchange(flow, kept)).toEqual(exchangedFlow);
      });
    });

    describe('the confirmation', () => {
      const until = builtAt + 600_000;
      const waiting = { confirmHash: 'handle', usableUntil: until, dueAt: 'later', expiresAt: later };
      const given = { confirmHash: 'handle', now: builtAt + 1_000 };
      const confirmed = { confirmedAt: builtAt + 1_000, dueAt: 'soon', expiresAt: later };
      const decided = { failure: 'confirmation_missing', dueAt: 'soon' } as const;

      async function awaiting() {
        const { flows, flow } = await exchanged();
        const awaitingFlow = await flows.awaitConfirmation(flow, waiting);
        if (!awaitingFlow) throw new Error('the flow does not wait');
        return { flows, flow: awaitingFlow };
      }

      it('is waited for with the exchange sealed', async () => {
        const { flows, flow } = await exchanged();

        const awaitingFlow = await flows.awaitConfirmation(flow, waiting);

        expect(awaitingFlow).toEqual({ ...flow, status: 'AWAITING_CONFIRMATION', ...waiting });
      });

      it('is waited for with the first handle, also when the answer to that write was lost', async () => {
        const { flows, flow } = await awaiting();

        const other = await flows.awaitConfirmation(flow, { ...waiting, confirmHash: 'other' });
        const same = await flows.awaitConfirmation(flow, waiting);

        expect(other).toBeUndefined();
        expect(same).toEqual(flow);
      });

      it('takes the flow back to EXCHANGED once', async () => {
        const { flows, flow } = await awaiting();

        const results = await Promise.all(
          Array.from({ length: 10 }, () => flows.confirm(flow.flowId, given, confirmed)),
        );

        expect(results.filter((result) => result !== undefined)).toEqual([
          { ...flow, status: 'EXCHANGED', ...confirmed },
        ]);
      });

      it('leaves nothing to wait for, and nothing to give up', async () => {
        const { flows, flow } = await awaiting();
        const confirmedFlow = await flows.confirm(flow.flowId, given, confirmed);

        expect(await flows.awaitConfirmation(flow, waiting)).toBeUndefined();
        expect(await flows.replaceHandle(flow, 'other')).toBeUndefined();
        expect(await flows.decideFailure(flow, decided)).toBeUndefined();
        expect(await flows.get(flow.flowId)).toEqual(confirmedFlow);
      });

      it.each([
        ['with another handle', { ...given, confirmHash: 'other' }],
        ['at its end', { ...given, now: until }],
      ])('%s is refused', async (_, wrong) => {
        const { flows, flow } = await awaiting();

        expect(await flows.confirm(flow.flowId, wrong, confirmed)).toBeUndefined();
        expect(await flows.get(flow.flowId)).toEqual(flow);
      });

      it('takes the handle given last', async () => {
        const { flows, flow } = await awaiting();

        const renewed = await flows.replaceHandle(flow, 'second');

        expect(renewed).toEqual({ ...flow, confirmHash: 'second' });
        expect(await flows.confirm(flow.flowId, given, confirmed)).toBeUndefined();
        expect(await flows.confirm(flow.flowId, { ...given, confirmHash: 'second' }, confirmed)).toBeDefined();
      });

      it.each([
        ['waits', awaiting],
        ['was cut off before it waited', exchanged],
      ])('of a flow that %s can be given up, with the exchange sealed', async (_, setup) => {
        const { flows, flow } = await setup();

        const givenUp = await flows.decideFailure(flow, decided);

        expect(givenUp).toEqual({ ...flow, status: 'EXCHANGED', ...decided });
        expect(await flows.decideFailure(flow, { ...decided, failure: 'confirmation_mismatch' })).toBeUndefined();
        expect(await flows.confirm(flow.flowId, given, confirmed)).toBeUndefined();
        expect(await flows.awaitConfirmation(flow, waiting)).toBeUndefined();
        expect((await flows.fail(givenUp as Flow, end))?.status).toBe('FAILED');
      });

      it('is nothing for a flow of another attempt, or one that is over', async () => {
        const { flows, flow } = await awaiting();
        const other = { ...flow, attempt: 'other' };

        expect(await flows.awaitConfirmation(other, { ...waiting, confirmHash: 'other' })).toBeUndefined();
        expect(await flows.replaceHandle(other, 'other')).toBeUndefined();
        expect(await flows.decideFailure(other, decided)).toBeUndefined();
        expect(await flows.complete(flow, completion)).toBeUndefined();
        await flows.fail(flow, end);
        expect(await flows.confirm(flow.flowId, given, confirmed)).toBeUndefined();
      });
    });

    describe('complete', () => {
      it('keeps the outcome and erases the exchange and what made the flow due', async () => {
        const { flows, flow } = await exchanged();

        const completedFlow = await flows.complete(flow, completion);

        const { exchange, dueAt, ...rest } = flow;
        expect(completedFlow).toEqual({ ...rest, status: 'COMPLETED', ...completion });
        const row = await rawRow(flow.flowId);
        expect(row).not.toHaveProperty('exchange');
        expect(row).not.toHaveProperty('dueBucket');
        expect(row).not.toHaveProperty('dueAt');
      });

      it('lets exactly one of several finishers write the outcome', async () => {
        const { flows, flow } = await exchanged();

        const results = await Promise.all(Array.from({ length: 10 }, () => flows.complete(flow, completion)));

        expect(results.filter((result) => result !== undefined)).toHaveLength(1);
      });

      it.each<[string, () => Promise<{ flows: FlowStore; flow: Flow }>]>([
        ['an issued', issued],
        ['a redeemed', redeemed],
        ['a completed', completed],
      ])('refuses %s flow', async (_, setup) => {
        const { flows, flow } = await setup();
        const unexchanged = { ...flow, attempt: 'attempt-1', exchange: 'none', asOf: 0 };

        expect(await flows.complete(unexchanged, { ...completion, finishedAt: 1 })).toBeUndefined();
        expect(await flows.get(flow.flowId)).toEqual(flow);
      });

      it('refuses an attempt that does not own the flow', async () => {
        const { flows, flow } = await exchanged();

        expect(await flows.complete({ ...flow, attempt: 'attempt-2' }, completion)).toBeUndefined();
        expect(await flows.get(flow.flowId)).toEqual(flow);
      });
    });

    describe('fail', () => {
      it.each<[string, () => Promise<{ flows: FlowStore; flow: Flow }>]>([
        ['an issued', issued],
        ['a redeemed', redeemed],
        ['an exchanged', exchanged],
      ])('ends %s flow and erases what must not outlive it', async (_, setup) => {
        const { flows, flow } = await setup();

        const failed = await flows.fail(flow, end);

        const { exchange, dueAt, ...rest } = flow;
        expect(failed).toEqual({ ...rest, status: 'FAILED', ...end });
        const row = await rawRow(flow.flowId);
        for (const erased of ['exchange', 'dueBucket', 'dueAt']) expect(row).not.toHaveProperty(erased);
      });

      it('loses to whoever moved the flow on since it was read', async () => {
        const { flows, flow: read } = await issued();
        await flows.redeem(read.flowId, conditionsOf(read), redemption());

        expect(await flows.fail(read, end)).toBeUndefined();
        expect(await flows.get(read.flowId)).toMatchObject({ status: 'REDEEMING' });
      });

      it('loses to an exchange that was kept since the flow was read', async () => {
        const { flows, flow: read } = await redeemed();
        const exchangedFlow = await flows.keepExchange(read, kept);

        expect(await flows.fail(read, end)).toBeUndefined();
        expect(await flows.get(read.flowId)).toEqual(exchangedFlow);
      });

      it('refuses an attempt that does not own the flow', async () => {
        const { flows, flow } = await redeemed();

        expect(await flows.fail({ ...flow, attempt: 'attempt-2' }, end)).toBeUndefined();
        expect(await flows.get(flow.flowId)).toEqual(flow);
      });

      it('never fails a completed flow', async () => {
        const { flows, flow } = await completed();

        expect(await flows.fail(flow, end)).toBeUndefined();
        expect(await flows.get(flow.flowId)).toEqual(flow);
      });

      it('keeps the first reason of a flow that has failed', async () => {
        const { flows, flow } = await redeemed();
        const failed = await flows.fail(flow, end);
        if (!failed) throw new Error('the flow did not fail');

        expect(await flows.fail(failed, { ...end, failure: 'wrong_app' })).toBeUndefined();
        expect(await flows.get(flow.flowId)).toEqual(failed);
      });
    });
  });
}
