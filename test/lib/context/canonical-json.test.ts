import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../../lib/context/canonical-json.ts';

describe('canonicalJson', () => {
  it.each<[string, unknown, string]>([
    ['sorts keys at every depth', { b: 1, a: { d: [], c: {} } }, '{"a":{"c":{},"d":[]},"b":1}'],
    ['keeps the order of arrays', [2, 'x', [1]], '[2,"x",[1]]'],
    ['sorts upper case before lower case', { a: 1, B: 2, _: 3 }, '{"B":2,"_":3,"a":1}'],
    ['escapes quotation marks and backslashes', 'say "a\\b"', '"say \\"a\\\\b\\""'],
    ['leaves newlines and other characters as they are', 'a\nb\t\u0000é\u2028', '"a\nb\t\u0000é\u2028"'],
    ['escapes keys as it escapes texts', { 'a"b': 1 }, '{"a\\"b":1}'],
    ['writes null, true and false', [null, true, false], '[null,true,false]'],
    ['writes whole numbers', [0, -1, 9007199254740991], '[0,-1,9007199254740991]'],
    ['writes negative zero without its sign', -0, '0'],
    ['writes numbers with a fraction of zero as whole ones', 1.0, '1'],
  ])('%s', (_, value, text) => {
    expect(canonicalJson(value)).toBe(text);
  });

  it.each<[string, unknown]>([
    ['a fraction', 1.5],
    ['a fraction deep inside', { a: [{ b: 1.5 }] }],
    ['no number', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['a number that is not exact', 2 ** 53],
    ['undefined', undefined],
    ['an undefined member', { a: undefined }],
    ['an undefined element', [undefined]],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a bigint', 1n],
  ])('has no form for %s', (_, value) => {
    expect(canonicalJson(value)).toBeUndefined();
  });

  it('does not depend on the order in which members were written', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.maxSafeInteger(), fc.boolean())), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());

        expect(canonicalJson(reversed)).toBe(canonicalJson(value));
      }),
    );
  });

  it('tells different texts and different objects apart', () => {
    const value = fc.jsonValue({ maxDepth: 2 }).filter((candidate) => canonicalJson(candidate) !== undefined);

    fc.assert(
      fc.property(value, value, (left, right) => {
        const equal = JSON.stringify(sorted(left)) === JSON.stringify(sorted(right));

        expect(canonicalJson(left) === canonicalJson(right)).toBe(equal);
      }),
      { numRuns: 500 },
    );
  });

  it('is JSON again when no text holds a control character', () => {
    const text = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) });

    fc.assert(
      fc.property(fc.dictionary(text, fc.oneof(text, fc.maxSafeInteger(), fc.array(text))), (value) => {
        expect(JSON.parse(canonicalJson(value) ?? '')).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return { members: members.map(([key, member]) => [key, sorted(member)]) };
}
