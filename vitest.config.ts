import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // By default one CPU is left free, which on a machine of two makes the tests take twice as long.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
});
