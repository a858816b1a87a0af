/** Something that can be installed to, in the words of Slack's answers: a workspace, or a whole Enterprise Grid org. */
export interface Account {
  /** The workspace's id, or the org's for an org-wide install. */
  readonly id: string;
  readonly name: string;
  readonly domain: string;
  readonly team: NamedId | null;
  readonly enterprise: NamedId | null;
  readonly people: readonly Person[];
  readonly channels: readonly NamedId[];
  readonly privateChannels: readonly PrivateChannel[];
}

/** The bot of every app is in it, too. */
export interface PrivateChannel extends NamedId {
  /** User ids. */
  readonly members: readonly string[];
}

export interface NamedId {
  readonly id: string;
  readonly name: string;
}

export interface Person extends NamedId {
  readonly email: string;
}

function workspace(id: string, name: string, names: string[], enterprise: NamedId | null = null): Account {
  const domain = name.toLowerCase().replaceAll(' ', '-');
  const suffix = id.slice(2);
  const people = names.map((person) => ({
    id: `U0${person.slice(0, 3).toUpperCase()}${suffix}`,
    name: person,
    email: `${person.split(' ')[0]?.toLowerCase()}@${domain}.example`,
  }));
  const channelOf = (channel: string) => ({
    id: `C0${channel.slice(0, 3).toUpperCase()}${suffix}`,
    name: channel,
  });
  const [first, second] = people.map((person) => person.id);
  return {
    id,
    name,
    domain,
    team: { id, name },
    enterprise,
    people,
    channels: ['general', 'random', 'alerts'].map(channelOf),
    privateChannels: [
      { ...channelOf('leadership'), members: [first ?? ''] },
      { ...channelOf('deals'), members: [first ?? '', second ?? ''] },
    ],
  };
}

const initech: NamedId = { id: 'E0INITECH1', name: 'Initech' };
const initechResearch = workspace('T0INITECH1', 'Initech Research', ['Erin Eng', 'Faruk Fox'], initech);

/** Two plain workspaces, a workspace of an Enterprise Grid org, and that org itself. */
export const accounts: readonly Account[] = [
  workspace('T0ACME0001', 'Acme', ['Ann Admin', 'Bob Builder', 'Chen Clerk']),
  workspace('T0GLOBEX01', 'Globex', ['Dana Dev', 'Hank Host']),
  initechResearch,
  { ...initechResearch, id: initech.id, name: initech.name, domain: 'initech-org', team: null },
];

export function findAccount(id: string | null | undefined): Account | undefined {
  return accounts.find((account) => account.id === id);
}
