import { describe, expect, it } from 'vitest';
import { listSlackChannels } from '../../../../lib/providers/slack/list-channels.ts';

const general = { id: 'C0GENERAL1', name: 'general', is_private: false };

/** A Slack that gives each method's answers one after the other, the last one from then on. */
function slack(answers: Readonly<Record<string, readonly object[]>>) {
  const calls: string[] = [];
  const fetch = (async (input: string | URL | Request) => {
    const method = String(input).split('/api/')[1] ?? '';
    const given = answers[method] ?? [];
    const index = Math.min(calls.filter((call) => call === method).length, given.length - 1);
    calls.push(method);
    return Response.json({ ok: true, ...given[index] });
  }) as typeof globalThis.fetch;
  const request = {
    accessToken: 'token',
    scopes: [],
    personId: 'U0ANN',
    teamId: undefined,
    query: '',
    limit: 100,
    position: undefined,
    until: Date.now() + 10_000,
  };
  return {
    calls,
    list: (other: object = {}) =>
      listSlackChannels({ slackBaseUrl: 'http://localhost:1', fetch }, { ...request, ...other }),
  };
}

describe('listSlackChannels', () => {
  it('lists as public only what Slack says is, and nothing that a message cannot go to', async () => {
    const { list } = slack({
      'conversations.list': [
        {
          channels: [
            general,
            { id: 'C0UNKNOWN1', name: 'unknown' },
            { id: 'C0PRIVATE1', name: 'private', is_private: true },
            { id: 'C0OLD00001', name: 'old', is_private: false, is_archived: true },
            { id: 'D0DIRECT01', is_im: true, is_private: false },
            { id: 'G0GROUP001', name: 'mpdm-a--b', is_mpim: true, is_private: false },
          ],
        },
      ],
      'users.conversations': [{ channels: [{ ...general, id: 'C0PUBLIC01' }] }],
    });

    expect(await list()).toEqual({
      channels: [{ id: 'C0GENERAL1', name: 'general', type: 'public_channel' }],
      position: undefined,
    });
  });

  it.each([
    {},
    { channels: [{ id: '../admin', name: 'x' }] },
    { channels: [{ id: 'C1', name: 7 }] },
    { channels: [], response_metadata: { next_cursor: 'c'.repeat(901) } },
  ])('takes %j for no answer of Slack’s', async (answer) => {
    const { list } = slack({ 'conversations.list': [answer] });

    await expect(list()).rejects.toMatchObject({ code: 'channels_unavailable', reason: 'unreadable_answer' });
  });

  it('goes on in the middle of a page of Slack’s', async () => {
    const many = Array.from({ length: 5 }, (_, index) => ({ ...general, id: `C${index}`, name: `n${index}` }));
    const { list } = slack({
      'conversations.list': [{ channels: many }],
      'users.conversations': [{ channels: [] }],
    });

    const first = await list({ limit: 2 });
    const second = await list({ limit: 3, position: first.position });

    expect(first.channels.map(({ id }) => id)).toEqual(['C0', 'C1']);
    expect(second.channels.map(({ id }) => id)).toEqual(['C2', 'C3', 'C4']);
    expect((await list({ position: second.position })).position).toBeUndefined();
  });

  it('stops after a bounded number of calls, also when Slack’s pages never end', async () => {
    const { list, calls } = slack({
      'conversations.list': [{ channels: [], response_metadata: { next_cursor: 'again' } }],
    });

    const page = await list();

    expect(page).toEqual({ channels: [], position: '["public","again",0]' });
    expect(calls).toHaveLength(5);
  });

  it.each(['GENERALLY', 'CAMPAIGNS', 'general', '#general', 'C', 'D0DIRECT01', 'https://slack.com/archives/general'])(
    'takes %s for part of a name',
    async (query) => {
      const { list, calls } = slack({
        'conversations.list': [{ channels: [] }],
        'users.conversations': [{ channels: [] }],
      });

      await list({ query });

      expect(calls).toEqual(['conversations.list', 'users.conversations']);
    },
  );

  it('gives up when its time has come', async () => {
    const hanging = (async (_: unknown, init?: RequestInit) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason));
      })) as typeof globalThis.fetch;
    const request = { accessToken: 'token', scopes: [], personId: undefined, teamId: undefined, query: '' };

    await expect(
      listSlackChannels(
        { slackBaseUrl: 'http://localhost:1', fetch: hanging },
        { ...request, limit: 10, position: undefined, until: Date.now() - 1 },
      ),
    ).rejects.toMatchObject({ code: 'channels_unavailable', reason: 'no_answer' });
  });
});
