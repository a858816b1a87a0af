import * as z from 'zod/mini';
import { FlowFailure, type FlowFailureCode } from '../../flow/flow-failure.ts';
import { isGuid } from './tenant.ts';

const errorBodySchema = z.looseObject({
  error: z.string(),
  error_description: z.optional(z.string()),
  error_codes: z.optional(z.array(z.number())),
  correlation_id: z.optional(z.string()),
});

/** What Entra says of a refusal. Numbers choose a hint only: Microsoft may change them. */
export interface EntraError {
  /** OAuth's code, such as `invalid_grant`. */
  readonly error: string;
  /** Such as `AADSTS65001`, when there is one. */
  readonly aadsts: string | undefined;
  readonly correlationId: string | undefined;
}

/** @returns undefined when a body is not an error of Entra's */
export function readEntraError(body: unknown): EntraError | undefined {
  const parsed = errorBodySchema.safeParse(body);
  if (!parsed.success) return undefined;
  const { error, error_description: description = '', error_codes: codes, correlation_id: correlationId } = parsed.data;
  return entraErrorOf(error, description, codes?.[0], correlationId);
}

/**
 * Reads the error of a redirect or of a token answer. The description is text of whoever made the address: only its code
 * and its correlation id are taken out of it.
 */
export function entraErrorOf(error: string, description: string, code?: number, correlationId?: string): EntraError {
  const number = code ?? /AADSTS(\d{4,8})/.exec(description)?.[1];
  const id = correlationId ?? /Correlation ID: ([0-9a-f-]{36})/i.exec(description)?.[1];
  return {
    error: /^[a-z_]{1,64}$/.test(error) ? error : 'unknown_error',
    aadsts: number === undefined ? undefined : `AADSTS${number}`,
    correlationId: id !== undefined && isGuid(id) ? id : undefined,
  };
}

const notInTenant = new Set(['65001', '700016', '700011', '7000229', '90002', '90128']);
const misconfigured = new Set([
  '7000215',
  '7000222',
  '7000218',
  '700027',
  '50012',
  '700025',
  '50011',
  '500112',
  '500113',
  '50194',
  '70021',
  '700211',
  '700213',
]);
const spentCode = new Set(['54005', '70008', '700082', '70000', '50089', '700084']);
const unavailable = new Set(['90033', '90006', '90024', '90055', '50196']);

/** Ends a flow for what Entra refused at its token endpoint; trouble of Entra's own is told by the status. */
export function failureOfTokenError(refusal: EntraError, status: number): FlowFailure {
  const isTrouble = status >= 500 || status === 429 || refusal.error === 'server_error';
  const number = refusal.aadsts?.slice('AADSTS'.length) ?? '';
  const code: FlowFailureCode = isTrouble
    ? 'provider_unavailable'
    : notInTenant.has(number)
      ? 'app_not_in_tenant'
      : misconfigured.has(number) || refusal.error === 'invalid_client'
        ? 'provider_misconfigured'
        : unavailable.has(number) || refusal.error === 'temporarily_unavailable'
          ? 'provider_unavailable'
          : spentCode.has(number) || refusal.error === 'invalid_grant'
            ? 'invalid_code'
            : 'provider_refused';
  return new FlowFailure(code, {
    providerError: refusal.aadsts ?? refusal.error,
    correlationId: refusal.correlationId,
  });
}
