import { UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contoso, fabrikam } from '../../infra/local/pretend-microsoft/directory.ts';
import { keyOf } from '../../lib/store/keys.ts';
import { startInstance } from '../support/instance.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { adele, connect, consented, createTeams, fiona, megan, signedIn, urlOf } from '../support/teams.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});

afterAll(() => service.close());

describe('an OAuth URL for Microsoft Teams', () => {
  it('asks an administrator for the app’s permissions', async () => {
    const environment = await createTeams(service);

    const url = new URL(await urlOf(service, environment, 'connect', { scope: ['ignored'] }));

    expect(url.origin + url.pathname).toBe(`${service.microsoft.url}/organizations/v2.0/adminconsent`);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      client_id: environment.entraApp.clientId,
      redirect_uri: `${service.url}/v1/integrations/chat/oauth/callback/msteams`,
      scope: 'https://graph.microsoft.com/.default',
      state: expect.stringMatching(/^[\w-]{22}\.[\w-]{43}$/),
    });
  });

  it('for a link_user is a sign-in with PKCE and a nonce', async () => {
    const url = new URL(await urlOf(service, await createTeams(service), 'link'));

    expect(url.pathname).toBe('/organizations/oauth2/v2.0/authorize');
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      response_type: 'code',
      response_mode: 'query',
      scope: 'openid profile User.Read',
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
    });
  });

  it('for a link_user without subscriberId is refused', async () => {
    const { apiKey } = await createTeams(service);

    const answer = await service.api(apiKey, 'POST', '/v1/integrations/chat/oauth', {
      integrationIdentifier: 'msteams',
      mode: 'link_user',
      context: { tenant: 'acme' },
    });

    expect(answer.json).toMatchObject({ statusCode: 400, message: 'subscriberId is required for link_user mode' });
  });

  it('needs a client id that is a GUID', async () => {
    const environment = await service.createTestEnvironment();

    const answer = await service.api(environment.apiKey, 'POST', '/v1/integrations', {
      providerId: 'msteams',
      credentials: { clientId: 'not-a-guid', secretKey: 'x' },
    });

    expect(answer.status).toBe(422);
  });
});

describe('consent and sign-in', () => {
  it('end in an active connection to the tenant, by one exchange and one app-only token', async () => {
    const environment = await createTeams(service);
    const before = service.microsoft.count('token');

    const page = await connect(service, environment);

    expect(page.status).toBe(200);
    expect(page.text).toContain('contoso.example is connected');
    expect(await service.connections(environment)).toMatchObject([
      { providerId: 'msteams', workspace: { id: contoso.id }, status: 'active', subscriberId: 'subscriber-1' },
    ]);
    expect(await service.endpoints(environment)).toEqual([]);
    expect(service.microsoft.count('token') - before).toBe(2);
  });

  it('link the person who signed in when autoLinkUser is true', async () => {
    const environment = await createTeams(service);

    await connect(service, environment, { autoLinkUser: true });

    expect(await service.endpoints(environment)).toMatchObject([
      { type: 'ms_teams_user', endpoint: { userId: expect.stringMatching(/^[0-9a-f-]{36}$/), tenantId: contoso.id } },
    ]);
  });

  it('honour the shared mode', async () => {
    const environment = await createTeams(service);

    await connect(service, environment, { connectionMode: 'shared', context: { tenant: 'acme' } });

    expect(await service.connections(environment)).toMatchObject([{ subscriberId: null }]);
  });

  it('update the connection in place when the same tenant is connected again', async () => {
    const environment = await createTeams(service);
    await connect(service, environment);
    const [first] = await service.connections(environment);

    await connect(service, environment);

    expect(await service.connections(environment)).toMatchObject([{ identifier: first.identifier }]);
  });

  it('show the outcome again on a reload, and redeem nothing', async () => {
    const environment = await createTeams(service);
    const callback = await signedIn(service, environment);
    await service.request('GET', callback);
    const before = service.microsoft.calls.length;

    const reload = await service.request('GET', callback);

    expect(reload.text).toContain('contoso.example is connected');
    expect(service.microsoft.calls.length).toBe(before);
  });

  it('let a repeat of the consent begin the sign-in again, until somebody has signed in', async () => {
    const environment = await createTeams(service);
    const { claim, signInUrl } = await consented(service, environment);

    const again = await service.request('GET', claim);
    const stale = await service.request('GET', await service.microsoft.signIn(signInUrl, { username: adele }));
    const newUrl = again.headers.get('location') ?? '';
    const page = await service.request('GET', await service.microsoft.signIn(newUrl, { username: adele }));
    const late = await service.request('GET', claim);

    expect(again.status).toBe(303);
    expect(new URL(newUrl).searchParams.get('state')).not.toBe(new URL(signInUrl).searchParams.get('state'));
    expect(stale.status).toBe(400);
    expect(page.status).toBe(200);
    expect(late.status).toBe(400);
    expect(late.headers.get('location')).toBeNull();
  });
});

