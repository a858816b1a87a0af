import { botScopesOf } from '../../../lib/providers/slack/authorization-url.ts';
import { type Html, html } from '../html.ts';
import type { Connection, Integration } from './tables.ts';

export type FormName = 'connect' | 'link';

/** What a form held when it was sent; a box that is not ticked is absent. */
export type FormValues = Readonly<Record<string, string | undefined>>;

export const apiPaths = {
  connect: '/v1/integrations/channel-connections/oauth',
  link: '/v1/integrations/channel-endpoints/oauth',
} as const satisfies Record<FormName, string>;

export const confirmPath = '/v1/integrations/chat/oauth/confirm';

/** Where the browser brings the handle of a flow that is to be confirmed; the local integrations have it registered. */
export function confirmationUrl(publicUrl: string): string {
  return `${publicUrl}/playground/confirm`;
}

/** The API's request for a form. What is left empty is left out; the API judges the rest. */
export function bodyOf(form: FormName, values: FormValues, integrations: readonly Integration[], publicUrl: string) {
  const binding = values['binding'] || undefined;
  return {
    integrationIdentifier: values['integration'],
    ...whomOf(values),
    connectionIdentifier: values['connectionIdentifier'] || undefined,
    binding,
    returnUrl: binding === 'confirm' ? confirmationUrl(publicUrl) : undefined,
    ...(form === 'connect' && {
      scope: scopesOf(values, integrations),
      connectionMode: values['connectionMode'] || undefined,
      autoLinkUser: values['autoLinkUser'] ? true : undefined,
    }),
  };
}

/** What your backend would confirm: the user of its session, and not what the browser says. */
export function confirmBodyOf(values: FormValues) {
  return { handle: values['handle'] ?? '', ...whomOf(values) };
}

function whomOf({ subscriberId, contextType = '', contextId = '' }: FormValues) {
  return {
    subscriberId: subscriberId || undefined,
    context: contextType || contextId ? { [contextType]: contextId } : undefined,
  };
}

/** Slack's only. `incoming-webhook` goes beside what would be asked for anyway: alone, it would give no connection. */
function scopesOf(values: FormValues, integrations: readonly Integration[]): string[] | undefined {
  const integration = integrations.find(({ identifier }) => identifier === values['integration']);
  if (integration?.providerId === 'msteams') return undefined;
  const named = (values['scopes'] ?? '').split(/[\s,]+/).filter((scope) => scope !== '');
  if (!values['incomingWebhook']) return named.length > 0 ? named : undefined;
  const others = named.length > 0 ? named : botScopesOf({ configurations: integration?.configurations ?? {} });
  return [...new Set([...others, 'incoming-webhook'])];
}

