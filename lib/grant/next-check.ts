import { hashOf } from '../crypto.ts';
import { type Grant, isRefusalOfTheApp } from './grant.ts';

/** A grant that the provider has just spoken of is not asked about for a day. */
const pauseMilliseconds = 24 * 60 * 60_000;
/** Grants that were stored at the same time are checked over two hours. */
const spreadMilliseconds = 2 * 60 * 60_000;

/**
 * When the sweep asks the provider about a living grant of a flow again.
 * @param provenAt epoch milliseconds: when the provider last gave, took or refused the credential
 * @returns ISO time, or undefined when nothing but a new approval helps
 */
export function nextCheckAt(
  { grantId, credential }: Pick<Grant, 'grantId' | 'credential'>,
  { status, statusReason }: Pick<Grant, 'status' | 'statusReason'>,
  provenAt: number,
): string | undefined {
  const canHeal = status === 'active' || credential === 'app_only' || isRefusalOfTheApp(statusReason);
  if (!canHeal) return undefined;
  const place = Number.parseInt(hashOf('check', grantId).slice(0, 8), 16) / 2 ** 32;
  return new Date(provenAt + pauseMilliseconds + Math.floor(place * spreadMilliseconds)).toISOString();
}
