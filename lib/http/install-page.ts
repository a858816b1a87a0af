import { type Integration, productNameOf } from '../integration/integration.ts';
import { isSlackTeamId } from '../providers/slack/authorization-url.ts';
import { renderPage } from './page.ts';
import type { HttpEvent, HttpResult } from './types.ts';

/** Lets anybody add a product's app to a workspace of theirs. */
export function installPage(integration: Integration): HttpResult {
  const product = productNameOf(integration);
  return renderPage({
    statusCode: 200,
    tone: 'waiting',
    title: `Add ${product} to Slack?`,
    paragraphs: [
      `This connects a Slack workspace of yours to ${product}.`,
      'At Slack you choose the workspace, and see what the app may do there before you allow it.',
    ],
    facts: [
      ['Product', product],
      ['With', 'Slack'],
    ],
    logoUrl: integration.configurations.logoUrl,
    button: 'Add to Slack',
  });
}

export function noInstallPage(): HttpResult {
  return renderPage({
    statusCode: 404,
    tone: 'bad',
    title: 'There is nothing to install here',
    paragraphs: ['This address is wrong, or the product no longer offers this. Go back to the product and look there.'],
  });
}

/** For a product that takes no installs that start at Slack. */
export function startedElsewherePage(integration: Integration): HttpResult {
  const product = productNameOf(integration);
  return renderPage({
    statusCode: 400,
    tone: 'bad',
    title: `Please start in ${product}`,
    paragraphs: [
      `${product} does not take installs that start at Slack. Nothing was connected.`,
      `Go to ${product} and connect Slack there.`,
    ],
  });
}

/** What the address of an install page asks for. */
export function readInstallQuery(rawQueryString: string): { isDirect: boolean; teamId: string | undefined } {
  const query = new URLSearchParams(rawQueryString);
  const [teamId, ...others] = query.getAll('team');
  const isTeam = teamId !== undefined && others.length === 0 && isSlackTeamId(teamId);
  return { isDirect: query.get('direct') === '1', teamId: isTeam ? teamId : undefined };
}

/** Whether a browser loads an address that nobody has gone to yet. */
export function isPrefetch({ headers }: HttpEvent): boolean {
  return ['sec-purpose', 'purpose', 'x-moz'].some((name) => /prefetch|prerender|preview/i.test(headers[name] ?? ''));
}
