import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Context,
  contextKeysOf,
  contextSetOf,
  parseContext,
  verifyContextHash,
} from '../../../lib/context/context.ts';
import { ChatConnectError } from '../../../lib/errors.ts';

const structureMessage =
  'Invalid context payload structure. Expected object with context types as keys and string IDs or {id, data} objects as values';

/** What a 422 would say. */
function messagesFor(value: unknown): string[] | undefined {
  try {
    parseContext(value);
    return undefined;
  } catch (error) {
    if (!(error instanceof ChatConnectError)) throw error;
    expect(error.status).toBe(422);
    return error.errors?.['general']?.messages;
  }
}

/** Data whose JSON has exactly so many bytes. */
function dataOf(bytes: number) {
  return { k: 'x'.repeat(bytes - '{"k":""}'.length) };
}

describe('parseContext', () => {
  it.each<[string, Context]>([
    ['an id', { tenant: 'acme' }],
    ['an id with data', { tenant: { id: 'acme', data: { plan: 'pro', seats: [1, { a: null }] } } }],
    ['an id in an object without data', { tenant: { id: 'acme' } }],
    ['five pairs', { a: '1', b: '2', c: '3', d: '4', e: '5' }],
    ['every character of the alphabet', { 'aZ0_-': 'bY9-_' }],
    ['a type and an id of 100 characters', { ['t'.repeat(100)]: 'i'.repeat(100) }],
    ['data of 64 KB', { tenant: { id: 'acme', data: dataOf(64 * 1024) } }],
    ['types that JavaScript knows', { constructor: 'a', toString: 'b' }],
  ])('accepts %s as it stands', (_, context) => {
    expect(parseContext(context)).toEqual(context);
  });

  it.each<[string, unknown]>([
    ['no pair', {}],
    ['null', null],
    ['a text', 'tenant:acme'],
    ['an array', ['acme']],
    ['an empty type', { '': 'acme' }],
    ['an empty id', { tenant: '' }],
    ['an id of 101 characters', { tenant: 'i'.repeat(101) }],
    ['a type of 101 characters', { ['t'.repeat(101)]: 'acme' }],
    ['a colon in an id', { tenant: 'a:b' }],
    ['a colon in a type', { 'a:b': 'acme' }],
    ['a newline at the end of an id', { tenant: 'acme\n' }],
    ['a letter outside the alphabet', { tenant: 'acmé' }],
    ['a space', { tenant: 'ac me' }],
    ['a number', { tenant: 5 }],
    ['an object without an id', { tenant: { data: {} } }],
    ['an object with something else', { tenant: { id: 'acme', name: 'Acme' } }],
    ['data that is no object', { tenant: { id: 'acme', data: 'pro' } }],
    ['data that is a list', { tenant: { id: 'acme', data: [] } }],
    ['one wrong pair among right ones', { tenant: 'acme', app: '' }],
  ])('refuses %s and says what it expects', (_, value) => {
    expect(messagesFor(value)).toEqual([structureMessage]);
  });

  it('counts the pairs that are too many', () => {
    const six = Object.fromEntries(Array.from({ length: 6 }, (_, index) => [`type-${index}`, 'id']));

    expect(messagesFor(six)).toEqual(['Too many contexts: 6 provided, maximum allowed is 5']);
  });

  it.each([
    ['one byte too much', dataOf(64 * 1024 + 1), 65],
    ['data whose characters are fewer than its bytes', { k: 'é'.repeat(33 * 1024) }, 67],
  ])('names the type that has %s', (_, data, kilobytes) => {
    expect(messagesFor({ app: 'jira', tenant: { id: 'acme', data } })).toEqual([
      `Context 'tenant' data is too large: ${kilobytes}KB exceeds 64KB limit`,
    ]);
  });
});

describe('a type named __proto__', () => {
  it('is refused instead of being left out', () => {
    expect(() => parseContext(JSON.parse('{"__proto__":"x","tenant":"acme"}'))).toThrow('Validation Error');
  });
});

