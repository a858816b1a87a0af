import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const rows = Array.from(
  read('docs/install-provider.md').matchAll(/^\| (?<behaviour>.+) \| `(?<file>test\/[^`]+)` \| (?<title>.+) \|$/gm),
  ({ groups = {} }) => [groups['file'] ?? '', groups['title'] ?? ''] as const,
);

function hasTest(file: string, title: string): boolean {
  return read(file).includes(`'${title}', `);
}

describe('the parity table of docs/install-provider.md', () => {
  it('is read as a whole', () => {
    const [, table = ''] = read('docs/install-provider.md').split('| behaviour | file | title |\n|---|---|---|\n');

    expect(rows.length).toBeGreaterThanOrEqual(20);
    expect(table.trimEnd().split('\n')).toHaveLength(rows.length);
  });

  it.each(rows)('names a test that %s has: %s', (file, title) => {
    expect(hasTest(file, title)).toBe(true);
    expect(hasTest(file, `${title}!`)).toBe(false);
  });
});
