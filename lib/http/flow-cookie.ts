import { type Flow, isOver, outcomePageMilliseconds } from '../flow/flow.ts';
import type { HttpEvent, HttpResult } from './types.ts';

/** One cookie for each flow, so that two tabs do not meet. */
export interface FlowCookies {
  /** @returns undefined when the browser brought none, or two of the name */
  read(event: HttpEvent, flowId: string): string | undefined;
  /** What a browser is sent; that of a bound flow keeps its cookie as long as it is of use. */
  keep(result: HttpResult, flow: Flow | undefined, value: string | undefined): HttpResult;
}

/**
 * `__Host-` ties a cookie to exactly this origin, so that no other host of the domain can plant one. It needs https;
 * plain http is possible on loopback only, and there the name goes without.
 */
export function flowCookies({ publicUrl, now }: { publicUrl: string; now(): number }): FlowCookies {
  const isHttps = publicUrl.startsWith('https:');
  const nameOf = (flowId: string) => `${isHttps ? '__Host-' : ''}connect-${flowId}`;
  const attributes = `Path=/; HttpOnly; SameSite=Lax${isHttps ? '; Secure' : ''}`;
  return {
    read(event, flowId) {
      const prefix = `${nameOf(flowId)}=`;
      const [cookie, ...others] = (event.cookies ?? []).filter((each) => each.startsWith(prefix));
      return others.length > 0 ? undefined : cookie?.slice(prefix.length);
    },
    keep(result, flow, value) {
      if (!flow || flow.binding === 'direct' || value === undefined) return result;
      const seconds = Math.max(0, Math.ceil((usefulUntil(flow, result) - now()) / 1000));
      const kept = seconds === 0 ? '' : value;
      return { ...result, cookies: [`${nameOf(flow.flowId)}=${kept}; Max-Age=${seconds}; ${attributes}`] };
    },
  };
}

/** Epoch milliseconds; 0 once the browser has left for the product, for good. */
function usefulUntil(flow: Flow, { statusCode }: HttpResult): number {
  if (flow.status === 'ISSUED' || flow.status === 'AWAITING_CONFIRMATION') return flow.usableUntil;
  if (statusCode === 303) return 0;
  // A page of ours is shown again on a reload, or looks again by itself.
  return isOver(flow) ? (flow.finishedAt ?? 0) + outcomePageMilliseconds : flow.expiresAt * 1000;
}
