import { jsonReply, type Reply } from '../pretend-provider.ts';
import { type App, type Apps, nameOf } from './apps.ts';
import { type Account, accounts, type Tenant, tenants } from './directory.ts';
import { GraphError, graphErrorBody } from './errors.ts';
import { derivedGuid } from './ids.ts';
import { type AppToken, graphResource } from './token.ts';

export interface GraphDeps {
  readonly apps: Apps;
  readonly appTokens: ReadonlyMap<string, AppToken>;
  readonly installations: Installations;
  readonly now: () => number;
  readonly graphUrl: string;
}

export interface GraphRequest {
  readonly method: string;
  /** Below /v1.0. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
  readonly authorization: string | undefined;
}

/** Which Teams apps are installed for whom. */
export class Installations {
  readonly #installed = new Set<string>();

  add({ oid }: Account, teamsAppId: string): boolean {
    const isNew = !this.#installed.has(`${oid}##${teamsAppId}`);
    this.#installed.add(`${oid}##${teamsAppId}`);
    return isNew;
  }

  /** The ids of the installed Teams apps. */
  of({ oid }: Account): string[] {
    return [...this.#installed].filter((key) => key.startsWith(`${oid}##`)).map((key) => key.slice(oid.length + 2));
  }
}

interface Call extends GraphRequest {
  readonly deps: GraphDeps;
  readonly app: App;
  readonly tenant: Tenant;
  readonly parameters: readonly string[];
}

/** Method, path, the application permissions of which any will do, and what answers. */
type Endpoint = readonly [string, RegExp, readonly string[], (call: Call) => Reply];

const installRoles = [
  'TeamsAppInstallation.ReadWriteSelfForUser.All',
  'TeamsAppInstallation.ReadWriteForUser.All',
  'TeamsAppInstallation.ReadWriteAndConsentSelfForUser.All',
  'TeamsAppInstallation.ReadWriteAndConsentForUser.All',
];
const readInstalledRoles = ['TeamsAppInstallation.ReadForUser.All', ...installRoles];
const installed = /^\/users\/([^/]+)\/teamwork\/installedApps$/;
const installedChat = /^\/users\/([^/]+)\/teamwork\/installedApps\/([^/]+)\/chat$/;

const endpoints: readonly Endpoint[] = [
  ['GET', /^\/appCatalogs\/teamsApps$/, ['AppCatalog.Read.All', 'AppCatalog.ReadWrite.All'], listCatalogue],
  ['POST', installed, installRoles, install],
  ['GET', installed, readInstalledRoles, listInstalled],
  ['GET', installedChat, readInstalledRoles, showChat],
  ['GET', /^\/users\/([^/]+)\/joinedTeams$/, ['Team.ReadBasic.All', 'TeamSettings.Read.All'], listJoinedTeams],
  ['GET', /^\/teams\/([^/]+)\/channels$/, ['Channel.ReadBasic.All', 'ChannelSettings.Read.All'], listChannels],
  ['GET', /^\/organization$/, ['Organization.Read.All', 'Directory.Read.All'], showOrganization],
];

/** Graph's failures are answers too. */
export function callGraph(deps: GraphDeps, request: GraphRequest): Reply {
  try {
    return dispatch(deps, request);
  } catch (error) {
    if (error instanceof GraphError) {
      return jsonReply(graphErrorBody(error, deps.now()), error.status);
    }
    throw error;
  }
}

function dispatch(deps: GraphDeps, request: GraphRequest): Reply {
  const token = authenticate(deps, request.authorization);
  const tenant = tenants.find(({ id }) => id === token.tenantId) as Tenant;
  const app = deps.apps.find(token.clientId, tenant.name);
  for (const [method, pattern, roles, answer] of endpoints) {
    const match = method === request.method && pattern.exec(request.path);
    if (match) {
      requireRole(token, roles);
      return answer({ ...request, deps, tenant, app, parameters: match.slice(1).map(decodeURIComponent) });
    }
  }
  throw new GraphError(400, 'BadRequest', `Resource not found for the segment '${request.path.split('/')[1]}'.`);
}

function requireRole(token: AppToken, roles: readonly string[]): void {
  if (!roles.some((role) => token.roles.includes(role))) {
    const needed = `API requires one of '${roles.join(', ')}'.`;
    const present = `Roles on the request '${token.roles.join(', ')}'. Resource specific consent grants on the request ''.`;
    throw new GraphError(403, 'Forbidden', `Missing role permissions on the request. ${needed} ${present}`);
  }
}

function authenticate({ appTokens, now }: GraphDeps, authorization = ''): AppToken {
  const token = appTokens.get(/^Bearer (.+)$/i.exec(authorization)?.[1] ?? '');
  if (token?.resource !== graphResource) {
    const why = token ? ' Invalid audience.' : '';
    throw new GraphError(401, 'InvalidAuthenticationToken', `Access token validation failure.${why}`);
  }
  if (token.expiresAt <= now()) {
    throw new GraphError(401, 'InvalidAuthenticationToken', 'Lifetime validation failed, the token is expired.');
  }
  return token;
}

interface TeamsApp {
  readonly id: string;
  readonly externalId: string | null;
  readonly displayName: string;
  readonly distributionMethod: 'organization' | 'store';
}

/** In the store, the id is the manifest's; an organisation's catalogue gives it another one. */
function teamsAppOf(tenant: Tenant, app: App): TeamsApp {
  const { teamsManifestId = app.clientId, teamsApp: distributionMethod = 'organization' } = app;
  const isStore = distributionMethod === 'store';
  return {
    id: isStore ? teamsManifestId : derivedGuid('teams app', tenant.id, teamsManifestId),
    externalId: isStore ? null : teamsManifestId,
    displayName: nameOf(app),
    distributionMethod,
  };
}

function catalogueOf({ deps, tenant }: Pick<Call, 'deps' | 'tenant'>): TeamsApp[] {
  const all = deps.apps.all.map((app) => teamsAppOf(tenant, app));
  return all.filter(({ distributionMethod }) => tenant.hasTeamsApps || distributionMethod === 'store');
}

/** @see https://learn.microsoft.com/graph/api/appcatalogs-list-teamsapps */
function listCatalogue(call: Call): Reply {
  return collection(call, 'appCatalogs/teamsApps', catalogueOf(call).filter(filterOf(call.query)));
}

/** @see https://learn.microsoft.com/graph/api/userteamwork-post-installedapps */
function install(call: Call): Reply {
  const { deps, app, tenant } = call;
  const account = findUser(call);
  const [, teamsAppId] =
    /\/v1\.0\/appCatalogs\/teamsApps(?:\/|\(')([^/'()]+)(?:'\))?$/i.exec(boundApp(call.body)) ?? [];
  if (!teamsAppId) {
    throw new GraphError(400, 'BadRequest', "Property 'teamsApp@odata.bind' is missing or malformed.");
  }
  const teamsApp = catalogueOf(call).find(({ id }) => id === teamsAppId);
  if (!teamsApp) {
    throw new GraphError(404, 'NotFound', `App with id '${teamsAppId}' was not found in the catalog.`);
  }
  if (teamsApp.id !== teamsAppOf(tenant, app).id) {
    const mismatch = `AAD App Id '${app.clientId}' is not allowed to manage the Teams App '${teamsAppId}'.`;
    throw new GraphError(403, 'Forbidden', mismatch);
  }
  if (account.blocksApps) {
    throw new GraphError(403, 'Forbidden', 'App is blocked by app permission policy.');
  }
  if (!deps.installations.add(account, teamsAppId)) {
    throw new GraphError(409, 'Conflict', 'App entitlement already exists.');
  }
  return { status: 201, headers: {}, body: '' };
}

function boundApp(body: string): string {
  try {
    return String(JSON.parse(body)['teamsApp@odata.bind']);
  } catch {
    throw new GraphError(400, 'BadRequest', 'Unable to read JSON request payload.');
  }
}

/** @see https://learn.microsoft.com/graph/api/userteamwork-list-installedapps */
function listInstalled(call: Call): Reply {
  const account = findUser(call);
  const catalogue = catalogueOf(call);
  const expand = (call.query.get('$expand') ?? '').split(',').some((name) => /^teamsApp(\(|$)/.test(name));
  const rows = call.deps.installations.of(account).flatMap((id) => {
    const teamsApp = catalogue.find((candidate) => candidate.id === id);
    return teamsApp ? [{ id: installationId(account, id), teamsApp }] : [];
  });
  const found = rows.filter(filterOf(call.query)).map(({ id, teamsApp }) => (expand ? { id, teamsApp } : { id }));
  return collection(call, `users('${account.oid}')/teamwork/installedApps`, found);
}

/** @see https://learn.microsoft.com/graph/api/userscopeteamsappinstallation-get-chat */
function showChat(call: Call): Reply {
  const account = findUser(call);
  const teamsAppId = call.deps.installations
    .of(account)
    .find((id) => installationId(account, id) === call.parameters[1]);
  if (!teamsAppId) {
    throw new GraphError(404, 'NotFound', 'The app installation was not found.');
  }
  const id = `19:${account.oid}_${derivedGuid('bot', teamsAppId)}@unq.gbl.spaces`;
  return jsonReply({
    '@odata.context': contextOf(call, 'chats/$entity'),
    id,
    topic: null,
    chatType: 'oneOnOne',
    tenantId: call.tenant.id,
  });
}

/** @see https://learn.microsoft.com/graph/api/user-list-joinedteams */
function listJoinedTeams(call: Call): Reply {
  const [member] = findUser(call).username.split('@');
  const teams = call.tenant.teams.filter(({ members }) => members.includes(member ?? ''));
  return collection(
    call,
    'teams',
    teams.map(({ id, name }) => ({ id, displayName: name, description: name })),
  );
}

/** @see https://learn.microsoft.com/graph/api/channel-list */
function listChannels(call: Call): Reply {
  const team = call.tenant.teams.find(({ id }) => id === call.parameters[0]);
  if (!team) {
    throw new GraphError(404, 'NotFound', `No team found with Group Id ${call.parameters[0]}`);
  }
  const channels = team.channels.map(({ id, name, membershipType }) => ({ id, displayName: name, membershipType }));
  return collection(call, `teams('${team.id}')/channels`, channels.filter(filterOf(call.query)));
}

function showOrganization(call: Call): Reply {
  return collection(call, 'organization', [{ id: call.tenant.id, displayName: call.tenant.name }]);
}

/** By object id or user name, in the tenant of the token. */
function findUser({ tenant, parameters: [user] }: Call): Account {
  const found = accounts.find(
    (account) => account.tenant === tenant && (account.oid === user || account.username === user),
  );
  if (!found) {
    throw new GraphError(404, 'NotFound', `User '${user}' was not found.`);
  }
  return found;
}

function installationId({ oid }: Account, teamsAppId: string): string {
  return Buffer.from(`${oid}##${teamsAppId}`).toString('base64');
}

const pageSize = 20;

/** One page of a list, `$select`ed. */
function collection(call: Call, context: string, all: object[]): Reply {
  const { query, path } = call;
  const start = Number(query.get('$skiptoken')) || 0;
  const end = start + pageSize;
  const select = query.get('$select')?.split(',');
  const isSelected = ([name]: [string, unknown]) => !select || select.includes(name);
  const value = all.slice(start, end).map((row) => Object.fromEntries(Object.entries(row).filter(isSelected)));
  const next = new URLSearchParams([...query].filter(([name]) => name !== '$skiptoken'));
  next.set('$skiptoken', String(end));
  return jsonReply({
    '@odata.context': contextOf(call, context),
    '@odata.count': value.length,
    ...(end < all.length && { '@odata.nextLink': `${call.deps.graphUrl}/v1.0${path}?${next}` }),
    value,
  });
}

function contextOf({ deps }: Pick<Call, 'deps'>, context: string): string {
  return `${deps.graphUrl}/v1.0/$metadata#${context}`;
}

/** Reads `a eq 'x' and b/c eq 'y'`, which is all that is needed. */
function filterOf(query: URLSearchParams): (row: object) => boolean {
  const filter = query.get('$filter');
  const terms = filter ? filter.split(/ and /i) : [];
  const comparisons = terms.map((term) => {
    const [, path, value] = /^\s*([\w/]+) eq '((?:[^']|'')*)'\s*$/.exec(term) ?? [];
    if (!path || value === undefined) {
      throw new GraphError(400, 'BadRequest', `Invalid filter clause: ${filter}`);
    }
    return { path: path.split('/'), value: value.replaceAll("''", "'") };
  });
  return (row) => comparisons.every(({ path, value }) => read(row, path) === value);
}

function read(row: object, [name = '', ...rest]: string[]): unknown {
  if (!Object.hasOwn(row, name)) {
    throw new GraphError(400, 'BadRequest', `Could not find a property named '${name}'.`);
  }
  const value: unknown = row[name as keyof typeof row];
  return rest.length > 0 ? read(Object(value), rest) : value;
}
