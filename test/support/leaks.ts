import { paginateScan } from '@aws-sdk/lib-dynamodb';
import type { Issued } from '../../infra/local/issued.ts';
import type { TestDatabase } from './embedded-store.ts';

/** Somewhere that secrets must not be. */
export interface Place {
  readonly name: string;
  read(): Iterable<unknown> | AsyncIterable<unknown>;
}

/** What is shorter is a word of some test's. */
const shortestSecret = 12;

/** Where a secret stands in plain text: its kind, the place, and the row or line without it. */
export async function leaksIn(places: readonly Place[], secrets: Iterable<Issued>): Promise<string[]> {
  const kindOf = new Map<string, string>();
  for (const { kind, value } of secrets) if (value.length >= shortestSecret) kindOf.set(value, kind);
  const leaks: string[] = [];
  for (const { name, read } of places) {
    const texts: string[] = [];
    for await (const each of read()) texts.push(typeof each === 'string' ? each : JSON.stringify(each));
    const all = texts.join('\n');
    for (const value of kindOf.keys()) {
      if (!all.includes(value)) continue;
      const found = texts.find((text) => text.includes(value)) ?? '';
      leaks.push(`${kindOf.get(value)} in ${name}: ${withoutSecrets(found, kindOf).slice(0, 300)}`);
    }
  }
  return leaks;
}

function withoutSecrets(text: string, kindOf: ReadonlyMap<string, string>): string {
  let rest = text;
  for (const [value, kind] of kindOf) rest = rest.replaceAll(value, `<${kind}>`);
  return rest;
}

/** The rows of both tables, as they stand there. */
export function rowsOf({ client, tables }: TestDatabase): Place[] {
  return Object.values(tables).map((TableName) => ({
    name: `a row of ${TableName.replace(/-.*/, '')}`,
    async *read() {
      for await (const { Items = [] } of paginateScan({ client }, { TableName, ConsistentRead: true })) yield* Items;
    },
  }));
}

const kindsInRequests: Readonly<Record<string, string>> = {
  accessToken: 'access token',
  refreshToken: 'refresh token',
  secretKey: 'client secret',
  previousSecretKey: 'client secret',
  signingSecret: 'signing secret',
  certificate: 'certificate',
};

/** The secrets in a request to the API. */
export function secretsInRequest(body: unknown): Issued[] {
  if (typeof body !== 'object' || body === null) return [];
  return Object.entries(body).flatMap(([name, value]) => {
    const kind = kindsInRequests[name];
    return kind && typeof value === 'string' ? [{ kind, value }] : secretsInRequest(value);
  });
}

/** Of start links, states and handles the secret half; the other one is a flow's id. */
const handle = /(?<![\w-])[\w-]{22}\.([\w-]{43})(?![\w-])/g;
const cookie = /__Host-[^=]+=([^;]+)/g;

/** The secrets of flows in an address, a page or a header. */
export function secretsOfFlows(text: string): Issued[] {
  const all = (pattern: RegExp, kind: string) => [...text.matchAll(pattern)].map(([, value = '']) => ({ kind, value }));
  return [...all(handle, 'secret of a start link, state or handle'), ...all(cookie, 'cookie')];
}
