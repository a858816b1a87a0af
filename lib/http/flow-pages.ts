import type { CallbackOutcome } from '../flow/finish-flow.ts';
import { type ActivationPending, connectionIdentifierOf, type Flow } from '../flow/flow.ts';
import type { FlowFailureCode } from '../flow/flow-failure.ts';
import { type Integration, productNameOf } from '../integration/integration.ts';
import { aadstsText } from '../providers/msteams/aadsts.ts';
import { installationTexts } from '../providers/msteams/installation-texts.ts';
import { type Page, redirectTo, renderPage } from './page.ts';
import type { HttpResult } from './types.ts';

/** What a browser gets for a callback: the product's own page when there is one and the flow is over, else ours. */
export function answerCallback(outcome: CallbackOutcome): HttpResult {
  if (outcome.kind === 'redirect') return redirectTo(outcome.location);
  if (outcome.kind === 'awaiting') return redirectTo(withHandle(outcome.flow, outcome.handle));
  if (outcome.kind !== 'ended' && outcome.kind !== 'pending') return renderPage(pageWithoutFlow[outcome.kind]);
  const { flow, integration } = outcome;
  const returnUrl = flow.returnUrl ?? integration?.credentials.redirectUrl;
  if (returnUrl !== undefined) return redirectTo(withOutcome(returnUrl, flow));
  if (outcome.kind === 'pending') return renderPage(pendingPage(flow, integration));
  return renderPage(flow.status === 'COMPLETED' ? successPage(flow, integration) : failurePage(flow, integration));
}

/** A start link whose flow is not offered (any more). */
export function withdrawnPage(flow: Flow, failure: FlowFailureCode, integration: Integration | undefined): HttpResult {
  return renderPage(failurePage({ ...flow, failure }, integration));
}

/** A callback that lacks what every redirect of the provider carries. */
export function malformedCallbackPage(): HttpResult {
  return renderPage({
    statusCode: 400,
    tone: 'bad',
    title: 'This address is not complete',
    paragraphs: [
      'Something is missing from the address that brought you here, or stands in it twice.',
      'Nothing was connected. Go back to the product and start again.',
    ],
  });
}

/** The provider reported an error for a flow that this service does not know. */
export function unknownErrorPage(): HttpResult {
  return renderPage({
    statusCode: 400,
    tone: 'bad',
    title: 'The connection was not approved',
    paragraphs: ['Nothing was connected. If you did not mean to cancel, go back to the product and start again.'],
  });
}

export function troublePage(requestId: string): HttpResult {
  return renderPage({
    statusCode: 503,
    tone: 'bad',
    title: 'Something went wrong on our side',
    paragraphs: [
      'Nothing was lost. Reload this page in a few seconds to try again.',
      'If that does not help, go back to the product and start again.',
    ],
    reference: requestId,
  });
}

const pageWithoutFlow = {
  waiting: {
    statusCode: 202,
    tone: 'waiting',
    title: 'Almost done',
    paragraphs: ['The connection is being finished. This page looks again by itself every few seconds.'],
    reloadSeconds: 3,
  },
  expired: {
    statusCode: 400,
    tone: 'bad',
    title: 'This link has expired',
    paragraphs: [
      'Links work for a few minutes only. Nothing was connected.',
      'Go back to the product and start again.',
    ],
  },
  other_browser: {
    statusCode: 400,
    tone: 'bad',
    title: 'This was started in another browser',
    paragraphs: [
      'Only the browser in which Continue was pressed can finish what was started there. Nothing was connected here.',
      'Are you in that browser? Then it did not keep our cookie: allow cookies for this site.',
      'Otherwise go back to the product and start again, in this browser.',
    ],
  },
  unknown: {
    statusCode: 400,
    tone: 'bad',
    title: 'This link cannot be used',
    paragraphs: [
      'It was used already, or it is not a link of ours. Each link works once.',
      'If you have connected just now, you can close this page. Otherwise go back to the product and start again.',
    ],
  },
} as const satisfies Record<Exclude<CallbackOutcome['kind'], 'ended' | 'awaiting' | 'pending' | 'redirect'>, Page>;

