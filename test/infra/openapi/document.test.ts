import { describe, expect, it } from 'vitest';
import { errorCodes, errorsOf } from '../../../infra/openapi/errors.ts';
import { routes } from '../../../infra/routes.ts';
import { operations } from './run-examples.ts';
import { document } from './written-schemas.ts';

/** Only a row that no route makes is answered with it. */
const unreachable = ['integration_credentials_missing', 'rotation_credentials_missing'];
/** Answered at addresses that are no routes. */
const withoutRoute = ['not_found'];

describe('the OpenAPI document', () => {
  it('has every route of the table, and no other', () => {
    const table = routes.map(({ method, path }) => `${method} ${path}`);

    expect(operations.map(([routeKey]) => routeKey).sort()).toEqual(table.sort());
  });

  it('gives every operation a name of its own', () => {
    const names = operations.map(([, { operationId }]) => operationId);

    expect(new Set(names).size).toBe(names.length);
  });

  it.each(operations)('says of every path parameter of %s what it means', (routeKey, { path = {} }) => {
    const inPath = [...routeKey.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);

    expect(Object.keys(path)).toEqual(inPath);
  });

  it.each(operations)('shows each failure that only %s has in an example', (_routeKey, operation) => {
    const shown = Object.values(operation.examples ?? {}).map(({ answer }) => 'error' in answer && answer.error);

    expect(shown).toEqual(expect.arrayContaining([...(operation.errors ?? [])]));
  });

  it('names every error code of the API', () => {
    const named = new Set([
      ...operations.flatMap(([, operation]) => errorsOf(operation)),
      ...unreachable,
      ...withoutRoute,
    ]);

    expect([...named].sort()).toEqual(errorCodes.toSorted());
  });

  it('says of every field what it means', () => {
    const silent: string[] = [];
    const visit = (node: unknown, at: string) => {
      if (typeof node !== 'object' || node === null || at.endsWith('/value')) return;
      const { properties, allOf: _, ...others } = node as Record<string, Record<string, { description?: string }>>;
      for (const [name, property] of Object.entries(properties ?? {})) {
        if (!property.description) silent.push(`${at}/${name}`);
        visit(property, `${at}/${name}`);
      }
      for (const [name, part] of Object.entries(others)) visit(part, `${at}/${name}`);
    };

    visit(document, '');

    expect(silent).toEqual([]);
  });

  it('holds nothing that looks like a token or a secret', () => {
    expect(JSON.stringify(document)).not.toMatch(/canary|xox[a-z]-|cc_\w+_|localhost:(?!3000)/);
  });
});
