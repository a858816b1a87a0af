import { Html, html } from '../html.ts';
import { pretendPage } from '../pretend-provider.ts';
import type { PostedMessage } from './api.ts';
import type { Apps } from './apps.ts';
import type { AuthorizationRequest } from './authorize.ts';
import { type Account, accounts } from './directory.ts';
import type { SlackError } from './errors.ts';
import type { Delivery } from './events.ts';
import type { Grants } from './grants.ts';
import { badIdTokens } from './id-token.ts';
import { type MisbehaviourKind, misbehaviourKinds } from './misbehaviour.ts';

const style = new Html(`
  :root { color-scheme: light; font: 16px/1.5 system-ui, sans-serif; color: #1d1c1d; background: #f4f2f4; }
  * { box-sizing: border-box; }
  body { margin: 0; }
  header { padding: .6rem 1rem; background: #fff3c4; border-bottom: 1px solid #e3cf7a; text-align: center; font-size: .875rem; }
  main { max-width: 34rem; width: calc(100% - 1rem); margin: 1.5rem auto; padding: 1.5rem; background: #fff; border: 1px solid #ddd8dd; border-radius: .75rem; }
  h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }
  h2, legend { font-size: 1rem; font-weight: 600; margin: 1.25rem 0 .35rem; padding: 0; }
  fieldset { border: 0; padding: 0; margin: 1.25rem 0 0; }
  legend { margin-top: 0; }
  nav { display: flex; flex-wrap: wrap; gap: .5rem; }
  nav a { padding: .4rem .75rem; border: 1px solid #b9b3b9; border-radius: 2rem; color: inherit; text-decoration: none; }
  nav a[aria-current] { background: #4a154b; border-color: #4a154b; color: #fff; }
  label { display: block; padding: .3rem 0; }
  ul { margin: 0; padding-left: 1.25rem; }
  code { overflow-wrap: anywhere; }
  select, button { font: inherit; padding: .6rem .9rem; border: 1px solid #8d868d; border-radius: .5rem; background: #fff; max-width: 100%; }
  details { margin-top: 1.25rem; padding-top: .75rem; border-top: 1px solid #ddd8dd; }
  summary { cursor: pointer; }
  .buttons { display: flex; gap: .75rem; margin-top: 1.5rem; }
  .buttons button { flex: 1; min-height: 2.75rem; cursor: pointer; }
  .allow { background: #007a5a; border-color: #007a5a; color: #fff; font-weight: 600; }
  ul + form { margin-top: .75rem; }
  .quiet { color: #5c565c; font-size: .875rem; }
  :focus-visible { outline: 3px solid #1264a3; outline-offset: 2px; }
`);

const page = (title: string, content: Html) => pretendPage('Slack', style, title, content);

export function consentPage(request: AuthorizationRequest, query: URLSearchParams): string {
  const { app, account, botScopes, userScopes, redirectUri } = request;
  const name = app.name ?? app.clientId;
  return page(
    `${name} asks for access`,
    html`
<h1>${name} asks for access to ${account.name}</h1>
<h2 id="where">Where</h2>
<nav aria-labelledby="where">${accounts.map((other) => accountLink(other, account, query))}</nav>
<form method="post">
<input type="hidden" name="account" value="${account.id}">
<fieldset><legend>Who you are</legend>
${account.people.map(({ id, name: person }, index) => html`<label><input type="radio" name="user" value="${id}"${index === 0 && new Html(' checked')}> ${person}</label>`)}
</fieldset>
${scopeList(`What ${name} may do as its bot`, botScopes)}
${scopeList(`What ${name} may do on your behalf`, userScopes)}
${
  botScopes.includes('incoming-webhook') &&
  html`<h2><label for="channel">Where ${name} posts</label></h2>
<select id="channel" name="channel">${account.channels.map((channel) => html`<option value="${channel.id}">#${channel.name}</option>`)}</select>`
}
<details><summary>Try what can go wrong</summary>
<h2><label for="misbehave">Make Slack misbehave, once, when the code is exchanged</label></h2>
<select id="misbehave" name="misbehave"><option value="">not at all</option>${misbehaviourOptions()}</select>
${
  request.signIn &&
  html`<h2><label for="bad-id-token">Make the id_token wrong: it</label></h2>
<select id="bad-id-token" name="bad_id_token"><option value="">is right</option>${Object.entries(badIdTokens).map(([kind, label]) => html`<option value="${kind}">${label}</option>`)}</select>`
}
<fieldset><legend>Decline a permission</legend>
${[...botScopes, ...userScopes].map((scope) => html`<label><input type="checkbox" name="declined" value="${scope}"> <code>${scope}</code></label>`)}
</fieldset>
</details>
<div class="buttons"><button name="action" value="cancel">Cancel</button><button class="allow" name="action" value="allow">Allow</button></div>
<p class="quiet">Either takes you back to <code>${new URL(redirectUri).origin}</code>.</p>
</form>`,
  );
}