describe('a forged consent', () => {
  const forged = (url: string, tenant: string, extra: Record<string, string> = {}) => {
    const query = { admin_consent: 'True', tenant, state: new URL(url).searchParams.get('state') ?? '', ...extra };
    return `/v1/integrations/chat/oauth/callback/msteams?${new URLSearchParams(query)}`;
  };

  it('for a tenant that has consented for somebody else never connects whoever cannot sign in there', async () => {
    const environment = await createTeams(service);
    await connect(service, environment, { subscriberId: 'honest' });
    const url = await urlOf(service, environment, 'connect', { subscriberId: 'attacker' });

    const step = await service.request('GET', forged(url, contoso.id));
    const page = await service.request(
      'GET',
      await service.microsoft.signIn(step.headers.get('location') ?? '', { username: fiona }),
    );

    expect(page.status).toBe(400);
    expect(page.text).toContain('tenant_mismatch');
    expect(page.text).toContain('Sign in with an account of the organization');
    expect(await service.connections(environment, '&subscriberId=attacker')).toEqual([]);
  });

  it('for a tenant that never consented stays pending and is given up after ten minutes', async () => {
    const environment = await createTeams(service);
    const url = await urlOf(service, environment, 'connect');
    const step = await service.request('GET', forged(url, contoso.id));
    const callback = await service.microsoft.signIn(step.headers.get('location') ?? '', { username: megan });

    const pending = await service.request('GET', callback);
    const shown = await service.connections(environment);
    service.advance(10 * 60_000 + 1_000);
    await service.sweep();
    const given = await service.request('GET', callback);
    service.microsoft.consent(contoso.id, environment.entraApp.clientId);
    service.advance(60_000);
    await service.sweep();

    expect(pending.status).toBe(200);
    expect(pending.headers.get('refresh')).toBe('5');
    expect(shown).toMatchObject([{ status: 'pending', statusReason: 'app_not_in_tenant' }]);
    expect(given.text).toContain('app_not_in_tenant');
    expect(await service.connections(environment)).toEqual([]);
  });

  it('by an ordinary member connects nothing when an administrator’s proof is demanded', async () => {
    const environment = await createTeams(service, { tenantProof: 'admin' });

    const member = await connect(service, environment, { subscriberId: 'member' }, { signIn: { username: megan } });
    const admin = await connect(service, environment, { subscriberId: 'admin' });

    expect(member.text).toContain('admin_required');
    expect(admin.status).toBe(200);
    expect(await service.connections(environment)).toMatchObject([{ subscriberId: 'admin' }]);
  });

  it('cannot be proven by an administrator when the app does not ask for roles, and the page names the setting', async () => {
    const environment = await createTeams(service, { tenantProof: 'admin' }, { groupMembershipClaims: false });

    const page = await connect(service, environment);

    expect(page.text).toContain('groupMembershipClaims');
    expect(await service.connections(environment)).toEqual([]);
  });

  it.each([
    ['no GUID', 'contoso.example', 'tenant_invalid'],
    ['the tenant of personal accounts', '9188040d-6c67-4c5b-b112-36a304b66dad', 'tenant_invalid'],
  ])('that names %s is refused before any sign-in', async (_name, tenant, failure) => {
    const url = await urlOf(service, await createTeams(service), 'connect');

    const page = await service.request('GET', forged(url, tenant));

    expect(page.status).toBe(400);
    expect(page.text).toContain(failure);
  });

  it('whose admin_consent is not True is refused', async () => {
    const url = await urlOf(service, await createTeams(service), 'connect');

    const page = await service.request('GET', forged(url, contoso.id, { admin_consent: 'False' }));

    expect(page.text).toContain('consent_missing');
  });

  it('cannot change the tenant of a consent that was answered', async () => {
    const environment = await createTeams(service);
    const url = await urlOf(service, environment, 'connect');
    const step = await service.request('GET', forged(url, contoso.id));

    const swapped = await service.request('GET', forged(url, fabrikam.id));
    const page = await service.request(
      'GET',
      await service.microsoft.signIn(step.headers.get('location') ?? '', { username: adele }),
    );

    expect(swapped.status).toBe(400);
    expect(swapped.headers.get('location')).toBeNull();
    expect(page.text).not.toContain('tenant_mismatch');
  });

  it('with an error beside it is an error', async () => {
    const url = await urlOf(service, await createTeams(service), 'connect');
    const description =
      'AADSTS65004: <b>declined</b> Correlation ID: 12345678-1234-4123-8123-123456789012 Timestamp: x';

    const page = await service.request(
      'GET',
      forged(url, contoso.id, { error: 'consent_required', error_description: description }),
    );

    expect(page.status).toBe(400);
    expect(page.text).toContain('The approval was not given');
    expect(page.text).toContain('12345678-1234-4123-8123-123456789012');
    expect(page.text).not.toContain('<b>');
  });
});

