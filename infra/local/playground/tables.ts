import * as z from 'zod/mini';
import type { Event } from '../../../lib/events/event.ts';
import { type Html, html } from '../html.ts';

const nullableText = z.nullish(z.string());

export const integrationRow = z.object({
  identifier: z.string(),
  providerId: z.optional(z.string()),
  configurations: z.optional(
    z.object({ scopes: z.optional(z.array(z.string())), requiredScopes: z.optional(z.array(z.string())) }),
  ),
});

const whom = { subscriberId: nullableText, contextKeys: z.optional(z.array(z.string())) } as const;

export const connectionRow = z.object({
  ...whom,
  identifier: z.string(),
  workspace: z.object({ id: z.string(), name: nullableText }),
  status: z.optional(z.string()),
  statusReason: nullableText,
  scopes: z.optional(z.array(z.string())),
  missingScopes: z.optional(z.array(z.string())),
  createdAt: z.string(),
});

export const endpointRow = z.object({
  ...whom,
  identifier: z.string(),
  type: z.string(),
  endpoint: z.record(z.string(), z.unknown()),
  connectionIdentifier: nullableText,
});

export const channelRow = z.object({ id: z.string(), name: z.string(), type: z.string(), teamId: nullableText });

export type Integration = z.infer<typeof integrationRow>;
export type Connection = z.infer<typeof connectionRow>;
type Endpoint = z.infer<typeof endpointRow>;
type Channel = z.infer<typeof channelRow>;

export function connectionsTable(connections: readonly Connection[]): Html {
  return table(
    'None yet. Send the form above and approve.',
    ['Identifier', 'Workspace or tenant', 'For', 'Status', 'Scopes', 'Created'],
    connections.map(({ identifier, workspace, status, statusReason, scopes, missingScopes, createdAt, ...subject }) => [
      code(identifier),
      html`${workspace.name ?? workspace.id}${workspace.name != null && html` <span class="soft">${workspace.id}</span>`} <a href="/playground/channels?${new URLSearchParams({ connection: identifier }).toString()}">channels</a>`,
      whomFor(subject),
      html`${status}${statusReason != null && html` <span class="soft">${statusReason}</span>`}`,
      html`<span class="soft">${scopes?.join(', ') || '–'}</span>${missingScopes && html` missing: ${missingScopes.join(', ')}`}`,
      html`<time datetime="${createdAt}">${createdAt.slice(0, 16).replace('T', ' ')} UTC</time>`,
    ]),
  );
}

export function endpointsTable(endpoints: readonly Endpoint[]): Html {
  return table(
    'None yet. Send the form "Link a person", or connect with one of its two boxes ticked.',
    ['Identifier', 'Type', 'Target', 'Subscriber', 'Connection'],
    endpoints.map(({ identifier, type, endpoint, connectionIdentifier, ...subject }) => [
      code(identifier),
      html`${type}`,
      html`${targetOf(endpoint)}`,
      whomFor(subject),
      connectionIdentifier == null ? html`–` : code(connectionIdentifier),
    ]),
  );
}

export function channelsTable(channels: readonly Channel[]): Html {
  return table(
    'None.',
    ['Name', 'Type', 'Id'],
    channels.map(({ name, type, id, teamId }) => [
      html`${name}`,
      html`${type}`,
      html`${code(id)}${teamId != null && html` <span class="soft">team</span> ${code(teamId)}`}`,
    ]),
  );
}

export function eventsContent(events: readonly Event[]): Html {
  return html`<p>What your backend would be told through EventBridge: the latest 100 events since this process began, the newest first. docs/events.md says what each means.</p>
<section>${table(
    'None yet. Connect a workspace or tenant, then look again.',
    ['Time', 'Event', 'About', 'Detail'],
    events.map((event) => [
      html`<time datetime="${event.time}">${event.time.slice(11, 23)} UTC</time>`,
      html`${event.type}`,
      code(event.data.identifier),
      html`<details><summary>show</summary><pre>${JSON.stringify(event, null, 2)}</pre></details>`,
    ]),
  )}</section>`;
}

function whomFor({ subscriberId, contextKeys = [] }: Pick<Connection, 'subscriberId' | 'contextKeys'>): Html {
  return html`${subscriberId ?? 'shared'}${contextKeys.length > 0 && html` <span class="soft">${contextKeys.join(', ')}</span>`}`;
}

/** Whoever knows a webhook's URL can post with it, so of that one only the origin is shown. */
function targetOf(endpoint: Record<string, unknown>): string {
  const shown = (name: string, value: unknown) => (name === 'url' ? URL.parse(String(value))?.origin : value);
  return Object.entries(endpoint)
    .map(([name, value]) => `${name} ${shown(name, value)}`)
    .join(', ');
}

function code(identifier: string): Html {
  return html`<code class="id" title="${identifier}">${identifier}</code>`;
}

function table(empty: string, columns: readonly string[], rows: readonly (readonly Html[])[]): Html {
  if (rows.length === 0) return html`<p class="soft">${empty}</p>`;
  return html`<table>
<thead><tr>${columns.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
<tbody>${rows.map((cells) => html`<tr>${cells.map((cell, index) => html`<td data-label="${columns[index]}"><span>${cell}</span></td>`)}</tr>`)}</tbody>
</table>`;
}
