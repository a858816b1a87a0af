/**
 * Stands in a bundle for jsonwebtoken. Only the state store that @slack/oauth brings along uses it, and this service
 * keeps its states itself.
 */
const absent = 'jsonwebtoken is not in this bundle: give @slack/oauth a state store.';

export function sign(): never {
  throw new Error(absent);
}

export function verify(): never {
  throw new Error(absent);
}
