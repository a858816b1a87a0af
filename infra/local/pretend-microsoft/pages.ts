import { Html, html } from '../html.ts';
import { pretendPage } from '../pretend-provider.ts';
import type { ConsentRequest } from './admin-consent.ts';
import { type App, type Apps, nameOf } from './apps.ts';
import type { AuthorizationRequest } from './authorize.ts';
import type { Consents } from './consents.ts';
import { type Account, accounts, accountsAt, tenants } from './directory.ts';
import { type EntraError, entraErrorBody } from './errors.ts';
import type { Installations } from './graph.ts';
import { badIdTokens } from './id-token.ts';
import { type MisbehaviourKind, misbehaviourKinds } from './misbehaviour.ts';

const style = new Html(`
  :root { color-scheme: light; font: 16px/1.5 'Segoe UI', system-ui, sans-serif; color: #1b1b1b; background: #f2f2f2; }
  * { box-sizing: border-box; }
  body { margin: 0; }
  header { padding: .6rem 1rem; background: #fff3c4; border-bottom: 1px solid #e3cf7a; text-align: center; font-size: .875rem; }
  main { max-width: 34rem; width: calc(100% - 1rem); margin: 1.5rem auto; padding: 1.5rem; background: #fff; border: 1px solid #d6d6d6; }
  h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }
  h2, legend { font-size: 1rem; font-weight: 600; margin: 1.25rem 0 .35rem; padding: 0; }
  fieldset { border: 0; padding: 0; margin: 1.25rem 0 0; min-width: 0; }
  legend { margin-top: 0; }
  label { display: block; padding: .3rem 0; }
  label:has(> input) { display: grid; grid-template-columns: auto 1fr; gap: .5rem; align-items: start; }
  label > input { margin: .3rem 0 0; }
  ul { margin: 0; padding-left: 1.25rem; }
  code, p { overflow-wrap: anywhere; }
  select, button { font: inherit; padding: .6rem .9rem; border: 1px solid #767676; background: #fff; max-width: 100%; }
  details { margin-top: 1.25rem; padding-top: .75rem; border-top: 1px solid #d6d6d6; }
  summary { cursor: pointer; }
  .buttons { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1.5rem; }
  .buttons button { flex: 1 1 auto; min-height: 2.75rem; cursor: pointer; }
  .primary { background: #0067b8; border-color: #0067b8; color: #fff; font-weight: 600; }
  .quiet { color: #595959; font-size: .875rem; }
  .for { display: none; }
  ${tenants.map(({ id }) => `form:has([data-tenant="${id}"]:checked) .for-${id} { display: inline; }`).join('\n  ')}
  form:has(#approve-for option:not([value=""]):checked) .for { display: none; }
  :focus-visible { outline: 3px solid #0067b8; outline-offset: 2px; }
`);

const page = (title: string, content: Html) => pretendPage('Microsoft', style, title, content);

export function consentPage(request: ConsentRequest, preselected: Account): string {
  const { app, roles, scope, redirectUri } = request;
  return page(
    `${nameOf(app)} asks for permissions`,
    html`
<h1>${nameOf(app)} asks for permissions in your organization</h1>
<form method="post">
${accountChoice(accountsAt(request.authority), preselected)}
<h2>What it may do, once an administrator approves</h2>
<ul>${roles.length > 0 ? roles.map((role) => html`<li><code>${role}</code></li>`) : html`<li>only <code>${scope}</code>, no application permissions</li>`}</ul>
<div class="buttons">${button('cancel', 'Cancel')}${button('not_admin', "I'm not an administrator")}${button('approve', approveLabel(), 'primary')}</div>
<details><summary>Try what can go wrong</summary>
<h2><label for="approve-for">Approve for another organization, as a partner may</label></h2>
<select id="approve-for" name="approve_for"><option value="">no, for the administrator's own</option>${tenantOptions()}</select>
<h2><label for="claim">Alter the tenant on the way back, as an attacker would</label></h2>
<select id="claim" name="claim"><option value="">no</option>${tenantOptions()}<option value="none">leave it out</option></select>
${troubles('when the app asks for its own token')}
<div class="buttons">${button('permission_denied', 'Cancel as the older page does')}</div>
</details>
${wayBack(redirectUri)}
</form>`,
  );
}

