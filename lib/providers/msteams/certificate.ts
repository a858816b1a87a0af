import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';

export interface ClientCertificate {
  /** Hex, as Entra's app registration knows the certificate. */
  readonly thumbprintSha256: string;
  /** PEM. */
  readonly privateKey: string;
}

/** Reads PEM text with a certificate and its RSA key. @returns undefined when it lacks one, or they do not belong together */
export function readCertificate(pem: string): ClientCertificate | undefined {
  const certificate = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/.exec(pem)?.[0];
  const privateKey = /-----BEGIN (?:RSA )?PRIVATE KEY-----[\s\S]+?-----END (?:RSA )?PRIVATE KEY-----/.exec(pem)?.[0];
  if (!certificate || !privateKey) return undefined;
  try {
    const x509 = new X509Certificate(certificate);
    const key = createPrivateKey(privateKey);
    // Assertions are signed with PS256.
    if (key.asymmetricKeyType !== 'rsa' || !x509.checkPrivateKey(key)) return undefined;
    return { thumbprintSha256: createHash('sha256').update(x509.raw).digest('hex'), privateKey };
  } catch {
    return undefined;
  }
}