/** The last request as a command whose key comes from the shell, so that it can be shown to others. */
export function requestSection(
  { publicUrl, apiKey }: { publicUrl: string; apiKey: string },
  { path, body }: { path: string; body: unknown },
): Html {
  const curl = `curl -X POST ${shellQuoted(`${publicUrl}${path}`)} \\
  -H "Authorization: ApiKey $API_KEY" \\
  -H 'Content-Type: application/json' \\
  -d ${shellQuoted(JSON.stringify(body))}`;
  return html`<section>
<h2>The request that the form sent</h2>
<pre>${curl}</pre>
<details><summary>The API key of this machine</summary><pre>export API_KEY=${shellQuoted(apiKey)}</pre></details>
</section>`;
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

export function connectForm(values: FormValues, integrations: readonly Integration[]): Html {
  const openMore = ['contextType', 'contextId', 'connectionIdentifier', 'scopes'].some((name) => values[name]);
  const mode = values['connectionMode'] ?? '';
  return html`<section>
<h2>Connect a workspace or tenant</h2>
<form method="post" action="/playground/connect" target="_blank">
<div class="pair">${integrationField(values, integrations)}${textField(values, 'subscriberId', 'Subscriber id')}</div>
${bindingField(values)}
<label>Connection mode
<select name="connectionMode">${['', 'subscriber', 'shared'].map((value) => option(value, value || 'not given', value === mode))}</select></label>
${checkbox(values, 'autoLinkUser', 'Also link the person who approves (autoLinkUser)')}
${checkbox(values, 'incomingWebhook', 'Also ask for a channel to post to (incoming-webhook, Slack only)')}
<details${openMore && OPEN}><summary>Context, identifier, scopes</summary>
${contextFields(values)}
${textField(values, 'connectionIdentifier', 'Connection identifier', 'made from whom it is for')}
${textField(values, 'scopes', 'Scopes (Slack only)', "the integration's own")}
</details>
<button>Connect</button>
</form>
</section>`;
}

export function linkForm(
  values: FormValues,
  integrations: readonly Integration[],
  connections: readonly Connection[],
): Html {
  return html`<section>
<h2>Link a person</h2>
<form method="post" action="/playground/link" target="_blank">
${integrationField(values, integrations)}
${textField(values, 'subscriberId', 'Subscriber id')}
${bindingField(values)}
${textField(values, 'connectionIdentifier', 'Connection identifier', "the subscriber's own", 'connections')}
<datalist id="connections">${connections.map(({ identifier }) => option(identifier, identifier, false))}</datalist>
<details${(values['contextType'] || values['contextId']) && OPEN}><summary>Context</summary>
${contextFields(values)}
</details>
<button>Link</button>
</form>
</section>`;
}

/** Shown where the browser comes back with a handle. Nothing is confirmed by opening it. */
export function confirmForm(handle: string, values: FormValues): Html {
  return html`<p>The person has approved, and nothing is connected yet. Your backend now confirms for the user of its own session. Say another one, and the flow is over.</p>
<section>
<h2>Confirm <small>POST ${confirmPath}</small></h2>
<form method="post" action="/playground/confirm">
<input type="hidden" name="handle" value="${handle}">
${textField(values, 'subscriberId', 'Subscriber id of the session')}
${contextFields(values)}
<button>Confirm</button>
</form>
</section>`;
}

const OPEN = html` open`;

function integrationField(values: FormValues, integrations: readonly Integration[]): Html {
  const identifiers = integrations.map(({ identifier }) => identifier);
  const first = identifiers.includes('slack') ? 'slack' : (identifiers[0] ?? 'slack');
  const { integration = first } = values;
  const choices = new Set([...identifiers, integration]);
  return html`<label>Integration
<select name="integration">${[...choices].map((choice) => option(choice, choice, choice === integration))}</select></label>`;
}

function bindingField(values: FormValues): Html {
  const binding = values['binding'] ?? '';
  const choices = [
    ['', "the integration's"],
    ['browser', 'browser: only the browser that pressed Continue'],
    ['confirm', 'confirm: only after your backend has confirmed'],
  ] as const;
  return html`<label>Who may finish (binding)
<select name="binding">${choices.map(([value, label]) => option(value, label, value === binding))}</select></label>`;
}

function contextFields(values: FormValues): Html {
  return html`<div class="pair">${textField(values, 'contextType', 'Context type', 'tenant')}${textField(values, 'contextId', 'Context id', 'acme')}</div>`;
}

function textField(values: FormValues, name: string, label: string, placeholder = '', list?: string): Html {
  return html`<label>${label}
<input name="${name}" value="${values[name] ?? ''}" placeholder="${placeholder}"${list !== undefined && html` list="${list}"`} autocomplete="off" autocapitalize="none" spellcheck="false"></label>`;
}

function checkbox(values: FormValues, name: string, label: string): Html {
  return html`<label class="check"><input type="checkbox" name="${name}" value="true"${values[name] !== undefined && html` checked`}><span>${label}</span></label>`;
}

function option(value: string, label: string | undefined, selected: boolean): Html {
  return html`<option value="${value}"${selected && html` selected`}>${label}</option>`;
}
