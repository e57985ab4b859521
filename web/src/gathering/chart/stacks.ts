// Arrivals by gate as what a chart of stacked bars needs. Pure; `plot.ts` draws it.

import type { Arrivals } from '../../api/client';

/** Gates that have a colour of their own; the least of the others share the last one. */
export const COLOURS = 6;
/** A bucket that nobody arrived in is a bar of no height; beyond this many the gaps are left out. */
const BUCKETS_MAX = 2000;

export interface GateSeries {
  /** Null: no gate was given. */
  gate: string | null;
  /** How many gates are in it; more than one in the last series only. */
  gates: number;
  total: number;
  /** One for each bucket. */
  counts: number[];
}

export interface Stacks {
  /** Starts of the buckets, ms since 1970. */
  starts: number[];
  bucketMs: number;
  /** By name, those without a gate after them, the rest last: at most `COLOURS`. */
  series: GateSeries[];
  total: number;
  /** The fullest bucket. */
  peak: { at: number; count: number } | null;
}

export function stacksOf(arrivals: Arrivals): Stacks {
  const bucketMs = arrivals.bucket_seconds * 1000;
  const counts = new Map(arrivals.buckets.map((bucket) => [Date.parse(bucket.start), bucket]));
  const starts = startsOf([...counts.keys()], bucketMs);
  const all = arrivals.gates.map((gate, place) => {
    const series = starts.map((start) => counts.get(start)?.counts[place] ?? 0);
    return { gate, gates: 1, counts: series, total: sum(series) };
  });
  const totals = starts.map((start) => counts.get(start)?.total ?? 0);
  const most = Math.max(0, ...totals);
  const peakAt = starts[totals.indexOf(most)];
  return {
    starts,
    bucketMs,
    series: folded(all),
    total: arrivals.total,
    peak: peakAt === undefined || most === 0 ? null : { at: peakAt, count: most },
  };
}

/** For each series the top of its bars: its own counts on those of the series before. */
export function topsOf(series: readonly Pick<GateSeries, 'counts'>[]): number[][] {
  let below: number[] = [];
  return series.map(({ counts }) => {
    below = counts.map((count, place) => count + (below[place] ?? 0));
    return below;
  });
}

function startsOf(known: number[], bucketMs: number): number[] {
  const [first, last] = [Math.min(...known), Math.max(...known)];
  if (known.length === 0) return [];
  const count = Math.round((last - first) / bucketMs) + 1;
  if (count > BUCKETS_MAX) return known.sort((a, b) => a - b);
  return Array.from({ length: count }, (_, place) => first + place * bucketMs);
}

function folded(all: GateSeries[]): GateSeries[] {
  const named = byName(all);
  if (named.length <= COLOURS) return named;
  const most = [...all].sort((a, b) => b.total - a.total);
  const own = byName(most.slice(0, COLOURS - 1));
  const rest = most.slice(COLOURS - 1);
  const counts = (rest[0]?.counts ?? []).map((_, place) =>
    sum(rest.map((series) => series.counts[place] ?? 0)),
  );
  return [...own, { gate: null, gates: rest.length, counts, total: sum(counts) }];
}

function byName(series: GateSeries[]): GateSeries[] {
  return [...series].sort((a, b) => {
    if (a.gate === null || b.gate === null)
      return Number(a.gate === null) - Number(b.gate === null);
    return a.gate.localeCompare(b.gate);
  });
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