export function signInPage(request: AuthorizationRequest, preselected: Account): string {
  const { app, authority, scopes, redirectUri } = request;
  return page(
    'Sign in',
    html`
<h1>Sign in to ${nameOf(app)}</h1>
<form method="post">
${accountChoice(accountsAt(authority), preselected)}
<p class="quiet">It asks for <code>${scopes.join(' ')}</code>.</p>
<div class="buttons">${button('cancel', 'Cancel')}${button('sign_in', 'Sign in', 'primary')}</div>
<details><summary>Try what can go wrong</summary>
<h2><label for="bad-id-token">Give an id_token that</label></h2>
<select id="bad-id-token" name="bad_id_token"><option value="">is right</option>${Object.entries(badIdTokens).map(([kind, label]) => html`<option value="${kind}">${label}</option>`)}</select>
${troubles('when the code is redeemed')}
</details>
${wayBack(redirectUri)}
</form>`,
  );
}

export function errorPage(error: EntraError, now: number): string {
  const { error_description, correlation_id, timestamp } = entraErrorBody(error, now);
  return page(
    'Something went wrong',
    html`
<h1>Sorry, but we’re having trouble signing you in</h1>
<p>Error: <code id="error">AADSTS${error.code}</code></p>
<p>${error_description}</p>
<p class="quiet">Correlation ID ${correlation_id}, ${timestamp}. Microsoft shows such errors itself and never sends the browser back to the app.</p>`,
  );
}

export function notFoundPage(): string {
  return page('Not found', html`<h1>There is nothing here</h1><p><a href="/">What the pretend Microsoft knows</a></p>`);
}

/** Which app may do what in which tenant, and for whom its Teams app is installed, without any token. */
export function homePage(apps: Apps, consents: Consents, installations: Installations): string {
  return page(
    'Tenants',
    html`
<h1>Pretend Microsoft</h1>
<p>It answers the sign-in and consent pages of Entra and the calls to Microsoft Graph that Chat Connect makes. It forgets everything when it stops.</p>
${tenants.map((tenant) => {
  const present = apps.all.flatMap((app) => appLine(app, consents.find(tenant.id, app.clientId)));
  const people = accounts.filter((account) => account.tenant === tenant);
  const has = (account: Account) => installations.of(account).length > 0;
  return html`<h2>${tenant.name}</h2>
<p class="quiet"><code>${tenant.id}</code>, <code>${tenant.domain}</code></p>
<ul>${present.length > 0 ? present : html`<li class="quiet">no apps</li>`}</ul>
<p class="quiet">${people.map((account, index) => html`${index > 0 && ', '}${account.name} (${account.role}${has(account) && ', has the Teams app'})`)}</p>`;
})}`,
  );
}

function appLine(app: App, roles: ReturnType<Consents['find']>): Html[] {
  const list = roles?.map(({ role, hasAppeared }) => (hasAppeared ? role : `${role} (soon)`)).join(', ');
  return list === undefined
    ? []
    : [html`<li>${nameOf(app)}: <code>${list || 'no application permissions'}</code></li>`];
}

function accountChoice(offered: Account[], preselected: Account): Html {
  return html`<fieldset><legend>Who you are</legend>
${offered.map((account) => {
  const { oid, name, role, tenant, username } = account;
  return html`<label><input type="radio" name="account" value="${oid}" data-tenant="${tenant.id}"${account === preselected && new Html(' checked')}><span>${name}, ${role} at ${tenant.name} <span class="quiet">${username}</span></span></label>`;
})}
</fieldset>`;
}

function tenantOptions(): Html[] {
  return tenants.map(({ id, name }) => html`<option value="${id}">${name}</option>`);
}

function troubles(when: string): Html {
  const kinds = Object.keys(misbehaviourKinds) as MisbehaviourKind[];
  return html`<h2><label for="misbehave">Make Microsoft misbehave, once, ${when}</label></h2>
<select id="misbehave" name="misbehave"><option value="">not at all</option>${kinds.map((kind) => html`<option value="${kind}">${misbehaviourKinds[kind]}</option>`)}</select>
<label><input type="checkbox" name="roles_later" value="1"><span>The permissions take 20 seconds to arrive; it is connected at the next try after that, at most 45 seconds after the sign-in</span></label>`;
}

/** Names the tenant of the account that is chosen, without a script. */
function approveLabel(): Html {
  return html`Approve${tenants.map(({ id, name }) => html`<span class="for for-${id}"> for ${name}</span>`)}`;
}

function button(action: string, label: string | Html, className = ''): Html {
  return html`<button name="action" value="${action}" class="${className}">${label}</button>`;
}

function wayBack(redirectUri: string): Html {
  return html`<p class="quiet">Every button takes you back to <code>${new URL(redirectUri).origin}</code>.</p>`;
}
