import {
  type Connection,
  derivedIdentifier,
  fence,
  leftBehind,
  subjectKeyIn,
  subjectKeyOf,
  tombstoneOf,
} from '../connection/connection.ts';
import { broughtToken, type DisconnectDeps, releaseLeftBehind } from '../connection/disconnect.ts';
import { hashOf, randomToken } from '../crypto.ts';
import { type Endpoint, type EndpointTarget, endpointIdentifierOf } from '../endpoint/endpoint.ts';
import { keepWhileConnected } from '../endpoint/keep-while-connected.ts';
import { sealWebhookUrl } from '../endpoint/webhook-url.ts';
import { type Account, grantIdOf } from '../grant/grant.ts';
import { revokeUnstoredToken } from '../grant/revoke-if-unshared.ts';
import type { Integration } from '../integration/integration.ts';
import type { FinishableFlow, Flow, FlowOutcome } from './flow.ts';
import { FlowFailure } from './flow-failure.ts';
import { type GrantedPart, grantRow, isBeingRevoked, markUserGrant } from './grant-rows.ts';
import type { Granted } from './granted.ts';
import { keepNewestTokens } from './keep-newest-tokens.ts';
import { connectionKeyOf, subjectOf } from './subject.ts';

export type FinishDeps = DisconnectDeps;

/** A connection has this many rounds to win against other writers of its subject. */
const maxRounds = 8;

/**
 * Writes what a connect brought: identifier, grant, reference, connection, endpoints, in an order of which every prefix
 * is a valid state. Any number of hits may run it, at once or one after the other: they write the same rows.
 * @throws FlowFailure when the flow cannot have its outcome
 */
export async function finishConnect(
  deps: FinishDeps,
  integration: Integration,
  flow: FinishableFlow,
  granted: Granted,
): Promise<FlowOutcome> {
  if (isWebhookAlone(flow) && granted.webhook) {
    await keepNewestTokens(deps, flow, granted);
    const endpoint = await writeWebhook(deps, integration, flow, granted, undefined);
    return { endpointIdentifiers: endpoint ? [endpoint] : [], account: accountOf(granted.account) };
  }
  // A browser can change what a URL asks for: a bot that was asked for is demanded, a user token that was not is dropped.
  const userToken = flow.userScopes.length > 0 ? granted.user?.token : undefined;
  const lacksBot = !granted.bot && !granted.appOnly;
  if (lacksBot && (flow.scopes.length > 0 || !userToken)) throw new FlowFailure('bot_token_missing');
  const { main, ofPerson } = partsOf(flow, granted);
  const { connection, previousAccount } = await writeConnection(deps, integration, flow, main);
  if (ofPerson) {
    const { connection: personal } = await writeConnection(deps, integration, flow, ofPerson);
    await releaseLeftBehind(deps, personal);
  }
  const endpointIdentifiers = await writeEndpoints(deps, integration, flow, granted, connection);
  await releaseLeftBehind(deps, connection);
  return {
    connectionIdentifier: connection.identifier,
    endpointIdentifiers,
    account: accountOf(connection.account),
    previousAccount,
  };
}

/**
 * An install with a bot and a person's token makes two connections, of the account and of the person: whoever else
 * installs for the account then leaves this person's alone.
 */
function partsOf({ isInstall, userScopes }: FinishableFlow, granted: Granted): { main: Granted; ofPerson?: Granted } {
  const { account, bot, user } = granted;
  if (!isInstall || !bot || !user?.token || userScopes.length === 0) return { main: granted };
  return { main: { ...granted, user: { ...user, token: undefined } }, ofPerson: { account, user } };
}

/** A webhook without a bot: its endpoint is all that is wanted, and its token is erased but not revoked. */
export function isWebhookAlone({ scopes, userScopes }: Pick<Flow, 'scopes' | 'userScopes'>): boolean {
  return scopes.length === 1 && scopes[0] === 'incoming-webhook' && userScopes.length === 0;
}

/**
 * Shows a connection that is approved and cannot be used yet. It has no grant, and never takes an active one's place.
 * @throws FlowFailure `not_ready` when the subject has an active connection
 */
export async function writePendingConnection(
  deps: FinishDeps,
  integration: Integration,
  flow: FinishableFlow,
  granted: Granted,
  reason: string,
): Promise<Connection> {
  const { connection } = await writeConnection(deps, integration, flow, granted, reason);
  return connection;
}

/** The subject's connection when this flow made it active: whatever failed since, the flow has its outcome. */
export async function isOwnActive(deps: Pick<FinishDeps, 'connections'>, flow: FinishableFlow): Promise<boolean> {
  const connection = await deps.connections.get(flow.environmentId, subjectKeyOf(subjectOf(flow)));
  return connection?.flowId === flow.flowId && connection.status === 'active' && connection.deletedAt === undefined;
}

