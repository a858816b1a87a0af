import { beforeAll, describe, expect, it } from 'vitest';
import { KeyUnwrapError, type KeyWrapper } from '../../lib/vault/key-wrapper.ts';

export interface KeyWrapperImplementation {
  readonly wrapper: KeyWrapper;
  /** Of the same kind, with another key. */
  readonly otherWrapper: KeyWrapper;
}

/** What every KeyWrapper does. */
export function describeKeyWrapper(name: string, setup: () => Promise<KeyWrapperImplementation>): void {
  describe(`the KeyWrapper contract, kept by ${name}`, () => {
    let implementation: KeyWrapperImplementation;

    beforeAll(async () => {
      implementation = await setup();
    });

    it('makes 256-bit keys, a new one each time', async () => {
      const { wrapper } = implementation;

      const one = await wrapper.generateDataKey('env-1');
      const other = await wrapper.generateDataKey('env-1');

      expect(one.plaintext).toHaveLength(32);
      expect(other.plaintext).not.toEqual(one.plaintext);
      expect(other.wrapped).not.toBe(one.wrapped);
    });

    it('gives back the key that it wrapped', async () => {
      const { wrapper } = implementation;
      const { plaintext, wrapped } = await wrapper.generateDataKey('env-1');

      const unwrapped = await wrapper.unwrapDataKey('env-1', wrapped);

      expect(Buffer.from(unwrapped)).toEqual(Buffer.from(plaintext));
    });

    it('does not show the key in what it wrapped', async () => {
      const { plaintext, wrapped } = await implementation.wrapper.generateDataKey('env-1');

      const decodings = [...wrapped.split('.'), wrapped].map((part) => Buffer.from(part, 'base64'));

      for (const decoded of decodings) expect(decoded.includes(Buffer.from(plaintext))).toBe(false);
    });

    it('does not unwrap the key of another environment', async () => {
      const { wrapper } = implementation;
      const { wrapped } = await wrapper.generateDataKey('env-1');

      const refused = wrapper.unwrapDataKey('env-2', wrapped);

      await expect(refused).rejects.toThrow(KeyUnwrapError);
    });

    it('does not unwrap what another key wrapped', async () => {
      const { wrapper, otherWrapper } = implementation;
      const { wrapped } = await otherWrapper.generateDataKey('env-1');

      const refused = await wrapper.unwrapDataKey('env-1', wrapped).catch((error: unknown) => error);

      expect(refused).toBeInstanceOf(KeyUnwrapError);
      expect((refused as Error).cause).toBeInstanceOf(Error);
    });

    it('does not unwrap what was changed in any place', async () => {
      const { wrapper } = implementation;
      const { wrapped } = await wrapper.generateDataKey('env-1');
      const places = Array.from({ length: 8 }, (_, index) => Math.floor((index * (wrapped.length - 4)) / 8));

      for (const place of places) {
        const character = wrapped[place] === 'A' ? 'B' : 'A';
        const changed = wrapped.slice(0, place) + character + wrapped.slice(place + 1);

        await expect(wrapper.unwrapDataKey('env-1', changed)).rejects.toThrow(KeyUnwrapError);
      }
    });

    it.each(['', 'nonsense', 'a.b.c.d.e', 'eyJhbGciOiJub25lIn0..AAAA.AAAA.AAAA'])(
      'does not unwrap "%s"',
      async (wrapped) => {
        const refused = implementation.wrapper.unwrapDataKey('env-1', wrapped);

        await expect(refused).rejects.toThrow(KeyUnwrapError);
      },
    );
  });
}
