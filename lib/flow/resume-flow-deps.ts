import { composeStores, type Stores } from '../connection/stores.ts';
import type { ResumeDeps } from './resume-flow.ts';
import { composeSlackCallback } from './slack-callback-deps.ts';
import { composeTeamsCallback, type TeamsCallbackParts } from './teams-callback-deps.ts';

export interface ResumeParts extends TeamsCallbackParts {
  readonly slackBaseUrl: string;
}

/** Puts together what finishes the flows of either provider, on the same stores. */
export function composeResume(parts: ResumeParts, stores: Stores = composeStores(parts)): ResumeDeps {
  return { slack: composeSlackCallback(parts, stores), msteams: composeTeamsCallback(parts, stores) };
}
