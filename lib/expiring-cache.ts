const maxEntries = 1_000;

/**
 * Remembers what `load` gave for a key, for a bounded time and a bounded number of keys; one load at a time per key.
 * Failures and undefined are not remembered.
 */
export function expiringCache<Value>(
  options: { readonly milliseconds: number; now(): number },
  load: (key: string) => Promise<Value>,
): (key: string) => Promise<Value> {
  const entries = new Map<string, { value: Promise<Value>; until: number }>();
  return (key) => {
    const known = entries.get(key);
    if (known && known.until > options.now()) return known.value;
    const value = load(key);
    entries.delete(key);
    entries.set(key, { value, until: options.now() + options.milliseconds });
    const forget = () => {
      if (entries.get(key)?.value === value) entries.delete(key);
    };
    value.then((loaded) => loaded === undefined && forget(), forget);
    const oldest = entries.keys().next();
    if (entries.size > maxEntries && !oldest.done) entries.delete(oldest.value);
    return value;
  };
}
