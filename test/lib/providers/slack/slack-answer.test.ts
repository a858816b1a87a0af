import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  answerForLibrary,
  grantsOf,
  plainCode,
  readAccessAnswer,
} from '../../../../lib/providers/slack/slack-answer.ts';

const granted = {
  ok: true,
  app_id: 'A1',
  access_token: 'xoxb-1',
  token_type: 'bot',
  scope: 'chat:write',
  bot_user_id: 'B1',
  team: { id: 'T1', name: 'Acme' },
  enterprise: null,
  is_enterprise_install: false,
  authed_user: { id: 'U1' },
};

function read(body: unknown, status = 200) {
  return readAccessAnswer(status, typeof body === 'string' ? body : JSON.stringify(body));
}

describe('readAccessAnswer', () => {
  it.each<[string, object]>([
    ['for a workspace', granted],
    ['for a workspace of an enterprise', { ...granted, enterprise: { id: 'E1', name: 'Corp' } }],
    ['for an enterprise', { ...granted, is_enterprise_install: true, team: null, enterprise: { id: 'E1' } }],
    ['for a user alone', { ...granted, access_token: undefined, authed_user: { id: 'U1', access_token: 'xoxp-1' } }],
    ['that rotates', { ...granted, refresh_token: 'xoxe-1', expires_in: 43_200 }],
    ['with a webhook', { ...granted, incoming_webhook: { url: 'https://hooks.slack.com/x', channel: '#a' } }],
    ['with what Slack may add later', { ...granted, something: { new: [1] } }],
  ])('takes an answer %s as it stands', (_, answer) => {
    expect(read(answer)).toEqual({ kind: 'granted', answer: JSON.parse(JSON.stringify(answer)) });
  });

  it.each([
    [{ ok: false, error: 'invalid_code' }, 'invalid_code'],
    [{ ok: false, error: 'bad_redirect_uri', warning: 'x' }, 'bad_redirect_uri'],
    [{ ok: false, error: '<b>token xoxb-1</b>' }, 'unknown_error'],
    [{ ok: false, error: '' }, 'unknown_error'],
  ])('takes %j for a refusal', (body, error) => {
    expect(read(body)).toEqual({ kind: 'refused', error });
  });

  it.each<[string, unknown]>([
    ['an answer for neither workspace nor enterprise', { ...granted, team: null }],
    ['an answer for an enterprise that it does not name', { ...granted, is_enterprise_install: true }],
    ['a workspace without an id', { ...granted, team: { name: 'Acme' } }],
    ['a workspace with an empty id', { ...granted, team: { id: '' } }],
    ['an answer without an app', { ...granted, app_id: undefined }],
    ['a token that is no text', { ...granted, access_token: { t: 1 } }],
    ['a lifetime that is no number', { ...granted, expires_in: '43200' }],
    ['a lifetime below zero', { ...granted, expires_in: -1 }],
    ['a lifetime of decades', { ...granted, expires_in: 1e10 }],
    ['a token too long for a row', { ...granted, access_token: 'x'.repeat(4_097) }],
    ['an answer that is neither yes nor no', { ...granted, ok: 'true' }],
    ['a refusal without a reason', { ok: false }],
    ['a refusal whose reason is no text', { ok: false, error: { code: 1 } }],
    ['no JSON', '<html>502 Bad Gateway</html>'],
    ['JSON that was cut off', JSON.stringify(granted).slice(0, -1)],
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[]'],
  ])('does not understand %s', (_, body) => {
    expect(read(body)).toEqual({ kind: 'unreadable' });
  });

  it.each([204, 302, 400, 429, 500, 502])('does not believe any body with status %d', (status) => {
    expect(read(granted, status)).toEqual({ kind: 'unreadable' });
    expect(read({ ok: false, error: 'invalid_code' }, status)).toEqual({ kind: 'unreadable' });
  });

  it('never throws, whatever is answered', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (body) => {
        expect(['granted', 'refused', 'unreadable']).toContain(readAccessAnswer(200, body).kind);
      }),
    );
  });
});

