import { type ErrorCode, errorStatuses } from '../../lib/errors.ts';
import { api, type Tag } from './api.ts';
import { errorSchemaOf, errorsOf, readExplanations } from './errors.ts';
import { answerOf, type Example, type Operation } from './operation.ts';
import { type Json, schemaWriter } from './schemas.ts';

let text: string | undefined;

/** The document as JSON text, as the service answers it. */
export function readOpenApi(): string {
  text ??= JSON.stringify(openApiDocument());
  return text;
}

const idempotencyKeyTexts = {
  once: 'At most 255 characters. A repeat with the same key and body gets the first answer again, for 24 hours.',
  'first answer':
    'At most 255 characters. A repeat with the same key and body gets the same URL, for as long as it works.',
};
const idempotencyHeaders = {
  'Idempotency-Key': 'As sent.',
  'Idempotency-Replay': '`true` on an answer that was given before.',
};

type Writer = ReturnType<typeof documentWriter>;

/** Describes the API in OpenAPI 3.1, by the schemas that the functions check requests with. */
export function openApiDocument() {
  const writer = documentWriter();
  const paths: Record<string, Json> = {};
  for (const tag of api) {
    for (const [routeKey, operation] of Object.entries(tag.operations)) {
      const [method = '', path = ''] = routeKey.split(' ');
      paths[path] = { ...paths[path], [method.toLowerCase()]: operationObject(writer, tag, routeKey, operation) };
    }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Chat Connect',
      version: '1',
      summary: 'OAuth for Slack and Microsoft Teams.',
      description:
        'Ask for an OAuth URL, send a person there, and read what was connected. ' +
        'Examples of one name belong together: a request and its answer. ' +
        'Where one comes after an OAuth URL, a person has approved there in between. ' +
        'Every JSON answer of the service names its request in `x-request-id`. ' +
        'API Gateway in front of it refuses some requests itself, with nothing but a `message`: ' +
        '429 for too many at once, 413 for more than 10 MB, 503 when no function could answer.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [
      {
        url: '{publicUrl}',
        description: 'Your deployment, or `npm start`.',
        variables: {
          publicUrl: {
            default: 'http://localhost:3000',
            description: '`ApiUrl` of the stack, or the domain that is mapped to it.',
          },
        },
      },
    ],
    tags: api.map(({ name, description }) => ({ name, description })),
    paths,
    components: {
      securitySchemes: {
        apiKey: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description: 'The word `ApiKey`, a space and the key. The roles of a requirement are permissions of the key.',
        },
      },
      responses: writer.responses,
      schemas: writer.components,
    },
  };
}

function documentWriter() {
  const responses: Record<string, Json> = {};
  return { ...schemaWriter(), explanations: readExplanations(), responses };
}

function operationObject(writer: Writer, tag: Tag, routeKey: string, operation: Operation): Json {
  const { operationId, summary, deprecated, permissions, body, examples = {} } = operation;
  const needed = permissions.map((permission) => `\`${permission}\``).join(' or ');
  const description = [operation.description, needed && `Needs the permission ${needed}.`].filter(Boolean).join(' ');
  const parameters = parameterObjects(writer, operation);
  return {
    operationId,
    tags: [tag.name],
    summary,
    ...(description && { description }),
    ...(deprecated && { deprecated }),
    security: permissions.map((permission) => ({ apiKey: [permission] })),
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        required: !operation.isBodyOptional,
        content: json({ schema: writer.write(body), ...exampleObjects(examples, (example) => example.body) }),
      },
    }),
    responses: { ...successes(writer, routeKey, operation), ...failures(writer, routeKey, operation) },
  };
}

