import { describe, expect, it } from 'vitest';
import { COLOURS, stacksOf, topsOf } from './stacks';

const START = Date.parse('2026-05-01T19:00:00Z');
const at = (minutes: number) => new Date(START + minutes * 60_000).toISOString();

const arrivals = (gates: (string | null)[], buckets: [number, number[]][]) => ({
  bucket_seconds: 300,
  gates,
  total: buckets.reduce((all, [, counts]) => all + counts.reduce((a, b) => a + b, 0), 0),
  buckets: buckets.map(([minutes, counts]) => ({
    start: at(minutes),
    counts,
    total: counts.reduce((a, b) => a + b, 0),
  })),
});

describe('the stacks of a chart', () => {
  it('have a place for each bucket, those without arrivals too', () => {
    const stacks = stacksOf(
      arrivals(
        ['north'],
        [
          [0, [3]],
          [15, [4]],
        ],
      ),
    );
    expect(stacks.starts.map((start) => (start - START) / 60_000)).toEqual([0, 5, 10, 15]);
    expect(stacks.series[0]?.counts).toEqual([3, 0, 0, 4]);
    expect(stacks.peak).toEqual({ at: START + 15 * 60_000, count: 4 });
    expect(stacks.total).toBe(7);
  });

  it('have the gates by name, and those without a gate last', () => {
    const stacks = stacksOf(arrivals([null, 'south', 'north'], [[0, [1, 2, 3]]]));
    expect(stacks.series.map(({ gate, total }) => [gate, total])).toEqual([
      ['north', 3],
      ['south', 2],
      [null, 1],
    ]);
  });

  it('put the least gates together where there are more than colours, and lose nobody', () => {
    const gates = Array.from({ length: 9 }, (_, n) => `gate ${n}`);
    const stacks = stacksOf(
      arrivals(gates, [
        [0, [9, 1, 8, 2, 7, 3, 6, 4, 5]],
        [5, Array(9).fill(1)],
      ]),
    );
    expect(stacks.series).toHaveLength(COLOURS);
    expect(stacks.series.at(-1)).toMatchObject({ gates: 4, total: 1 + 2 + 3 + 4 + 4 });
    expect(stacks.series.reduce((all, { total }) => all + total, 0)).toBe(stacks.total);
  });

  it('stand on one another', () => {
    expect(topsOf([{ counts: [1, 2] }, { counts: [0, 5] }, { counts: [3, 1] }])).toEqual([
      [1, 2],
      [1, 7],
      [4, 8],
    ]);
  });

  it('are empty before anybody came', () => {
    expect(stacksOf(arrivals([], []))).toMatchObject({
      starts: [],
      series: [],
      peak: null,
      total: 0,
    });
  });

  it('leave gaps out rather than draw a million bars', () => {
    expect(
      stacksOf(
        arrivals(
          ['a'],
          [
            [0, [1]],
            [60 * 24 * 365, [1]],
          ],
        ),
      ).starts,
    ).toHaveLength(2);
  });
});