describe('an answer of Microsoft’s page', () => {
  it.each([
    ['cancel', 'access_denied'],
    ['not_admin', 'AADSTS'],
    ['permission_denied', 'Reference'],
  ] as const)('%s ends the flow in plain words', async (action, shown) => {
    const { answer } = await consented(service, await createTeams(service), {}, { action });

    expect(answer.status).toBe(400);
    expect(answer.text).toContain(shown);
  });

  it('that the sign-in was cancelled ends the flow', async () => {
    const page = await connect(service, await createTeams(service), {}, { signIn: { action: 'cancel' } });

    expect(page.status).toBe(400);
    expect(page.text).toContain('access_denied');
  });
});

describe('an id_token', () => {
  it.each([
    'wrong_audience',
    'wrong_issuer',
    'other_tenant_issuer',
    'expired',
    'damaged_signature',
    'swapped_payload',
    'foreign_key',
    'consumer_key',
    'alg_none',
    'wrong_nonce',
    'missing_nonce',
    'missing_oid',
    'wrong_version',
  ] as const)('that is bad (%s) is refused', async (badIdToken) => {
    const environment = await createTeams(service);

    const page = await connect(service, environment, {}, { signIn: { badIdToken } });

    expect(page.status).toBe(400);
    expect(page.text).toContain('id_token_invalid');
    expect(await service.connections(environment)).toEqual([]);
  });

  it('of a guest proves no tenant; without the claim, the sign-in at /organizations does', async () => {
    const environment = await createTeams(service);

    const guest = await connect(service, environment, {}, { signIn: { badIdToken: 'guest' } });
    const unsaid = await connect(service, environment, {}, { signIn: { badIdToken: 'no_acct' } });

    expect(guest.text).toContain('guest_refused');
    expect(unsaid.status).toBe(200);
  });

  it('signed by a key that is new is verified', async () => {
    const environment = await createTeams(service);
    await connect(service, environment);
    service.microsoft.rotateKeys();
    service.advance(60_000);

    const page = await connect(service, environment);

    expect(page.status).toBe(200);
  });
});

describe('a link_user', () => {
  it('makes the endpoint of the person, alone', async () => {
    const environment = await createTeams(service);

    const callback = await service.microsoft.signIn(await urlOf(service, environment, 'link'), { username: megan });
    const page = await service.request('GET', callback);

    expect(page.text).toContain('Your Microsoft Teams account is linked');
    expect(await service.endpoints(environment)).toMatchObject([
      { type: 'ms_teams_user', endpoint: { tenantId: contoso.id }, connectionIdentifier: null },
    ]);
    expect(await service.connections(environment)).toEqual([]);
  });

  it('refuses a person of another tenant than the connection’s', async () => {
    const environment = await createTeams(service);
    await connect(service, environment);

    const callback = await service.microsoft.signIn(await urlOf(service, environment, 'link'), { username: fiona });
    const page = await service.request('GET', callback);

    expect(page.text).toContain('wrong_workspace');
    expect(page.text).toContain('another organization');
    expect(await service.endpoints(environment)).toEqual([]);
  });
});

