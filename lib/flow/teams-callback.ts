import * as z from 'zod/mini';
import { type Connection, subjectKeyOf } from '../connection/connection.ts';
import { constantTimeEqual, hashOf, randomToken } from '../crypto.ts';
import type { ProviderRedirect } from '../http/provider-redirect.ts';
import type { Integration } from '../integration/integration.ts';
import { codeVerifierOf, signInUrl } from '../providers/msteams/authorization-url.ts';
import type { ClientCredential, SignInExchange } from '../providers/msteams/entra.ts';
import { entraErrorOf } from '../providers/msteams/entra-error.ts';
import { type IdTokenVerifier, requireTenantProof, type VerifiedPerson } from '../providers/msteams/id-token.ts';
import { requiredRolesOf } from '../providers/msteams/install-bot.ts';
import { companyTenantId } from '../providers/msteams/tenant.ts';
import { nonceOf } from '../providers/nonce.ts';
import { nextTryAt } from './activation.ts';
import { beginInstallation, type InstallationDeps, retryInstallation } from './bot-installation.ts';
import { renewHandle } from './confirmation.ts';
import { isOwnActive, removePendingConnection, writePendingConnection } from './finish-connect.ts';
import {
  type CallbackOutcome,
  complete,
  ended,
  endIfWithdrawn,
  type FinishSteps,
  failFlow,
  finishFlow,
  logFields,
  type Obtained,
  usableIntegration,
} from './finish-flow.ts';
import {
  type ActivationPending,
  type ExchangedFlow,
  exchangeTimeoutMilliseconds,
  type FinishableFlow,
  type Flow,
  furtherStepMilliseconds,
  type PendingFlow,
  pendingRowEnd,
  type RedeemedFlow,
} from './flow.ts';
import { FlowFailure, type FlowFailureCode, flowFailureCodes } from './flow-failure.ts';
import type { Granted } from './granted.ts';
import { formatHandle, type Handle, hashSecret, isFromItsBrowser } from './handle.ts';
import { endAt, type ProviderAnswer, receiveCallback } from './receive-callback.ts';
import { subjectOf } from './subject.ts';

export interface TeamsCallbackDeps extends InstallationDeps {
  readonly loginBaseUrl: string;
  readonly idTokens: IdTokenVerifier;
  credentialOf(integration: Integration): Promise<ClientCredential>;
  exchangeCode(exchange: SignInExchange): Promise<void>;
  /** Seals the raw answer and the nonce that its id_token must have. @returns undefined when the flow is somebody else's */
  keepExchange(flow: RedeemedFlow, sealed: string, asOf: number): Promise<ExchangedFlow | undefined>;
  openExchange(flow: ExchangedFlow): Promise<string>;
}

/** What Microsoft's redirect says; undefined when it says nothing. Errors come first: `admin_consent=True` comes with them too. */
export function teamsAnswerOf(redirect: ProviderRedirect): ProviderAnswer | 'consent' | undefined {
  if (redirect.error !== undefined) {
    const { error, aadsts, correlationId } = entraErrorOf(redirect.error, redirect.error_description ?? '');
    const cancelled = redirect.error_subcode === 'cancel' || aadsts === 'AADSTS65004' || error === 'access_denied';
    return { error: aadsts ?? error, failure: cancelled ? 'access_denied' : 'provider_refused', correlationId };
  }
  if (redirect.code !== undefined) return { code: redirect.code };
  return redirect.tenant !== undefined || redirect.admin_consent !== undefined ? 'consent' : undefined;
}

/** One hit of Microsoft's redirect, after the consent or after the sign-in. */
export async function receiveTeamsCallback(
  deps: TeamsCallbackDeps,
  handle: Handle,
  redirect: ProviderRedirect,
  answer: ProviderAnswer | 'consent',
  cookie: string | undefined,
): Promise<CallbackOutcome> {
  if (answer === 'consent') return receiveConsent(deps, handle, redirect, cookie);
  const received = await receiveCallback(deps, {
    handle,
    providerId: 'msteams',
    stage: 'code' in answer ? 'sign_in' : undefined,
    answer,
    cookie,
    prepare: async (flow) => {
      const integration = await usableIntegration(deps, flow);
      return { integration, credential: await deps.credentialOf(integration) };
    },
  });
  if (received.kind === 'redeemed' && 'code' in answer) {
    const { flow, prepared } = received;
    return finishFlow(deps, flow, {
      ...stepsOf(deps, flow),
      obtain: () => exchange(deps, prepared, flow, handle.secret, answer.code),
    });
  }
  if (received.kind === 'awaiting') {
    const withdrawn = await endIfWithdrawn(deps, received.flow);
    return withdrawn ? resumeTeamsFlow(deps, withdrawn) : renewHandle(deps, received.flow);
  }
  if (received.kind === 'exchanged') return resumeTeamsFlow(deps, received.flow);
  if (received.kind === 'pending') {
    return received.flow.pending.nextTryAt <= deps.now()
      ? retryPending(deps, received.flow)
      : ended(deps, received.flow);
  }
  if (received.kind === 'ended') return ended(deps, received.flow);
  if (received.kind === 'redeemed') throw new TypeError('an error of the provider redeems nothing');
  return received;
}

