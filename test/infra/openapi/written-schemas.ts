import { fromJSONSchema } from 'zod/v4';
import { openApiDocument } from '../../../infra/openapi/document.ts';

// biome-ignore lint/suspicious/noExplicitAny: a document is read here as a client reads it
type Node = any;

export const document: Node = JSON.parse(JSON.stringify(openApiDocument()));

export function documented(routeKey: string): Node {
  const [method = '', path = ''] = routeKey.split(' ');
  return document.paths[path]?.[method.toLowerCase()];
}

export function documentedAnswer(routeKey: string, status: number): Node {
  const answer = documented(routeKey).responses[status];
  return resolved(answer);
}

function resolved(node: Node): Node {
  if (node?.$ref === undefined) return node;
  return node.$ref
    .slice(2)
    .split('/')
    .reduce((at: Node, key: string) => at[key], document);
}

/** A schema of the document as something that checks. */
export function checkerOf(schema: Node) {
  const $defs = document.components.schemas;
  return fromJSONSchema(
    JSON.parse(JSON.stringify({ ...schema, $defs }).replaceAll('#/components/schemas/', '#/$defs/')),
  );
}
