import * as z from 'zod/mini';
import { subjectKeyOf } from '../connection/connection.ts';
import { constantTimeEqual, randomToken } from '../crypto.ts';
import type { ProviderRedirect } from '../http/provider-redirect.ts';
import type { Integration } from '../integration/integration.ts';
import { codeVerifierOf, nonceOf, signInUrl } from '../providers/msteams/authorization-url.ts';
import type { ClientCredential, SignInExchange } from '../providers/msteams/entra.ts';
import { entraErrorOf } from '../providers/msteams/entra-error.ts';
import { type IdTokenVerifier, requireTenantProof, type VerifiedPerson } from '../providers/msteams/id-token.ts';
import { requiredRolesOf } from '../providers/msteams/install-bot.ts';
import { companyTenantId } from '../providers/msteams/tenant.ts';
import { nextTryAt } from './activation.ts';
import { beginInstallation, type InstallationDeps, retryInstallation } from './bot-installation.ts';
import { finishConnect, removePendingConnection, writePendingConnection } from './finish-connect.ts';
import {
  type CallbackOutcome,
  ended,
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
  type Flow,
  furtherStepMilliseconds,
  type PendingFlow,
  pendingRowEnd,
  type RedeemedFlow,
} from './flow.ts';
import { FlowFailure, type FlowFailureCode } from './flow-failure.ts';
import type { Granted } from './granted.ts';
import { formatHandle, type Handle, hashSecret } from './handle.ts';
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
): Promise<CallbackOutcome> {
  if (answer === 'consent') return receiveConsent(deps, handle, redirect);
  const received = await receiveCallback(deps, {
    handle,
    providerId: 'msteams',
    stage: 'code' in answer ? 'sign_in' : undefined,
    answer,
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
): Promise<CallbackOutcome> {
  const flow = await deps.flows.get(handle.flowId);
  const givenHash = hashSecret(handle.secret);
  const ofConsent = flow?.stage === 'consent' && constantTimeEqual(flow.secretHash, givenHash);
  const ofRepeat =
    flow?.stage === 'sign_in' &&
    flow.consentSecretHash !== undefined &&
    constantTimeEqual(flow.consentSecretHash, givenHash);
  if (flow?.providerId !== 'msteams' || flow.status !== 'ISSUED' || !(ofConsent || ofRepeat)) {
    return { kind: 'unknown' };
  }
  const now = deps.now();
  if (flow.usableUntil <= now) return { kind: 'expired' };
  const tenantId = companyTenantId(redirect.tenant ?? '');
  const failure: FlowFailureCode | undefined =
    redirect.admin_consent?.toLowerCase() !== 'true' ? 'consent_missing' : tenantId ? undefined : 'tenant_invalid';
  try {
    const integration = await usableIntegration(deps, flow);
    if (failure || !tenantId) throw new FlowFailure(failure ?? 'tenant_invalid');
    const secret = randomToken(32);
    const next = { secretHash: hashSecret(secret), consentSecretHash: givenHash, claimedTenantId: tenantId };
    const usableUntil = now + furtherStepMilliseconds;
    const conditions = { stage: 'consent', secretHash: givenHash, providerId: 'msteams', now } as const;
    const begun =
      (ofConsent &&
        (await deps.flows.beginSignIn(flow.flowId, conditions, {
          ...next,
          usableUntil,
          expiresAt: Math.ceil((usableUntil + furtherStepMilliseconds) / 1000),
        }))) ||
      (await deps.flows.repeatSignIn(flow.flowId, { ...next, now }, next.secretHash));
    if (!begun) return { kind: 'unknown' };
    const request = {
      clientId: integration.credentials.clientId ?? '',
      redirectUri: flow.redirectUri,
      state: formatHandle({ flowId: flow.flowId, secret }),
    };
    return { kind: 'redirect', location: signInUrl(deps.loginBaseUrl, request, secret) };
  } catch (error) {
    // Whoever repeats a consent cannot end what the first one began.
    if (!(error instanceof FlowFailure) || !ofConsent) {
      if (error instanceof FlowFailure) return { kind: 'unknown' };
      throw error;
    }
    return failFlow(deps, flow, error);
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

function stepsOf(deps: TeamsCallbackDeps, flow: Flow): Pick<FinishSteps, 'hold' | 'followUp'> {
  const tryUntil = deps.now() + installAtOnceMilliseconds;
  return {
    ...(flow.mode === 'connect' && {
      hold: (obtained: Obtained, integration: Integration) => holdUntilReady(deps, obtained, integration),
    }),
    followUp: (obtained, integration, outcome) => beginInstallation(deps, obtained, integration, outcome, tryUntil),
  };
}

async function holdUntilReady(
  deps: TeamsCallbackDeps,
  { flow, granted }: Obtained,
  integration: Integration,
): Promise<Flow | undefined> {
  const reason = await missingFor(deps, integration, granted.account.id);
  if (!reason) return undefined;
  const since = flow.asOf;
  const next = nextTryAt({ since, reason }, deps.now());
  if (next === undefined) throw new FlowFailure(reason);
  const connection = await writePendingConnection(deps, integration, flow, granted, reason);
  const pending: ActivationPending = {
    step: 'activation',
    personId: granted.user?.userId ?? '',
    reason,
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
  if (held) deps.log.info('flow pending', { ...logFields(held), reason });
  return held ?? deps.flows.get(flow.flowId);
}

/** What a tenant does not (yet) give; undefined when the app can act in it with every role that it needs. */
async function missingFor(
  deps: TeamsCallbackDeps,
  integration: Integration,
  tenantId: string,
): Promise<ActivationPending['reason'] | undefined> {
  try {
    const { roles } = await deps.requestAppOnlyToken(integration, tenantId);
    const missing = requiredRolesOf(integration).some((role) => !roles.includes(role));
    return missing ? 'roles_missing' : undefined;
  } catch (error) {
    if (!(error instanceof FlowFailure)) throw error;
    if (error.code === 'app_not_in_tenant' || error.code === 'provider_unavailable') return error.code;
    throw error;
  }
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
  const tryUntil = deps.now() + installAtOnceMilliseconds;
  try {
    const integration = await usableIntegration(deps, flow);
    const connection = await deps.connections.get(flow.environmentId, subjectKeyOf(subjectOf(flow)));
    if (!connection || connection.deletedAt !== undefined) throw new FlowFailure('deleted_meanwhile');
    // Written by this flow, also when it was made active and the flow's own end was lost.
    if (connection.flowId !== flow.flowId) throw new FlowFailure('superseded');
    const tenantId = connection.account.id;
    const reason = await missingFor(deps, integration, tenantId);
    if (reason) return await postpone(deps, flow, pending, integration, reason);
    const granted = grantedOf(tenantId, pending.personId, connection.account.name);
    const outcome = await finishConnect(deps, integration, flow, granted);
    const installing = await beginInstallation(deps, { flow, granted }, integration, outcome, tryUntil);
    if (installing) return ended(deps, installing, integration);
    const completed = await deps.flows.complete(flow, { outcome, ...endAt(deps.now()) });
    if (completed) deps.log.info('flow completed', logFields(completed));
    return ended(deps, completed ?? (await deps.flows.get(flow.flowId)) ?? flow, integration);
  } catch (error) {
    if (!(error instanceof FlowFailure)) throw error;
    await removePendingConnection(deps, flow);
    return failFlow(deps, flow, error);
  }
}

async function postpone(
  deps: TeamsCallbackDeps,
  flow: PendingFlow,
  { tries, ...pending }: ActivationPending,
  integration: Integration,
  reason: ActivationPending['reason'],
): Promise<CallbackOutcome> {
  const next = nextTryAt({ since: pending.since, reason }, deps.now());
  if (next === undefined) throw new FlowFailure(reason);
  const postponed = await deps.flows.postpone(flow, {
    pending: { ...pending, reason, nextTryAt: next, tries: tries + 1 },
    dueAt: new Date(next).toISOString(),
  });
  return ended(deps, postponed ?? (await deps.flows.get(flow.flowId)) ?? flow, integration);
}
