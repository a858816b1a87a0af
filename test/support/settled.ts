import { paginateScan } from '@aws-sdk/lib-dynamodb';
import { expect } from 'vitest';
import type { TestEnvironment, TestService } from './service.ts';

type Row = Record<string, unknown>;

/** Every durable row of an environment that a connection brings, by kind. */
async function rowsOf(service: TestService, { environmentId }: TestEnvironment) {
  const { client, tables } = service.db;
  const rows: Row[] = [];
  for await (const { Items = [] } of paginateScan(
    { client },
    { TableName: tables.connections, ConsistentRead: true },
  )) {
    rows.push(...Items);
  }
  const keyed = (letter: string, sk: string) =>
    rows.filter(
      ({ pk, sk: ownSk }) => String(pk).startsWith(`${letter}#${environmentId}#`) && String(ownSk).startsWith(sk),
    );
  const living = (row: Row) => row['deletedAt'] === undefined;
  return {
    connections: keyed('C', 'CONN').filter(living),
    endpoints: keyed('P', 'EP').filter(living),
    aliases: keyed('A', 'ALIAS'),
    grants: keyed('G', 'GRANT').filter((row) => row['status'] !== 'revoked'),
    references: keyed('G', 'REF#'),
    /** What is left to do, beside the checks of what is connected. */
    due: rows.filter((row) => row['environmentId'] === environmentId && String(row['dueBucket']).startsWith('row#')),
  };
}

/** What holds at every moment: whoever sees a connection can use it, and nobody ends its grant. */
export async function expectUsable(service: TestService, environment: TestEnvironment): Promise<void> {
  const { connections, grants, references } = await rowsOf(service, environment);
  for (const connection of connections) {
    const { grantId, subjectKey } = connection;
    const grant = grants.find((row) => row['grantId'] === grantId);
    expect(grant).toMatchObject({ status: 'active', account: connection['account'] });
    expect(references).toContainEqual(expect.objectContaining({ pk: grant?.['pk'], subjectKey }));
  }
}

/** Time for everything that is due, and the sweep. */
export async function letSweepFinish(service: TestService): Promise<void> {
  for (const seconds of [61, 121, 16 * 60]) {
    service.advance(seconds * 1000);
    await service.sweep();
  }
}

/** What holds in the end: no token, reference, endpoint or name is left of what is not connected any more. */
export async function expectSettled(service: TestService, environment: TestEnvironment): Promise<void> {
  await expectUsable(service, environment);
  const { connections, endpoints, aliases, grants, references, due } = await rowsOf(service, environment);
  const of = (rows: readonly Row[], name: string) => new Set(rows.flatMap((row) => row[name] ?? []));
  expect(of(grants, 'grantId')).toEqual(new Set([...of(connections, 'grantId'), ...of(connections, 'userGrantId')]));
  expect(references).toHaveLength(grants.length);
  const subjects = of(connections, 'subjectKey');
  for (const alias of aliases) expect(subjects).toContain(alias['target']);
  for (const endpoint of endpoints) expect(subjects).toContain(endpoint['connectionKey']);
  expect(due).toEqual([]);
}
