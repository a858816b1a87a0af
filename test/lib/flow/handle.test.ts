import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatHandle, hashSecret, newHandle, parseHandle } from '../../../lib/flow/handle.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const base64url = (array: Uint8Array) => Buffer.from(array).toString('base64url');
const handles = fc.record({ flowId: bytes(16).map(base64url), secret: bytes(32).map(base64url) });

describe('newHandle', () => {
  it('makes a 128-bit id and a 256-bit secret, new ones each time', () => {
    const many = Array.from({ length: 100 }, newHandle);

    for (const { flowId, secret } of many) {
      expect(Buffer.from(flowId, 'base64url')).toHaveLength(16);
      expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    }
    expect(new Set(many.flatMap(({ flowId, secret }) => [flowId, secret])).size).toBe(200);
  });
});

describe('parseHandle', () => {
  it('reads what formatHandle wrote', () => {
    fc.assert(
      fc.property(handles, (handle) => {
        expect(parseHandle(formatHandle(handle))).toEqual(handle);
      }),
    );
  });

  it('reads what survives in a URL unchanged', () => {
    fc.assert(
      fc.property(handles, (handle) => {
        expect(encodeURIComponent(formatHandle(handle))).toBe(formatHandle(handle));
      }),
    );
  });

  it('refuses a handle with any character put in anywhere', () => {
    const character = fc.oneof(
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
      fc.constantFrom('A', '.', '\n'),
    );

    fc.assert(
      fc.property(handles, fc.nat(66), character, (handle, place, inserted) => {
        const text = formatHandle(handle);

        expect(parseHandle(text.slice(0, place) + inserted + text.slice(place))).toBeUndefined();
        expect(parseHandle(text + inserted)).toBeUndefined();
        expect(parseHandle(inserted + text)).toBeUndefined();
      }),
    );
  });

  it('refuses a handle with any character taken out', () => {
    fc.assert(
      fc.property(handles, fc.nat(65), (handle, place) => {
        const text = formatHandle(handle);

        expect(parseHandle(text.slice(0, place) + text.slice(place + 1))).toBeUndefined();
      }),
    );
  });

  it('reads nothing else', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        fc.pre(!/^[\w-]{22}\.[\w-]{43}$/.test(text));

        expect(parseHandle(text)).toBeUndefined();
      }),
    );
  });
});

describe('hashSecret', () => {
  it('hides the secret and tells secrets apart', () => {
    const [one, other] = [newHandle().secret, newHandle().secret];

    expect(hashSecret(one)).toMatch(/^[0-9a-f]{64}$/);
    expect(hashSecret(one)).toBe(hashSecret(one));
    expect(hashSecret(one)).not.toBe(hashSecret(other));
  });
});
