import type { Novu } from '@novu/api';
import { expect, it } from 'vitest';
import { expectRefusal } from './novu.ts';

type Connections = Novu['channelConnections']['list'];
type Endpoints = Novu['channelEndpoints']['list'];
/** What both lists take. */
type Query = Parameters<Connections>[0] & Parameters<Endpoints>[0];
type Listed = Awaited<ReturnType<Connections>> | Awaited<ReturnType<Endpoints>>;

export function identifiersOf({ result }: Listed): string[] {
  return result.data.map(({ identifier }) => identifier);
}

/** What every list of the contract does, whatever is in it. @param all the identifiers of five rows, newest first */
export function itIsAList(list: (query: Query) => Promise<Listed>, all: readonly string[]): void {
  it('goes through its pages and back', async () => {
    const first = await list({ limit: 2 });
    const second = await list({ limit: 2, after: first.result.next ?? '' });
    const third = await list({ limit: 2, after: second.result.next ?? '' });
    const back = await list({ limit: 2, before: third.result.previous ?? '' });

    expect([first, second, third].flatMap(identifiersOf)).toEqual(all);
    expect(identifiersOf(back)).toEqual(identifiersOf(second));
    expect(first.result).toMatchObject({ previous: null, totalCount: 5, totalCountCapped: false });
    expect(third.result.next).toBeNull();
  });

  it.each<[Query, number, string, string]>([
    [
      { after: 'a', before: 'b' },
      400,
      'cursors_conflict',
      'Cannot specify both "before" and "after" cursors at the same time.',
    ],
    [{ orderBy: 'updatedAt' }, 400, 'unsupported_order', 'Lists are ordered by createdAt'],
    [{ limit: 101 }, 422, 'validation_failed', 'limit: must be at most 100'],
    [{ providerId: 'mailgun' }, 422, 'validation_failed', 'providerId'],
    [{ channel: 'sms' }, 422, 'validation_failed', 'channel: must be "chat"'],
  ])('refuses %j with %d', async (query, status, error, message) => {
    await expectRefusal(list(query), { status, error, message });
  });
}