/**
 * The consent's redirect is a claim of the browser: anybody can write `admin_consent=True&tenant=…`. It leads to the
 * sign-in, which proves the tenant, and to nothing else.
 */
async function receiveConsent(
  deps: TeamsCallbackDeps,
  handle: Handle,
  redirect: ProviderRedirect,
  cookie: string | undefined,
): Promise<CallbackOutcome> {
  const flow = await deps.flows.get(handle.flowId);
  const givenHash = hashSecret(handle.secret);
  const ofConsent = flow?.stage === 'consent' && constantTimeEqual(flow.secretHash, givenHash);
  const ofRepeat =
    flow?.stage === 'sign_in' &&
    flow.consentSecretHash !== undefined &&
    constantTimeEqual(flow.consentSecretHash, givenHash);
  if (flow?.providerId !== 'msteams' || !(ofConsent || ofRepeat)) return { kind: 'unknown' };
  if (!isFromItsBrowser(flow, cookie)) return { kind: 'other_browser' };
  if (flow.status !== 'ISSUED') return { kind: 'unknown' };
  const now = deps.now();
  if (flow.usableUntil <= now) return { kind: 'expired' };
  const tenantId = companyTenantId(redirect.tenant ?? '');
  const failure: FlowFailureCode | undefined =
    redirect.admin_consent?.toLowerCase() !== 'true' ? 'consent_missing' : tenantId ? undefined : 'tenant_invalid';
  const cookieHash = cookie === undefined ? undefined : hashSecret(cookie);
  const conditions = { stage: 'consent', secretHash: givenHash, providerId: 'msteams', cookieHash, now } as const;
  try {
    const integration = await usableIntegration(deps, flow);
    if (failure || !tenantId) throw new FlowFailure(failure ?? 'tenant_invalid');
    const secret = randomToken(32);
    const next = { secretHash: hashSecret(secret), consentSecretHash: givenHash, claimedTenantId: tenantId };
    const usableUntil = now + furtherStepMilliseconds;
    const begun =
      (ofConsent &&
        (await deps.flows.beginSignIn(flow.flowId, conditions, {
          ...next,
          usableUntil,
          expiresAt: Math.ceil((usableUntil + furtherStepMilliseconds) / 1000),
        }))) ||
      (await deps.flows.repeatSignIn(flow.flowId, { ...next, cookieHash, now }, next.secretHash));
    if (!begun) return { kind: 'unknown' };
    const request = {
      clientId: integration.credentials.clientId ?? '',
      redirectUri: flow.redirectUri,
      state: formatHandle({ flowId: flow.flowId, secret }),
    };
    return { kind: 'redirect', flow: begun, location: signInUrl(deps.loginBaseUrl, request, secret) };
  } catch (error) {
    if (!(error instanceof FlowFailure)) throw error;
    // Whoever repeats a consent cannot end what the first one began.
    const end = { failure: error.code, providerError: undefined, answerHash: hashOf('consent'), ...endAt(now) };
    const refused = ofConsent ? await deps.flows.refuse(flow.flowId, conditions, end) : undefined;
    return refused ? ended(deps, refused) : { kind: 'unknown' };
  }
}

interface Prepared {
  readonly integration: Integration;
  readonly credential: ClientCredential;
}

async function exchange(
  deps: TeamsCallbackDeps,
  { integration, credential }: Prepared,
  flow: RedeemedFlow,
  stateSecret: string,
  code: string,
): Promise<Obtained> {
  const nonce = nonceOf(stateSecret);
  const asOf = deps.now();
  let exchanged: ExchangedFlow | undefined;
  let sealed = '';
  await deps.exchangeCode({
    integration,
    credential,
    code,
    codeVerifier: codeVerifierOf(stateSecret),
    nonce,
    redirectUri: flow.redirectUri,
    timeoutMilliseconds: exchangeTimeoutMilliseconds,
    keep: async (answer) => {
      sealed = JSON.stringify({ answer, nonce });
      exchanged = await deps.keepExchange(flow, sealed, asOf);
      if (!exchanged) throw new FlowFailure('exchange_outcome_unknown');
    },
  });
  if (!exchanged) throw new FlowFailure('exchange_outcome_unknown');
  return identify(deps, integration, exchanged, sealed);
}

