import { describe, expect, it } from 'vitest';
import type { MisbehaviourKind } from '../../../../infra/local/pretend-slack/misbehaviour.ts';
import { answerOf, app, setup } from './harness.ts';

async function setupExchange(rule: { kind: MisbehaviourKind; milliseconds?: number; error?: string }) {
  const context = await setup();
  const code = await context.getCode();
  context.slack.misbehave({ method: 'oauth.v2.access', times: 1, retryAfterSeconds: 7, ...rule });
  const { clientId: client_id, clientSecret: client_secret, redirectUris } = app;
  const body = new URLSearchParams({ client_id, client_secret, redirect_uri: redirectUris[0] ?? '', code });
  const send = () => fetch(`${context.slack.url}/api/oauth.v2.access`, { method: 'POST', body });
  return { ...context, code, send };
}

describe('misbehave', () => {
  it('slow: answers, but later', async () => {
    const { send, exchange, code } = await setupExchange({ kind: 'slow', milliseconds: 20 });

    const answer = await answerOf(await send());

    expect(answer.ok).toBe(true);
    expect((await exchange(code)).error).toBe('invalid_code');
  });

  it('slow: has done the work when the caller gives up, and does not hold up close', async () => {
    const { slack, exchange, code } = await setupExchange({ kind: 'slow', milliseconds: 3_600_000 });

    const late = exchange(code).catch(() => 'no answer');
    while (slack.count('oauth.v2.access') === 0) {
      await new Promise(setImmediate);
    }
    const again = await exchange(code);
    await slack.close();

    expect(again.error).toBe('invalid_code');
    expect(await late).toBe('no answer');
  });

  it('http_500: does nothing', async () => {
    const { send, exchange, code } = await setupExchange({ kind: 'http_500' });

    const response = await send();

    expect(response.status).toBe(500);
    expect((await exchange(code)).ok).toBe(true);
  });

  it('rate_limited: says when to come back, and does nothing', async () => {
    const { send, exchange, code } = await setupExchange({ kind: 'rate_limited' });

    const response = await send();

    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('7');
    expect(await response.json()).toEqual({ ok: false, error: 'ratelimited' });
    expect((await exchange(code)).ok).toBe(true);
  });

  it('drop_after: spends the code without an answer', async () => {
    const { send, exchange, code } = await setupExchange({ kind: 'drop_after' });

    await expect(send()).rejects.toThrow();

    expect((await exchange(code)).error).toBe('invalid_code');
  });

  it('drop_before: leaves the code alone', async () => {
    const { send, exchange, code } = await setupExchange({ kind: 'drop_before' });

    await expect(send()).rejects.toThrow();

    expect((await exchange(code)).ok).toBe(true);
  });

  it('malformed: spends the code and sends no valid JSON', async () => {
    const { send, exchange, code } = await setupExchange({ kind: 'malformed' });

    const response = await send();

    expect(response.status).toBe(200);
    await expect(response.json()).rejects.toThrow(SyntaxError);
    expect((await exchange(code)).error).toBe('invalid_code');
  });

  it('huge: sends 10 MB', async () => {
    const { send } = await setupExchange({ kind: 'huge' });

    const text = await (await send()).text();

    expect(text.length).toBeGreaterThan(10 * 1024 * 1024);
    expect(JSON.parse(text).ok).toBe(true);
  });

  it('html: sends a page with 200', async () => {
    const { send } = await setupExchange({ kind: 'html' });

    const response = await send();

    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/html');
  });

  it('ok_false: sends the error of the rule', async () => {
    const { send, exchange, code } = await setupExchange({ kind: 'ok_false', error: 'fatal_error' });

    const answer = await answerOf(await send());

    expect(answer).toEqual({ ok: false, error: 'fatal_error' });
    expect((await exchange(code)).ok).toBe(true);
  });

  it('goes on until cleared, for every method, unless told otherwise', async () => {
    const { slack, call } = await setup();

    slack.misbehave({ kind: 'ok_false' });
    const spoiled = [await call('auth.test'), await call('auth.revoke'), await call('auth.test')];
    slack.behave();
    const good = await call('auth.test');

    expect(spoiled.map((answer) => answer.error)).toEqual(Array(3).fill('internal_error'));
    expect(good.error).toBe('not_authed');
    expect(slack.count('auth.test')).toBe(3);
  });

  it('spoils only the method and the number of calls of a rule, and then the next rule', async () => {
    const { slack, call } = await setup();

    slack.misbehave({ kind: 'ok_false', method: 'auth.test', error: 'first', times: 1 });
    slack.misbehave({ kind: 'ok_false', method: 'auth.test', error: 'second', times: 1 });
    const other = await call('auth.revoke');
    const answers = [await call('auth.test'), await call('auth.test'), await call('auth.test')];

    expect(other.error).toBe('not_authed');
    expect(answers.map((answer) => answer.error)).toEqual(['first', 'second', 'not_authed']);
  });
});

describe('misbehaviour chosen on the consent page', () => {
  it('spoils the first exchange of that code only', async () => {
    const { slack, exchange, getCode, install } = await setup();
    const code = await getCode({}, { misbehave: 'rate_limited' });

    const other = await install();
    const spoiled = await exchange(code);
    const repeated = await exchange(code);

    expect(other.ok).toBe(true);
    expect(spoiled.error).toBe('ratelimited');
    expect(repeated.ok).toBe(true);
    expect(slack.count('oauth.v2.access')).toBe(3);
  });

  it('ignores a kind that does not exist', async () => {
    const { authorizeUrl, exchange } = await setup();
    const choice = { account: 'T0ACME0001', user: 'U0ANNACME0001', action: 'allow', misbehave: 'toString' };

    const body = new URLSearchParams(choice);
    const response = await fetch(authorizeUrl(), { method: 'POST', body, redirect: 'manual' });
    const code = new URL(response.headers.get('location') ?? '').searchParams.get('code') ?? '';

    expect((await exchange(code)).ok).toBe(true);
  });
});