/** Takes back a pending connection that was given up, unless somebody has replaced it. Its tombstone says why. */
export async function removePendingConnection(
  deps: Pick<FinishDeps, 'connections' | 'now'>,
  flow: FinishableFlow,
  reason: string,
): Promise<void> {
  const pending = await deps.connections.get(flow.environmentId, subjectKeyOf(subjectOf(flow)));
  if (pending?.status !== 'pending' || pending.flowId !== flow.flowId || pending.deletedAt !== undefined) return;
  // Only this flow's own writers are fenced off: a later sign-in of the subject may be on its way.
  const tombstone = { ...tombstoneOf(pending, deps.now(), pending.asOf + 1), statusReason: reason };
  await deps.connections.put(tombstone, pending.revision);
}

async function writeConnection(
  deps: FinishDeps,
  integration: Integration,
  flow: FinishableFlow,
  granted: Granted,
  pendingReason?: string,
) {
  const { environmentId } = flow;
  const subject = subjectOf(flow);
  const personId = granted.bot ? undefined : granted.user?.userId;
  const subjectKey = connectionKeyOf(flow, granted.account.id, personId);
  const writer = { asOf: flow.asOf, flowId: flow.flowId };
  let stored: StoredGrants | undefined;
  const giveWay = async (living: Connection | undefined) => {
    if (stored) await releaseUnused(deps, flow, subjectKey, stored, living);
  };
  for (let round = 0; round < maxRounds; round += 1) {
    const existing = await deps.connections.get(environmentId, subjectKey);
    const relation = fence(existing, writer);
    const living = existing?.deletedAt === undefined ? existing : undefined;
    if (relation === 'newer') {
      await giveWay(living);
      if (!living) throw new FlowFailure('deleted_meanwhile');
      if (living.status === 'pending') throw new FlowFailure('superseded');
      if (!answersTo(living, flow.connectionIdentifier)) throw new FlowFailure('identifier_conflict');
      if (granted.bot && living.grantId !== grantIdOf(flow.integrationId, granted.account.id)) {
        const { account, bot } = granted;
        const liveToken = await broughtToken(deps, living);
        await revokeUnstoredToken(deps, integration, account, bot.token, flow.flowId, { liveToken });
      }
      await revokeUserToken(deps, integration, flow, granted, living);
      return { connection: living, previousAccount: undefined };
    }
    if (relation === 'own' && living && (living.status === 'active' || pendingReason !== undefined)) {
      return { connection: living, previousAccount: living.previousAccountName };
    }
    if (pendingReason !== undefined && living?.status === 'active') throw new FlowFailure('not_ready');
    // What never was active was not connected, so nothing changes when it gives way.
    const changed = living?.status === 'active' && living.account.id !== granted.account.id ? living : undefined;
    const refusal =
      changed && integration.configurations.accountChange === 'refuse' ? 'account_change_refused' : undefined;
    const identifier = refusal ? undefined : await settleIdentifier(deps, flow, subjectKey, living);
    if (identifier === undefined) {
      await giveWay(living);
      throw new FlowFailure(refusal ?? 'identifier_conflict');
    }
    stored ??=
      pendingReason === undefined
        ? await storeGrants(deps, integration, flow, granted, subjectKey)
        : { asOf: flow.asOf, grantId: undefined, userGrantId: undefined };
    const kept = living && living.account.id === granted.account.id ? living : undefined;
    const now = new Date(deps.now()).toISOString();
    // A flow that brought a user token only leaves the workspace's bot as it was.
    const grants = {
      grantId: stored.grantId ?? kept?.grantId,
      userGrantId: stored.userGrantId ?? kept?.userGrantId,
    };
    const connection: Connection = {
      subjectKey,
      identifier,
      environmentId,
      integrationId: integration.integrationId,
      integrationIdentifier: integration.identifier,
      providerId: integration.providerId,
      subscriberId: subject.subscriberId,
      contextKeys: [...subject.contextKeys],
      isInstall: flow.isInstall,
      ...grants,
      ...leftBehind(existing, grants, deps.now()),
      previousAccountName: changed ? (changed.account.name ?? changed.account.id) : undefined,
      account: granted.account,
      botUserId: granted.bot?.botUserId ?? kept?.botUserId,
      approverId: granted.user?.userId,
      metadata: flow.metadata ?? kept?.metadata,
      scopes: connectedScopes(flow, granted) ?? kept?.scopes ?? [],
      status: pendingReason === undefined ? 'active' : 'pending',
      statusReason: pendingReason,
      createdAt: living?.createdAt ?? now,
      updatedAt: now,
      ...writer,
      revision: randomToken(12),
    };
    if (await deps.connections.put(connection, existing?.revision)) {
      return { connection, previousAccount: connection.previousAccountName };
    }
  }
  throw new Error('other writers kept changing the connection');
}

