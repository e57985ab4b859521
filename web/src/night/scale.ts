// The scale of the slider: from when to when the evening is, where the marks of its hours stand, and where a bar
// of arrivals is drawn. Pure.

import { aheadMs } from '../time/zone';

export interface Span {
  /** ms since 1970 */
  from: number;
  to: number;
}

interface Counted {
  start: string;
  total: number;
}

export interface Bar {
  /** 0 to 1 along the slider, from its start. */
  from: number;
  to: number;
  /** 0 to 1 of the fullest. */
  height: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Arrivals apart by more than this are of two days. */
const APART_MS = 12 * HOUR_MS;
/** Whose share of the arrivals is smaller was a test of the scanners, or a straggler. */
const SHARE_MIN = 0.02;
/** How long after the last arrivals somebody may leave and still belong to the evening. */
const LEAVING_MS = 24 * HOUR_MS;
/** Shorter, time is no scale. */
const SPAN_MS_MIN = 10_000;

const STEPS_MS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080].map(
  (minutes) => minutes * MINUTE_MS,
);

/**
 * From the first arrivals to the last scan. A gathering's log begins with its creation, perhaps weeks before,
 * and may end with an erasure months after: drawn in full, the evening would be a line.
 */
export function eveningOf(
  buckets: readonly Counted[],
  bucketMs: number,
  lastScan: number | null,
): Span | null {
  const clusters: { from: number; to: number; total: number }[] = [];
  for (const { start, total } of buckets) {
    if (total === 0) continue;
    const from = Date.parse(start);
    const to = from + bucketMs;
    const last = clusters.at(-1);
    if (last && from - last.to <= APART_MS) {
      last.to = to;
      last.total += total;
    } else clusters.push({ from, to, total });
  }
  const all = clusters.reduce((sum, { total }) => sum + total, 0);
  const kept = clusters.filter(({ total }) => total >= all * SHARE_MIN);
  const [first, last] = [kept[0], kept.at(-1)];
  if (!first || !last) return null;
  const isLeaving = lastScan !== null && lastScan < last.to + LEAVING_MS;
  // The last bucket is full only where somebody still came or went at its end.
  const end = lastScan === null ? last.to : isLeaving ? lastScan : last.to;
  return end - first.from >= SPAN_MS_MIN ? { from: first.from, to: end } : null;
}

/** Whole minutes for a bucket, so that about `bars` of them fill the span. */
export function bucketSeconds({ from, to }: Span, bars: number): number {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440, 10_080];
  const fit = steps.find((minutes) => (to - from) / (minutes * MINUTE_MS) <= bars);
  return (fit ?? 10_080) * 60;
}

/** Moments for marks, at whole hours or minutes of the zone, at most `most` of them. */
export function marksOf({ from, to }: Span, zone: string, most: number): number[] {
  const step = STEPS_MS.find((ms) => (to - from) / ms <= most);
  if (step === undefined) return [];
  const marks: number[] = [];
  let at = aligned(from, step, zone);
  while (at <= to) {
    marks.push(at);
    at = aligned(at + 1, step, zone);
  }
  return marks;
}

/** The first moment at or after `at` whose time of day is a multiple of the step. */
function aligned(at: number, step: number, zone: string): number {
  let mark = at;
  // Where the clocks change on the way, once more.
  for (let turn = 0; turn < 2; turn += 1) {
    const past = (mark + aheadMs(mark, zone)) % step;
    if (past === 0) break;
    mark += step - past;
  }
  return mark;
}

/** One bar for each bucket; `place` says where a moment is, 0 to 1. */
export function barsOf(
  buckets: readonly Counted[],
  bucketMs: number,
  place: (at: number) => number,
): Bar[] {
  const bars: Bar[] = [];
  const most = Math.max(1, ...buckets.map(({ total }) => total));
  for (const { start, total } of buckets) {
    const at = Date.parse(start);
    const [from, to] = [clamped(place(at)), clamped(place(at + bucketMs))];
    if (total > 0 && to > from) bars.push({ from, to, height: total / most });
  }
  return bars;
}

export function clamped(share: number): number {
  return Math.min(1, Math.max(0, share));
}