/** Whom one signs in with and waits for, and where messages arrive. */
export const providerNames = { slack: 'Slack', msteams: 'Microsoft' } as const;
export const placeNames = { slack: 'Slack', msteams: 'Microsoft Teams' } as const;
export const accountNames = { slack: 'workspace', msteams: 'organization' } as const;

function successPage(flow: Flow, integration: Integration | undefined): Page {
  const product = integration ? productNameOf(integration) : 'the product';
  const account = flow.outcome?.account.name ?? flow.outcome?.account.id ?? '';
  const previous = flow.outcome?.previousAccount;
  const installation = flow.outcome?.installation;
  if (installation?.status === 'failed') return notInstalledPage(flow, integration);
  return {
    statusCode: 200,
    tone: 'good',
    title: titleOf(flow, account),
    paragraphs: [
      whatHappens(flow, product, account),
      ...(previous === undefined ? [] : [`It is connected instead of ${previous}.`]),
      ...(installation ? ['Its app is installed for you in Teams. If you do not see it, restart Teams.'] : []),
      `You can close this page and go back to ${product}.`,
    ],
    facts: factsOf(flow, product),
  };
}

function factsOf(flow: Flow, product: string): Page['facts'] {
  const account = flow.outcome?.account.name ?? flow.outcome?.account.id ?? '';
  return [
    [flow.providerId === 'slack' ? 'Workspace' : 'Organization', account],
    ['Product', product],
    ...whomFor(flow),
  ];
}

export function whomFor({ subscriberId, contextKeys }: Flow): (readonly [string, string])[] {
  const contexts = contextKeys.map((key) => {
    const [type = '', id = ''] = key.split(':');
    return [type, id] as const;
  });
  return subscriberId === undefined ? contexts : [['For', subscriberId], ...contexts];
}

/** The flow has its outcome, and the app is being installed for the person; asks again by itself. */
function installingPage(flow: Flow, integration: Integration | undefined): Page {
  const product = integration ? productNameOf(integration) : 'the product';
  const reason = flow.pending?.reason;
  const { explanation, remedy } = reason === undefined ? {} : installationTexts[reason];
  const fill = (sentence: string) => sentence.replaceAll('{product}', product);
  return {
    statusCode: 200,
    tone: 'waiting',
    title: 'Linked. The app is being installed in Teams',
    paragraphs: [
      `${linkedSentence(flow)} {product}'s app is now being installed for you in Teams.`,
      ...(explanation === undefined ? [] : [`It is not there yet: ${explanation}`]),
      ...(remedy === undefined ? [] : [remedy]),
      'This page looks again by itself. You can also close it: the installation goes on without you.',
    ].map(fill),
    facts: factsOf(flow, product),
    reference: [reason, flow.flowId].filter((part) => part !== undefined).join(' · '),
    reloadSeconds: 5,
  };
}

function linkedSentence({ mode, outcome }: Flow): string {
  const linked = 'our Microsoft Teams account is linked.';
  return mode === 'connect'
    ? `${outcome?.account.name ?? outcome?.account.id} is connected, and y${linked}`
    : `Y${linked}`;
}

/** The link is made and stays; only the app is missing in Teams. */
function notInstalledPage(flow: Flow, integration: Integration | undefined): Page {
  const product = integration ? productNameOf(integration) : 'the product';
  const reason = flow.outcome?.installation?.reason ?? 'bot_refused';
  const { explanation, remedy } = installationTexts[reason];
  const fill = (sentence: string) => sentence.replaceAll('{product}', product);
  return {
    statusCode: 200,
    tone: 'waiting',
    title: 'Linked, but the app is not in your Teams yet',
    paragraphs: [
      `${linkedSentence(flow)} That stays so, but the app could not be installed for you.`,
      explanation,
      remedy,
      'After that, go back to {product} and link your account again: that installs the app.',
    ].map(fill),
    facts: factsOf(flow, product),
    reference: `${reason} · ${flow.flowId}`,
  };
}

