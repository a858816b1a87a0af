import type { ResumeDeps } from './resume-flow.ts';
import { composeSlackCallback } from './slack-callback-deps.ts';
import { composeTeamsCallback, type TeamsCallbackParts } from './teams-callback-deps.ts';

export interface ResumeParts extends TeamsCallbackParts {
  readonly slackBaseUrl: string;
}

/** Puts together what finishes the flows of either provider. */
export function composeResume(parts: ResumeParts): ResumeDeps {
  return { slack: composeSlackCallback(parts), msteams: composeTeamsCallback(parts) };
}