/** Finishes a flow from its sealed answer. */
export function resumeTeamsFlow(deps: TeamsCallbackDeps, flow: ExchangedFlow): Promise<CallbackOutcome> {
  return finishFlow(deps, flow, {
    ...stepsOf(deps, flow),
    obtain: async () => identify(deps, await usableIntegration(deps, flow), flow, await deps.openExchange(flow)),
  });
}

const sealedSchema = z.object({ answer: z.string(), nonce: z.string() });
const tokenAnswerSchema = z.looseObject({ id_token: z.string() });

/** Who signed in, and for a connect: whether that proves the tenant that the consent named. */
async function identify(
  deps: TeamsCallbackDeps,
  integration: Integration,
  flow: ExchangedFlow,
  sealed: string,
): Promise<Obtained> {
  const { answer, nonce } = sealedSchema.parse(JSON.parse(sealed));
  const token = tokenAnswerSchema.safeParse(JSON.parse(answer));
  if (!token.success) throw new FlowFailure('id_token_invalid');
  const { clientId = '' } = integration.credentials;
  const person = await deps.idTokens.verify(token.data.id_token, { clientId, nonce, at: flow.asOf });
  if (flow.mode === 'connect') {
    if (person.tenantId !== flow.claimedTenantId) throw new FlowFailure('tenant_mismatch');
    requireTenantProof(person, integration.configurations.tenantProof ?? 'member');
  }
  return { flow, granted: grantedOf(person.tenantId, person.objectId, domainOf(person)) };
}

function grantedOf(tenantId: string, objectId: string, name: string | undefined): Granted {
  return {
    account: { id: tenantId, name, kind: 'tenant' },
    appOnly: true,
    user: { userId: objectId, scopes: [], target: { type: 'ms_teams_user', userId: objectId, tenantId } },
  };
}

/** What people know their organisation by; shown only. */
function domainOf({ username }: VerifiedPerson): string | undefined {
  return /@([A-Za-z0-9.-]{1,253})$/.exec(username ?? '')?.[1];
}

/** Once a hit has taken this long, an installation is left to the page and to the sweep: a browser is waiting. */
const installAtOnceMilliseconds = 10_000;

function stepsOf(deps: TeamsCallbackDeps, flow: Flow): Omit<FinishSteps, 'obtain'> {
  const followUp = followUpOf(deps);
  if (flow.mode === 'link_user') return { followUp };
  return {
    hold: (obtained, integration) => holdUntilReady(deps, obtained, integration),
    abandon: (failure) => abandon(deps, flow, failure),
    followUp,
  };
}

function followUpOf(deps: TeamsCallbackDeps): FinishSteps['followUp'] {
  const tryUntil = deps.now() + installAtOnceMilliseconds;
  return (obtained, integration, outcome) => beginInstallation(deps, obtained, integration, outcome, tryUntil);
}

/** Takes a pending connection back before its flow fails, unless another hit has made it active. */
async function abandon(deps: TeamsCallbackDeps, flow: Flow, failure: FlowFailure): Promise<boolean> {
  const current = (await deps.flows.get(flow.flowId)) ?? flow;
  if (current.asOf === undefined || current.attempt === undefined) return false;
  const finishable = current as FinishableFlow;
  if (await isOwnActive(deps, finishable)) return true;
  await removePendingConnection(deps, finishable, failure.code);
  return false;
}

async function holdUntilReady(
  deps: TeamsCallbackDeps,
  { flow, granted }: Obtained,
  integration: Integration,
): Promise<Flow | undefined> {
  const missing = await missingFor(deps, integration, granted.account.id);
  if (!missing) return undefined;
  // Tries begin when the flow may be finished.
  const since = flow.confirmedAt ?? flow.asOf;
  const { reason } = missing;
  const next = nextTryAt({ since, reason }, deps.now());
  if (next === undefined) throw missing.failure;
  const connection = await writePendingConnection(deps, integration, flow, granted, reason);
  // Another hit got what this one did not.
  if (connection.status === 'active') return undefined;
  const pending: ActivationPending = {
    step: 'activation',
    personId: granted.user?.userId ?? '',
    ...recordOf(missing),
    since,
    nextTryAt: next,
    tries: 1,
    connectionIdentifier: connection.identifier,
  };
  const held = await deps.flows.hold(flow, {
    pending,
    dueAt: new Date(next).toISOString(),
    expiresAt: pendingRowEnd(since),
  });
  if (held) deps.log.info('flow pending', { ...logFields(held), ...recordOf(missing) });
  const current = held ?? (await deps.flows.get(flow.flowId));
  if (current?.status === 'FAILED') await removePendingConnection(deps, flow, current.failure ?? reason);
  return current;
}

