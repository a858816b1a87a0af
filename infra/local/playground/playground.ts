import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod/mini';
import { isLoopback } from '../../../lib/config.ts';
import type { Event } from '../../../lib/events/event.ts';
import { type Html, html } from '../html.ts';
import {
  apiPaths,
  bodyOf,
  confirmBodyOf,
  confirmForm,
  confirmPath,
  connectForm,
  type FormName,
  type FormValues,
  linkForm,
  requestSection,
} from './forms.ts';
import { sendPage, sendRedirect, sendText } from './page.ts';
import { rowsContent, type TableRows } from './rows.ts';
import {
  channelRow,
  channelsTable,
  connectionRow,
  connectionsTable,
  endpointRow,
  endpointsTable,
  eventsContent,
  integrationRow,
} from './tables.ts';

export interface PlaygroundOptions {
  /** Where browsers and callers reach the local server. */
  readonly publicUrl: string;
  readonly apiKey: string;
  /** Undefined where Slack itself, or another stand-in, is used. */
  readonly pretendSlackUrl?: string | undefined;
  /** The same of Microsoft. */
  readonly pretendMicrosoftUrl?: string | undefined;
  /** Calls the HTTP API with the API key. */
  callApi(method: string, path: string, body?: unknown): Promise<ApiAnswer>;
  /** Every row of both tables. */
  dumpRows(): Promise<readonly TableRows[]>;
  /** What was published last, the newest first. */
  events(): readonly Event[];
}

interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

const noIntegration = html`<p>No integration yet: store one with the command that <code>npm start</code> printed.</p>`;

function uninstallHint(pretendSlackUrl: string): Html {
  return html`<p class="soft">Uninstall the app in the <a href="${pretendSlackUrl}">pretend Slack</a> and come back: its events turn the workspace’s connections <code>revoked</code>. Connecting the workspace again heals them.</p>`;
}

const maxFormBytes = 64 * 1024;
/** An answer sent while the client still writes is often lost, so what is too large is read on, within reason. */
const maxDrainedBytes = 16 * maxFormBytes;

/**
 * The page at `/` and what is below `/playground/`: forms for every flow, and what was stored. The returned function
 * answers true when the request was one of these. Whoever reaches it acts with the API key, so it answers this
 * machine's own browser only.
 */
export function createPlayground(options: PlaygroundOptions) {
  const first: FormValues = { subscriberId: 'user-1' };
  const values = { connect: first, link: first };
  let lastForm: FormName = 'connect';
  let lastRequest: { path: string; body: unknown } | undefined;

  return async function playground(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    if (!path.startsWith('/playground/') && !(path === '/' && method === 'GET')) return false;
    const refusal = refusalOf(request, options.publicUrl);
    if (refusal !== undefined) sendText(response, 403, refusal);
    else if (path === '/') await showHome(response);
    else if (method === 'POST' && path === '/playground/connect') await submit(request, response, 'connect');
    else if (method === 'POST' && path === '/playground/link') await submit(request, response, 'link');
    else if (path === '/playground/confirm') {
      if (method === 'POST') await confirm(request, response);
      else await showReturn(response, new URLSearchParams(query));
    } else if (method === 'GET' && path === '/playground/rows') {
      sendPage(response, options, 200, 'What is stored', rowsContent(await options.dumpRows()));
    } else if (method === 'GET' && path === '/playground/channels') {
      await showChannels(response, new URLSearchParams(query).get('connection') ?? '');
    } else if (method === 'GET' && path === '/playground/events') {
      sendPage(response, options, 200, 'Events', eventsContent(options.events()));
    } else sendText(response, 404, 'There is no such page. The playground is at /');
    return true;
  };

  async function submit(request: IncomingMessage, response: ServerResponse, form: FormName): Promise<void> {
    const sent = await readValues(request, response);
    if (!sent) return;
    values[form] = sent;
    lastForm = form;
    const { rows: integrations } = await list(options, '/v1/integrations', integrationRow);
    lastRequest = { path: apiPaths[form], body: bodyOf(form, sent, integrations, options.publicUrl) };
    const answer = await call(options, 'POST', lastRequest.path, lastRequest.body);
    const issued = z.object({ data: z.object({ url: z.url() }) }).safeParse(answer.body);
    if (answer.status === 201 && issued.success) sendRedirect(response, issued.data.data.url);
    else await showHome(response, answer);
  }

  async function confirm(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const sent = await readValues(request, response);
    if (!sent) return;
    lastRequest = { path: confirmPath, body: confirmBodyOf(sent) };
    const answer = await call(options, 'POST', lastRequest.path, lastRequest.body);
    if (answer.status === 200) sendRedirect(response, '/');
    else await showHome(response, answer);
  }

  /** What a product would have at its return URL. */
  async function showReturn(response: ServerResponse, query: URLSearchParams): Promise<void> {
    const handle = query.get('handle');
    const content =
      handle === null
        ? html`<p>The flow came back with the status <code>${query.get('status') ?? 'none'}</code> ${query.get('error') ?? ''}. See the <a href="/">playground</a>.</p>`
        : confirmForm(handle, values[lastForm]);
    sendPage(response, options, 200, 'Back at your product', content);
  }

  async function showChannels(response: ServerResponse, connection: string): Promise<void> {
    const path = `/v1/channel-connections/${encodeURIComponent(connection)}/channels?limit=100`;
    const { rows, problem } = await list(options, path, channelRow);
    const content = html`<section><h2>What an endpoint can point at <small>GET ${path}</small></h2>${problem ?? channelsTable(rows)}</section>`;
    sendPage(response, options, 200, 'Channels', content);
  }

  async function showHome(response: ServerResponse, refusal?: ApiAnswer): Promise<void> {
    const [integrations, connections, endpoints] = await Promise.all([
      list(options, '/v1/integrations', integrationRow),
      list(options, '/v1/channel-connections?limit=100', connectionRow),
      list(options, '/v1/channel-endpoints?limit=100', endpointRow),
    ]);
    const content = html`<p>This machine runs Chat Connect, which connects your customers' Slack workspaces and Microsoft Teams tenants to your product over OAuth. The forms send what your backend would send; below them stands what came of it.</p>
${refusal && refusalSection(refusal)}
${integrations.problem ?? (integrations.rows.length === 0 && noIntegration)}
<div class="forms">
${connectForm(values.connect, integrations.rows)}
${linkForm(values.link, integrations.rows, connections.rows)}
</div>
${lastRequest && requestSection(options, lastRequest)}
<section><h2>Connections <small>GET /v1/channel-connections</small></h2>${connections.problem ?? connectionsTable(connections.rows)}
${options.pretendSlackUrl !== undefined && connections.rows.length > 0 && uninstallHint(options.pretendSlackUrl)}</section>
<section><h2>Endpoints <small>GET /v1/channel-endpoints</small></h2>${endpoints.problem ?? endpointsTable(endpoints.rows)}</section>`;
    const status = refusal === undefined ? 200 : refusal.status >= 400 && refusal.status < 500 ? refusal.status : 502;
    sendPage(response, options, status, 'Playground', content);
  }
}