export function errorPage({ code, details }: SlackError): string {
  const value = details['value'];
  return page(
    'Something went wrong',
    html`
<h1>Something went wrong when authorising this app</h1>
<p>Error: <code id="error">${code}</code></p>
${typeof value === 'string' && value !== '' && html`<p>Because of: <code>${value}</code></p>`}
<p class="quiet">Slack shows such errors itself and never sends the browser back to the app.</p>`,
  );
}

interface HomeContent {
  readonly apps: Apps;
  readonly grants: Grants;
  readonly messages: readonly PostedMessage[];
  readonly deliveries: readonly Delivery[];
}

/** What is installed where, without any token. */
export function homePage(content: HomeContent): string {
  return page(
    'Workspaces',
    html`
<h1>Pretend Slack</h1>
<p>It answers the authorization page and the Web API methods that Chat Connect uses. Installations are listed since its start; tokens from before keep working.</p>
${accounts.map((account) => accountSection(account, content))}`,
  );
}

function accountSection(account: Account, { apps, grants, messages, deliveries }: HomeContent): Html {
  const held = grants.inAccount(account);
  const installed = held.map(({ appId, isBot, holderId, scopes }) => {
    const holder = isBot ? 'bot' : (account.people.find(({ id }) => id === holderId)?.name ?? holderId);
    return html`<li>${apps.nameOf(appId)}, ${holder}: <code>${[...(scopes ?? [])].join(', ')}</code></li>`;
  });
  const latest = messages.filter(({ accountId }) => accountId === account.id).slice(-5);
  const told = deliveries.filter(({ accountId }) => accountId === account.id).slice(-2);
  return html`<h2>${account.name} <code>${account.id}</code>${account.team === null && ' (the whole org)'}</h2>
<ul>${installed.length > 0 ? installed : html`<li class="quiet">no apps</li>`}</ul>
${[...new Set(held.map(({ appId }) => appId))].map((appId) => uninstallForm(appId, account, apps))}
${told.map(({ type, status }) => html`<p class="quiet">Event <code>${type}</code> sent, answered with ${status ?? 'nothing'}</p>`)}
${latest.map(({ channel, text }) => html`<p class="quiet"><code>${channel}</code> ${text}</p>`)}`;
}

function uninstallForm(appId: string, { id, name }: Account, apps: Apps): Html {
  return html`<form method="post" action="/uninstall">
<input type="hidden" name="app" value="${appId}"><input type="hidden" name="account" value="${id}">
<button>Uninstall ${apps.nameOf(appId)} from ${name}</button></form>`;
}

/** Another workspace is this same request with another `team`, so the page needs no script. */
function accountLink(other: Account, current: Account, query: URLSearchParams): Html {
  const target = new URLSearchParams(query);
  target.set('team', other.id);
  const isCurrent = other === current;
  return html`<a href="?${target.toString()}"${isCurrent && new Html(' aria-current="true"')}>${other.name}${other.team === null && ' (whole org)'}</a>`;
}

function scopeList(title: string, scopes: readonly string[]): Html | false {
  return (
    scopes.length > 0 && html`<h2>${title}</h2><ul>${scopes.map((scope) => html`<li><code>${scope}</code></li>`)}</ul>`
  );
}

function misbehaviourOptions(): Html[] {
  const offered: MisbehaviourKind[] = ['slow', 'http_500', 'rate_limited', 'drop_after', 'malformed'];
  return offered.map((kind) => html`<option value="${kind}">${misbehaviourKinds[kind]}</option>`);
}