describe('contextKeysOf', () => {
  it('gives none without a context', () => {
    expect(contextKeysOf(undefined)).toEqual([]);
  });

  it('gives sorted pairs, in which data plays no part', () => {
    const context = { tenant: { id: 'acme', data: { plan: 'pro' } }, app: 'jira' };

    expect(contextKeysOf(context)).toEqual(['app:jira', 'tenant:acme']);
  });

  it('does not depend on the order of the pairs, and tells different sets apart', () => {
    const word = fc.stringMatching(/^[a-zA-Z0-9_-]{1,8}$/).filter((text) => text !== '__proto__');
    const context = fc.dictionary(word, word, { minKeys: 1, maxKeys: 5 });

    fc.assert(
      fc.property(context, context, (left, right) => {
        const reversed = Object.fromEntries(Object.entries(left).reverse());
        const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
        const entries = (value: object) => Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));

        expect(contextKeysOf(parseContext(reversed))).toEqual(contextKeysOf(parseContext(left)));
        expect(same(contextKeysOf(left), contextKeysOf(right))).toBe(same(entries(left), entries(right)));
      }),
    );
  });
});

describe('contextSetOf', () => {
  it('gives a set in the order of the contract, whatever the order and number in which its keys came', () => {
    const keys = ['app2:x', 'App:x', 'app:x', 'app:X', 'app_x:1', 'b:1', 'app-x:1', 'app:x'];

    expect(contextSetOf(keys)).toEqual(['app_x:1', 'app-x:1', 'app:x', 'app:X', 'App:x', 'app2:x', 'b:1']);
    expect(contextSetOf([])).toEqual([]);
  });

  it('sorts every list of keys as localeCompare does', () => {
    const key = fc.stringMatching(/^[abABzZ019_-]{1,4}:[abABzZ019_-]{1,4}$/);

    fc.assert(
      fc.property(fc.uniqueArray(key, { maxLength: 6 }), (keys) => {
        expect(contextSetOf(keys)).toEqual(keys.toSorted((left, right) => left.localeCompare(right, 'en')));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('verifyContextHash', () => {
  const secret = 'sk_test_0123456789';
  const hash = '48f013423b43cfae42a6bc8e2f4be014eb39b05fe6fcfa63222030f9e7ab2a34';
  const wrongHash = 'Please provide a valid context HMAC hash';

  it.each<[string, Context]>([
    [hash, { tenant: 'acme' }],
    ['b5925e222741f1cbbb71f7becb79b82a0c7977fb1ac60277a08294768db14553', { app: 'jira', tenant: 'acme' }],
    ['b5925e222741f1cbbb71f7becb79b82a0c7977fb1ac60277a08294768db14553', { tenant: 'acme', app: 'jira' }],
    [
      '9e767da7e4f46a85da8a15bc8910813d9b289c5af4e8a99261e1b91d7785921c',
      { t: { id: 'a', data: { n: 1, b: true, z: null, arr: [2, 'x'] } } },
    ],
  ])('accepts %s for %j', (contextHash, context) => {
    expect(() => verifyContextHash(parseContext(context), contextHash, secret)).not.toThrow();
  });

  it.each<[string, Context | undefined, string | undefined, string]>([
    ['no context', undefined, hash, 'A context is required when HMAC validation is enabled.'],
    ['no hash', { tenant: 'acme' }, undefined, 'A valid contextHash is required when HMAC validation is enabled.'],
    ['an empty hash', { tenant: 'acme' }, '', 'A valid contextHash is required when HMAC validation is enabled.'],
    ['the hash of another context', { tenant: 'other' }, hash, wrongHash],
    ['the same context in its other form', { tenant: { id: 'acme' } }, hash, wrongHash],
    ['the hash in upper case', { tenant: 'acme' }, hash.toUpperCase(), wrongHash],
    ['a hash that was cut off', { tenant: 'acme' }, hash.slice(0, -1), wrongHash],
    ['a context without canonical form', { tenant: { id: 'acme', data: { n: 1.5 } } }, hash, wrongHash],
  ])('refuses %s', (_, context, contextHash, message) => {
    expect(() => verifyContextHash(context, contextHash, secret)).toThrow(
      expect.objectContaining({ code: 'context_hash_invalid', status: 400, message }),
    );
  });

  it('refuses a hash under another secret', () => {
    expect(() => verifyContextHash({ tenant: 'acme' }, hash, `${secret}0`)).toThrow(wrongHash);
  });
});