function titleOf(flow: Flow, account: string): string {
  if (flow.mode === 'link_user') return `Your ${placeNames[flow.providerId]} account is linked`;
  return flow.outcome?.connectionIdentifier === undefined
    ? `A channel of ${account} is connected`
    : `${account} is connected`;
}

/** Only what is true from now on: a Teams app has to be installed before it can write to anybody. */
function whatHappens(flow: Flow, product: string, account: string): string {
  const linked = flow.mode === 'link_user';
  if (flow.providerId === 'msteams') {
    return linked
      ? `${product} now knows your Microsoft Teams account.`
      : `${product} is now connected to the Microsoft Teams organization ${account}.`;
  }
  if (linked) return `${product} can now send messages to you in Slack.`;
  return flow.outcome?.connectionIdentifier === undefined
    ? `${product} can now post to the channel that you chose in ${account}.`
    : `${product} can now send messages to the Slack workspace ${account}.`;
}

function failurePage(flow: Flow, integration: Integration | undefined): Page {
  const product = integration ? productNameOf(integration) : 'the product';
  const text = failureTexts[flow.failure ?? 'exchange_outcome_unknown'];
  const fill = (sentence: string) =>
    sentence
      .replaceAll('{product}', product)
      .replaceAll('{provider}', providerNames[flow.providerId])
      .replaceAll('{account}', accountNames[flow.providerId]);
  const known = aadstsText(flow.providerError);
  const time = flow.finishedAt === undefined ? undefined : new Date(flow.finishedAt).toISOString();
  const reference = [
    flow.failure,
    flow.providerError === flow.failure ? undefined : flow.providerError,
    flow.flowId,
    ...(flow.correlationId === undefined ? [] : [`Correlation id ${flow.correlationId}`, time]),
  ];
  return {
    statusCode: text.statusCode,
    tone: 'bad',
    title: fill(known?.title ?? text.title),
    paragraphs: (known ? [`${known.explanation} Nothing was connected.`, known.next] : text.paragraphs).map(fill),
    // The flow's id is no secret, and finds its log lines.
    reference: reference.filter((part) => part !== undefined).join(' · '),
  };
}

const pendingTexts: Record<ActivationPending['reason'], string> = {
  roles_missing: 'Your approval has arrived, but Microsoft does not hand out all permissions yet.',
  app_not_in_tenant: 'Your sign-in has arrived, but Microsoft does not know the app in your organization yet.',
  provider_unavailable: 'Your approval has arrived, but Microsoft is busy.',
};

/** Shown until Microsoft gives what was approved; asks again by itself. */
function pendingPage(flow: Flow, integration: Integration | undefined): Page {
  const product = integration ? productNameOf(integration) : 'the product';
  const { pending } = flow;
  if (pending?.step === 'installation') return installingPage(flow, integration);
  return {
    statusCode: 200,
    tone: 'waiting',
    title: 'Approved. Waiting for Microsoft',
    paragraphs: [
      pendingTexts[pending?.reason ?? 'provider_unavailable'],
      'This usually takes less than a minute, and at times up to an hour. You need not press anything again.',
      `This page looks again by itself. You can also close it: ${product} will be connected without you.`,
    ],
    reference: [pending?.providerError, flow.flowId].filter((part) => part !== undefined).join(' · '),
    reloadSeconds: 5,
  };
}

interface FailureText {
  readonly statusCode: 400 | 502;
  readonly title: string;
  readonly paragraphs: readonly string[];
}

const startAgain = 'Go back to {product} and start again.';

