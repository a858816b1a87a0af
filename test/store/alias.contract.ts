import { describe, expect, it } from 'vitest';
import { randomObjectId } from '../../lib/crypto.ts';
import { claimAlias, getAlias } from '../../lib/store/alias.ts';
import type { Database } from '../../lib/store/database.ts';
import { keyOf } from '../../lib/store/keys.ts';
import { builtAt } from '../support/builders.ts';

export function describeAliases(database: () => Database): void {
  describe('claimAlias', () => {
    function setup() {
      const key = keyOf.connectionAlias(randomObjectId(), 'acme');
      return {
        claim: (target: string, claimedAt = builtAt, mayTake = async () => false) =>
          claimAlias(database(), key, { target, claimedAt }, mayTake),
        held: () => getAlias(database(), key),
      };
    }

    it('gives one name to exactly one of 20 parallel claims for different targets', async () => {
      const { claim, held } = setup();
      const targets = Array.from({ length: 20 }, (_, index) => `target-${index}`);

      const results = await Promise.all(targets.map((target) => claim(target)));

      expect(results.filter(Boolean)).toHaveLength(1);
      expect((await held())?.target).toBe(targets[results.indexOf(true)]);
    });

    it('gives one abandoned name to exactly one of 20 parallel claims for different targets', async () => {
      const { claim, held } = setup();
      await claim('abandoned');
      const targets = Array.from({ length: 20 }, (_, index) => `target-${index}`);
      const onlyAbandoned = async () => (await held())?.target === 'abandoned';

      const results = await Promise.all(targets.map((target) => claim(target, builtAt, onlyAbandoned)));

      expect(results.filter(Boolean)).toHaveLength(1);
      expect((await held())?.target).toBe(targets[results.indexOf(true)]);
    });

    it('gives a name to all of 20 parallel claims for one target', async () => {
      const { claim } = setup();

      const results = await Promise.all(Array.from({ length: 20 }, () => claim('target')));

      expect(results).toEqual(Array.from({ length: 20 }, () => true));
    });

    it('asks about a name that stands for something else before it takes it', async () => {
      const { claim, held } = setup();
      await claim('target-1');

      const refused = await claim('target-2', builtAt + 1, async () => false);
      const unchanged = await held();
      const taken = await claim('target-2', builtAt + 1, async () => true);

      expect([refused, unchanged?.target, taken]).toEqual([false, 'target-1', true]);
      expect(await held()).toEqual({ target: 'target-2', claimedAt: builtAt + 1 });
    });

    it('does not take a name whose holder claims it anew meanwhile', async () => {
      const { claim, held } = setup();
      await claim('target-1');

      const taken = await claim('target-2', builtAt + 2, async () => claim('target-1', builtAt + 1));

      expect(taken).toBe(false);
      expect(await held()).toEqual({ target: 'target-1', claimedAt: builtAt + 1 });
    });
  });
}
