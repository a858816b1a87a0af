import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { Html, html } from '../html.ts';

const style = `
:root { color-scheme: light dark; --ink: #1d1c1d; --paper: #ffffff; --ground: #f4f4f6; --soft: #5c5b60; --line: #dddde2; --field: #8a8992; --accent: #1a5fb4; --on-accent: #ffffff; --good: #0b7a4b; --bad: #b3261e; --code: #f4f4f6 }
@media (prefers-color-scheme: dark) { :root { --ink: #f3f2f4; --paper: #222226; --ground: #151517; --soft: #b4b3b9; --line: #3a3a40; --field: #7d7c85; --accent: #8ab8ff; --on-accent: #10233d; --good: #4fcf95; --bad: #ff8a80; --code: #19191c } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere }
header, main { max-width: 68rem; margin: 0 auto; padding: 1rem }
header { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: baseline; padding-bottom: 0 } header strong { flex: 1 0 100% }
main { display: grid; gap: 1rem }
h1, h2 { margin: 0 0 .75rem; font-size: 1.125rem; line-height: 1.3 } h1 { margin: .5rem 0 0; font-size: 1.5rem }
h2 small, .soft { color: var(--soft); font-weight: 400; font-size: .875rem }
p { margin: 0 0 .75rem } a { color: var(--accent) }
section { min-width: 0; overflow-x: auto; padding: 1.25rem; background: var(--paper); border: 1px solid var(--line); border-radius: .5rem } section > :last-child { margin-bottom: 0 } section.bad { border-left: 4px solid var(--bad) }
.forms { display: grid; gap: 1rem; align-items: start } form { display: grid; gap: .875rem } form details > :not(summary) { margin-top: .875rem }
label { display: grid; gap: .25rem; font-weight: 600; font-size: .875rem }
::placeholder { color: var(--soft); opacity: 1 } details pre { margin-top: .5rem }
label.check { grid-template-columns: auto 1fr; gap: .625rem; align-items: start; font-weight: 400; font-size: 1rem } label.check input { width: 1.125rem; height: 1.125rem; margin: .2rem 0 0; accent-color: var(--accent) }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .875rem }
input:not([type=checkbox]), select { width: 100%; min-height: 2.75rem; padding: .5rem .75rem; font: inherit; font-size: 1rem; font-weight: 400; color: inherit; background: var(--paper); border: 1px solid var(--field); border-radius: .375rem }
button { min-height: 2.75rem; padding: .5rem 1.25rem; font: inherit; font-weight: 600; color: var(--on-accent); background: var(--accent); border: 0; border-radius: .375rem; cursor: pointer } summary { cursor: pointer; color: var(--accent) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
code, pre { font: .8125rem/1.5 ui-monospace, monospace }
pre { margin: 0 0 .75rem; padding: .875rem; overflow-x: auto; background: var(--code); border: 1px solid var(--line); border-radius: .375rem; white-space: pre-wrap } mark { padding: .05rem .3rem; color: var(--good); background: none; border: 1px solid currentColor; border-radius: .25rem }
table { width: 100%; border-collapse: collapse; font-size: .9375rem } tr { display: block; padding: .75rem 0; border-top: 1px solid var(--line) } thead { display: none }
td { display: grid; grid-template-columns: 6.5rem minmax(0, 1fr); gap: .75rem; padding: .125rem 0 } td::before { content: attr(data-label); color: var(--soft); font-size: .875rem }
code.id { display: inline-block; max-width: 100%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; vertical-align: bottom; user-select: all }
@media (min-width: 48rem) {
  header strong { flex: 1 0 auto }
  .forms { grid-template-columns: 3fr 2fr } thead { display: table-header-group } tr { display: table-row }
  th, td { display: table-cell; padding: .5rem 1rem .5rem 0; text-align: left; vertical-align: top; border-top: 1px solid var(--line); overflow-wrap: break-word }
  th { padding-top: 0; border: 0; color: var(--soft); font-size: .875rem; font-weight: 400 } td::before { content: none }
  code.id { max-width: 13rem }
}
`;

const styleHash = createHash('sha256').update(style).digest('base64');

interface PageOptions {
  readonly publicUrl: string;
  readonly pretendSlackUrl?: string | undefined;
  readonly pretendMicrosoftUrl?: string | undefined;
}

export function sendPage(
  response: ServerResponse,
  { publicUrl, pretendSlackUrl, pretendMicrosoftUrl }: PageOptions,
  status: number,
  title: string,
  content: Html,
): void {
  const body = html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><style>${new Html(style)}</style></head>
<body>
<header><strong>Chat Connect</strong><a href="/">Playground</a><a href="/playground/rows">What is stored</a><a href="/playground/events">Events</a>${pretendSlackUrl !== undefined && html`<a href="${pretendSlackUrl}">Pretend Slack</a>`}${pretendMicrosoftUrl !== undefined && html`<a href="${pretendMicrosoftUrl}">Pretend Microsoft</a>`}</header>
<main>
<h1>${title}</h1>
${content}
</main>
</body>
</html>
`.text;
  // Browsers hold form-action against every redirect after a form, too. The stand-ins stay where they are; the real
  // providers may lead to any workspace's host or sign-in service, so there the directive has to be left out.
  const formAction =
    pretendSlackUrl === undefined || pretendMicrosoftUrl === undefined
      ? ''
      : `; form-action 'self' ${[publicUrl, pretendSlackUrl, pretendMicrosoftUrl].map((url) => new URL(url).origin).join(' ')}`;
  response.writeHead(status, {
    ...baseHeaders,
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; frame-ancestors 'none'${formAction}`,
  });
  response.end(body);
}

export function sendText(response: ServerResponse, status: number, text: string, headers = {}): void {
  response.writeHead(status, { ...baseHeaders, 'content-type': 'text/plain; charset=utf-8', ...headers });
  response.end(`${text}\n`);
}

export function sendRedirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { ...baseHeaders, location }).end();
}

const baseHeaders = {
  'cache-control': 'no-store',
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  // With no-referrer, browsers would send `Origin: null` with our own forms.
  'referrer-policy': 'same-origin',
} as const;