describe('a tenant that is not ready', () => {
  async function pendingFlow(body: object = {}) {
    const environment = await createTeams(service);
    service.microsoft.grantRolesAfter(20_000);
    const callback = await signedIn(service, environment, body);
    const page = await service.request('GET', callback);
    service.microsoft.grantRolesAfter(0);
    return { environment, callback, page };
  }

  it('is pending, and active by itself once the roles are there, without a click', async () => {
    const { environment, page } = await pendingFlow({ autoLinkUser: true });
    const before = await service.connections(environment);
    const noEndpoint = await service.endpoints(environment);

    for (let second = 0; second < 50; second += 5) {
      service.advance(5_000);
      await service.sweep();
    }

    expect(page.status).toBe(200);
    expect(page.text).toContain('Waiting for Microsoft');
    expect(before).toMatchObject([{ status: 'pending', statusReason: 'roles_missing' }]);
    expect(noEndpoint).toEqual([]);
    expect(await service.connections(environment)).toMatchObject([{ status: 'active' }]);
    expect((await service.connections(environment))[0]).not.toHaveProperty('statusReason');
    expect(await service.endpoints(environment)).toHaveLength(1);
  });

  it('becomes active by the open page as well', async () => {
    const { callback, environment } = await pendingFlow();

    service.advance(46_000);
    const page = await service.request('GET', callback);

    expect(page.text).toContain('contoso.example is connected');
    expect(await service.connections(environment)).toMatchObject([{ status: 'active' }]);
  });

  it('is asked no more often than the schedule says, however often the page is loaded', async () => {
    const { callback } = await pendingFlow();
    const before = service.microsoft.count('token');

    for (let load = 0; load < 5; load += 1) await service.request('GET', callback);

    expect(service.microsoft.count('token')).toBe(before);
  });

  it('leaves an active connection untouched, and says what is missing', async () => {
    const environment = await createTeams(service);
    await connect(service, environment);
    const before = await service.connections(environment);
    service.microsoft.setRoles(contoso.id, environment.entraApp.clientId, []);
    const url = await urlOf(service, environment, 'connect');
    const query = new URLSearchParams({
      admin_consent: 'True',
      tenant: contoso.id,
      state: new URL(url).searchParams.get('state') ?? '',
    });
    const step = await service.request('GET', `/v1/integrations/chat/oauth/callback/msteams?${query}`);

    const callback = await service.microsoft.signIn(step.headers.get('location') ?? '', { username: adele });
    const page = await service.request('GET', callback);

    expect(page.text).toContain('not_ready');
    expect(await service.connections(environment)).toEqual(before);
  });

  it('is given up after a day when its roles never come', async () => {
    const environment = await createTeams(service, { requiredRoles: ['Never.Granted'] });
    const callback = await signedIn(service, environment);
    await service.request('GET', callback);

    service.advance(24 * 60 * 60_000 + 1_000);
    await service.sweep();
    const page = await service.request('GET', callback);

    expect(page.text).toContain('roles_missing');
    expect(await service.connections(environment)).toEqual([]);
  });

  it('gives way to a later approval of the same subject', async () => {
    const { environment, callback } = await pendingFlow();
    service.advance(1_000);
    await connect(service, environment, {}, { consent: { username: fiona }, signIn: { username: fiona } });

    service.advance(60_000);
    await service.sweep();
    const late = await service.request('GET', callback);

    expect(late.text).toContain('superseded');
    expect(await service.connections(environment)).toMatchObject([
      { status: 'active', workspace: { id: fabrikam.id } },
    ]);
  });

  it('tells the product that it is pending', async () => {
    const returnUrl = 'https://product.example/back';
    const environment = await createTeams(service, { returnUrls: [returnUrl], requiredRoles: ['Never.Granted'] });

    const page = await connect(service, environment, { returnUrl });

    expect(page.status).toBe(303);
    const query = new URL(page.headers.get('location') ?? '').searchParams;
    expect(query.get('status')).toBe('pending');
    expect(query.get('connectionIdentifier')).toMatch(/^chconn-/);
  });
});

