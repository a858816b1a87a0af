import type { Vault } from '../vault/vault.ts';
import {
  type Endpoint,
  type EndpointTarget,
  type EndpointType,
  type GivenTarget,
  givenTargetSchema,
} from './endpoint.ts';
import { readPublicUrl } from './public-url.ts';
import { openWebhookUrl, sealWebhookUrl } from './webhook-url.ts';

/** Reads what a caller says of a target; a webhook's URL has to be public. */
export function readPayload(type: EndpointType, payload: unknown): { given: GivenTarget } | { problem: string } {
  const problem = `Endpoint must match the required format for type "${type}"`;
  if (typeof payload !== 'object' || payload === null || Object.hasOwn(payload, 'type')) return { problem };
  const { data: given } = givenTargetSchema.safeParse({ ...payload, type });
  if (!given) return { problem };
  if (given.type !== 'webhook') return { given };
  const read = readPublicUrl(given.url);
  return 'url' in read ? { given: { ...given, url: read.url } } : { problem: `${problem}: url ${read.problem}` };
}

/** The target as it stands in the endpoint's row. */
export async function sealTarget(
  vault: Vault,
  endpoint: Pick<Endpoint, 'environmentId' | 'identifier'>,
  given: GivenTarget,
): Promise<EndpointTarget> {
  if (given.type !== 'webhook') return given;
  const { url, ...open } = given;
  return { ...open, sealedUrl: await sealWebhookUrl(vault, endpoint, url) };
}

/** Exactly the keys of its type: the contract's clients tell the types apart by them. */
export async function payloadOf(vault: Vault, endpoint: Endpoint): Promise<Record<string, string | undefined>> {
  const { target } = endpoint;
  if (target.type === 'webhook') {
    return { url: await openWebhookUrl(vault, endpoint, target.sealedUrl), channel: target.channel };
  }
  const { type, ...payload } = target;
  return payload;
}
