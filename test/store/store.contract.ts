import { afterAll, beforeAll, describe } from 'vitest';
import type { TestDatabase } from '../support/embedded-store.ts';
import { describeAliases } from './alias.contract.ts';
import { describeChecks } from './checks.contract.ts';
import { describeConnectionStore } from './connection-store.contract.ts';
import { describeEndpointStore } from './endpoint-store.contract.ts';
import { describeApiKeyStore, describeEnvironmentStore } from './environment-store.contract.ts';
import { describeFlowStore } from './flow-store.contract.ts';
import { describeGrantStore } from './grant-store.contract.ts';
import { describeIdempotency } from './idempotency-store.contract.ts';
import { describeIntegrationStore } from './integration-store.contract.ts';
import { describeLists } from './list.contract.ts';
import { describeListRoute } from './list-route.contract.ts';
import { describeSeenEventStore } from './seen-event-store.contract.ts';

/** What every store does, on whatever speaks DynamoDB. Its tests share one database, each in environments of its own. */
export function describeStores(name: string, openDatabase: () => Promise<TestDatabase>): void {
  describe(`the stores on ${name}`, () => {
    let database: TestDatabase;
    const theDatabase = () => database;

    beforeAll(async () => {
      database = await openDatabase();
    });

    afterAll(() => database.close());

    describeFlowStore(theDatabase);
    describeGrantStore(theDatabase);
    describeChecks(theDatabase);
    describeConnectionStore(theDatabase);
    describeAliases(theDatabase);
    describeEndpointStore(theDatabase);
    describeIdempotency(theDatabase);
    describeIntegrationStore(theDatabase);
    describeEnvironmentStore(theDatabase);
    describeApiKeyStore(theDatabase);
    describeLists(theDatabase);
    describeListRoute(theDatabase);
    describeSeenEventStore(theDatabase);
  });
}
