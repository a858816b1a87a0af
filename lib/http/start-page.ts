import type { Flow } from '../flow/flow.ts';
import { type Integration, productNameOf } from '../integration/integration.ts';
import { accountNames, placeNames, providerNames, whomFor } from './flow-pages.ts';
import { renderPage } from './page.ts';
import type { HttpResult } from './types.ts';

/** Says who wants what for whom, before anything begins: it is what tells a person that a link is not meant for them. */
export function startPage(flow: Flow, integration: Integration): HttpResult {
  const product = productNameOf(integration);
  const place = placeNames[flow.providerId];
  const links = flow.mode === 'link_user';
  return renderPage({
    statusCode: 200,
    tone: 'waiting',
    title: links ? `Link your ${place} account to ${product}?` : `Connect ${place} to ${product}?`,
    paragraphs: [
      links
        ? `${product} asks which ${place} account is yours. It will send messages to that account.`
        : `${product} asks you to connect a ${accountNames[flow.providerId]} of ${place}.`,
      `Continue only if you have started this in ${product} yourself, and if it is meant for whom it says below.`,
    ],
    facts: [['Product', product], ...whomFor(flow), ['With', place]],
    logoUrl: integration.configurations.logoUrl,
    button: `Continue to ${providerNames[flow.providerId]}`,
  });
}

/** The button was pressed by a page of somebody else. */
export function foreignFormPage(): HttpResult {
  return renderPage({
    statusCode: 400,
    tone: 'bad',
    title: 'Please open the link itself',
    paragraphs: [
      'Another page tried to start this for you. Nothing was started.',
      'Open the link that you were given, read what it is for, and press Continue there.',
    ],
  });
}
