import { composeStores } from '../lib/connection/stores.ts';
import { composeTokens } from '../lib/connection/token-deps.ts';
import { partsOnAws } from '../lib/flow/parts-on-aws.ts';
import { composeResume, type ResumeParts } from '../lib/flow/resume-flow-deps.ts';
import { type SweepDeps, sweep } from '../lib/flow/sweep.ts';
import { onLambda } from '../lib/http/lambda.ts';
import { dynamoDueStore } from '../lib/store/due-store.ts';
import { dynamoFlowStore } from '../lib/store/flow-store.ts';

/** On a schedule: each minute on AWS, each second on one machine. */
export function createHandler(deps: SweepDeps): () => Promise<{ looked: number }> {
  return () => sweep(deps);
}

export function compose(parts: ResumeParts): SweepDeps {
  const stores = composeStores(parts);
  return {
    flows: dynamoFlowStore(parts.db),
    rows: dynamoDueStore(parts.db),
    ...composeResume(parts, stores),
    verifying: composeTokens(parts, stores),
    log: stores.log,
    now: stores.now,
  };
}

export const handler = onLambda(() => createHandler(compose(partsOnAws())));