/** Why a request is not let in, or undefined. */
function refusalOf(request: IncomingMessage, publicUrl: string): string | undefined {
  const { hostname, host } = new URL(publicUrl);
  const { localPort } = request.socket;
  const local = ['localhost', '127.0.0.1', '[::1]'].flatMap((name) =>
    localPort === 80 ? [name] : [`${name}:${localPort}`],
  );
  const isPublic = !isLoopback(hostname);
  const allowed = isPublic ? local : [...local, host];
  const given = request.headers.host?.toLowerCase() ?? '';
  // A public URL leads through a tunnel to this machine, and some tunnels rewrite the host.
  const cameThroughTunnel = isPublic && ['forwarded', 'x-forwarded-for'].some((name) => name in request.headers);
  // Another name that leads here is what DNS rebinding looks like.
  if (!allowed.includes(given) || cameThroughTunnel) {
    return `The playground acts with your API key, so it opens on this machine only: http://localhost:${localPort}/`;
  }
  const { origin } = request.headers;
  const site = request.headers['sec-fetch-site'] ?? 'same-origin';
  const fromElsewhere =
    (origin !== undefined && origin !== `http://${given}`) || !/^(same-origin|none)$/.test(String(site));
  return request.method === 'POST' && fromElsewhere ? 'This form was sent from another site.' : undefined;
}

async function readValues(request: IncomingMessage, response: ServerResponse): Promise<FormValues | undefined> {
  const text = await readForm(request);
  if (text === undefined) sendText(response, 413, 'The form is larger than 64 KB.', { connection: 'close' });
  return text === undefined
    ? undefined
    : Object.fromEntries([...new URLSearchParams(text)].map(([name, value]) => [name, value.trim()]));
}

async function readForm(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= maxFormBytes) chunks.push(chunk);
    else chunks.length = 0;
    if (bytes > maxDrainedBytes) break;
  }
  return bytes > maxFormBytes ? undefined : Buffer.concat(chunks).toString('utf8');
}

function call(options: PlaygroundOptions, method: string, path: string, body?: unknown): Promise<ApiAnswer> {
  const noAnswer = { status: 503, body: { message: 'The API did not answer. Its log says why.' } };
  return options.callApi(method, path, body).catch(() => noAnswer);
}

/** A page stays usable when one of its lists cannot be had. */
async function list<Row>(options: PlaygroundOptions, path: string, row: z.ZodMiniType<Row>) {
  const answer = await call(options, 'GET', path);
  const page = z.object({ data: z.array(row) }).safeParse(answer.body);
  const rows = answer.status === 200 && page.success ? page.data.data : undefined;
  const problem = rows ? undefined : html`<p>GET ${path} answered ${answer.status}: ${errorOf(answer).message}</p>`;
  return { rows: rows ?? [], problem };
}

const errorBody = z.object({
  message: z.optional(z.string()),
  error: z.optional(z.string()),
  errors: z.optional(z.record(z.string(), z.object({ messages: z.array(z.string()) }))),
});

function errorOf({ body }: ApiAnswer) {
  const { message = 'something unexpected', error, errors = {} } = errorBody.safeParse(body).data ?? {};
  return { message, code: error, details: Object.values(errors).flatMap(({ messages }) => messages) };
}

function refusalSection(answer: ApiAnswer): Html {
  const { message, code, details } = errorOf(answer);
  return html`<section class="bad" role="alert">
<h2>The API answered ${answer.status} <code>${code}</code></h2>
<p>${message}</p>
${details.length > 0 && html`<ul>${details.map((detail) => html`<li>${detail}</li>`)}</ul>`}
</section>`;
}