const failureTexts: Record<FlowFailureCode, FailureText> = {
  access_denied: {
    statusCode: 400,
    title: 'Cancelled',
    paragraphs: ['You chose not to connect {provider}. Nothing was changed.', `Changed your mind? ${startAgain}`],
  },
  provider_refused: {
    statusCode: 400,
    title: '{provider} did not allow the connection',
    paragraphs: [
      'Nothing was connected. Your workspace may let only some people approve apps, or not this one.',
      `Ask an admin of your workspace to approve the app. Then: ${startAgain}`,
    ],
  },
  invalid_code: {
    statusCode: 400,
    title: 'The approval had run out',
    paragraphs: ['{provider} no longer accepts this approval. Nothing was connected.', startAgain],
  },
  provider_misconfigured: {
    statusCode: 400,
    title: '{product} is not set up correctly at {provider}',
    paragraphs: [
      'Nothing was connected, and trying again will not help until this is repaired.',
      'Please tell {product}, with the reference below.',
    ],
  },
  provider_unavailable: {
    statusCode: 502,
    title: '{provider} did not answer properly',
    paragraphs: ['Nothing was connected. This is usually over within minutes.', startAgain],
  },
  exchange_outcome_unknown: {
    statusCode: 502,
    title: 'The connection was interrupted',
    paragraphs: ['{provider} did not answer in time, so we stopped. An approval can be used only once.', startAgain],
  },
  wrong_app: {
    statusCode: 400,
    title: 'A different app was approved',
    paragraphs: [
      'The approval was for another app than the one that {product} uses. Nothing was connected.',
      'Please tell {product}, with the reference below.',
    ],
  },
  bot_token_missing: {
    statusCode: 400,
    title: '{provider} gave no access to the workspace',
    paragraphs: ['The approval did not include the app itself, so there is nothing to connect.', startAgain],
  },
  user_missing: {
    statusCode: 400,
    title: '{provider} did not say who you are',
    paragraphs: ['Your account could not be linked. Nothing was changed.', startAgain],
  },
  token_revoked: {
    statusCode: 400,
    title: 'The approval was withdrawn',
    paragraphs: ['{provider} has ended the approval before it could be used. Nothing was connected.', startAgain],
  },
  token_mismatch: {
    statusCode: 400,
    title: "{provider}'s answers contradict each other",
    paragraphs: ['The approval was for one workspace and its access for another. Nothing was connected.', startAgain],
  },
  tenant_invalid: {
    statusCode: 400,
    title: 'This is not an organization',
    paragraphs: [
      'Microsoft named no organization, or that of personal accounts. Nothing was connected.',
      `${startAgain} Choose your work account at Microsoft.`,
    ],
  },
  tenant_mismatch: {
    statusCode: 400,
    title: 'You signed in to another organization',
    paragraphs: [
      'The approval was for one organization and the sign-in with an account of another. Nothing was connected.',
      `${startAgain} Sign in with an account of the organization that is to be connected; a guest account is not enough.`,
    ],
  },
  consent_missing: {
    statusCode: 400,
    title: 'The app was not approved',
    paragraphs: ['Microsoft did not confirm an approval. Nothing was connected.', startAgain],
  },
  id_token_invalid: {
    statusCode: 400,
    title: 'Your sign-in could not be verified',
    paragraphs: ['What we were told about you did not hold up. Nothing was connected.', startAgain],
  },
  guest_refused: {
    statusCode: 400,
    title: 'You are a guest in this organization',
    paragraphs: ['A guest cannot connect an organization. Nothing was connected.', 'Ask a member of it to do so.'],
  },
  admin_required: {
    statusCode: 400,
    title: 'An administrator must do this',
    paragraphs: [
      '{product} lets only administrators connect an organization. Nothing was connected.',
      'Ask an administrator of your organization to start in {product} and to sign in themselves.',
    ],
  },
  admin_proof_missing: {
    statusCode: 400,
    title: '{product} is not set up correctly at Microsoft',
    paragraphs: [
      'Microsoft did not say which roles you have. Nothing was connected.',
      'Please tell {product}: its app registration needs groupMembershipClaims set to DirectoryRole.',
    ],
  },
  not_ready: {
    statusCode: 400,
    title: 'Microsoft does not give the new permissions yet',
    paragraphs: [
      'What was connected before stays connected. Microsoft may need up to an hour after an approval.',
      'Try again later. If it stays so, an administrator has to approve the app again.',
    ],
  },
  app_not_in_tenant: {
    statusCode: 400,
    title: 'Your organization has not approved this app',
    paragraphs: [
      'Microsoft does not know the app in your organization. Nothing was connected.',
      `An administrator of your organization has to approve it. ${startAgain}`,
    ],
  },
  roles_missing: {
    statusCode: 400,
    title: 'Permissions are missing',
    paragraphs: [
      'Your organization has not granted all permissions that the app needs. Nothing was connected.',
      `An administrator has to approve the app again. ${startAgain}`,
    ],
  },
  superseded: {
    statusCode: 400,
    title: 'A later approval has taken over',
    paragraphs: ['Somebody has started this connection again since. There is nothing more to do here.'],
  },
  account_change_refused: {
    statusCode: 400,
    title: 'Another {account} is connected already',
    paragraphs: [
      '{product} does not let a connection move to another {account}. The one that was connected stays connected.',
      'Start again and choose that {account}, or disconnect it in {product} first.',
    ],
  },
  identifier_conflict: {
    statusCode: 400,
    title: 'This connection belongs to somebody else',
    paragraphs: [
      'The name that {product} chose for this connection is taken. Nothing was changed.',
      'Please tell {product}, with the reference below.',
    ],
  },
  connection_not_found: {
    statusCode: 400,
    title: 'There is no workspace to link to',
    paragraphs: ['The workspace has to be connected before people can be linked. Nothing was changed.', startAgain],
  },
  connection_of_another_subscriber: {
    statusCode: 400,
    title: 'This workspace belongs to somebody else',
    paragraphs: ['The connection was made for another person. Nothing was changed.', 'Please tell {product}.'],
  },
  wrong_workspace: {
    statusCode: 400,
    title: 'You signed in to another {account}',
    paragraphs: [
      'Your account is in another {account} than the one that {product} is connected to. Nothing was changed.',
      `${startAgain} At {provider}, choose the {account} that is connected.`,
    ],
  },
  deleted_meanwhile: {
    statusCode: 400,
    title: 'This connection was removed',
    paragraphs: ['It was disconnected in {product} while you were approving it.', startAgain],
  },
  integration_unavailable: {
    statusCode: 400,
    title: 'This is no longer offered',
    paragraphs: ['The product no longer offers this connection. Nothing was connected.'],
  },
  binding_changed: {
    statusCode: 400,
    title: 'Please start again',
    paragraphs: [
      '{product} has changed how connections are approved since you began. Nothing was connected.',
      startAgain,
    ],
  },
  confirmation_mismatch: {
    statusCode: 400,
    title: 'This was started for somebody else',
    paragraphs: ['{product} says that another person began this. Nothing was connected.', startAgain],
  },
  confirmation_missing: {
    statusCode: 400,
    title: 'This was not confirmed',
    paragraphs: ['{product} did not confirm in time that this was you. Nothing was connected.', startAgain],
  },
};

