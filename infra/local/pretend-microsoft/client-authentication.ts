import { createPublicKey } from 'node:crypto';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, errors, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { App } from './apps.ts';
import { EntraError, missingParameter } from './errors.ts';

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export interface ClientAuthentication {
  readonly now: number;
  /** The token endpoint, by its address here and by Microsoft's; an assertion may name either. */
  readonly audiences: readonly string[];
  readonly form: Readonly<Record<string, string>>;
}

/** Checks a secret or a client assertion of the app. @throws {EntraError} */
export async function authenticateClient(app: App, { form, audiences, now }: ClientAuthentication): Promise<void> {
  const { client_secret: secret, client_assertion: assertion } = form;
  if (assertion && form['client_assertion_type'] === assertionType) {
    return verifyAssertion(app, assertion, audiences, new Date(now));
  }
  if (!secret) {
    throw new EntraError(7000218, missingParameter('body', "client_assertion' or 'client_secret").message);
  }
  if (app.expiredSecrets?.includes(secret)) {
    throw new EntraError(7000222, `The provided client secret keys for app '${app.clientId}' are expired.`);
  }
  const isUnregistered = app.redirectUris === undefined && app.clientSecret === undefined;
  if (secret !== app.clientSecret && !isUnregistered) {
    const advice = 'Ensure the secret being sent in the request is the client secret value, not the client secret ID';
    throw new EntraError(7000215, `Invalid client secret provided. ${advice}, for a secret of app '${app.clientId}'.`);
  }
}

async function verifyAssertion(app: App, assertion: string, audiences: readonly string[], currentDate: Date) {
  const options = { currentDate, clockTolerance: 300, requiredClaims: ['exp'] };
  try {
    return decodeJwt(assertion).iss === app.clientId
      ? await verifyCertificate(app, assertion, audiences, options)
      : await verifyFederated(app, assertion, options);
  } catch (error) {
    if (error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed) {
      throw new EntraError(700024, 'Client assertion is not within its valid time range.');
    }
    if (error instanceof errors.JOSEError) {
      throw new EntraError(700027, 'Client assertion failed signature validation.');
    }
    throw error;
  }
}

/** @see https://learn.microsoft.com/entra/identity-platform/certificate-credentials */
async function verifyCertificate(
  { clientId, certificates = [] }: App,
  assertion: string,
  audiences: readonly string[],
  options: JWTVerifyOptions,
): Promise<void> {
  const sent = decodeProtectedHeader(assertion)['x5t#S256'];
  const certificate = certificates.find(({ thumbprintSha256 }) => base64Url(thumbprintSha256) === sent);
  if (!certificate) {
    throw new EntraError(700027, `The certificate with identifier '${sent}' is not registered on application.`);
  }
  const algorithms = ['PS256', 'RS256'];
  const { payload } = await jwtVerify(assertion, createPublicKey(certificate.publicKey), { ...options, algorithms });
  if (payload.sub !== clientId) {
    throw new EntraError(700021, "Client assertion application identifier doesn't match 'client_id' parameter.");
  }
  if (typeof payload.aud !== 'string' || !audiences.includes(payload.aud)) {
    throw new EntraError(700023, 'Client assertion audience claim does not match Realm issuer.');
  }
}

/** @see https://learn.microsoft.com/entra/workload-id/workload-identity-federation */
async function verifyFederated({ federated }: App, assertion: string, options: JWTVerifyOptions): Promise<void> {
  const noMatch = 'No matching federated identity record found for presented assertion';
  const { iss, aud, sub } = decodeJwt(assertion);
  if (!federated) {
    throw new EntraError(70021, `${noMatch}.`);
  }
  if (iss !== federated.issuer) {
    throw new EntraError(700211, `${noMatch} issuer '${iss}'.`);
  }
  if (![aud].flat().includes(federated.audience)) {
    throw new EntraError(700212, `${noMatch} audience '${aud}'.`);
  }
  if (sub !== federated.subject) {
    throw new EntraError(700213, `${noMatch} subject '${sub}'.`);
  }
  await jwtVerify(assertion, createLocalJWKSet(federated.jwks), { ...options, algorithms: ['RS256'] });
}

function base64Url(hex: string): string {
  return Buffer.from(hex.replaceAll(':', ''), 'hex').toString('base64url');
}