describe('trouble at Microsoft', () => {
  it.each(['http_503', 'http_500', 'malformed', 'drop_before', 'drop_after'] as const)(
    'in the exchange (%s) ends the flow, and the code is never sent again',
    async (kind) => {
      const environment = await createTeams(service);
      const callback = await signedIn(service, environment);
      const before = service.microsoft.count('token', 'authorization_code');
      service.microsoft.misbehave({ kind, on: 'token', times: 1 });

      const page = await service.request('GET', callback);
      const reload = await service.request('GET', callback);

      expect([page.status, reload.status]).toEqual([502, 502]);
      expect(service.microsoft.count('token', 'authorization_code') - before).toBe(1);
      service.microsoft.behave();
    },
  );

  it('for one person does not fail another one’s sign-in in the same process', async () => {
    const environment = await createTeams(service);
    const first = await signedIn(service, environment, { subscriberId: 'first' });
    const second = await signedIn(service, environment, { subscriberId: 'second' });
    service.microsoft.misbehave({ kind: 'http_503', on: 'token', times: 1 });

    const failed = await service.request('GET', first);
    const page = await service.request('GET', second);

    expect(failed.status).toBe(502);
    expect(page.status).toBe(200);
    service.microsoft.behave();
  });

  it('at its keys leaves the exchange sealed, and the next hit finishes it', async () => {
    const own = await startTestService();
    const previous = service;
    service = own;
    const environment = await createTeams(service);
    const callback = await signedIn(service, environment);
    own.microsoft.misbehave({ kind: 'http_500', on: 'keys', times: 1 });

    const waiting = await own.request('GET', callback);
    own.microsoft.behave();
    own.advance(11_000);
    const page = await own.request('GET', callback);

    expect(waiting.status).toBe(202);
    expect(page.status).toBe(200);
    expect(own.microsoft.count('token', 'authorization_code')).toBe(1);
    service = previous;
    await own.close();
  });

  it('with the app’s secret is the product’s to repair', async () => {
    const environment = await createTeams(service, {}, { clientSecret: 'another secret' });
    service.microsoft.registerApp({ ...environment.entraApp, clientSecret: 'changed since' });

    const page = await connect(service, environment);

    expect(page.text).toContain('could not prove itself to Microsoft');
    expect(page.text).toContain('AADSTS7000215');
  });
});

describe('two tenants', () => {
  it('never meet in one token: each is asked for its own', async () => {
    const environment = await createTeams(service);

    await Promise.all([
      connect(service, environment, { subscriberId: 'contoso' }),
      connect(
        service,
        environment,
        { subscriberId: 'fabrikam' },
        { consent: { username: fiona }, signIn: { username: fiona } },
      ),
    ]);

    const connections = await service.connections(environment);
    const tenants = Object.fromEntries(connections.map((each) => [each.subscriberId, each.workspace.id]));
    expect(tenants).toEqual({ contoso: contoso.id, fabrikam: fabrikam.id });
    const asked = service.microsoft.calls.filter(
      (call) => call.grantType === 'client_credentials' && call.clientId === environment.entraApp.clientId,
    );
    expect(asked.map((call) => call.path.split('/')[1]).sort()).toEqual([contoso.id, fabrikam.id].sort());
  });
});

describe('the sweep', () => {
  it('finishes what was sealed when nobody came back, and ends what never was', async () => {
    const environment = await createTeams(service);
    const slack = await service.approve(await service.connectUrl(environment, { subscriberId: 'slack' }));
    service.slack.misbehave({ method: 'auth.test', kind: 'drop_before' });
    await service.request('GET', slack);
    service.slack.behave();

    service.advance(20_000);
    await service.sweep();

    expect(await service.connections(environment, '&subscriberId=slack')).toMatchObject([{ status: 'active' }]);
  });
});

describe('secrets of Microsoft', () => {
  it('stand in no log line and on no page', async () => {
    const environment = await createTeams(service);
    const callback = await signedIn(service, environment);
    const query = new URL(callback).searchParams;

    const page = await service.request('GET', callback);

    const said = page.text + JSON.stringify(service.lines);
    for (const secret of [environment.entraApp.clientSecret, query.get('code'), query.get('state'), 'eyJ']) {
      expect(said).not.toContain(secret);
    }
  });
});

/** Microsoft, but some of its answers are replaced on the way. */
function answering(part: string, status: number, body: unknown): typeof fetch {
  return async (input, init) => {
    const isIt = String(input).includes('/oauth2/v2.0/token') && String(init?.body).includes(part);
    return isIt ? new Response(JSON.stringify(body), { status }) : fetch(input, init);
  };
}

