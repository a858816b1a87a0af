import { api } from '../../../infra/openapi/api.ts';
import { answerOf, type Example, fill, type Operation } from '../../../infra/openapi/operation.ts';
import { createEnvironment } from '../../../lib/environment/create-environment.ts';
import { teamsRedirectUri } from '../../../lib/providers/msteams/authorization-url.ts';
import { slackRedirectUri } from '../../../lib/providers/slack/authorization-url.ts';
import { dynamoEnvironmentStore } from '../../../lib/store/environment-store.ts';
import type { Answer, TestService } from '../../support/service.ts';
import { adele } from '../../support/teams.ts';
import { openBrowser, type Visitor } from '../../support/visitor.ts';

interface NamedExample {
  /** `operationId.name` */
  readonly name: string;
  readonly routeKey: string;
  readonly operation: Operation;
  readonly example: Example;
  readonly expected: ReturnType<typeof answerOf>;
}

export const operations: readonly (readonly [string, Operation])[] = api.flatMap((tag) =>
  Object.entries(tag.operations),
);

export const examples: readonly NamedExample[] = operations.flatMap(([routeKey, operation]) =>
  Object.entries(operation.examples ?? {}).map(([name, example]) => ({
    name: `${operation.operationId}.${name}`,
    routeKey,
    operation,
    example,
    expected: answerOf(routeKey, example),
  })),
);

function exampleOf(name: string): NamedExample {
  const found = examples.find((each) => each.name === name);
  if (!found) throw new Error(`no example ${name}`);
  return found;
}

/** The apps that the examples store, at the pretend Slack and the pretend Microsoft. */
export function registerExampleApps(service: TestService): void {
  const clientSecret = 'your-client-secret';
  service.slack.registerApp({
    clientId: '1234567890.1234567890',
    clientSecret,
    appId: 'A0EXAMPLE1',
    redirectUris: [slackRedirectUri(service.url)],
  });
  service.microsoft.registerApp({
    clientId: '6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b',
    clientSecret,
    redirectUris: [teamsRedirectUri(service.url)],
    requestedRoles: ['Team.ReadBasic.All'],
  });
}

/** An empty environment to run examples in. */
export async function exampleEnvironment(service: TestService) {
  const { db, keyWrapper, now } = service;
  const environments = dynamoEnvironmentStore(db);
  const { environmentId } = await createEnvironment({ environments, keyWrapper, now }, { name: 'example' });
  const apiKey = await service.createApiKey(environmentId);
  /** Ids and handles in the examples to those that stand for them here. */
  const ids = new Map<string, string>();

  /** Sends the example's request, or the same with other headers and another body. */
  async function send(name: string, other: { headers?: Record<string, string>; body?: unknown } = {}): Promise<Answer> {
    const { routeKey, example, expected } = exampleOf(name);
    const [method = '', template = ''] = routeKey.split(' ');
    const actual = (value: unknown) => ids.get(String(value)) ?? String(value);
    const path = Object.entries(example.path ?? {}).map(([key, value]) => [key, encodeURIComponent(actual(value))]);
    const query = Object.entries(example.query ?? {}).flatMap(([key, value]) =>
      [value].flat().map((each): [string, string] => [key, actual(each)]),
    );
    const search = query.length === 0 ? '' : `?${new URLSearchParams(query)}`;
    const { body = example.body } = other;
    const sent = JSON.stringify(body, (_, value) => (typeof value === 'string' ? actual(value) : value));
    const answer = await service.request(method, fill(template, Object.fromEntries(path)) + search, {
      headers: {
        authorization: `ApiKey ${apiKey}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...other.headers,
      },
      ...(body !== undefined && { body: sent }),
    });
    learn(ids, expected.body, answer.json);
    return answer;
  }

  /** Runs what comes before the example. */
  async function prepare(name: string): Promise<void> {
    for (const before of exampleOf(name).example.after ?? []) {
      await prepare(before);
      const answer = await send(before);
      if (answer.status !== exampleOf(before).expected.status) throw new Error(`${before} answered ${answer.text}`);
      const url = answer.json?.data?.url;
      if (url !== undefined) ids.set('EXAMPLE', await approve(service, url));
    }
  }

  return { environmentId, prepare, send };
}

/**
 * What a person does who is sent to an OAuth URL.
 * @returns the handle that the browser brings back to the product, if any
 */
async function approve(service: TestService, url: string): Promise<string> {
  const browser = openBrowser(service);
  const atProvider = url.startsWith(service.url) ? await browser.proceed(url) : url;
  const end = await browser.visit(await approvedCallback(service, browser, atProvider));
  const { searchParams } = new URL(end.headers.get('location') ?? 'https://product.example');
  if (end.status !== 200 && searchParams.get('handle') === null) throw new Error(`not approved: ${end.text}`);
  return searchParams.get('handle') ?? '';
}

async function approvedCallback({ slack, microsoft }: TestService, browser: Visitor, url: string): Promise<string> {
  if (url.startsWith(slack.url)) return slack.approve(url, { userId: 'U0BOBACME0001' });
  const consented = await browser.visit(await microsoft.approveConsent(url, { username: adele }));
  return microsoft.signIn(consented.headers.get('location') ?? '', { username: adele });
}

const idForm = /^([0-9a-f]{24}|(chconn-|chendp_).+)$/;

function learn(ids: Map<string, string>, expected: unknown, real: unknown): void {
  if (typeof expected === 'string' && typeof real === 'string') {
    if (idForm.test(expected)) ids.set(expected, real);
  } else if (typeof expected === 'object' && expected !== null && typeof real === 'object' && real !== null) {
    for (const [key, value] of Object.entries(expected)) learn(ids, value, (real as Record<string, unknown>)[key]);
  }
}

/** A body without what differs from run to run: addresses, times, ids, states and what comes of them. */
export function settled(service: TestService, body: unknown): unknown {
  if (body === undefined) return undefined;
  const addresses = [
    [service.url, 'https://connect.example'],
    [service.slack.url, 'https://slack.com'],
    [service.microsoft.url, 'https://login.microsoftonline.com'],
  ] as const;
  let text = JSON.stringify(body);
  for (const [from, to] of addresses) {
    text = text.replaceAll(from, to).replaceAll(encodeURIComponent(from), encodeURIComponent(to));
  }
  return JSON.parse(
    text
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, 'TIME')
      .replace(/\b[0-9a-f]{24}\b/g, 'ID')
      .replace(/(chconn-|chendp_)[0-9a-f]{64}/g, '$1HASH')
      .replace(/(state=|nonce=|code_challenge=|\/connect\/)[\w.-]+/g, '$1RANDOM'),
  );
}
