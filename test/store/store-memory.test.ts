import { describe } from 'vitest';
import { memoryDatabase } from '../support/memory-database.ts';
import { describeConnectionStore } from './connection-store.contract.ts';
import { describeEndpointStore } from './endpoint-store.contract.ts';
import { describeFlowStore } from './flow-store.contract.ts';

/** The stores that flows run on: random interleavings of flows are tried on objects in memory. */
describe('the stores on objects in memory', () => {
  const database = memoryDatabase();
  const theDatabase = () => database;

  describeFlowStore(theDatabase);
  describeConnectionStore(theDatabase);
  describeEndpointStore(theDatabase);
});
