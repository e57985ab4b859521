// Moments, durations and numbers as people read them: in the language that is on, in the zone of the
// gathering. Formatters are kept, since making one is slow.

import { i18n } from '../i18n/index.svelte';

const kept = new Map<string, Intl.DateTimeFormat>();
const numbers = new Map<string, Intl.NumberFormat>();

const SHAPES = {
  time: { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' },
  minute: { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  day: { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' },
  start: {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  },
  moment: {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  },
} satisfies Record<string, Intl.DateTimeFormatOptions>;

export type Shape = keyof typeof SHAPES;

/** A moment, RFC 3339 or ms since 1970. `zone`: an IANA name; without it the device's own. */
export function format(moment: string | number, shape: Shape, zone?: string): string {
  const at = typeof moment === 'number' ? moment : Date.parse(moment);
  if (Number.isNaN(at)) return '–';
  return formatter(shape, zone).format(at);
}

export const time = (moment: string | number, zone?: string) => format(moment, 'time', zone);
export const minute = (moment: string | number, zone?: string) => format(moment, 'minute', zone);
export const moment = (moment: string | number, zone?: string) => format(moment, 'moment', zone);
/** When something is planned for: day and minute. */
export const start = (moment: string | number, zone?: string) => format(moment, 'start', zone);
export const day = (moment: string | number, zone?: string) => format(moment, 'day', zone);

/** The time, and the day before it where that is not the day of `now`. */
export function recent(at: string | number, zone?: string, now: number = Date.now()): string {
  return day(at, zone) === day(now, zone) ? time(at, zone) : moment(at, zone);
}

/** 12,345 as the language writes it. */
export function number(value: number, digits = 0): string {
  const key = `${i18n.language} ${digits}`;
  let made = numbers.get(key);
  if (!made) {
    made = new Intl.NumberFormat(i18n.language, {
      maximumFractionDigits: digits,
      minimumFractionDigits: digits,
    });
    numbers.set(key, made);
  }
  return made.format(value);
}

/** Bytes as 1.2 MB. */
export function bytes(value: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;
  let scaled = value;
  let unit = 0;
  while (scaled >= 1000 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return new Intl.NumberFormat(i18n.language, {
    style: 'unit',
    unit: units[unit] ?? 'byte',
    unitDisplay: unit === 0 ? 'long' : 'short',
    maximumFractionDigits: scaled < 10 && unit > 0 ? 1 : 0,
  }).format(scaled);
}

/** Seconds as 1:02:03 or 2:03. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [
    Math.floor(whole / 3600),
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

function formatter(shape: Shape, zone: string | undefined): Intl.DateTimeFormat {
  const key = `${i18n.language} ${shape} ${zone ?? ''}`;
  let made = kept.get(key);
  if (!made) {
    const options = SHAPES[shape];
    try {
      made = new Intl.DateTimeFormat(
        i18n.language,
        zone ? { ...options, timeZone: zone } : options,
      );
    } catch {
      // A zone that this browser does not know: UTC, rather than the wrong place's time.
      made = new Intl.DateTimeFormat(i18n.language, { ...options, timeZone: 'UTC' });
    }
    kept.set(key, made);
  }
  return made;
}
