import type { CallbackOutcome } from './finish-flow.ts';
import type { ExchangedFlow } from './flow.ts';
import { resumeSlackFlow, type SlackCallbackDeps } from './slack-callback.ts';
import { resumeTeamsFlow, type TeamsCallbackDeps } from './teams-callback.ts';

export interface ResumeDeps {
  readonly slack: SlackCallbackDeps;
  readonly msteams: TeamsCallbackDeps;
}

/** Finishes a flow of either provider from its sealed answer. */
export function resumeFlow({ slack, msteams }: ResumeDeps, flow: ExchangedFlow): Promise<CallbackOutcome> {
  return flow.providerId === 'slack' ? resumeSlackFlow(slack, flow) : resumeTeamsFlow(msteams, flow);
}