interface Missing {
  readonly reason: ActivationPending['reason'];
  readonly failure: FlowFailure;
}

/** What a tenant does not (yet) give; undefined when the app can act in it with every role that it needs. */
async function missingFor(
  deps: TeamsCallbackDeps,
  integration: Integration,
  tenantId: string,
): Promise<Missing | undefined> {
  try {
    const { roles } = await deps.requestAppOnlyToken(integration, tenantId);
    const lacks = requiredRolesOf(integration).some((role) => !roles.includes(role));
    return lacks ? { reason: 'roles_missing', failure: new FlowFailure('roles_missing') } : undefined;
  } catch (error) {
    if (!(error instanceof FlowFailure)) throw error;
    if (error.code !== 'app_not_in_tenant' && error.code !== 'provider_unavailable') throw error;
    return { reason: error.code, failure: error };
  }
}

/** What is kept of it, for the page, the log and the end. */
function recordOf({ reason, failure }: Missing) {
  return { reason, providerError: failure.providerError, correlationId: failure.correlationId };
}

/** Tries a pending flow again: by the open page, or by the sweep. */
export async function retryPending(deps: TeamsCallbackDeps, flow: PendingFlow): Promise<CallbackOutcome> {
  const { pending } = flow;
  return pending.step === 'installation'
    ? retryInstallation(deps, flow, pending)
    : retryActivation(deps, flow, pending);
}

async function retryActivation(
  deps: TeamsCallbackDeps,
  flow: PendingFlow,
  pending: ActivationPending,
): Promise<CallbackOutcome> {
  const followUp = followUpOf(deps);
  let obtained: Obtained | undefined;
  let integration: Integration | undefined;
  try {
    integration = await usableIntegration(deps, flow);
    const connection = await deps.connections.get(flow.environmentId, subjectKeyOf(subjectOf(flow)));
    if (!connection) throw new FlowFailure('deleted_meanwhile');
    if (connection.flowId !== flow.flowId) throw new FlowFailure('superseded');
    // Its own tombstone: the flow was about to end when it was interrupted.
    if (connection.deletedAt !== undefined) throw new FlowFailure(reasonOf(connection) ?? 'deleted_meanwhile');
    const tenantId = flow.claimedTenantId ?? connection.account.id;
    obtained = { flow, granted: grantedOf(tenantId, pending.personId, connection.account.name) };
    const missing = connection.status === 'active' ? undefined : await missingFor(deps, integration, tenantId);
    if (missing) return await postpone(deps, flow, pending, integration, missing);
    return await complete(deps, integration, obtained, followUp);
  } catch (error) {
    if (!(error instanceof FlowFailure)) throw error;
    const hasItsOutcome = await abandon(deps, flow, error);
    if (hasItsOutcome && obtained && integration) return complete(deps, integration, obtained, followUp);
    return failFlow(deps, flow, error);
  }
}

function reasonOf({ statusReason }: Connection): FlowFailureCode | undefined {
  return flowFailureCodes.find((code) => code === statusReason);
}

async function postpone(
  deps: TeamsCallbackDeps,
  flow: PendingFlow,
  pending: ActivationPending,
  integration: Integration,
  missing: Missing,
): Promise<CallbackOutcome> {
  // Trouble at Microsoft must not lengthen the wait for a tenant that does not know the app.
  const isTrouble = missing.reason === 'provider_unavailable';
  const reason = isTrouble && pending.reason === 'app_not_in_tenant' ? pending.reason : missing.reason;
  const next = nextTryAt({ since: pending.since, reason }, deps.now());
  if (next === undefined) {
    const { providerError, correlationId } = isTrouble ? pending : missing.failure;
    throw new FlowFailure(reason, { providerError, correlationId });
  }
  const later = { ...pending, ...recordOf(missing), reason, nextTryAt: next, tries: pending.tries + 1 };
  const postponed = await deps.flows.postpone(flow, { pending: later, dueAt: new Date(next).toISOString() });
  return ended(deps, postponed ?? (await deps.flows.get(flow.flowId)) ?? flow, integration);
}