/** Whether a caller who asked for an identifier finds the connection under it. */
function answersTo(connection: Connection, requested: string | undefined): boolean {
  return [undefined, connection.identifier, derivedIdentifier(connection.subjectKey)].includes(requested);
}

/**
 * The first identifier that is given for a subject stays its identifier; the derived one always works.
 * @returns undefined when the one asked for is another subject's, or a second one
 */
async function settleIdentifier(
  deps: FinishDeps,
  flow: FinishableFlow,
  subjectKey: string,
  living: Connection | undefined,
): Promise<string | undefined> {
  const requested = flow.connectionIdentifier;
  const derived = derivedIdentifier(subjectKey);
  if (requested === undefined || requested === derived) return living?.identifier ?? derived;
  if (subjectKeyIn(requested) !== undefined) return undefined;
  if (living && living.identifier !== derived && living.identifier !== requested) return undefined;
  const claimed = await deps.connections.claimIdentifier(flow.environmentId, requested, subjectKey, deps.now());
  return claimed ? requested : undefined;
}

interface StoredGrants {
  readonly asOf: number;
  readonly grantId: string | undefined;
  readonly userGrantId: string | undefined;
}

/**
 * Writes the grants and what refers to them. The reference comes first: whoever ends a grant looks for references after
 * reading its version, and the grant's writing changes that version.
 */
async function storeGrants(
  deps: FinishDeps,
  integration: Integration,
  flow: FinishableFlow,
  granted: Granted,
  subjectKey: string,
): Promise<StoredGrants> {
  const { environmentId, integrationId, flowId } = flow;
  // An app-only grant holds no token, so it reflects this moment and not the sign-in, which may be hours old.
  const asOf = granted.appOnly ? deps.now() : flow.asOf;
  const store = async (part: GrantedPart) => {
    const grantId = grantIdOf(integrationId, granted.account.id, part.userId);
    await deps.grants.addReference(environmentId, grantId, subjectKey, { asOf });
    const grant = await grantRow(deps.vault, integration, granted, part, { asOf, flowId });
    if (await deps.grants.putIfNewer(grant, deps.now())) return grantId;
    if (await deps.grants.renew(environmentId, grantId)) return grantId;
    const current = await deps.grants.get(environmentId, grantId);
    // The token may be the one that is being revoked: a later hit tries it before it is stored.
    if (isBeingRevoked(current, deps.now())) throw new GrantBusyError();
    await deps.grants.removeReference(environmentId, grantId, subjectKey, { asOf });
    throw new FlowFailure('deleted_meanwhile');
  };
  const { bot, user, appOnly } = granted;
  const person = user?.token && flow.userScopes.length > 0 ? user : undefined;
  if (person) {
    const ofAccount = await markUserGrant(deps.grants, integration, granted, person.userId, { subjectKey, asOf });
    if (isBeingRevoked(ofAccount, deps.now())) throw new GrantBusyError();
  }
  const main = bot ?? (appOnly && { token: undefined, scopes: [] });
  return {
    asOf,
    grantId: main && (await store({ token: main.token, scopes: main.scopes })),
    userGrantId: person && (await store({ token: person.token, scopes: person.scopes, userId: person.userId })),
  };
}

/** A revocation of the account's token is under way; the flow goes on when it is over. */
class GrantBusyError extends Error {
  override readonly name = 'GrantBusyError';
}

/** The person's token of a finisher that gives way, unless the connection that it gives way to has one of theirs. */
async function revokeUserToken(
  deps: FinishDeps,
  integration: Integration,
  { integrationId, flowId, userScopes }: Flow,
  { account, user }: Granted,
  living: Connection,
): Promise<void> {
  if (!user?.token || userScopes.length === 0) return;
  const { userId, token } = user;
  if (living.userGrantId === grantIdOf(integrationId, account.id, userId)) return;
  await revokeUnstoredToken(deps, integration, account, token, flowId, { userId });
}

/** The reference that a flow which fails may have written already, so that it does not keep the token alive. */
export async function takeBackReference(
  deps: FinishDeps,
  flow: Flow,
  accountId: string,
  userId: string | undefined,
): Promise<void> {
  if (flow.asOf === undefined) return;
  const subjectKey = connectionKeyOf(flow, accountId, userId);
  const connection = await deps.connections.get(flow.environmentId, subjectKey);
  const grantId = grantIdOf(flow.integrationId, accountId, userId);
  const stored = { asOf: flow.asOf, grantId, userGrantId: undefined };
  await releaseUnused(deps, flow, subjectKey, stored, connection);
}

