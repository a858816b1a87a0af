import { describe, expect, it, vi } from 'vitest';
import { contoso } from '../../../../infra/local/pretend-microsoft/directory.ts';
import type { MisbehaviourRule } from '../../../../infra/local/pretend-microsoft/misbehaviour.ts';
import { app, setup, verifier } from './harness.ts';

/** A code, and its redemption going wrong once. */
async function setupRedemption(rule: MisbehaviourRule) {
  const context = await setup();
  const code = await context.getCode();
  context.microsoft.misbehave({ on: 'token', times: 1, retryAfterSeconds: 7, ...rule });
  const { clientId: client_id, clientSecret: client_secret = '', redirectUris } = app;
  const form = { client_id, client_secret, grant_type: 'authorization_code', code, code_verifier: verifier };
  const body = new URLSearchParams({ ...form, redirect_uri: redirectUris[0] ?? '' });
  const send = () => fetch(`${context.microsoft.url}/organizations/oauth2/v2.0/token`, { method: 'POST', body });
  return { ...context, code, send };
}

describe('misbehave', () => {
  it('slow: has done the work when the caller gives up, and does not hold up close', async () => {
    const { microsoft, redeem, code, send } = await setupRedemption({ kind: 'slow', milliseconds: 3_600_000 });

    const late = send().catch(() => 'no answer');
    while (microsoft.count('token') === 0) {
      await new Promise(setImmediate);
    }
    const again = await redeem(code);
    await microsoft.close();

    expect(again.error_codes).toEqual([54005]);
    expect(await late).toBe('no answer');
  });

  it('slow: answers, but later', async () => {
    const { send } = await setupRedemption({ kind: 'slow', milliseconds: 20 });

    const response = await send();

    expect(response.status).toBe(200);
  });

  it.each([
    ['http_503', 503, '7', [90033]],
    ['rate_limited', 429, '7', [90055]],
  ] as const)('%s: says when to come back, and does nothing', async (kind, status, retryAfter, codes) => {
    const { redeem, code, send } = await setupRedemption({ kind });

    const response = await send();

    expect(response.status).toBe(status);
    expect(response.headers.get('retry-after')).toBe(retryAfter);
    expect(await response.json()).toMatchObject({ error: 'temporarily_unavailable', error_codes: codes });
    expect((await redeem(code)).status).toBe(200);
  });

  it('http_500: does nothing', async () => {
    const { redeem, code, send } = await setupRedemption({ kind: 'http_500' });

    const response = await send();

    expect(response.status).toBe(500);
    expect((await redeem(code)).status).toBe(200);
  });

  it('drop_before: leaves the code alone', async () => {
    const { redeem, code, send } = await setupRedemption({ kind: 'drop_before' });

    await expect(send()).rejects.toThrow();

    expect((await redeem(code)).status).toBe(200);
  });

  it('drop_after: spends the code without an answer', async () => {
    const { redeem, code, send } = await setupRedemption({ kind: 'drop_after' });

    await expect(send()).rejects.toThrow();

    expect((await redeem(code)).error_codes).toEqual([54005]);
  });

  it('malformed: spends the code and sends no valid JSON', async () => {
    const { redeem, code, send } = await setupRedemption({ kind: 'malformed' });

    const response = await send();

    expect(response.status).toBe(200);
    await expect(response.json()).rejects.toThrow(SyntaxError);
    expect((await redeem(code)).error_codes).toEqual([54005]);
  });

  it('spoils keys, Graph and the consent page as told, until cleared', async () => {
    const { microsoft, consentUrl, graph } = await setup();
    microsoft.misbehave({ on: 'keys', kind: 'http_500' });
    microsoft.misbehave({ on: 'graph', kind: 'rate_limited' });
    microsoft.misbehave({ on: 'consent', kind: 'http_503' });
    const keys = () => fetch(`${microsoft.url}/common/discovery/v2.0/keys`);

    const spoiled = [
      (await keys()).status,
      (await graph('/organization', 'x')).status,
      (await fetch(consentUrl())).status,
    ];
    const throttled = await graph('/organization', 'x');
    microsoft.behave();
    const good = [
      (await keys()).status,
      (await graph('/organization', 'x')).status,
      (await fetch(consentUrl())).status,
    ];

    expect(spoiled).toEqual([500, 429, 503]);
    expect(throttled.error?.code).toBe('TooManyRequests');
    expect(good).toEqual([200, 401, 200]);
  });

  it('spoils only the grant type and the number of calls of a rule', async () => {
    const { microsoft, getCode, redeem, appToken } = await setup();
    microsoft.consent(contoso.id, app.clientId);
    microsoft.misbehave({ on: 'token', grantType: 'client_credentials', kind: 'http_503', times: 1 });

    const statuses = [(await redeem(await getCode())).status, (await appToken()).status, (await appToken()).status];

    expect(statuses).toEqual([200, 503, 200]);
  });
});

describe('misbehaviour chosen on a page', () => {
  it('spoils the token request that follows, once', async () => {
    const { microsoft, consentUrl, getCode, redeem, appToken } = await setup();
    await microsoft.approveConsent(consentUrl(), { misbehave: 'rate_limited' });
    const code = await getCode({ misbehave: 'http_503' });

    const statuses = [await redeem(code), await redeem(code), await appToken(), await appToken()].map(
      ({ status }) => status,
    );

    expect(statuses).toEqual([503, 200, 429, 200]);
  });

  it('is forgotten when the person cancels', async () => {
    const { microsoft, consentUrl, appToken } = await setup();
    microsoft.consent(contoso.id, app.clientId);
    await microsoft.approveConsent(consentUrl(), { action: 'cancel', misbehave: 'http_500' });

    const { status } = await appToken();

    expect(status).toBe(200);
  });

  it('ignores a kind that does not exist', async () => {
    const { authorizeUrl, redeem } = await setup();
    const body = new URLSearchParams({ action: 'sign_in', misbehave: 'toString', bad_id_token: 'constructor' });

    const response = await fetch(authorizeUrl(), { method: 'POST', body, redirect: 'manual' });
    const code = new URL(response.headers.get('location') ?? '').searchParams.get('code') ?? '';

    expect((await redeem(code)).status).toBe(200);
  });
});

describe('the server', () => {
  it('is silent, also about what breaks', async () => {
    const { microsoft, getCode, redeem } = await setup();
    const written = [
      ...(['log', 'info', 'warn', 'error', 'debug'] as const).map((level) => vi.spyOn(console, level)),
      ...[process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write')),
    ];

    await redeem(await getCode());
    const broken = fetch(`${microsoft.url}/%E0%A4%A/oauth2/v2.0/token`, { method: 'POST' });

    await expect(broken).rejects.toThrow();
    expect(written.flatMap((spy) => spy.mock.calls)).toEqual([]);
    vi.restoreAllMocks();
  });

  it('refuses a port that is taken', async () => {
    const { microsoft } = await setup();

    const second = setup({ port: Number(new URL(microsoft.url).port) });

    await expect(second).rejects.toThrow('EADDRINUSE');
  });
});
