import * as z from 'zod/mini';

export type Json = Record<string, unknown>;

/** Keyword, until the descriptions have been given to the properties. */
const fieldsKey = 'x-fields';

/** What the document says of schemas beside what they check: more keywords. No function holds any of it. */
const registry = z.registry<{ readonly id?: string; readonly [keyword: string]: unknown }>();

/** Says what each field of an object means. */
export function described<Schema extends z.ZodMiniObject>(
  schema: Schema,
  fields: { readonly [Name in keyof Schema['shape']]: string },
): Schema {
  registry.add(schema, { ...registry.get(schema), [fieldsKey]: fields });
  return schema;
}

/** Makes a schema a component of the document. */
export function named<Schema extends z.ZodMiniType>(id: string, schema: Schema, keywords: Json = {}): Schema {
  registry.add(schema, { ...registry.get(schema), ...keywords, id });
  return schema;
}

/** How every answer but a list's wraps what it is about. */
export function dataOf<Schema extends z.ZodMiniType>(schema: Schema) {
  return described(z.object({ data: schema }), { data: 'What was asked for.' });
}

export const time = z.iso.datetime();

/** A schema in JSON Schema. */
function keywordsOf(schema: z.ZodMiniType): Json {
  // `input` leaves answers open, so that a new field breaks no client.
  const { $schema, ...keywords } = z.toJSONSchema(schema, { io: 'input', metadata: registry });
  return keywords;
}

/** Turns schemas into those of the document, and collects the components that they refer to. */
export function schemaWriter() {
  const components: Record<string, Json> = {};
  return {
    components,
    /** As clients have to know it: what they may send, and what they can rely on in an answer. */
    write(schema: z.ZodMiniType): Json {
      const { $defs, ...written } = keywordsOf(schema);
      Object.assign(components, tidy($defs ?? {}));
      return tidy(written) as Json;
    },
  };
}

function tidy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(tidy);
  if (typeof value !== 'object' || value === null) return value;
  const { [fieldsKey]: fields = {}, ...keywords } = value as Json;
  const tidied = Object.fromEntries(Object.entries(keywords).map(([name, part]) => [name, tidy(part)])) as Json;
  if (typeof tidied['$ref'] === 'string') tidied['$ref'] = tidied['$ref'].replace('#/$defs/', '#/components/schemas/');
  // The format says it in fewer than 300 characters.
  if (typeof tidied['format'] === 'string') delete tidied['pattern'];
  const properties = tidied['properties'] as Record<string, Json>;
  for (const [name, description] of Object.entries(fields as Record<string, string>)) {
    properties[name] = { ...properties[name], description };
  }
  return tidied;
}
