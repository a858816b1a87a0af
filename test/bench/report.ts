export interface Table {
  readonly title: string;
  /** The first column names what was measured. */
  readonly rows: readonly Readonly<Record<string, string | number>>[];
  readonly notes?: readonly string[];
}

/** Columns that say what a measured number should be, and whether it is. */
interface Verdict {
  readonly goal: string;
  readonly reached: 'yes' | 'no' | '';
}

export function atMost(goal: number, measured: number): Verdict {
  return { goal: `<= ${goal}`, reached: measured <= goal ? 'yes' : 'no' };
}

export function atLeast(goal: number, measured: number): Verdict {
  return { goal: `>= ${goal}`, reached: measured >= goal ? 'yes' : 'no' };
}

/** Two numbers that go together, such as writes and reads. */
export function both(first: Verdict, second: Verdict): Verdict {
  const reached = first.reached === 'yes' && second.reached === 'yes' ? 'yes' : 'no';
  return { goal: `${first.goal}, ${second.goal}`, reached };
}

/** Measured for the record only. */
export const noGoal: Verdict = { goal: '', reached: '' };

export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5);
}

/** The number below which that part of them lies, between neighbours in proportion. */
export function quantile(numbers: readonly number[], part: number): number {
  const sorted = numbers.toSorted((left, right) => left - right);
  const position = part * (sorted.length - 1);
  const [low = Number.NaN, high = low] = sorted.slice(Math.floor(position), Math.floor(position) + 2);
  return low + (high - low) * (position % 1);
}

export function rounded(value: number, digits = 0): number {
  return Number(value.toFixed(digits));
}

export function print({ title, rows, notes = [] }: Table): void {
  console.log(`\n${title}`);
  console.table(rows);
  for (const note of notes) console.log(note);
}

/** Names of the rows whose goal was missed. */
export function missed({ rows }: Table): string[] {
  return rows.filter(({ reached }) => reached === 'no').map((row) => String(Object.values(row)[0]));
}
