// The times of day of a gathering's zone as moments, and back: what somebody types as “21:40” and which moments
// of the evening that may be. The clocks of a zone go forward and back; every time of day may be there once,
// twice, or not at all.

import { aheadMs } from '../time/zone';

export interface Wall {
  year: number;
  /** 1 to 12 */
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

export interface Typed {
  hour: number;
  minute: number;
  second: number;
  /** Null: any day. */
  date: Pick<Wall, 'year' | 'month' | 'day'> | null;
}

export type Found =
  /** `isOneOfMany`: the same time of day is there again; typing it once more leads there. */
  | { kind: 'found'; at: number; isOneOfMany: boolean }
  /** The clocks went forward over it; `at` is the moment when they did. */
  | { kind: 'skipped'; at: number }
  | { kind: 'outside' }
  | { kind: 'no-time' };

const DAY_MS = 86_400_000;
/** Of a longer time only its first days are searched; a date before the time finds the others. */
const DAYS_MAX = 400;

const TYPED =
  /^(?:(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T]\s*))?(\d{1,2})(?:[:.h]?(\d{2}))(?:[:.](\d{2}))?\s*(am|pm|uhr)?$/i;

/** Reads “21:40”, “21.40”, “2140”, “9:40 pm”, “21:40:03”, each with or without “2026-05-01” before it. */
export function typedTime(text: string): Typed | null {
  const parts = TYPED.exec(text.trim());
  if (!parts) return null;
  const [year, month, day, hour = NaN, minute, second = 0] = parts
    .slice(1, 7)
    .map((part) => (part === undefined ? undefined : Number(part)));
  const half = parts[7]?.toLowerCase();
  const isHalf = half === 'am' || half === 'pm';
  if (minute === undefined || minute > 59 || second > 59) return null;
  if (isHalf ? hour < 1 || hour > 12 : hour > 24 || (hour === 24 && minute > 0)) return null;
  const date =
    year === undefined || month === undefined || day === undefined ? null : { year, month, day };
  if (date && !isDay(date)) return null;
  const of24 = isHalf ? (hour % 12) + (half === 'pm' ? 12 : 0) : hour % 24;
  return { hour: of24, minute, second, date };
}

/** The moment of an evening that is meant: the one nearest to `current`; when that is it, the next one. */
export function findTime(
  text: string,
  zone: string,
  evening: { from: number; to: number },
  current: number,
): Found {
  const typed = typedTime(text);
  if (!typed) return { kind: 'no-time' };
  const days = typed.date ? [typed.date] : daysOf(evening.from, evening.to, zone);
  const walls = days.map((day): Wall => ({ ...day, ...typed }));
  // A minute that has begun belongs to the evening.
  const isWithin = (at: number) => at > evening.from - 60_000 && at < evening.to + 60_000;
  const moments = walls.flatMap((wall) => momentsOf(wall, zone)).filter(isWithin);
  const here = moments.findIndex((at) => at === Math.floor(current / 1000) * 1000);
  const nearest = [...moments].sort((a, b) => Math.abs(a - current) - Math.abs(b - current))[0];
  const at = here < 0 ? nearest : moments[(here + 1) % moments.length];
  if (at !== undefined) return { kind: 'found', at, isOneOfMany: moments.length > 1 };
  const change = walls
    .filter((wall) => momentsOf(wall, zone).length === 0)
    .map((wall) => changeAt(wall, zone))
    .find(isWithin);
  return change === undefined ? { kind: 'outside' } : { kind: 'skipped', at: change };
}

/** The moments, none to two, at which the clocks of a zone show this, earliest first. */
export function momentsOf(wall: Wall, zone: string): number[] {
  const asUtc = utc(wall);
  const offsets = new Set([aheadMs(asUtc - DAY_MS, zone), aheadMs(asUtc + DAY_MS, zone)]);
  return [...offsets]
    .map((offset) => asUtc - offset)
    .filter((at) => at + aheadMs(at, zone) === asUtc)
    .sort((a, b) => a - b);
}

/** When the clocks went over a time of day that was not there. */
function changeAt(wall: Wall, zone: string): number {
  let [low, high] = [utc(wall) - DAY_MS, utc(wall) + DAY_MS];
  const before = aheadMs(low, zone);
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2000) * 1000;
    if (aheadMs(middle, zone) === before) low = middle;
    else high = middle;
  }
  return high;
}

/** The days of a zone that a time touches. */
function daysOf(from: number, to: number, zone: string): Pick<Wall, 'year' | 'month' | 'day'>[] {
  const first = Math.floor((from + aheadMs(from, zone)) / DAY_MS);
  const last = Math.floor((to + aheadMs(to, zone)) / DAY_MS);
  const all = Array.from({ length: Math.min(DAYS_MAX, last - first + 1) }, (_, place) => {
    const date = new Date((first + place) * DAY_MS);
    return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
  });
  return all;
}

function utc({ year, month, day, hour, minute, second }: Wall): number {
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

function isDay({ year, month, day }: Pick<Wall, 'year' | 'month' | 'day'>): boolean {
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}
