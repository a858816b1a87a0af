import { testDatabase } from '../support/embedded-store.ts';
import { describeStores } from './store.contract.ts';

describeStores('the embedded DynamoDB', testDatabase);