function parameterObjects(writer: Writer, operation: Operation): Json[] {
  const { path = {}, query, idempotency, examples = {} } = operation;
  const headers = { ...operation.headers, ...(idempotency && { 'Idempotency-Key': idempotencyKeyTexts[idempotency] }) };
  const { properties = {}, required = [] } = (query ? writer.write(query) : {}) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  const text = { type: 'string' };
  return [
    ...Object.entries(path).map(([name, description]) => ({
      ...{ name, in: 'path', required: true, description, schema: text },
      ...exampleObjects(examples, (example) => example.path?.[name]),
    })),
    ...Object.entries(properties).map(([name, { description, ...schema }]) => ({
      ...{ name, in: 'query', required: required.includes(name), description, schema },
      ...exampleObjects(examples, (example) => example.query?.[name]),
    })),
    ...Object.entries(headers).map(([name, description]) => ({ name, in: 'header', description, schema: text })),
  ];
}

function successes(writer: Writer, routeKey: string, { answers, idempotency, examples = {} }: Operation): Json {
  const responses = Object.entries(answers).map(([status, { description, headers, content }]) => {
    const shown = exampleObjects(examples, bodyOfStatus(routeKey, Number(status)));
    return [
      status,
      {
        description,
        ...((headers || idempotency) && {
          headers: headerObjects({ ...headers, ...(idempotency && idempotencyHeaders) }),
        }),
        ...(content === 'page' && { content: { 'text/html': { schema: { type: 'string' } } } }),
        ...(typeof content === 'object' && { content: json({ schema: writer.write(content), ...shown }) }),
      },
    ];
  });
  return Object.fromEntries(responses);
}

function failures(writer: Writer, routeKey: string, operation: Operation): Json {
  const { examples = {} } = operation;
  const byStatus = Map.groupBy(errorsOf(operation), (code) => errorStatuses[code]);
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => {
      const { content, ...response } = failure(writer, status, codes);
      const shown = exampleObjects(examples, bodyOfStatus(routeKey, status));
      const [code = '', ...others] = codes;
      if (others.length > 0 || shown.examples)
        return [status, { ...response, content: json({ ...content, ...shown }) }];
      // The same wherever it is the only one.
      writer.responses[code] ??= { ...response, content: json(content) };
      return [status, { $ref: `#/components/responses/${code}` }];
    }),
  );
}

const passing = new Set<ErrorCode>([
  'unavailable',
  'idempotency_in_progress',
  'token_refresh_failed',
  'token_refresh_in_progress',
  'token_refresh_pending',
  'token_unavailable',
]);

function failure(writer: Writer, status: number, codes: readonly ErrorCode[]) {
  const explained = codes.map((code) => `\`${code}\`: ${writer.explanations.get(code)}`);
  const isPassing = codes.some((code) => passing.has(code));
  return {
    description: explained.length === 1 ? explained[0] : explained.map((line) => `* ${line}`).join('\n'),
    ...(isPassing && { headers: headerObjects({ 'Retry-After': 'Seconds after which to try again.' }) }),
    content: {
      schema: { allOf: [writer.write(errorSchemaOf(status)), { properties: { error: { enum: codes } } }] },
    },
  };
}

function headerObjects(headers: Readonly<Record<string, string>>): Json {
  const text = { type: 'string' };
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { description, schema: text }]),
  );
}

function bodyOfStatus(routeKey: string, status: number) {
  return (example: Example) => {
    const answer = answerOf(routeKey, example);
    return answer.status === status ? answer.body : undefined;
  };
}

function json(content: Json): Json {
  return { 'application/json': content };
}

/** Of the examples that have a value here. */
function exampleObjects(
  examples: Readonly<Record<string, Example>>,
  pick: (example: Example) => unknown,
): { examples?: Json } {
  const shown = Object.entries(examples).flatMap(([name, example]) => {
    const value = pick(example);
    return value === undefined ? [] : [[name, { summary: example.summary, ...afterwards(example), value }]];
  });
  return shown.length > 0 ? { examples: Object.fromEntries(shown) } : {};
}

function afterwards({ after = [] }: Example): { description?: string } {
  return after.length > 0 ? { description: `After ${after.map((name) => `\`${name}\``).join(', ')}.` } : {};
}
