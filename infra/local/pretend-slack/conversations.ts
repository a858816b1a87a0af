import { type Account, accounts, findAccount, type NamedId } from './directory.ts';
import { SlackError } from './errors.ts';
import { type Grant, requireScope } from './grants.ts';

export interface PretendChannel extends NamedId {
  /** User ids; makes the channel a private one. @default - a public one, where everybody is */
  readonly members?: readonly string[];
  /** @default false */
  readonly isArchived?: boolean;
}

/** The channels of the directory, and those that were added since the start. */
export class Conversations {
  readonly #added = new Map<string, PretendChannel[]>();

  add(accountId: string, channel: PretendChannel): void {
    this.#added.set(accountId, [...(this.#added.get(accountId) ?? []), channel]);
  }

  of({ id, channels, privateChannels }: Account): readonly PretendChannel[] {
    return [...channels, ...privateChannels, ...(this.#added.get(id) ?? [])];
  }
}

type Form = Readonly<Record<string, string>>;

/** Methods that only read, so Slack takes them as GET, too. */
export const conversationMethods: Readonly<
  Record<string, (conversations: Conversations, grant: Grant, form: Form) => Record<string, unknown>>
> = {
  'conversations.list': listConversations,
  'users.conversations': listConversationsOfUser,
  'conversations.info': showConversation,
};

/** @see https://docs.slack.dev/reference/methods/conversations.list */
function listConversations(conversations: Conversations, grant: Grant, form: Form) {
  requireScopesOf(grant, form);
  const account = workspaceOf(grant, form);
  return onePage(account, conversations.of(account), form);
}

/** @see https://docs.slack.dev/reference/methods/users.conversations */
function listConversationsOfUser(conversations: Conversations, grant: Grant, form: Form) {
  requireScopesOf(grant, form);
  const account = workspaceOf(grant, form);
  const { user = grant.holderId } = form;
  const isBot = user === grant.holderId && grant.isBot;
  if (!isBot && !account.people.some(({ id }) => id === user)) {
    throw new SlackError('user_not_found');
  }
  const own = conversations.of(account).filter(({ members }) => isBot || (members?.includes(user) ?? true));
  return onePage(account, own, form);
}

/** @see https://docs.slack.dev/reference/methods/conversations.info */
function showConversation(conversations: Conversations, grant: Grant, form: Form) {
  const { account: own } = grant;
  for (const account of own.team
    ? [own]
    : accounts.filter(({ team, enterprise }) => team && enterprise?.id === own.id)) {
    const channel = conversations.of(account).find(({ id }) => id === form['channel']);
    if (channel) {
      requireScope(grant, channel.members ? 'groups:read' : 'channels:read');
      return { ok: true, channel: shown(account, channel) };
    }
  }
  throw new SlackError('channel_not_found');
}

function typesOf({ types = 'public_channel' }: Form): string[] {
  return types.split(',').map((type) => type.trim());
}

/** One scope that is missing takes all types with it. */
function requireScopesOf(grant: Grant, form: Form): void {
  for (const type of typesOf(form)) {
    requireScope(grant, type === 'private_channel' ? 'groups:read' : 'channels:read');
  }
}

function workspaceOf(grant: Grant, form: Form): Account {
  const isOrg = grant.account.team === null;
  const account = isOrg ? findAccount(form['team_id']) : grant.account;
  if (isOrg && form['team_id'] === undefined) {
    throw new SlackError('missing_argument');
  }
  if (!account?.team || (isOrg && account.enterprise?.id !== grant.account.id)) {
    throw new SlackError('team_access_not_granted');
  }
  return account;
}

/** As at Slack, archived channels are left out of a page that was already cut, so that it comes shorter. */
function onePage(account: Account, all: readonly PretendChannel[], form: Form) {
  const start = Number(Buffer.from(form['cursor'] ?? '', 'base64url').toString());
  if (!Number.isInteger(start) || start < 0) {
    throw new SlackError('invalid_cursor');
  }
  const types = typesOf(form);
  const ofTypes = all.filter(({ members }) => types.includes(members ? 'private_channel' : 'public_channel'));
  const end = start + (Number(form['limit']) || 100);
  const page = ofTypes.slice(start, end).filter(({ isArchived }) => !isArchived || form['exclude_archived'] !== 'true');
  const next = end < ofTypes.length ? Buffer.from(String(end)).toString('base64url') : '';
  return {
    ok: true,
    channels: page.map((channel) => shown(account, channel)),
    response_metadata: { next_cursor: next },
  };
}

function shown(account: Account, { id, name, members, isArchived = false }: PretendChannel) {
  return {
    id,
    name,
    is_channel: true,
    is_private: members !== undefined,
    is_archived: isArchived,
    is_member: members !== undefined,
    context_team_id: account.id,
  };
}