const returnStatuses: Partial<Record<Flow['status'], string>> = { COMPLETED: 'success', PENDING: 'pending' };

/** Of the account nothing is said before the product's backend has confirmed the flow. */
function withHandle({ returnUrl = '' }: Flow, handle: string): string {
  const url = new URL(returnUrl);
  url.searchParams.set('status', 'awaiting_confirmation');
  url.searchParams.set('handle', handle);
  return url.toString();
}

/** Adds how the flow ended to a registered address, whose own query stays. */
function withOutcome(returnUrl: string, flow: Flow): string {
  const url = new URL(returnUrl);
  const { pending, outcome } = flow;
  const installation = pending?.step === 'installation' ? { status: 'pending' } : outcome?.installation;
  // A link is made at once, whatever becomes of the app's installation.
  url.searchParams.set('status', installation ? 'success' : (returnStatuses[flow.status] ?? 'error'));
  const identifier = connectionIdentifierOf(flow);
  if (identifier !== undefined) url.searchParams.set('connectionIdentifier', identifier);
  if (flow.failure !== undefined) url.searchParams.set('error', flow.failure);
  if (installation) url.searchParams.set('botInstallation', installation.status);
  if (outcome?.installation?.reason) url.searchParams.set('botInstallationError', outcome.installation.reason);
  return url.toString();
}
