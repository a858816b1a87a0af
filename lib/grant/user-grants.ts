import type { GrantStore, UserGrantMark } from '../store/grant-store.ts';

/** Who has a grant beside that of an account, however many. Whoever goes through them may remove what was given. */
export async function* everyUserGrant(
  grants: Pick<GrantStore, 'userGrants'>,
  environmentId: string,
  grantId: string,
): AsyncGenerator<UserGrantMark, void, undefined> {
  for (let after: string | undefined; ; ) {
    const marks = await grants.userGrants(environmentId, grantId, after);
    yield* marks;
    after = marks.at(-1)?.userGrantId;
    if (after === undefined) return;
  }
}
