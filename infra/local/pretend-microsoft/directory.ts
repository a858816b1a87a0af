import { EntraError } from './errors.ts';
import { derivedGuid, isGuid } from './ids.ts';

export interface Tenant {
  readonly id: string;
  readonly name: string;
  readonly domain: string;
  /** Whether the organisation's app catalogue has the Teams apps of the registered apps. */
  readonly hasTeamsApps: boolean;
  readonly teams: readonly Team[];
}

export interface Team {
  readonly id: string;
  readonly name: string;
  /** The local parts of the user names of its members. */
  readonly members: readonly string[];
  readonly channels: readonly { readonly id: string; readonly name: string; readonly membershipType: string }[];
}

/** A person in a tenant. A guest has a second account in the tenant that is home, under the same user name. */
export interface Account {
  readonly tenant: Tenant;
  readonly oid: string;
  readonly username: string;
  readonly name: string;
  readonly role: keyof typeof roleTemplates;
  /** Installing an app for this person fails with 403, as an app permission policy makes it. */
  readonly blocksApps: boolean;
}

/** What `wids` holds. @see https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference */
export const roleTemplates = {
  'Global Administrator': '62e90394-69f5-4237-9190-012177145e10',
  'Application Administrator': '9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3',
  Member: 'b79fbf4d-3ef9-4689-8143-76b194e85509',
  Guest: '10dae51f-b6af-4016-8d66-8c2a99b929b3',
} as const;

export const consumerTenantId = '9188040d-6c67-4c5b-b112-36a304b66dad';

function tenant(id: string, name: string, teams: Team[], hasTeamsApps = true): Tenant {
  return { id, name, domain: `${name.toLowerCase().replaceAll(' ', '')}.example`, hasTeamsApps, teams };
}

function team(tenantName: string, name: string, members: string[], channels: string[]): Team {
  return {
    id: derivedGuid('team', tenantName, name),
    name,
    members,
    channels: channels.map((channel) => ({
      id: `19:${derivedGuid('channel', tenantName, name, channel).replaceAll('-', '')}@thread.tacv2`,
      name: channel,
      membershipType: channel.startsWith('Secret') ? 'private' : 'standard',
    })),
  };
}

const alertChannels = Array.from({ length: 22 }, (_, index) => `Alerts ${String(index + 1).padStart(2, '0')}`);

export const contoso = tenant('c0270500-1a2b-4c3d-8e4f-00000000c0a1', 'Contoso', [
  team('Contoso', 'Engineering', ['adele', 'megan'], ['General', 'Builds', 'Secret Plans']),
  team('Contoso', 'Operations', ['adele', 'alex'], ['General', ...alertChannels]),
  team('Contoso', 'Board', ['megan'], ['General']),
]);
export const fabrikam = tenant('fab21ca0-1a2b-4c3d-8e4f-00000000fab1', 'Fabrikam', [
  team('Fabrikam', 'Sales', ['fiona', 'gita'], ['General', 'Leads']),
]);
/** Its administrator has not put any Teams app into the catalogue. */
export const tailspin = tenant('7a115b10-1a2b-4c3d-8e4f-0000000007a1', 'Tailspin Toys', [], false);
export const tenants: readonly Tenant[] = [contoso, fabrikam, tailspin];

function account(of: Tenant, name: string, role: Account['role'], home = of, blocksApps = false): Account {
  const username = `${name.split(' ')[0]?.toLowerCase()}@${home.domain}`;
  return { tenant: of, oid: derivedGuid('person', of.id, username), username, name, role, blocksApps };
}

/** Administrators first, then others; the first of a list is who acts when nobody is named. */
export const accounts: readonly Account[] = [
  account(contoso, 'Adele Admin', 'Global Administrator'),
  account(contoso, 'Alex Apps', 'Application Administrator'),
  account(contoso, 'Megan Member', 'Member'),
  account(contoso, 'Gita Guest', 'Guest', fabrikam),
  account(fabrikam, 'Fiona Founder', 'Global Administrator'),
  account(fabrikam, 'Gita Guest', 'Member'),
  account(tailspin, 'Tina Toymaker', 'Global Administrator'),
  account(tailspin, 'Tom Tinker', 'Member', tailspin, true),
];

/** What stands in the path of an endpoint: a tenant, or the home tenant of whoever signs in. */
export interface Authority {
  readonly segment: string;
  readonly tenant: Tenant | undefined;
}

/** @throws {EntraError} 900023, 90002 */
export function findAuthority(segment: string): Authority {
  const name = segment.toLowerCase();
  if (name === 'organizations' || name === 'common') {
    return { segment: name, tenant: undefined };
  }
  const found = tenants.find(({ id, domain }) => id === name || domain === name);
  if (found) {
    return { segment: found.id, tenant: found };
  }
  if (!isGuid(name) && !name.includes('.')) {
    throw new EntraError(900023, `Specified tenant identifier '${segment}' is neither a valid DNS name, nor a GUID.`);
  }
  throw new EntraError(90002, `Tenant '${segment}' not found. Check to make sure you have the correct tenant ID.`);
}

/** Who can sign in there: a guest only where the tenant stands in the path. */
export function accountsAt({ tenant: named }: Authority): Account[] {
  return accounts.filter(({ tenant: own, role }) => (named ? own === named : role !== 'Guest'));
}
