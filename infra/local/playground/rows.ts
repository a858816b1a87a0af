import { type Html, html } from '../html.ts';

export interface TableRows {
  readonly table: string;
  readonly rows: readonly Record<string, unknown>[];
}

/** First part of a row's key to what the row is, in the page's order; a grant's references share its partition. */
const kinds: Readonly<Record<string, string>> = {
  E: 'Environment',
  K: 'API key',
  I: 'Integration',
  J: 'Integration identifier',
  APP: 'Use of a client id',
  C: 'Connection',
  A: 'Connection identifier',
  P: 'Endpoint',
  G: 'Grant',
  REF: 'Reference to a grant',
  F: 'Flow',
  EV: 'Event that was seen',
};

export function rowsContent(tables: readonly TableRows[]): Html {
  const section = ({ table, rows }: TableRows) => html`<section>
<h2>${table} <small>${count(rows)}</small></h2>
${rows.length === 0 && html`<p class="soft">Empty. Connect a workspace or tenant in the <a href="/">playground</a>, then look again.</p>`}
${byKind(rows).map(([kind, ofKind]) => {
  const shownAtOnce = kind === 'Grant' && html` open`;
  return html`<details${shownAtOnce}><summary>${kind} <span class="soft">${count(ofKind)}</span></summary>${ofKind.map(asJson)}</details>`;
})}
</section>`;
  return html`<p>Every row of both tables, as DynamoDB holds it. Tokens, client secrets and webhook URLs are sealed (JWE) with a data key of their environment; sealed values are marked and shortened here.</p>
${tables.map(section)}`;
}

function count({ length }: TableRows['rows']): string {
  return length === 1 ? '1 row' : `${length} rows`;
}

function byKind(rows: TableRows['rows']): [string, TableRows['rows']][] {
  const groups = Map.groupBy(rows, ({ pk, sk }) => {
    const prefix = String(sk).startsWith('REF#') ? 'REF' : (String(pk).split('#', 1)[0] ?? '');
    return kinds[prefix] ?? 'Other';
  });
  return [...Object.values(kinds), 'Other'].flatMap((kind) => {
    const ofKind = groups.get(kind);
    return ofKind ? [[kind, ofKind]] : [];
  });
}

/** A compact JWE: a header that is JSON, an encrypted key that may be empty, an IV, a ciphertext and a tag. */
const jwe = /("eyJ[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+")/;

function asJson(row: Record<string, unknown>): Html {
  const parts = JSON.stringify(row, null, 2).split(jwe);
  const shown = parts.map((part, index) =>
    index % 2 === 0 ? html`${part}` : html`"${part.slice(1, 13)}…" <mark>sealed, ${part.length - 2} characters</mark>`,
  );
  return html`<pre>${shown}</pre>`;
}
