import { createHash } from 'node:crypto';
import type { HttpResult } from './types.ts';

/** What a page says. All texts are escaped; none may hold a token, code, state or handle. */
export interface Page {
  readonly statusCode: number;
  readonly tone: 'good' | 'bad' | 'waiting';
  readonly title: string;
  readonly paragraphs: readonly string[];
  /** Pairs of what and whom, shown as a list. */
  readonly facts?: readonly (readonly [string, string])[];
  /** An https URL whose host is letters, digits, dots and hyphens; shown above the title, and fetched from there. */
  readonly logoUrl?: string | undefined;
  /** A button that posts to the page's own address. */
  readonly button?: string;
  /** Shown small at the end: what to tell support. */
  readonly reference?: string | undefined;
  /** The page asks for itself again after this time. */
  readonly reloadSeconds?: number;
}

const style = `
:root { color-scheme: light dark; --ink: #1d1c1d; --paper: #ffffff; --ground: #f4f4f6; --soft: #5c5b60; --line: #dddde2; --good: #0b7a4b; --bad: #b3261e; --waiting: #1a5fb4 }
@media (prefers-color-scheme: dark) { :root { --ink: #f3f2f4; --paper: #222226; --ground: #151517; --soft: #b4b3b9; --line: #3a3a40; --good: #4fcf95; --bad: #ff8a80; --waiting: #8ab8ff } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--ground); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif }
main { width: 100%; max-width: 30rem; padding: 2rem 1.5rem; background: var(--paper); border: 1px solid var(--line); border-top: 4px solid var(--tone); border-radius: .5rem; overflow-wrap: anywhere }
main.good { --tone: var(--good) } main.bad { --tone: var(--bad) } main.waiting { --tone: var(--waiting) }
h1 { margin: 0 0 .75rem; font-size: 1.375rem; line-height: 1.3 }
p { margin: 0 0 .75rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 1.25rem 0; padding: 1rem 0; border-block: 1px solid var(--line) }
dt { color: var(--soft) } dd { margin: 0; font-weight: 600 }
button { min-height: 2.75rem; width: 100%; padding: .5rem 1.25rem; font: inherit; font-weight: 600; color: var(--paper); background: var(--tone); border: 0; border-radius: .375rem; cursor: pointer }
button:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px }
img { display: block; height: 2.5rem; max-width: 100%; margin: 0 0 1rem; object-fit: contain }
small { display: block; margin-top: 1.25rem; color: var(--soft) }
`;

const styleHash = createHash('sha256').update(style).digest('base64');

/** No script, no foreign origin, no frame, nothing kept, and no address handed on: it holds a code and a state. */
const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-robots-tag': 'noindex',
} as const;

export function renderPage(page: Page): HttpResult {
  const facts = (page.facts ?? []).map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`);
  const body = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(page.title)}</title><style>${style}</style></head>
<body><main class="${page.tone}">
${page.logoUrl === undefined ? '' : `<img src="${escapeHtml(page.logoUrl)}" alt="" referrerpolicy="no-referrer">\n`}<h1>${escapeHtml(page.title)}</h1>
${page.paragraphs.map((paragraph) => `<p>${escapeHtml(paragraph)}</p>`).join('\n')}
${facts.length > 0 ? `<dl>${facts.join('')}</dl>` : ''}
${page.button === undefined ? '' : `<form method="post"><button>${escapeHtml(page.button)}</button></form>`}
${page.reference === undefined ? '' : `<small>Reference: ${escapeHtml(page.reference)}</small>`}
</main></body>
</html>
`;
  const reload: Record<string, string> =
    page.reloadSeconds === undefined ? {} : { refresh: String(page.reloadSeconds) };
  const headers = {
    ...pageHeaders,
    'content-security-policy': contentSecurityPolicy(page),
    // With no-referrer, browsers would send our own form with the origin `null`.
    'referrer-policy': page.button === undefined ? 'no-referrer' : 'same-origin',
    ...reload,
  };
  return { statusCode: page.statusCode, headers, body };
}

function contentSecurityPolicy({ button, logoUrl }: Page): string {
  return [
    "default-src 'none'",
    `style-src 'sha256-${styleHash}'`,
    ...(logoUrl === undefined ? [] : [`img-src ${new URL(logoUrl).origin}`]),
    "base-uri 'none'",
    // Browsers hold form-action against every redirect after a form too: the provider may lead to any workspace's host
    // or sign-in service, and from there back to the product.
    ...(button === undefined ? ["form-action 'none'"] : []),
    "frame-ancestors 'none'",
  ].join('; ');
}

/** Sends the browser on. 303 turns whatever brought it here into a GET; nothing of this address goes along. */
export function redirectTo(location: string): HttpResult {
  return {
    statusCode: 303,
    headers: { location, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' },
    body: '',
  };
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