describe('two hits that finish one flow', () => {
  it('agree: what one has made active, the other does not fail', async () => {
    const environment = await createTeams(service);
    const callback = await signedIn(service, environment, { autoLinkUser: true });
    const slow = startInstance(service, { fetch: answering('client_credentials', 503, {}) });
    slow.before(
      ({ input }) => input.Item?.status === 'pending',
      async () => {
        await startInstance(service).hit(callback);
        service.advance(11_000);
      },
    );

    await slow.hit(callback);
    service.advance(11_000);
    const page = await service.request('GET', callback);
    service.advance(60_000);
    await service.sweep();
    const later = await service.request('GET', callback);

    expect([page.status, later.status]).toEqual([200, 200]);
    expect(later.text).toContain('contoso.example');
    expect(later.text).not.toContain('not_ready');
    expect(await service.connections(environment)).toMatchObject([{ status: 'active' }]);
    expect(await service.endpoints(environment)).toHaveLength(1);
  });

  it('finish after a process that ended between the active connection and the end of the flow', async () => {
    const environment = await createTeams(service);
    const callback = await signedIn(service, environment);
    const dying = startInstance(service);
    dying.before(
      ({ input }) => input.ExpressionAttributeValues?.[':status'] === 'COMPLETED',
      async () => {
        throw new Error('the process ends');
      },
    );
    await dying.hit(callback).catch(() => undefined);

    service.advance(11_000);
    const page = await startInstance(service, { fetch: answering('client_credentials', 503, {}) }).hit(callback);

    expect(page.statusCode).toBe(200);
    expect(page.body).toContain('contoso.example');
    expect(await service.connections(environment)).toMatchObject([{ status: 'active' }]);
  });
});

describe('a pending connection', () => {
  it('is not left behind by a process that ended before its flow was held', async () => {
    const environment = await createTeams(service, { requiredRoles: ['Never.Granted'] });
    const callback = await signedIn(service, environment);
    const dying = startInstance(service);
    dying.before(
      ({ input }) => input.ExpressionAttributeValues?.[':status'] === 'PENDING',
      async () => {
        throw new Error('the process ends');
      },
    );
    await dying.hit(callback).catch(() => undefined);
    const left = await service.connections(environment);
    service.microsoft.registerApp({ ...environment.entraApp, clientSecret: 'changed since' });

    service.advance(20_000);
    await service.sweep();

    expect(left).toMatchObject([{ status: 'pending' }]);
    expect(await service.connections(environment)).toEqual([]);
  });

  it('survives trouble of Microsoft’s, whatever number it has', async () => {
    const environment = await createTeams(service, { requiredRoles: ['Never.Granted'] });
    const callback = await signedIn(service, environment);
    await service.request('GET', callback);
    const troubled = startInstance(service, {
      fetch: answering('client_credentials', 500, { error: 'server_error', error_codes: [50000] }),
    });

    service.advance(6_000);
    const page = await troubled.hit(callback);

    expect(page.statusCode).toBe(200);
    expect(page.body).toContain('Microsoft is busy');
    expect(await service.connections(environment)).toMatchObject([{ status: 'pending' }]);
  });

  it('for a tenant that does not know the app is given up after ten minutes, also when Microsoft was busy', async () => {
    const environment = await createTeams(service);
    const url = await urlOf(service, environment, 'connect');
    const state = new URL(url).searchParams.get('state') ?? '';
    const query = new URLSearchParams({ admin_consent: 'True', tenant: contoso.id, state });
    const step = await service.request('GET', `/v1/integrations/chat/oauth/callback/msteams?${query}`);
    const callback = await service.microsoft.signIn(step.headers.get('location') ?? '', { username: megan });
    await service.request('GET', callback);

    service.advance(10 * 60_000 + 1_000);
    await startInstance(service, { fetch: answering('client_credentials', 429, {}) }).hit(callback);
    service.microsoft.consent(contoso.id, environment.entraApp.clientId);
    service.advance(60 * 60_000);
    await service.sweep();

    expect(await service.connections(environment)).toEqual([]);
  });

  it('does not count as connected: another tenant may take its place although accounts must not change', async () => {
    const environment = await createTeams(service, {
      accountChange: 'refuse',
      requiredRoles: ['Team.ReadBasic.All'],
    });
    service.microsoft.grantRolesAfter(60_000);
    await connect(service, environment);
    service.microsoft.grantRolesAfter(0);
    service.advance(1_000);

    const choice = { username: fiona };
    const page = await connect(service, environment, {}, { consent: choice, signIn: choice });

    expect(page.status).toBe(200);
    expect(page.text).not.toContain('instead of');
    expect(await service.connections(environment)).toMatchObject([{ workspace: { id: fabrikam.id } }]);
  });

  it('becomes active although another subject has left the tenant meanwhile', async () => {
    const environment = await createTeams(service);
    await connect(service, environment, { subscriberId: 'leaver' });
    service.microsoft.setRoles(contoso.id, environment.entraApp.clientId, []);
    const url = await urlOf(service, environment, 'connect', { subscriberId: 'waiter' });
    const state = new URL(url).searchParams.get('state') ?? '';
    const query = new URLSearchParams({ admin_consent: 'True', tenant: contoso.id, state });
    const step = await service.request('GET', `/v1/integrations/chat/oauth/callback/msteams?${query}`);
    await service.request(
      'GET',
      await service.microsoft.signIn(step.headers.get('location') ?? '', { username: adele }),
    );
    service.advance(1_000);
    const choice = { username: fiona };
    await connect(service, environment, { subscriberId: 'leaver' }, { consent: choice, signIn: choice });
    service.microsoft.setRoles(contoso.id, environment.entraApp.clientId, ['Team.ReadBasic.All']);

    service.advance(60_000);
    await service.sweep();

    expect(await service.connections(environment, '&subscriberId=waiter')).toMatchObject([{ status: 'active' }]);
  });
});

