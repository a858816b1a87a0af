import type { ConnectionStore } from '../store/connection-store.ts';
import type { GrantStore, Reference } from '../store/grant-store.ts';
import type { Grant } from './grant.ts';
import { everyUserGrant } from './user-grants.ts';

export interface InUseDeps {
  readonly grants: GrantStore;
  readonly connections: Pick<ConnectionStore, 'get'>;
  now(): number;
}

/** Longer than whoever wrote a reference can take to write its connection: a flow a day, a call of the API seconds. */
const leakedAfterMilliseconds = { flow: 25 * 60 * 60_000, caller: 10 * 60_000 } as const;

/** True while a connection uses the grant, or is about to. References that were left behind go on sight. */
export async function isInUse(
  deps: InUseDeps,
  grant: Pick<Grant, 'environmentId' | 'grantId' | 'source'>,
): Promise<boolean> {
  const { environmentId, grantId } = grant;
  for (let after: string | undefined; ; ) {
    const references = await deps.grants.references(environmentId, grantId, after);
    for (const reference of references) {
      if (!(await isLeaked(deps, grant, reference))) return true;
      await deps.grants.removeReference(environmentId, grantId, reference.subjectKey, reference);
    }
    after = references.at(-1)?.subjectKey;
    if (after === undefined) return false;
  }
}

async function isLeaked(
  deps: InUseDeps,
  { environmentId, grantId, source }: Pick<Grant, 'environmentId' | 'grantId' | 'source'>,
  { subjectKey, asOf }: Reference,
): Promise<boolean> {
  if (asOf + leakedAfterMilliseconds[source] > deps.now()) return false;
  const connection = await deps.connections.get(environmentId, subjectKey);
  return connection?.grantId !== grantId && connection?.userGrantId !== grantId;
}

/** True while a person of the grant's account has a grant that is in use. */
export async function hasUserGrantInUse(
  deps: InUseDeps,
  { environmentId, grantId }: Pick<Grant, 'environmentId' | 'grantId'>,
): Promise<boolean> {
  for await (const mark of everyUserGrant(deps.grants, environmentId, grantId)) {
    if (await isInUse(deps, { environmentId, grantId: mark.userGrantId, source: 'flow' })) return true;
    await deps.grants.removeUserGrant(environmentId, grantId, mark.userGrantId, mark);
  }
  return false;
}