/** References of a finisher that gives way, unless the connection that it gives way to uses the same grants. */
async function releaseUnused(
  deps: FinishDeps,
  flow: Flow,
  subjectKey: string,
  stored: StoredGrants,
  living: Connection | undefined,
): Promise<void> {
  for (const grantId of [stored.grantId, stored.userGrantId]) {
    if (grantId !== undefined && grantId !== living?.grantId && grantId !== living?.userGrantId) {
      await deps.grants.removeReference(flow.environmentId, grantId, subjectKey, stored);
    }
  }
}

/** @returns undefined when the flow says nothing of the connection's scopes: a person's token leaves those of the bot */
function connectedScopes(flow: FinishableFlow, { bot, user }: Granted): string[] | undefined {
  if (bot) return approvedScopes(flow.scopes, bot.scopes);
  return flow.isInstall && user ? approvedScopes(flow.userScopes, user.scopes) : undefined;
}

/** Slack adds up scopes over installs, so what others were granted is taken out again. */
function approvedScopes(asked: readonly string[], given: readonly string[]): string[] {
  return asked.length === 0 ? [...given] : given.filter((scope) => asked.includes(scope));
}

async function writeEndpoints(
  deps: FinishDeps,
  integration: Integration,
  flow: FinishableFlow,
  granted: Granted,
  connection: Connection,
): Promise<string[]> {
  // A newer connection to another account has no use for what was approved in this one.
  if (connection.account.id !== granted.account.id) return [];
  const written: string[] = [];
  if (granted.webhook) {
    const webhook = await writeWebhook(deps, integration, flow, granted, connection);
    if (webhook) written.push(webhook);
  }
  if (flow.autoLinkUser && flow.subscriberId !== undefined && granted.user) {
    const { userId, target } = granted.user;
    written.push(await writeEndpoint(deps, integration, flow, granted.account, connection, target, userId));
  }
  return written;
}

/** A webhook is one endpoint per channel; its URL is sealed in its row. */
async function writeWebhook(
  deps: FinishDeps,
  integration: Integration,
  flow: FinishableFlow,
  { account, webhook }: Granted,
  connection: Connection | undefined,
): Promise<string | undefined> {
  if (!webhook || flow.subscriberId === undefined) return undefined;
  // A channel's name can change hands, its id cannot.
  const channel = webhook.channelId ?? webhook.channel ?? '';
  const identifier = endpointIdentifier(flow, connection, 'webhook', account, channel);
  const sealedUrl = await sealWebhookUrl(deps.vault, { environmentId: flow.environmentId, identifier }, webhook.url);
  const target = { type: 'webhook', sealedUrl, channel: webhook.channel } as const;
  return writeEndpoint(deps, integration, flow, account, connection, target, channel);
}

/** Points a subscriber at a person, channel or webhook. When the connection was deleted or moved meanwhile, it fails. */
export async function writeEndpoint(
  deps: Pick<FinishDeps, 'endpoints' | 'connections' | 'now'>,
  integration: Integration,
  flow: FinishableFlow,
  account: Account,
  connection: Connection | undefined,
  target: EndpointTarget,
  targetName: string,
): Promise<string> {
  const now = new Date(deps.now()).toISOString();
  const endpoint: Endpoint = {
    identifier: endpointIdentifier(flow, connection, target.type, account, targetName),
    environmentId: flow.environmentId,
    integrationId: integration.integrationId,
    integrationIdentifier: integration.identifier,
    providerId: integration.providerId,
    subscriberId: flow.subscriberId ?? '',
    contextKeys: flow.contextKeys,
    connectionKey: connection?.subjectKey,
    connectionIdentifier: connection?.identifier,
    accountId: account.id,
    target,
    source: 'flow',
    createdAt: now,
    updatedAt: now,
    asOf: flow.asOf,
    flowId: flow.flowId,
  };
  const written = await deps.endpoints.putIfNewer(endpoint);
  if (!written && !(await deps.endpoints.find(flow.environmentId, endpoint.identifier))) {
    throw new FlowFailure('deleted_meanwhile');
  }
  const end = await keepWhileConnected(deps, endpoint, connection?.account.id);
  if (end !== 'kept') throw new FlowFailure(end === 'moved' ? 'wrong_workspace' : 'deleted_meanwhile');
  return endpoint.identifier;
}

function endpointIdentifier(
  flow: FinishableFlow,
  connection: Connection | undefined,
  type: EndpointTarget['type'],
  account: Account,
  targetName: string,
): string {
  const subjectKey = connection?.subjectKey ?? hashOf('none', flow.integrationId, flow.contextKeys);
  return endpointIdentifierOf(subjectKey, flow.subscriberId ?? '', type, account.id, targetName);
}

function accountOf({ id, name }: Account): FlowOutcome['account'] {
  return { id, name };
}
