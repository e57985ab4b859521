// One figure of a budget: what was measured, what it may be, and the fixture that hands it to the table.

import { test as stage } from '../harness/stage.ts';

export interface Figure {
  what: string;
  figure: number;
  unit: string;
  reach_max: number;
  /** How it came about: runs, spread, what else was seen. */
  note: string;
}

/** As annotations of the test, figures reach the reporter. */
export const FIGURE = 'figure';

/** In seconds rather than minutes, to see that everything can be measured. */
export const QUICK = process.env['DOORBOOK_QUICK'] === '1';

export const test = stage.extend<{ measured: (figure: Figure) => void }>({
  measured: async ({}, use, info) => {
    await use((figure) =>
      info.annotations.push({ type: FIGURE, description: JSON.stringify(figure) }),
    );
  },
});

export const met = ({ figure, reach_max }: Figure): boolean => figure <= reach_max;

/** `share` 0.5 is the middle, 1 the largest. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const found = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  if (found === undefined) throw new Error('nothing was measured');
  return found;
}