describe('answerForLibrary', () => {
  const forLibrary = (body: object, milliseconds?: number) =>
    JSON.parse(answerForLibrary(JSON.stringify(body), milliseconds));
  const around = { team: { id: 'T1' }, authed_user: {} };

  it('leaves out what is null, at every depth, but for a missing workspace', () => {
    const body = {
      ok: true,
      enterprise: null,
      team: null,
      authed_user: { id: 'U1', scope: null },
      list: [{ a: null }],
    };

    expect(forLibrary(body)).toEqual({ ok: true, team: null, authed_user: { id: 'U1' }, list: [{}] });
  });

  it('gives the library the objects that it demands', () => {
    expect(forLibrary({ ok: true })).toEqual({ ok: true, team: null, authed_user: {} });
    expect(forLibrary({ ok: true, authed_user: null })).toEqual({ ok: true, team: null, authed_user: {} });
  });

  it('lowers the lifetimes of both tokens by the time that has passed', () => {
    const body = { ...around, expires_in: 43_200, authed_user: { id: 'U1', expires_in: 3_600 } };

    expect(forLibrary(body, 600_000)).toEqual({
      ...body,
      expires_in: 42_600,
      authed_user: { id: 'U1', expires_in: 3_000 },
    });
  });

  it.each([
    ['rounds against the token', 100, 1, 99],
    ['rounds against the token after a second', 100, 1_001, 98],
    ['never makes a lifetime negative', 10, 86_400_000, 0],
  ])('%s', (_, lifetime, milliseconds, left) => {
    expect(forLibrary({ ...around, expires_in: lifetime }, milliseconds)).toEqual({ ...around, expires_in: left });
  });

  it('changes nothing that is there when no time has passed', () => {
    const value = fc.jsonValue().filter((candidate) => !JSON.stringify(candidate).includes('null'));
    const key = fc.string().filter((name) => !['team', 'authed_user', 'expires_in'].includes(name));

    fc.assert(
      fc.property(fc.dictionary(key, value), fc.nat(), (others, expiresIn) => {
        const body = { ...others, ...around, expires_in: expiresIn };

        expect(forLibrary(body)).toEqual(JSON.parse(JSON.stringify(body)));
      }),
    );
  });
});

describe('grantsOf', () => {
  const grantsIn = (body: object) => {
    const answer = read(body);
    if (answer.kind !== 'granted') throw new Error('the answer is not one of Slack');
    return grantsOf(answer.answer);
  };

  it("gives a workspace's bot token", () => {
    expect(grantsIn({ ...granted, refresh_token: 'xoxe-1' })).toEqual([
      {
        account: { id: 'T1', name: 'Acme', kind: 'workspace' },
        token: { accessToken: 'xoxb-1', refreshToken: 'xoxe-1' },
      },
    ]);
  });

  it("gives an enterprise's bot token for an install of the whole enterprise", () => {
    const enterprise = { id: 'E1', name: 'Corp' };

    expect(grantsIn({ ...granted, is_enterprise_install: true, enterprise })).toEqual([
      {
        account: { id: 'E1', name: 'Corp', kind: 'enterprise' },
        token: { accessToken: 'xoxb-1', refreshToken: undefined },
      },
    ]);
  });

  it.each([null, undefined, ''])('gives nothing when the bot token is %j', (token) => {
    expect(grantsIn({ ...granted, access_token: token })).toEqual([]);
  });

  it("gives the person's token first, also without a bot's", () => {
    const account = { id: 'T1', name: 'Acme', kind: 'workspace' };
    const authed_user = { id: 'U1', access_token: 'xoxp-1', scope: 'search:read' };
    const person = { account, userId: 'U1', token: { accessToken: 'xoxp-1', refreshToken: undefined } };
    const bot = { account, token: { accessToken: 'xoxb-1', refreshToken: undefined } };

    expect(grantsIn({ ...granted, authed_user })).toEqual([person, bot]);
    expect(grantsIn({ ...granted, access_token: null, authed_user })).toEqual([person]);
  });
});

describe('plainCode', () => {
  it.each(['invalid_code', 'access_denied', 'oauth_authorization_url_mismatch', 'x9', 'a'.repeat(64)])(
    'repeats %s',
    (code) => {
      expect(plainCode(code)).toBe(code);
    },
  );

  it('repeats nothing but words', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('a'.repeat(65), 'A', 'a b', 'a\n', 'xoxb-1')),
        (code) => {
          fc.pre(!/^[a-z0-9_]{1,64}$/.test(code) || code.endsWith('\n'));

          expect(plainCode(code)).toBe('unknown_error');
        },
      ),
    );
  });
});
