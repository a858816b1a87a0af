import { describe, expect, it } from 'vitest';
import {
  accounts,
  contoso,
  fabrikam,
  type Tenant,
  tailspin,
} from '../../../../infra/local/pretend-microsoft/directory.ts';
import { app, setup } from './harness.ts';

function oidOf(username: string, tenant: Tenant = contoso): string {
  return accounts.find((account) => account.username === username && account.tenant === tenant)?.oid ?? '';
}

const megan = oidOf('megan@contoso.example');
const catalogue = `/appCatalogs/teamsApps?$filter=externalId eq '${app.clientId}' and distributionMethod eq 'organization'`;

/** An app that is approved in a tenant, its token, and the id of its Teams app there. */
async function setupGraph(tenant: Tenant = contoso, change: Partial<typeof app> = {}) {
  const context = await setup({ apps: [{ ...app, ...change }] });
  context.microsoft.consent(tenant.id, app.clientId);
  const { access_token: token } = await context.appToken(tenant.id);
  const call = (path: string, init?: RequestInit) => context.graph(path, token, init);
  const teamsAppId = (await call(catalogue)).value?.[0]?.id ?? '';
  const install = (user: string, id = teamsAppId) =>
    call(`/users/${user}/teamwork/installedApps`, {
      method: 'POST',
      body: JSON.stringify({ 'teamsApp@odata.bind': `https://graph.microsoft.com/v1.0/appCatalogs/teamsApps/${id}` }),
    });
  return { ...context, token, call, teamsAppId, install };
}

describe('authorization of Graph', () => {
  it('refuses no token, a made-up one, one for the Bot Framework and an expired one', async () => {
    const { clock, call, graph, appToken } = await setupGraph();
    const bot = await appToken(contoso.id, { scope: 'https://api.botframework.com/.default' });

    const answers = [
      await graph('/organization', ''),
      await graph('/organization', 'x.y.z'),
      await graph('/organization', bot.access_token),
    ];
    clock.now += 3_599_000;
    answers.push(await call('/organization'));

    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 401, error: { code: 'InvalidAuthenticationToken' } });
    }
  });

  it('names the roles that are needed and those that are there', async () => {
    const { microsoft, appToken, graph } = await setupGraph();
    microsoft.setRoles(contoso.id, app.clientId, ['Team.ReadBasic.All']);
    const { access_token: token } = await appToken();

    const answer = await graph(catalogue, token);

    expect(answer.status).toBe(403);
    expect(answer.error?.code).toBe('Forbidden');
    expect(answer.error?.message).toContain("API requires one of 'AppCatalog.Read.All, AppCatalog.ReadWrite.All'.");
    expect(answer.error?.message).toContain("Roles on the request 'Team.ReadBasic.All'.");
  });

  it('answers an unknown path as Graph does', async () => {
    const { call } = await setupGraph();

    const answer = await call('/nothing/here');

    expect(answer).toMatchObject({ status: 400, error: { message: "Resource not found for the segment 'nothing'." } });
  });
});

describe('GET /appCatalogs/teamsApps', () => {
  it('finds the app of an organization by its manifest id, under an id of its own', async () => {
    const { call } = await setupGraph();

    const answer = await call(catalogue);

    expect(answer.value).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        externalId: app.clientId,
        displayName: 'Courier',
        distributionMethod: 'organization',
      },
    ]);
    expect(answer.value[0]?.id).not.toBe(app.clientId);
  });

  it('finds nothing where the administrator has not uploaded the app', async () => {
    const { call } = await setupGraph(tailspin);

    const answer = await call(catalogue);

    expect(answer).toMatchObject({ status: 200, value: [] });
  });

  it('finds an app of the store by its id alone', async () => {
    const manifestId = '00000000-1111-4222-8333-444444444444';
    const { call } = await setupGraph(tailspin, { teamsApp: 'store', teamsManifestId: manifestId });

    const byId = await call(`/appCatalogs/teamsApps?$filter=distributionMethod eq 'store' and id eq '${manifestId}'`);
    const byExternalId = await call(`/appCatalogs/teamsApps?$filter=externalId eq '${manifestId}'`);

    expect(byId.value.map(({ id }) => id)).toEqual([manifestId]);
    expect(byExternalId.value).toEqual([]);
  });

  it.each(["externalId ne 'x'", "nonsense eq 'x'"])('refuses the filter %s', async (filter) => {
    const { call } = await setupGraph();

    const answer = await call(`/appCatalogs/teamsApps?$filter=${filter}`);

    expect(answer).toMatchObject({ status: 400, error: { code: 'BadRequest' } });
  });
});