describe('flows in trouble', () => {
  it('do not keep the sweep from those of others', async () => {
    const own = await startTestService();
    const stuck = await createTeams(own, { requiredRoles: ['Never.Granted'] });
    for (let index = 0; index < 44; index += 1) {
      await connect(own, stuck, { subscriberId: `stuck-${index}` });
    }
    // An environment whose data key is gone: nothing of it can be opened any more.
    await own.db.client.send(
      new UpdateCommand({
        TableName: own.db.tables.connections,
        Key: keyOf.environment(stuck.environmentId),
        UpdateExpression: 'REMOVE wrappedDataKey',
      }),
    );
    own.advance(6 * 60_000);
    const other = await createTeams(own);
    own.microsoft.setRoles(contoso.id, other.entraApp.clientId, []);
    await connect(own, other);
    own.microsoft.setRoles(contoso.id, other.entraApp.clientId, ['Team.ReadBasic.All']);

    for (let minute = 0; minute < 4; minute += 1) {
      own.advance(60_000);
      await own.sweep();
    }

    expect(await own.connections(other)).toMatchObject([{ status: 'active' }]);
    await own.close();
  });
});

describe('a redirect of Microsoft’s', () => {
  it('may carry a code of several thousand characters', async () => {
    const environment = await createTeams(service);
    const { signInUrl } = await consented(service, environment);
    const state = new URL(signInUrl).searchParams.get('state') ?? '';
    const query = new URLSearchParams({ code: 'c'.repeat(4_000), state });

    const page = await service.request('GET', `/v1/integrations/chat/oauth/callback/msteams?${query}`);

    expect(page.text).not.toContain('not complete');
    expect(page.status).toBe(400);
    expect(page.text).toContain('AADSTS');
  });

  it('with a tenant that is none cannot end a sign-in that an honest consent has begun', async () => {
    const environment = await createTeams(service);
    const url = await urlOf(service, environment, 'connect');
    const state = new URL(url).searchParams.get('state') ?? '';
    const forged = `${service.url}/v1/integrations/chat/oauth/callback/msteams?${new URLSearchParams({ admin_consent: 'True', tenant: 'x', state })}`;
    const claim = await service.microsoft.approveConsent(url, { username: adele });
    let location = '';
    const racing = startInstance(service);
    racing.before(
      ({ input }) => input.ExpressionAttributeValues?.[':status'] === 'FAILED',
      async () => {
        location = (await service.request('GET', claim)).headers.get('location') ?? '';
      },
    );

    const page = await racing.hit(forged);
    const honest = await service.request('GET', await service.microsoft.signIn(location, { username: adele }));

    expect(page.statusCode).toBe(400);
    expect(page.body).not.toContain('contoso');
    expect(honest.status).toBe(200);
  });
});
