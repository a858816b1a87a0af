/** Something secret that a stand-in gave out or was given, for tests that look for it where it must not be. */
export interface Issued {
  readonly kind: string;
  readonly value: string;
}

const kinds: Readonly<Record<string, string>> = {
  access_token: 'access token',
  refresh_token: 'refresh token',
  id_token: 'id_token',
  code: 'code',
  code_verifier: 'code verifier',
  client_secret: 'client secret',
  client_assertion: 'client assertion',
};

/** The secrets in what goes over the wire, by their names in OAuth and at any depth. */
export function secretsIn(message: object): Issued[] {
  return Object.entries(message).flatMap(([name, value]) => {
    if (typeof value === 'object' && value !== null) return secretsIn(value);
    const kind = kinds[name];
    return kind && typeof value === 'string' && value !== '' ? [{ kind, value }] : [];
  });
}