describe('POST /users/{id}/teamwork/installedApps', () => {
  it('installs once for a person, with an empty answer', async () => {
    const { install } = await setupGraph();

    const first = await install(megan);
    const again = await install('megan@contoso.example');

    expect(first).toEqual({ status: 201 });
    expect(again).toMatchObject({ status: 409, error: { code: 'Conflict' } });
  });

  it('refuses until the role has arrived', async () => {
    const { microsoft, clock, appToken, graph, teamsAppId } = await setupGraph();
    microsoft.withdrawConsent(contoso.id, app.clientId);
    microsoft.grantRolesAfter(5_000);
    microsoft.consent(contoso.id, app.clientId);
    const body = JSON.stringify({
      'teamsApp@odata.bind': `${microsoft.graphUrl}/v1.0/appCatalogs/teamsApps/${teamsAppId}`,
    });
    const tryIt = async () =>
      graph(`/users/${megan}/teamwork/installedApps`, (await appToken()).access_token, { method: 'POST', body });

    const before = await tryIt();
    clock.now += 5_000;
    const after = await tryIt();

    expect([before.status, after.status]).toEqual([403, 201]);
  });

  it('refuses an unknown user, one of another tenant, and an unknown app with 404', async () => {
    const { install } = await setupGraph();

    const answers = [
      await install('00000000-0000-4000-8000-000000000000'),
      await install(oidOf('fiona@fabrikam.example', fabrikam)),
      await install(megan, '00000000-0000-4000-8000-000000000000'),
    ];

    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
  });

  it('refuses the Teams app of another registration, and a person whose policy blocks apps, with 403', async () => {
    const { microsoft, call, install } = await setupGraph();
    const otherId = '5f0f1a2b-0000-4000-8000-000000000002';
    microsoft.registerApp({ ...app, clientId: otherId });
    const other = await call(`/appCatalogs/teamsApps?$filter=externalId eq '${otherId}'`);
    const inTailspin = await setupGraph(tailspin, { teamsApp: 'store' });

    const foreign = await install(megan, other.value[0]?.id);
    const blocked = await inTailspin.install(oidOf('tom@tailspintoys.example', tailspin), app.clientId);

    expect(foreign.error?.message).toContain('is not allowed to manage the Teams App');
    expect(blocked).toMatchObject({ status: 403, error: { message: 'App is blocked by app permission policy.' } });
  });

  it.each(['{', '{}', '{"teamsApp@odata.bind":"x"}'])('refuses the body %s with 400', async (body) => {
    const { call } = await setupGraph();

    const answer = await call(`/users/${megan}/teamwork/installedApps`, { method: 'POST', body });

    expect(answer.status).toBe(400);
  });
});

describe('GET /users/{id}/teamwork/installedApps', () => {
  it('leads from the Teams app to its installation and on to the chat', async () => {
    const { call, install, teamsAppId } = await setupGraph();
    await install(megan);
    const path = `/users/${megan}/teamwork/installedApps`;

    const found = await call(`${path}?$expand=teamsApp&$filter=teamsApp/id eq '${teamsAppId}'`);
    const [installation] = found.value;
    const chat = await call(`${path}/${installation?.id}/chat`);

    expect(found.value).toMatchObject([
      { id: expect.any(String), teamsApp: { id: teamsAppId, externalId: app.clientId } },
    ]);
    expect(installation?.id).not.toBe(teamsAppId);
    expect(chat).toMatchObject({ status: 200, chatType: 'oneOnOne', tenantId: contoso.id });
    expect(chat.id).toMatch(new RegExp(`^19:${megan}_[0-9a-f-]{36}@unq\\.gbl\\.spaces$`));
  });

  it('has no app before the install, and no chat for an unknown installation', async () => {
    const { call } = await setupGraph();

    const list = await call(`/users/${megan}/teamwork/installedApps?$expand=teamsApp`);
    const chat = await call(`/users/${megan}/teamwork/installedApps/unknown/chat`);

    expect(list.value).toEqual([]);
    expect(chat.status).toBe(404);
  });
});

describe('teams and channels', () => {
  it("lists a person's teams, and not those of others", async () => {
    const { call } = await setupGraph();

    const answer = await call(`/users/${megan}/joinedTeams`);

    expect(answer.value.map(({ displayName }) => displayName)).toEqual(['Engineering', 'Board']);
  });

  it('lists channels with their membership type, as selected', async () => {
    const { call } = await setupGraph();
    const [team] = (await call(`/users/${megan}/joinedTeams`)).value;

    const all = await call(`/teams/${team?.id}/channels?$select=displayName,membershipType`);

    expect(all.value).toEqual([
      { displayName: 'General', membershipType: 'standard' },
      { displayName: 'Builds', membershipType: 'standard' },
      { displayName: 'Secret Plans', membershipType: 'private' },
    ]);
  });

  it('pages long lists by nextLink', async () => {
    const { call } = await setupGraph();
    const teams = await call(`/users/${oidOf('alex@contoso.example')}/joinedTeams`);

    const first = await call(`/teams/${teams.value[0]?.id}/channels?$select=id`);
    const second = await call(first['@odata.nextLink'] ?? '');

    expect([first.value.length, second.value.length]).toEqual([20, 3]);
    expect(Object.keys(second.value[0] ?? {})).toEqual(['id']);
    expect(second['@odata.nextLink']).toBeUndefined();
  });

  it('refuses the team of another tenant', async () => {
    const { call } = await setupGraph();

    const answer = await call(`/teams/${fabrikam.teams[0]?.id}/channels`);

    expect(answer.status).toBe(404);
  });

  it('names the organization of the token', async () => {
    const { call } = await setupGraph(fabrikam);

    const answer = await call('/organization?$select=id');

    expect(answer.value).toEqual([{ id: fabrikam.id }]);
  });
});
