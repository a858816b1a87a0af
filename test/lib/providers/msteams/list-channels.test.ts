import { describe, expect, it } from 'vitest';
import { listTeamsChannels } from '../../../../lib/providers/msteams/list-channels.ts';

const graphBaseUrl = 'http://localhost:1';
const personId = '0a0e5e3c-1111-4222-8333-444455556666';
const teamId = (index: number) => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
const team = (index: number) => ({ id: teamId(index), displayName: `Team ${index}` });
const general = { id: '19:general@thread.tacv2', displayName: 'General', membershipType: 'standard' };

/** A Graph that answers by path; what it does not know is a 404. */
function graph(answers: Readonly<Record<string, { status?: number; json: unknown }>>, instead?: typeof fetch) {
  const calls: { url: string; authorization: string | null }[] = [];
  const answering = (async (input: string | URL | Request, init?: RequestInit) => {
    const url = String(input);
    calls.push({ url, authorization: new Headers(init?.headers).get('authorization') });
    const [path = ''] = url.slice(`${graphBaseUrl}/v1.0`.length).split('?$select');
    const { status = 200, json } = answers[path] ?? { status: 404, json: {} };
    return Response.json(json, { status });
  }) as typeof globalThis.fetch;
  const request = {
    accessToken: 'token',
    scopes: ['Team.ReadBasic.All', 'Channel.ReadBasic.All'],
    personId,
    tenantId: 'c0270500-1a2b-4c3d-8e4f-00000000c0a1',
    query: '',
    limit: 100,
    position: undefined,
    until: Date.now() + 10_000,
  };
  return {
    calls,
    list: (other: object = {}) =>
      listTeamsChannels({ graphBaseUrl, fetch: instead ?? answering }, { ...request, ...other }),
  };
}

const joined = `/users/${personId}/joinedTeams`;
const channelsOf = (index: number) => `/teams/${teamId(index)}/channels`;

describe('listTeamsChannels', () => {
  it.each([
    'https://evil.example/v1.0/next',
    `${graphBaseUrl}.evil.example/v1.0/next`,
    `${graphBaseUrl}@evil.example/v1.0/next`,
    `${graphBaseUrl}/beta/next`,
  ])('brings the token nowhere but to Graph, also when an answer says so (%s)', async (nextLink) => {
    const { list, calls } = graph({ [joined]: { json: { value: [], '@odata.nextLink': nextLink } } });

    await expect(list()).rejects.toMatchObject({ code: 'channels_unavailable', reason: 'unreadable_answer' });

    expect(calls.map(({ url }) => url)).toEqual([`${graphBaseUrl}/v1.0${joined}`]);
  });

  it('reads a bounded number of pages of an answer without end', async () => {
    const endless = { value: [], '@odata.nextLink': `${graphBaseUrl}/v1.0${joined}` };
    const { list, calls } = graph({ [joined]: { json: endless } });

    expect(await list()).toEqual({ channels: [], position: undefined });
    expect(calls).toHaveLength(10);
  });

  it('leaves out a team that is gone', async () => {
    const { list } = graph({
      [joined]: { json: { value: [team(2), team(1)] } },
      [channelsOf(2)]: { json: { value: [general] } },
    });

    expect((await list()).channels.map(({ name }) => name)).toEqual(['Team 2 / General']);
  });

  it('reads a bounded number of teams for one request, and goes on from there', async () => {
    const many = Array.from({ length: 30 }, (_, index) => team(index));
    const lists = many.map((_, index) => [channelsOf(index), { json: { value: [general] } }] as const);
    const { list } = graph({ [joined]: { json: { value: many } }, ...Object.fromEntries(lists) });

    const first = await list();
    const second = await list({ position: first.position });

    expect([first.channels.length, second.channels.length, second.position]).toEqual([20, 10, undefined]);
    expect(new Set([...first.channels, ...second.channels].map((channel) => channel.teamId)).size).toBe(30);
  });

  it('gives what it has read when trouble comes after that', async () => {
    const many = Array.from({ length: 8 }, (_, index) => team(index));
    const lists = many.map((_, index) => {
      const trouble = { status: 429, json: {} };
      return [channelsOf(index), index < 4 ? { json: { value: [general] } } : trouble] as const;
    });
    const { list } = graph({ [joined]: { json: { value: many } }, ...Object.fromEntries(lists) });

    const first = await list();

    expect(first.channels).toHaveLength(4);
    await expect(list({ position: first.position })).rejects.toMatchObject({ code: 'rate_limited' });
  });

  it.each([undefined, 'ann@contoso.example', '..', `${personId}/../x`])('lists nothing for %s', async (other) => {
    const { list, calls } = graph({});

    await expect(list({ personId: other })).rejects.toMatchObject({ code: 'linked_person_missing' });
    expect(calls).toEqual([]);
  });

  it('lists nothing for a person who has left', async () => {
    await expect(graph({}).list()).rejects.toMatchObject({ code: 'linked_person_missing' });
  });

  it.each([
    [401, 'reauthorization_required', 'token_refused'],
    [403, 'channels_unavailable', 'Forbidden'],
    [400, 'channels_unavailable', 'Forbidden'],
    [503, 'channels_unavailable', 'provider_unavailable'],
  ])('with every role takes %d for %s', async (status, code, reason) => {
    const { list } = graph({ [joined]: { status, json: { error: { code: 'Forbidden', message: 'canary' } } } });

    await expect(list()).rejects.toMatchObject({ code, reason, message: expect.not.stringContaining('canary') });
  });

  it.each([{}, { value: 'none' }, { value: [{ id: 'not-an-id' }] }, { value: [{ id: teamId(1), displayName: 7 }] }])(
    'takes %j for no answer of Graph’s',
    async (json) => {
      await expect(graph({ [joined]: { json } }).list()).rejects.toMatchObject({ reason: 'unreadable_answer' });
    },
  );

  it('gives up when its time has come', async () => {
    const hanging = (async (_: unknown, init?: RequestInit) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason));
      })) as typeof globalThis.fetch;
    const { list } = graph({}, hanging);

    await expect(list({ until: Date.now() - 1 })).rejects.toMatchObject({
      code: 'channels_unavailable',
      reason: 'no_answer',
    });
  });
});
