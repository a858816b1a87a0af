import { memoryDatabase } from '../support/memory-database.ts';
import { describeStores } from './store.contract.ts';

describeStores('objects in memory', async () => ({ ...memoryDatabase(), endpoint: '', close: async () => {} }));
